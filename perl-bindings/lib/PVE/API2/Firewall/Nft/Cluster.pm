package PVE::API2::Firewall::Nft::Cluster;

# /cluster/firewall/nft: how far a change has come in the datacenter. Any node answers for all.

use strict;
use warnings;

use PVE::Firewall::Nft::Report;

use base qw(PVE::RESTHandler);

my $STATES = [qw(active disabled degraded held failed unreachable offline unknown)];

sub field {
    my ($type, $description, %more) = @_;
    return { type => $type, description => $description, optional => 1, %more };
}

__PACKAGE__->register_method({
    name => 'index',
    path => '',
    method => 'GET',
    description => 'Directory index.',
    permissions => { user => 'all' },
    parameters => { additionalProperties => 0, properties => {} },
    returns => {
        type => 'array',
        items => { type => 'object', properties => { name => { type => 'string' } } },
        links => [{ rel => 'child', href => '{name}' }],
    },
    code => sub { return [{ name => 'nodes' }] },
});

__PACKAGE__->register_method({
    name => 'nodes',
    path => 'nodes',
    method => 'GET',
    description => 'How each node stands: what it enforces, whether it lags behind what is saved, in what it differs from'
        . ' most nodes. Nodes tell it when it changes; it is some ten seconds old at most.',
    permissions => { check => ['perm', '/', ['Sys.Audit']] },
    parameters => { additionalProperties => 0, properties => {} },
    returns => {
        type => 'array',
        items => {
            type => 'object',
            properties => {
                node => { type => 'string', description => 'The node.' },
                online => { type => 'boolean', description => 'It is a member of the cluster now.' },
                state => {
                    type => 'string',
                    description => 'As its service says; `unreachable`: the service does not answer there;'
                        . ' `unknown`: the node has told nothing.',
                    enum => $STATES,
                },
                cause => { type => 'string', description => 'Why, in a sentence.' },
                version => field('string', 'Version of the service.'),
                generation => field('integer', 'The generation that is enforced; each node counts for itself.'),
                digest => field('string', 'SHA-256 of its configuration.'),
                datacenter_digest => field('string', 'SHA-256 of what all nodes have in common of it.'),
                committed_at_s => field('integer', 'When it was committed, Unix time.'),
                lags => field('boolean', 'Something is saved that it does not enforce.'),
                differs => field('array', 'In what it differs from most nodes.', items => { type => 'string' }),
                hold => field('boolean', 'Automatic applying is switched off.'),
                waits => field('string', 'Why something saved is not enforced.'),
                confirm_s => field('integer', 'Seconds that were left to confirm a change when it told.'),
                reject_mode => field('string', 'The REJECT mode in force.'),
                n_errors => field('integer', 'Errors in its configuration.'),
                n_warnings => field('integer', 'Warnings.'),
                n_guests => field('integer', 'Its guests.'),
                n_refused_guests => field('integer', 'Guests that keep older rules because the kernel refused new ones.'),
                at_s => field('integer', 'When it told, Unix time.'),
            },
        },
    },
    code => sub { return PVE::Firewall::Nft::Report::told() },
});

1;
