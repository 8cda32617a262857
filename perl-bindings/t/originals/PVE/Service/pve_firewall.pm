package PVE::Service::pve_firewall;

# Stands in for pve-firewall, PVE/Service/pve_firewall.pm. Kept: the methods `status` ({ status, enable, changes }),
# `compile`, `localnet` and `simulate` (which print), with their parameters.

use strict;
use warnings;

use PVE::Firewall;

use base qw(PVE::RESTHandler);

sub offer {
    my ($name, $properties, $returns, $code) = @_;
    my $parameters = { additionalProperties => 0, properties => $properties };
    __PACKAGE__->register_method({ name => $name, path => $name, parameters => $parameters, returns => $returns, code => $code });
    return;
}

my $STATUS = {
    type => 'object',
    additionalProperties => 0,
    properties => {
        status => { type => 'string', enum => ['unknown', 'stopped', 'running'] },
        enable => { type => 'boolean' },
        changes => { type => 'boolean', optional => 1 },
    },
};

offer(
    'status', {}, $STATUS,
    sub {
        my $conf = PVE::Firewall::load_clusterfw_conf();
        my ($ruleset) = PVE::Firewall::compile($conf, undef, undef);
        my (undef, $changes) = PVE::Firewall::get_ruleset_cmdlist($ruleset->{filter});
        return { status => 'running', enable => $conf->{options}->{enable} ? 1 : 0, changes => $changes };
    },
);
offer('compile', {}, { type => 'null' }, sub { print "iptables cmdlist:\n", "no changes\n"; return });
offer('localnet', {}, { type => 'null' }, sub { print "local hostname: n1\n"; return });
offer(
    'simulate',
    {
        verbose => { type => 'boolean', optional => 1, default => 0 },
        (map { $_ => { type => 'string', optional => 1 } } qw(from to protocol source dest)),
        (map { $_ => { type => 'integer', optional => 1 } } qw(sport dport)),
    },
    { type => 'null' },
    sub { print "ACTION: classic\n"; return },
);

1;
