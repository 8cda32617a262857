package PVE::Firewall::Helpers;

# Stands in for pve-firewall, PVE/Firewall/Helpers.pm. Kept: the flag file and `is_nftables`, `needs_fwbr`,
# `lock_vmfw_conf`, `lock_vnetfw_conf` (timeout, code, values; dies with the error of the code), `clone_vmfw_conf`.

use strict;
use warnings;

use PVE::Cluster;

our $FORCE_NFT_DISABLE_FLAG_FILE = '/run/proxmox-nftables-firewall-force-disable';

sub is_nftables { return !-e $FORCE_NFT_DISABLE_FLAG_FILE }
sub needs_fwbr { return !is_nftables() }

sub locked {
    my ($scope, $timeout, $code, @param) = @_;
    my $result = PVE::Cluster::cfs_lock_firewall($scope, $timeout, $code, @param);
    die $@ if $@;
    return $result;
}

sub lock_vmfw_conf { my ($vmid, @rest) = @_; return locked("vm-$vmid", @rest) }
sub lock_vnetfw_conf { my ($vnet, @rest) = @_; return locked("vnet-$vnet", @rest) }

sub clone_vmfw_conf {
    my ($from, $to) = @_;
    lock_vmfw_conf($to, 10, sub { });
    return;
}

1;
