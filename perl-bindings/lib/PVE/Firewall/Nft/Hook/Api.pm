package PVE::Firewall::Nft::Hook::Api;

# Mounts our part of the API below /nodes/{node}/firewall and /cluster/firewall.

use strict;
use warnings;

sub install_node {
    require PVE::API2::Firewall::Nft;
    return mount('PVE::API2::Firewall::Host', 'PVE::API2::Firewall::Nft');
}

sub install_cluster {
    require PVE::API2::Firewall::Nft::Cluster;
    return mount('PVE::API2::Firewall::Cluster', 'PVE::API2::Firewall::Nft::Cluster');
}

sub mount {
    my ($parent, $class) = @_;

    return "$parent registers no methods" if !$parent->can('register_method');
    $parent->register_method({ subclass => $class, path => 'nft' });
    # The parent's index is a fixed list; whoever browses the API finds us in it.
    my $index = eval { $parent->map_method_by_name('index') };
    return "$parent has no index" if !$index || ref($index->{code}) ne 'CODE';
    my $original = $index->{code};
    $index->{code} = sub {
        my $entries = $original->(@_);
        push $entries->@*, { name => 'nft' } if ref($entries) eq 'ARRAY';
        return $entries;
    };
    return;
}

1;
