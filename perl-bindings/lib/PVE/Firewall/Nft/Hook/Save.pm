package PVE::Firewall::Nft::Hook::Save;

# A change that is saved on this node is enforced before the call that saved it returns, so that whoever clicked in the
# web UI sees rules that hold. The service would notice the file by itself; here somebody waits for it.
#
# It is asked when the outermost lock is free again: others may save meanwhile, and a slow kernel holds up nobody's lock.
# What is saved stays saved whatever the service says. Nothing is asked that would override somebody's hold.

use strict;
use warnings;

use PVE::Firewall::Nft;
use PVE::Firewall::Nft::Hook;
use PVE::Firewall::Nft::Report;

# pvedaemon has three workers; a service that is frozen must not hold them for long.
use constant APPLY_S => 10;

my @SAVES = map { "PVE::Firewall::save_${_}fw_conf" } qw(cluster host vm vnet);

# The first four call the last two; others call those themselves.
my @LOCKS = (
    (map { "PVE::Firewall::lock_${_}fw_conf" } qw(cluster host vm vnet)),
    (map { "PVE::Firewall::Helpers::lock_${_}fw_conf" } qw(vm vnet)),
);

my ($n_locks, $is_saved) = (0, 0);

sub install {
    my @missing = map { PVE::Firewall::Nft::Hook::wrap($_, \&save) } @SAVES;
    push @missing, map { PVE::Firewall::Nft::Hook::wrap($_, \&locked) } @LOCKS;
    push @missing, PVE::Firewall::Nft::Hook::wrap('PVE::Firewall::update', \&update);
    return @missing;
}

sub save {
    my ($original, @arguments) = @_;
    return PVE::Firewall::Nft::Hook::around(
        wantarray, $original, \@arguments,
        sub {
            my ($is_good) = @_;
            $is_saved = 1 if $is_good;
            enforce() if $n_locks == 0;
        },
    );
}

sub locked {
    my ($original, @arguments) = @_;
    $n_locks++;
    return PVE::Firewall::Nft::Hook::around(
        wantarray, $original, \@arguments,
        sub { enforce() if --$n_locks == 0 },
    );
}

# pve-firewall's daemon comes here every ten seconds. With the nftables firewall in charge it generates no rules; it
# tells the cluster how this node stands.
sub update {
    my ($original, @arguments) = @_;
    return PVE::Firewall::Nft::Hook::around(
        wantarray, $original, \@arguments,
        sub { PVE::Firewall::Nft::Report::broadcast() if -x $PVE::Firewall::Nft::Hook::PROGRAM },
    );
}

sub enforce {
    return if !$is_saved;
    $is_saved = 0;
    # The API saves as root; tests and other programs that save have no service.
    return if $> != 0 || !-x $PVE::Firewall::Nft::Hook::PROGRAM;
    take_charge() if -e PVE::Firewall::Nft::Hook::flag();
    return if !PVE::Firewall::Nft::Hook::in_charge();
    my $body = { automatic => JSON::true };
    my ($applied, $error) = PVE::Firewall::Nft::attempt('apply', body => $body, timeout => APPLY_S);
    return PVE::Firewall::Nft::Hook::complain("the change is saved, but not enforced: $error") if !$applied;
    PVE::Firewall::Nft::Report::broadcast();
    return;
}

# The nftables firewall was off and this save may have switched it on. pve-firewall would notice within ten seconds; its
# own `init` does the same now, and only that: its rules stay until its next round, so there is no time without any.
# Switching off is left to its round, which puts its rules in place right after it has taken ours away.
sub take_charge {
    my $cluster = PVE::Firewall::load_clusterfw_conf();
    my $host = PVE::Firewall::load_hostfw_conf($cluster);
    PVE::Firewall::init() if $cluster->{options}->{enable} && $host->{options}->{nftables};
    return;
}

1;
