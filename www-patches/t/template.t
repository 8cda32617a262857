#!/usr/bin/perl

# The wrapper of the page of the web interface: one script more, everything else as the original gives it.
#
# How the page is made is PVE::Service::pveproxy::get_index of pve-manager: Template->new({ ABSOLUTE => 1 }), the
# variables below, an error is the answer.

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use Template;
use Test::More;

my $dir = tempdir(CLEANUP => 1);
my $here = "$FindBin::Bin/..";
system("$here/build", $dir) == 0 or BAIL_OUT('build failed');
my $wrapper = "$dir/usr/share/pve-manager/index.html.tpl";
my $original = "$dir/index.html.tpl.distrib";

my $ANCHOR = '<script type="text/javascript" src="/pve2/js/pvemanagerlib.js?ver=[% version %]"></script>';
my $PAGE = <<"HTML";
<!DOCTYPE html>
<html>
  <head>
    <title>[% nodename %]</title>
    [%- IF debug %]
    <script src="/pve2/ext6/ext-all-debug.js"></script>
    [%- END %]
    $ANCHOR
    <script>Ext.onReady(function() { let price = '\$1'; });</script>
  </head>
</html>
HTML

sub file_write {
    my ($path, $text) = @_;
    open(my $handle, '>', $path) or die "$path: $!";
    print {$handle} $text;
    close($handle) or die "$path: $!";
    return;
}

sub page {
    my ($path, %more) = @_;
    my $template = Template->new({ ABSOLUTE => 1 });
    my $variables = { nodename => 'pve1', version => '9.2.11', debug => 0, lang => 'en', %more };
    my $page = '';
    return $template->process($path, $variables, \$page) ? $page : 'ERROR: ' . $template->error();
}

sub wrapped {
    my (%more) = @_;
    my %paths = (proxmox_firewall_page => $original, proxmox_firewall_off => "$dir/no-www");
    return page($wrapper, %paths, %more);
}

# The script's tag, and the page without it.
sub split_tag {
    my ($page) = @_;
    my ($tag) = $page =~ m{(\n    <script[^>]*proxmox-firewall\.js[^>]*></script>)};
    return ($tag, defined($tag) ? $page =~ s/\Q$tag\E//r : $page);
}

file_write($original, $PAGE);

for my $debug (0, 1) {
    my $expected = page($original, debug => $debug);
    my ($tag, $rest) = split_tag(wrapped(debug => $debug));
    like($tag, qr{src="/pve2/js/proxmox-firewall\.js\?ver=[0-9a-f]{12}"}, "debug $debug: the script, with a hash in its address");
    is($rest, $expected, "debug $debug: everything else as it was");
}
like(
    wrapped(),
    qr{pvemanagerlib\.js\?ver=9\.2\.11"></script>\n\s+<script[^>]*proxmox-firewall\.js}s,
    'it comes right behind the script whose classes it overrides',
);
my ($hash) = wrapped() =~ m/proxmox-firewall\.js\?ver=(\w+)/;
like(`sha256sum '$dir/usr/share/pve-manager/js/proxmox-firewall.js'`, qr/^\Q$hash\E/, 'the hash is that of the script');

file_write("$dir/no-www", '');
is(wrapped(), page($original), 'switched off: the page as it was');
unlink("$dir/no-www");
isnt(wrapped(), page($original), 'switched on again');

# Upgrades of pve-manager: what we look for may be gone, or stand otherwise.
file_write($original, $PAGE =~ s/pvemanagerlib/another/r);
is(wrapped(), page($original), 'without the script that ours needs the page is as it was');
file_write($original, $PAGE =~ s/\Q$ANCHOR\E/<script async src='\/pve2\/js\/pvemanagerlib.js'><\/script>/r);
ok(split_tag(wrapped()), 'attributes do not matter');
file_write($original, "[% THROW broken 'by itself' %]");
like(wrapped(), qr/^ERROR: broken error - by itself/, 'an error of the original is its own');
unlink($original);
like(wrapped(), qr/^ERROR: file error - \Q$original\E: not found/, 'a missing original is named');

done_testing();
