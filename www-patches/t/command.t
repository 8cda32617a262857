#!/usr/bin/perl

# The command that says whether our part of the web interface fits, over roots that hold what it looks at.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $WWW = "$FindBin::Bin/..";
my $PAGE = '/usr/share/pve-manager/index.html.tpl';
my $LIBRARY = '/usr/share/pve-manager/js/pvemanagerlib.js';
my $TOOLKIT = '/usr/share/javascript/proxmox-widget-toolkit/proxmoxlib.js';

my $ORIGINAL = <<'HTML';
<head>
    <script src="/pve2/js/pvemanagerlib.js?ver=[% version %]"></script>
</head>
HTML

sub file_write {
    my ($path, $text) = @_;
    make_path($path =~ s{/[^/]*\z}{}r);
    open(my $handle, '>', $path) or die "$path: $!";
    print {$handle} $text;
    close($handle) or die "$path: $!";
    return;
}

sub defines {
    return join('', map { "Ext.define('$_', {});\n" } @_);
}

# A node that has everything.
sub root {
    my $root = tempdir(CLEANUP => 1);
    system("$WWW/build", $root) == 0 or BAIL_OUT('build failed');
    file_write("$root$PAGE.distrib", $ORIGINAL);
    my @manager = map { "PVE.$_" } qw(
        FirewallOptions FirewallRules SecurityGroupList StdWorkspace dc.Config lxc.Config node.Config panel.Config
        qemu.Config
    );
    my @toolkit = map { "Proxmox.$_" } qw(
        button.Button data.DiffStore data.ObjectStore data.UpdateStore form.KVComboBox grid.ObjectGrid window.Edit
    );
    file_write("$root$LIBRARY", defines(@manager));
    file_write("$root$TOOLKIT", defines(@toolkit));
    make_path("$root/etc");
    my $state = "Package: pve-manager\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: all\nVersion: 1\nDescription: -\n";
    file_write("$root/var/lib/dpkg/status", $state);
    return $root;
}

# Output and exit code.
sub run {
    my ($root, @arguments) = @_;
    my $text = `'$WWW/bin/proxmox-firewall-www' @arguments --root '$root' 2>&1`;
    return ($text, $? >> 8);
}

sub says {
    my ($root, $code, $wanted, $name) = @_;
    my ($text, $got) = run($root, 'status');
    is($got, $code, "$name: exit code");
    like($text, $wanted, $name);
    return;
}

my $root = root();
says($root, 0, qr/another one than was tested\nthe script is on/, 'all is well, but the page is a new one');
file_write("$root/usr/share/proxmox-firewall/www-tested", sha256_hex($ORIGINAL) . " 9.9.9\n");
says($root, 0, qr/as in pve-manager 9\.9\.9, which was tested/, 'a page that was tested');

my ($text, $code) = run($root, 'off');
is($code, 0, 'off');
ok(-e "$root/etc/proxmox-firewall/no-www", 'off: the file that the wrapper looks for');
($text, $code) = run($root, 'on');
is($code, 0, 'on');
ok(!-e "$root/etc/proxmox-firewall/no-www", 'on: it is gone');

file_write("$root$LIBRARY", defines('PVE.panel.Config'));
says($root, 1, qr/pvemanagerlib\.js: no class PVE\.node\.Config/, 'a class that was renamed');
run($root, 'off');
($text, $code) = run($root, 'on');
is($code, 1, 'on is refused then');
ok(-e "$root/etc/proxmox-firewall/no-www", 'and it stays off');
($text, $code) = run($root, 'on', '--force');
is($code, 0, 'unless it is forced');
($text, $code) = run($root, 'on', '--or-off');
is($code, 1, 'or it is to be off');
ok(-e "$root/etc/proxmox-firewall/no-www", 'and it is');

$root = root();
file_write("$root$PAGE.distrib", $ORIGINAL =~ s/pvemanagerlib/another/r);
says($root, 1, qr/the page is not as it should be: the script has no place in it/, 'a page without the script that ours needs');
file_write("$root$PAGE.distrib", "[% THROW broken 'by itself' %]");
says($root, 1, qr/the page is not as it should be: .*by itself/, 'a page that cannot be made');
file_write("$root$PAGE.distrib", "[% WHILE 1; END %]$ORIGINAL");
says($root, 1, qr/WHILE loop terminated|not made within/, 'a page that does not end');

$root = root();
unlink("$root$PAGE.distrib");
says($root, 1, qr/is not diverted/, 'no diversion');
file_write("$root/var/lib/dpkg/status", '');
says($root, 0, qr/pve-manager is not installed/, 'nothing to divert: a machine that is no node yet');
$root = root();
file_write("$root$PAGE", $ORIGINAL);
says($root, 1, qr/is not ours/, 'another page in our place');
$root = root();
unlink("$root/usr/share/pve-manager/js/proxmox-firewall.js", "$root$TOOLKIT");
says($root, 1, qr/proxmox-firewall\.js is missing\n.*proxmoxlib\.js: No such file/s, 'files that are missing');

($text, $code) = run($root, 'sing');
is($code, 2, 'another word is no use');

done_testing();
