package PVE::Firewall;

# Stands in for pve-firewall, PVE/Firewall.pm. Kept: `load_clusterfw_conf`, `load_hostfw_conf` (options), the four
# `save_*fw_conf` and `lock_*fw_conf` (that of the host has a prototype), `compile`, the `get_*_cmdlist` that `status`
# calls, `init` and `update` (both keep the flag file: it is gone only while the datacenter's firewall and the node's
# `nftables` are on).

use strict;
use warnings;

use PVE::Cluster;
use PVE::Firewall::Helpers;

# For tests.
our $PVE = '/etc/pve';
our %CALLS;
our $LEFT_OVER = 0;

sub options_of {
    my ($path) = @_;
    open(my $file, '<', "$PVE/$path") or return {};
    return { map { m/^(\w+): (.*)$/ ? ($1 => $2) : () } <$file> };
}

sub load_clusterfw_conf { return { options => options_of('firewall/cluster.fw') } }
sub load_hostfw_conf { return { options => options_of('nodes/n1/host.fw') } }

# For tests a configuration is its text.
sub written {
    my ($path, $text) = @_;
    open(my $file, '>', "$PVE/$path.tmp.$$") or die "$path: $!\n";
    print $file $text;
    close($file);
    rename("$PVE/$path.tmp.$$", "$PVE/$path") or die "$path: $!\n";
    return;
}

sub save_clusterfw_conf { my ($conf) = @_; return written('firewall/cluster.fw', $conf) }
sub save_hostfw_conf { my ($conf, $filename) = @_; return written('nodes/n1/host.fw', $conf) }
sub save_vmfw_conf { my ($vmid, $conf) = @_; return written("firewall/$vmid.fw", $conf) }
sub save_vnetfw_conf { my ($vnet, $conf) = @_; return written("sdn/firewall/$vnet.fw", $conf) }

sub lock_clusterfw_conf { return PVE::Firewall::Helpers::locked('cluster', @_) }
sub lock_hostfw_conf : prototype($$$@) { my ($node, @rest) = @_; return PVE::Firewall::Helpers::locked('host-' . ($node // 'n1'), @rest) }
sub lock_vmfw_conf { return PVE::Firewall::Helpers::lock_vmfw_conf(@_) }
sub lock_vnetfw_conf { return PVE::Firewall::Helpers::lock_vnetfw_conf(@_) }

sub compile { $CALLS{compile}++; return ({ filter => { INPUT => ['-j ACCEPT'] } }, {}, {}, {}) }

sub changes { my ($ruleset) = @_; return ('', ($ruleset && $ruleset->%* || $LEFT_OVER) ? 1 : 0) }
sub get_ruleset_cmdlist { return changes(@_) }

sub is_wanted {
    my $wanted = load_clusterfw_conf()->{options}->{enable} && load_hostfw_conf()->{options}->{nftables};
    my $flag = $PVE::Firewall::Helpers::FORCE_NFT_DISABLE_FLAG_FILE;
    if ($wanted) {
        unlink($flag);
    } elsif (!-e $flag) {
        open(my $file, '>', $flag) or warn "$flag: $!\n";
    }
    return $wanted;
}

sub init { $CALLS{init}++; is_wanted(); return }
sub update { $CALLS{update}++; return is_wanted() ? 'chains removed' : 'rules applied' }

1;
