package PVE::API2::Firewall::Cluster;

# Stands in for pve-firewall, PVE/API2/Firewall/Cluster.pm. Kept: `index` with its fixed list.

use strict;
use warnings;

use PVE::Firewall;

use base qw(PVE::RESTHandler);

__PACKAGE__->register_method({
    name => 'index',
    path => '',
    permissions => { user => 'all' },
    parameters => { additionalProperties => 0, properties => {} },
    returns => { type => 'array', items => { type => 'object', properties => {} } },
    code => sub { return [map { { name => $_ } } qw(aliases rules options)] },
});

1;
