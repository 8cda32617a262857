package PVE::QemuServer::Network;

# Stands in for qemu-server, PVE/QemuServer/Network.pm. Kept: `tap_plug` (interface, bridge, tag, firewall, trunks,
# rate), which pve-bridge calls by its full name.

use strict;
use warnings;

use PVE::Firewall::Helpers;

# For tests: what was plugged.
our @PLUGGED;

sub tap_plug {
    my ($iface, $bridge, $tag, $firewall, $trunks, $rate) = @_;
    push @PLUGGED, [$iface, $bridge, $tag, $firewall, $trunks, $rate];
    return 'plugged';
}

1;
