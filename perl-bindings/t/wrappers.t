#!/usr/bin/perl

# The wrappers over stand-ins for what they divert: as they are, altered, broken, missing; with the hooks on and off, and
# without our modules. And the command that looks after them.

use strict;
use warnings;

use Digest::SHA;
use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use Test::More;

use Tree;

my $LIB = "$FindBin::Bin/../lib";
my $COMMAND = "$FindBin::Bin/../bin/proxmox-firewall-hooks";
my @FILES = Tree->files();

# A process of its own, in taint mode as PVE's daemons: exit code, output with errors.
sub perl {
    my ($tree, $code, @libraries) = @_;
    @libraries = ($LIB) if !@libraries;
    my @include = map { "-I$_" } $tree->{path}, @libraries, "$FindBin::Bin/lib";
    my $child = open(my $output, '-|') // die "fork: $!";
    if ($child == 0) {
        open(STDERR, '>&', \*STDOUT);
        exec($^X, '-T', @include, '-e', $code) or die "exec: $!";
    }
    my $text = do { local $/ = undef; <$output> };
    close($output);
    return ($? >> 8, $text // '');
}

my $IS_HOOKED = 'print PVE::Firewall::Nft::Hook->can("install") ? " hooked" : " plain";';

subtest 'each file alone' => sub {
    my $tree = Tree->new();
    for my $file (@FILES) {
        my $package = $file =~ s/\.pm$//r =~ s{/}{::}gr;
        my ($status, $text) = perl($tree, "use $package; print '$file ', \$INC{'$file.distrib'}; $IS_HOOKED");
        is_deeply([$status, $text], [0, "$file $tree->{path}/$file.distrib hooked"], $file);
    }
};

subtest 'all at once, in any order' => sub {
    my $tree = Tree->new();
    for my $order ([@FILES], [reverse(@FILES)]) {
        my $require = join(' ', map { "require '$_';" } $order->@*);
        my ($status, $text) = perl($tree, "$require print 'good'");
        is_deeply([$status, $text], [0, 'good']);
    }
};

subtest 'switched off' => sub {
    my $folder = File::Temp->newdir();
    my $tree = Tree->new(off => "$folder/off");
    my ($status, $text) = perl($tree, "use PVE::Firewall; $IS_HOOKED");
    is_deeply([$status, $text], [0, ' hooked'], 'on');
    open(my $file, '>', "$folder/off") or die $!;
    for my $wrapped (@FILES) {
        ($status, $text) = perl($tree, "require '$wrapped'; $IS_HOOKED");
        is_deeply([$status, $text], [0, ' plain'], "$wrapped: off");
    }
};

subtest 'without our modules' => sub {
    my $tree = Tree->new();
    for my $file (@FILES) {
        my ($status, $text) = perl($tree, "require '$file'; print 'goes on'", '/nonexistent');
        is($status, 0, $file);
        like($text, qr{^firewall: no hook in \Q$file\E: Can't locate PVE/Firewall/Nft/Hook\.pm.*goes on\z}ms);
    }
};

subtest 'with modules of ours that are broken' => sub {
    my $tree = Tree->new();
    my $broken = File::Temp->newdir();
    mkdir("$broken/$_") or die $! for 'PVE', 'PVE/Firewall', 'PVE/Firewall/Nft';
    my ($status, $text);
    for my $code ('package PVE::Firewall::Nft::Hook; syntax error here', 'die { an => "object" };', '0;') {
        open(my $file, '>', "$broken/PVE/Firewall/Nft/Hook.pm") or die $!;
        print $file $code;
        close($file);
        ($status, $text) = perl($tree, 'require PVE::LXC; print defined(&PVE::LXC::net_tap_plug) ? "goes on" : "?"', "$broken");
        is($status, 0, $code);
        like($text, qr/goes on\z/);
    }
};

subtest 'altered originals' => sub {
    my %gone = (
        'PVE/Firewall.pm' => [sub { s/save_vmfw_conf/store_vmfw_conf/g }, 'there is no function PVE::Firewall::save_vmfw_conf'],
        'PVE/API2/Firewall/Host.pm' => [sub { s/name => 'index'/name => 'list'/ }, 'PVE::API2::Firewall::Host has no index'],
        'PVE/Service/pve_firewall.pm' => [sub { s/'simulate', \{\}?/'imitate', {/; s/^    'simulate',$/    'imitate',/m }, 'PVE::Service::pve_firewall has no method simulate'],
        'PVE/QemuServer/Network.pm' => [sub { s/sub tap_plug/sub tap_join/ }, 'there is no function PVE::QemuServer::Network::tap_plug'],
        'PVE/LXC.pm' => [sub { s/sub net_tap_plug/sub plug/ }, 'there is no function PVE::LXC::net_tap_plug'],
    );
    for my $file (sort keys %gone) {
        my ($change, $missing) = $gone{$file}->@*;
        my $tree = Tree->new(alter => { $file => $change });
        my ($status, $text) = perl($tree, "require '$file'; print 'goes on'");
        is($status, 0, $file);
        like($text, qr/^WARN: firewall: \Q$file\E is not as it was when this package was made: \Q$missing\E$/m);
        like($text, qr/goes on\z/);
    }
    my $more = Tree->new(alter => { 'PVE/LXC.pm' => sub { s/^1;$/sub newer { 'than ours' }\n1;/m } });
    my ($status, $text) = perl($more, 'require PVE::LXC; print PVE::LXC::newer()');
    is_deeply([$status, $text], [0, 'than ours'], 'an upgrade takes effect');
};

subtest 'originals that are broken or missing' => sub {
    for my $file (@FILES) {
        my $broken = Tree->new(alter => { $file => sub { $_ = "die qq{no luck\\n};" } });
        my ($status, $text) = perl($broken, "eval { require '$file'; 1 } or print 'as it is: ', \$@");
        like($text, qr/^as it is: no luck\n/, "$file: its error is not hidden");
        my $without = Tree->new(without => $file);
        ($status, $text) = perl($without, "eval { require '$file'; 1 } or print \$@");
        like($text, qr{^Can't locate \Q$file\E\.distrib in \@INC}, "$file: as if it were not installed");
    }
};

# The command.

my $TESTED = 'usr/share/perl5/PVE/Firewall/Nft/Hook/TESTED';

sub command {
    my ($root, @arguments) = @_;
    my @more = ('--no-reload', '--root', "$root");
    push @more, map { ('--include', $_) } "$root/usr/share/perl5", "$FindBin::Bin/lib";
    my $child = open(my $output, '-|') // die "fork: $!";
    if ($child == 0) {
        open(STDERR, '>&', \*STDOUT);
        exec($^X, '-T', $COMMAND, @arguments, @more) or die "exec: $!";
    }
    my $text = do { local $/ = undef; <$output> };
    close($output);
    return ($? >> 8, $text // '');
}

# A root with the package installed, and with a list of what was tested.
sub root {
    my (%how) = @_;
    my $root = File::Temp->newdir('proxmox-firewall-root-XXXXXX', TMPDIR => 1);
    my $tree = Tree->new(%how);
    system('mkdir', '-p', "$root/usr/share", "$root/etc") == 0 or die;
    system('cp', '-r', $tree->{path}, "$root/usr/share/perl5") == 0 or die;
    system('cp', '-r', "$LIB/PVE", "$root/usr/share/perl5") == 0 or die;
    open(my $file, '>', "$root/$TESTED") or die $!;
    print $file "# a comment\n";
    for my $original (@FILES) {
        my $sum = Digest::SHA->new(256)->addfile("$FindBin::Bin/originals/$original")->hexdigest;
        print $file "$sum $original 1.2-3~x\n";
    }
    close($file);
    return $root;
}

subtest 'proxmox-firewall-hooks: all is well' => sub {
    my $root = root();
    my ($status, $text) = command($root);
    is($status, 0) or diag($text);
    my $n_good = () = $text =~ m{^/usr/share/perl5/PVE/\S+: as in \S+ 1\.2-3~x, which was tested\n    loads with its hook$}mg;
    is($n_good, scalar(@FILES)) or diag($text);
    like($text, qr/^the hooks are on: .*does not exist$/m);
    is_deeply([command($root, 'off')], [0, "the hooks are off\n"]);
    ok(-e "$root/etc/proxmox-firewall/hooks-off");
    ($status, $text) = command($root);
    is($status, 0, 'off: what would be is tried all the same') or diag($text);
    like($text, qr/^the hooks are off: .*exists$/m);
    ($status, $text) = command($root, 'on');
    is($status, 0);
    ok(!-e "$root/etc/proxmox-firewall/hooks-off");
};

subtest 'proxmox-firewall-hooks: findings' => sub {
    my $newer = root(alter => { 'PVE/LXC.pm' => sub { s/^1;$/# newer\n1;/m } });
    my ($status, $text) = command($newer);
    is($status, 0, 'another version that fits is well');
    like($text, qr{PVE/LXC\.pm: another pve-container than was tested\n    loads with its hook}) or diag($text);

    my $unfit = root(alter => { 'PVE/LXC.pm' => sub { s/sub net_tap_plug/sub plug/ } });
    command($unfit, 'off');
    ($status, $text) = command($unfit, 'on');
    is($status, 1);
    like($text, qr/missing: there is no function PVE::LXC::net_tap_plug\n.*the hooks stay as they are/s) or diag($text);
    ok(-e "$unfit/etc/proxmox-firewall/hooks-off", 'it stays off');
    is((command($unfit, 'on', '--force'))[0], 0);
    ok(!-e "$unfit/etc/proxmox-firewall/hooks-off", 'unless somebody insists');
    is((command($unfit, 'on', '--or-off'))[0], 1);
    ok(-e "$unfit/etc/proxmox-firewall/hooks-off", 'for a package that is being installed: off');

    my $broken = root(alter => { 'PVE/Firewall.pm' => sub { s/^use strict;$/use strict; }/m } });
    ($status, $text) = command($broken);
    is($status, 1);
    like($text, qr{PVE/Firewall\.pm: another pve-firewall than was tested\n    does not load\n    Unmatched right curly}) or diag($text);

    my $without = root(without => 'PVE/LXC.pm');
    ($status, $text) = command($without);
    is($status, 0, 'a node without containers');
    like($text, qr{PVE/LXC\.pm: pve-container is not installed});

    system('mkdir', '-p', "$without/var/lib/dpkg") == 0 or die;
    open(my $packages, '>', "$without/var/lib/dpkg/status") or die $!;
    print $packages "Package: pve-container\nStatus: install ok installed\nVersion: 7\nMaintainer: x\nArchitecture: all\nDescription: x\n";
    close($packages);
    ($status, $text) = command($without);
    is($status, 1, 'an upgrade that took the file away');
    like($text, qr{PVE/LXC\.pm: pve-container has no such file}) or diag($text);

    my $foreign = root();
    system('cp', "$FindBin::Bin/originals/PVE/LXC.pm", "$foreign/usr/share/perl5/PVE/LXC.pm") == 0 or die;
    ($status, $text) = command($foreign);
    is($status, 1);
    like($text, qr{PVE/LXC\.pm: is not diverted});
};

subtest 'proxmox-firewall-hooks: usage' => sub {
    my $root = root();
    for (['twice'], ['on', 'off'], ['--unknown']) {
        my ($status, $text) = command($root, $_->@*);
        is($status, 2, "@$_");
        like($text, qr/^usage: /m);
    }
    is((command($root, '--help'))[0], 0);
    unlink("$root/$TESTED");
    my ($status, $text) = command($root);
    is($status, 2);
    like($text, qr{^proxmox-firewall-hooks: \S+/TESTED: No such file});
    is((command('/srv/$(reboot)'))[0], 2, 'a path is a path');
};

subtest 'the list of wrappers, that of hooks and that of what was tested are one' => sub {
    unshift @INC, $LIB;
    require PVE::Firewall::Nft::Hook;
    is_deeply([sort @FILES], [sort keys $PVE::Firewall::Nft::Hook::HOOKS->%*]);
    open(my $manifest, '<', "$FindBin::Bin/../wrappers/MANIFEST") or die $!;
    for (grep { !m/^#/ } <$manifest>) {
        my ($path, $wrapper, $package) = split(' ');
        is($path, "/usr/share/perl5/$wrapper");
        is($package, $PVE::Firewall::Nft::Hook::HOOKS->{$wrapper}->[0], $wrapper);
    }
    open(my $tested, '<', "$LIB/PVE/Firewall/Nft/Hook/TESTED") or die $!;
    my %n_of;
    for (grep { !m/^#/ } <$tested>) {
        like($_, qr{^[0-9a-f]{64} PVE/\S+ [0-9][0-9.~+-]*$});
        $n_of{ (split(' '))[1] }++;
    }
    is_deeply([sort keys %n_of], [sort @FILES], 'each file was tested');
};

done_testing();
