package PVE::Cluster;

# Stands in for pve-cluster, PVE/Cluster.pm. Kept: `get_nodelist`, `check_node_exists`, `get_members` (undef on a node
# without cluster; else { node => { online } }), `remote_node_ip`, `broadcast_node_kv` (a string under 32 KiB, or undef
# to remove it), `get_node_kv` ({ node => string }), `cfs_lock_firewall` (timeout, code, values; errors in $@, undef
# returned), `cfs_update`.

use strict;
use warnings;

# For tests: the cluster.
our %MEMBERS = (n1 => { online => 1 }, n2 => { online => 1 }, n3 => { online => 0 });
our $HAS_CLUSTER = 1;
our %KV;
our $N_BROADCASTS = 0;
our %LOCKED;

sub cfs_update { return }
sub get_nodelist { return [sort keys %MEMBERS] }
sub get_members { return $HAS_CLUSTER ? \%MEMBERS : undef }
sub remote_node_ip { return wantarray ? ('192.0.2.1', 4) : '192.0.2.1' }

sub broadcast_node_kv {
    my ($key, $data) = @_;
    die "cannot send a reference\n" if ref($data);
    die "data for '$key' too big\n" if defined($data) && length($data) >= 32 * 1024;
    $N_BROADCASTS++;
    $KV{$key}->{n1} = $data;
    delete $KV{$key}->{n1} if !defined($data);
    return;
}

sub get_node_kv {
    my ($key, $node) = @_;
    my %all = ($KV{$key} // {})->%*;
    return defined($node) ? { $node => $all{$node} } : \%all;
}

sub cfs_lock_firewall {
    my ($scope, $timeout, $code, @param) = @_;
    my $result = eval {
        die "cfs-lock 'firewall-$scope' error: got lock request timeout\n" if $LOCKED{$scope};
        local $LOCKED{$scope} = 1;
        $code->(@param);
    };
    return $@ ? undef : $result;
}

1;
