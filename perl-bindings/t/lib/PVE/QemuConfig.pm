package PVE::QemuConfig;

# Stands in for qemu-server, PVE/QemuConfig.pm (its base: PVE/AbstractConfig.pm of pve-guest-common). Kept:
# `load_config` (guest, node; dies if there is no file), with `pending`.

use strict;
use warnings;

# For tests: { node => { vmid => configuration } }.
our %CONF;

sub load_config {
    my ($class, $vmid, $node) = @_;
    $node //= 'n1';
    return $CONF{$node}->{$vmid} // die "Configuration file 'nodes/$node/qemu-server/$vmid.conf' does not exist\n";
}

1;
