package PVE::API2::Firewall::Host;

# Stands in for pve-firewall, PVE/API2/Firewall/Host.pm. Kept: `index` with its fixed list, `options` (PUT saves under
# the node's lock).

use strict;
use warnings;

use PVE::Firewall;
use PVE::JSONSchema qw(get_standard_option);

use base qw(PVE::RESTHandler);

__PACKAGE__->register_method({
    name => 'index',
    path => '',
    permissions => { user => 'all' },
    parameters => { additionalProperties => 0, properties => { node => get_standard_option('pve-node') } },
    returns => { type => 'array', items => { type => 'object', properties => {} } },
    code => sub { return [map { { name => $_ } } qw(rules options log)] },
});

__PACKAGE__->register_method({
    name => 'set_options',
    path => 'options',
    method => 'PUT',
    protected => 1,
    proxyto => 'node',
    permissions => { check => ['perm', '/nodes/{node}', ['Sys.Modify']] },
    parameters => {
        additionalProperties => 0,
        properties => { node => get_standard_option('pve-node'), text => { type => 'string' } },
    },
    returns => { type => 'null' },
    code => sub {
        my ($param) = @_;
        PVE::Firewall::lock_hostfw_conf(undef, 10, sub { PVE::Firewall::save_hostfw_conf($param->{text}) });
        return;
    },
});

1;
