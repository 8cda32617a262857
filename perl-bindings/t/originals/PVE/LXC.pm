package PVE::LXC;

# Stands in for pve-container, PVE/LXC.pm. Kept: `net_tap_plug` (interface, network), which has a prototype and joins no
# bridge if the link is down.

use strict;
use warnings;

use PVE::Firewall::Helpers;

# For tests: what was plugged.
our @PLUGGED;

sub net_tap_plug : prototype($$) {
    my ($iface, $net) = @_;
    push @PLUGGED, [$iface, $net->{link_down} ? () : $net->{bridge}];
    return;
}

1;
