package PVE::Firewall::Nft::Hook::Guest;

# Tells the service of a guest's interface before it joins its bridge, and waits until its rules are in the kernel.
#
# The guest starts whatever comes of it, and the task's log says what did. An interface that the kernel's rules do not
# know yet is dropped by them. `refuse_unprotected: 1` in the node's proxmox-firewall.cfg refuses to plug an interface with
# a firewall that the service does not vouch for: neither its rules are enforced, nor are its frames dropped.

use strict;
use warnings;

use PVE::Firewall::Nft;
use PVE::Firewall::Nft::Hook;

# The node's own settings: a link to its folder in the cluster file system.
our $SETTINGS = '/etc/pve/local/proxmox-firewall.cfg';

sub install_qemu {
    return PVE::Firewall::Nft::Hook::wrap('PVE::QemuServer::Network::tap_plug', \&tap_plug);
}

sub install_lxc {
    return PVE::Firewall::Nft::Hook::wrap('PVE::LXC::net_tap_plug', \&net_tap_plug);
}

# Called by pve-bridge, which QEMU waits for, and by pvedaemon for a running guest.
sub tap_plug {
    my ($original, @arguments) = @_;

    my ($iface, $bridge, $tag, $firewall) = @arguments;
    # Set for pve-bridge alone, by the task of an incoming migration.
    my $source = $ENV{PVE_MIGRATED_FROM};
    announce({
        iface => $iface,
        bridge => $bridge,
        vlan => $tag,
        firewall => $firewall,
        mac => sub { qemu_mac($_[0], $_[1], $source) },
        source_node => $source,
    });
    return $original->(@arguments);
}

# Called by lxcnetaddbr, which lxc-start waits for, and by pvedaemon for a running container.
sub net_tap_plug {
    my ($original, @arguments) = @_;

    my ($iface, $net) = @arguments;
    # With its link down it joins no bridge.
    if (ref($net) eq 'HASH' && !$net->{link_down}) {
        announce({
            iface => $iface,
            bridge => $net->{bridge},
            vlan => $net->{tag},
            firewall => $net->{firewall},
            mac => sub { $net->{hwaddr} },
        });
    }
    return $original->(@arguments);
}

# Dies only where an administrator wants that.
sub announce {
    my ($nic) = @_;

    my ($outcome, $error) = eval { told($nic) };
    $error = $@ if $@;
    return if !defined($outcome) && !defined($error);
    return if $outcome && $outcome->{enforced};
    my $what = "$nic->{iface} joins " . ($nic->{bridge} // 'its bridge');
    # So it is with interfaces that are plugged before the guest's configuration is written. Nothing passes meanwhile.
    if ($outcome && $outcome->{quarantined}) {
        return PVE::Firewall::Nft::Hook::note("$what; the kernel drops its frames until its rules are known");
    }
    my $why = defined($error) ? $error =~ s/\s+\z//r : reason($outcome);
    die "firewall: $what without protection, which refuse_unprotected forbids: $why\n"
        if $nic->{firewall} && is_refused();
    PVE::Firewall::Nft::Hook::complain("$what, but $why");
    return;
}

# What the service says of it; nothing where it has no say.
sub told {
    my ($nic) = @_;

    return if !PVE::Firewall::Nft::Hook::in_charge();
    my ($vmid, $number) = ($nic->{iface} // '') =~ m/^(?:tap|veth)([1-9][0-9]*)i([0-9]+)$/ or return;
    my $body = {
        event => 'plug',
        iface => $nic->{iface},
        bridge => usable($nic->{bridge}, qr/^[!-.0-~]{1,15}$/),
        vlan => usable($nic->{vlan}, qr/^[1-9][0-9]{0,3}$/),
        mac => usable(scalar(eval { $nic->{mac}->($vmid, $number) }), qr/^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/),
        source_node => usable($nic->{source_node}, qr/^[0-9A-Za-z.-]{1,64}$/),
    };
    return PVE::Firewall::Nft::attempt('guest_event', path => { vmid => $vmid }, body => $body);
}

# A value that the service would find wrong is left out: that the interface comes is what matters.
sub usable {
    my ($value, $form) = @_;
    return defined($value) && $value =~ $form ? "$value" : undef;
}

sub reason {
    my ($outcome) = @_;

    return 'its rules are not in force; the status of the firewall says why' if defined($outcome->{generation});
    return 'the firewall service enforces nothing yet';
}

# tap_plug is not told the MAC. While a guest comes from another node its configuration is still in that node's folder.
sub qemu_mac {
    my ($vmid, $number, $source) = @_;

    return if !PVE::QemuConfig->can('load_config');
    my $conf = PVE::QemuConfig->load_config($vmid, $source);
    my $net = ($conf->{pending} // {})->{"net$number"} // $conf->{"net$number"} // '';
    my ($mac) = $net =~ m/\b([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})\b/;
    return $mac;
}

# The words for yes and no are those of other options.
sub is_refused {
    open(my $file, '<', $SETTINGS) or return 0;
    my $is_refused = 0;
    while (my $line = <$file>) {
        my ($word) = $line =~ m/^\s*refuse_unprotected\s*:\s*(\S+)\s*$/ or next;
        $is_refused = 1 if $word =~ m/^(?:1|on|yes|true)$/i;
        $is_refused = 0 if $word =~ m/^(?:0|off|no|false)$/i;
    }
    return $is_refused;
}

1;
