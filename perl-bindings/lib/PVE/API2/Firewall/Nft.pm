package PVE::API2::Firewall::Nft;

# /nodes/{node}/firewall/nft: the service of a node, for pvesh, the web UI and everything else that speaks PVE's API.
# Each method asks the service of the node that it is about: the API server passes the call on to it (`proxyto`), and
# there to root (`protected`), for the socket is root's.

use strict;
use warnings;

use PVE::API2::Firewall::Nft::Schema;
use PVE::Exception qw(raise_param_exc);
use PVE::Firewall::Nft;
use PVE::Firewall::Nft::Packet;
use PVE::JSONSchema qw(get_standard_option);
use PVE::RPCEnvironment;

use base qw(PVE::RESTHandler);

my $VIEW = \%PVE::API2::Firewall::Nft::Schema::VIEW;

my $AUDIT = { check => ['perm', '/nodes/{node}', ['Sys.Audit']] };
my $MODIFY = { check => ['perm', '/nodes/{node}', ['Sys.Modify']] };

my $ENFORCED = {
    enforced => {
        description => 'Only if this generation is enforced: nobody has changed anything since it was looked at.',
        type => 'integer',
        minimum => 0,
        optional => 1,
    },
};

# What all methods have in common; `properties` are the parameters besides the node.
sub offer {
    my (%info) = @_;

    my $properties = delete $info{properties} // {};
    my $parameters = {
        additionalProperties => 0,
        properties => { $properties->%*, node => get_standard_option('pve-node') },
    };
    return __PACKAGE__->register_method({ protected => 1, proxyto => 'node', %info, parameters => $parameters });
}

# What the caller is connected by is a way in.
sub add_caller {
    my ($body) = @_;

    my $address = PVE::Firewall::Nft::client_address();
    $body->{caller} = $address if defined($address);
    return;
}

offer(
    name => 'index',
    path => '',
    method => 'GET',
    description => 'Directory index.',
    # Nothing is asked of anybody.
    protected => 0,
    proxyto => undef,
    permissions => { user => 'all' },
    returns => {
        type => 'array',
        items => { type => 'object', properties => { name => { type => 'string' } } },
        links => [{ rel => 'child', href => '{name}' }],
    },
    code => sub {
        my @names = qw(
            apply compile confirm diff generations guests hold metrics reject-mode release rollback ruleset simulate status
        );
        return [map { { name => $_ } } @names];
    },
);

offer(
    name => 'status',
    path => 'status',
    method => 'GET',
    description => 'How enforcement stands: state, generation, what waits and why, diagnostics, features of the kernel.',
    permissions => $AUDIT,
    returns => $VIEW->{StatusView},
    code => sub { return PVE::Firewall::Nft::request('status') },
);

offer(
    name => 'compile',
    path => 'compile',
    method => 'GET',
    description => 'What the saved configuration means: diagnostics, what would change, and what that would cut. Nothing is enforced.',
    permissions => $AUDIT,
    properties => {
        ruleset => {
            description => 'Answer the ruleset too, in this form.',
            type => 'string',
            enum => ['nft', 'json'],
            optional => 1,
        },
        check => {
            description => 'Let the kernel judge the ruleset, without loading it.',
            type => 'boolean',
            optional => 1,
            default => 0,
        },
    },
    returns => $VIEW->{CompileView},
    code => sub {
        my ($param) = @_;
        my %body = map { $_ => $param->{$_} } grep { defined($param->{$_}) } qw(ruleset check);
        add_caller(\%body);
        return PVE::Firewall::Nft::request('compile', body => \%body);
    },
);

offer(
    name => 'diff',
    path => 'diff',
    method => 'GET',
    description => 'What the saved configuration would change in the kernel.',
    permissions => $AUDIT,
    returns => $VIEW->{ChangeView},
    code => sub { return PVE::Firewall::Nft::request('compile')->{change} },
);

offer(
    name => 'apply',
    path => 'apply',
    method => 'POST',
    description => 'Enforce what is saved, held changes too. Answers when it is enforced; on any error what was enforced'
        . ' stays. What would cut the way in is refused without `force`.',
    permissions => $MODIFY,
    properties => {
        $ENFORCED->%*,
        'confirm-within' => {
            description => 'Seconds after which what was enforced before comes back, unless somebody confirms.',
            type => 'integer',
            minimum => 1,
            maximum => 86400,
            optional => 1,
        },
        force => {
            description => 'Even if that cuts the way in.',
            type => 'boolean',
            optional => 1,
            default => 0,
        },
    },
    returns => $VIEW->{AppliedView},
    code => sub {
        my ($param) = @_;
        my %body;
        $body{force} = $param->{force} if defined($param->{force});
        $body{confirm_within} = $param->{'confirm-within'} if defined($param->{'confirm-within'});
        add_caller(\%body);
        return PVE::Firewall::Nft::request('apply', body => \%body, enforced => $param->{enforced});
    },
);

offer(
    name => 'confirm',
    path => 'confirm',
    method => 'POST',
    description => 'Keep the applied change that waits for its confirmation.',
    permissions => $MODIFY,
    properties => $ENFORCED,
    returns => $VIEW->{StandingView},
    code => sub {
        my ($param) = @_;
        return PVE::Firewall::Nft::request('confirm', enforced => $param->{enforced});
    },
);

offer(
    name => 'rollback',
    path => 'rollback',
    method => 'POST',
    description => 'Go back to what was enforced before the unconfirmed change, or to a generation. The files stay as'
        . ' they are; they are not applied again before they change or somebody applies them.',
    permissions => $MODIFY,
    properties => {
        $ENFORCED->%*,
        generation => {
            description => 'The generation to go back to.',
            type => 'integer',
            minimum => 0,
            optional => 1,
        },
    },
    returns => $VIEW->{AppliedView},
    code => sub {
        my ($param) = @_;
        my %body = defined($param->{generation}) ? (generation => $param->{generation}) : ();
        return PVE::Firewall::Nft::request('rollback', body => \%body, enforced => $param->{enforced});
    },
);

offer(
    name => 'hold',
    path => 'hold',
    method => 'POST',
    description => 'Switch automatic applying off for this node: changed files wait for an apply.',
    permissions => $MODIFY,
    properties => $ENFORCED,
    returns => $VIEW->{StandingView},
    code => sub {
        my ($param) = @_;
        return PVE::Firewall::Nft::request('hold', enforced => $param->{enforced});
    },
);

offer(
    name => 'release',
    path => 'release',
    method => 'POST',
    description => 'Switch automatic applying on again: what waited is applied.',
    permissions => $MODIFY,
    properties => $ENFORCED,
    returns => $VIEW->{StandingView},
    code => sub {
        my ($param) = @_;
        return PVE::Firewall::Nft::request('release', enforced => $param->{enforced});
    },
);

offer(
    name => 'generations',
    path => 'generations',
    method => 'GET',
    description => 'The recent generations, the newest first, and what each changed.',
    permissions => $AUDIT,
    returns => $VIEW->{GenerationsView}->{properties}->{generations},
    code => sub { return PVE::Firewall::Nft::request('generations')->{generations} },
);

offer(
    name => 'reject_mode',
    path => 'reject-mode',
    method => 'GET',
    description => 'The REJECT mode: what was asked for, what is in force, and why that differs.',
    permissions => $AUDIT,
    returns => $VIEW->{RejectModeView},
    code => sub { return PVE::Firewall::Nft::request('reject_mode') },
);

offer(
    name => 'set_reject_mode',
    path => 'reject-mode',
    method => 'PUT',
    description => 'Keep a REJECT mode in the node\'s settings file, and enforce it. Refused if the kernel cannot do it.',
    permissions => $MODIFY,
    properties => {
        $ENFORCED->%*,
        mode => {
            description => 'Drop what is rejected towards guests (`drop`), answer it where frames enter the bridge (`prerouting`), or answer what the host sends or routes as well (`divert`, `fwbr`).',
            type => 'string',
            enum => ['drop', 'prerouting', 'divert', 'fwbr'],
        },
    },
    returns => $VIEW->{RejectModeView},
    code => sub {
        my ($param) = @_;
        my $body = { mode => $param->{mode} };
        return PVE::Firewall::Nft::request('set_reject_mode', body => $body, enforced => $param->{enforced});
    },
);

offer(
    name => 'simulate',
    path => 'simulate',
    method => 'GET',
    description => 'Follow a packet through what is enforced, and explain its verdict.',
    permissions => $AUDIT,
    properties => {
        $PVE::Firewall::Nft::Packet::PROPERTIES->%*,
        packet => {
            description => 'The packet in one line, instead of the other parameters:'
                . ' `FROM TO PROTO SRC[:PORT] > DST[:PORT] [KEY=VALUE...]`.',
            type => 'string',
            maxLength => 1024,
            optional => 1,
        },
        saved => {
            description => 'Through what the saved files mean, if that is not what is enforced.',
            type => 'boolean',
            optional => 1,
            default => 0,
        },
        all => {
            description => 'Tell rules that did not match, too.',
            type => 'boolean',
            optional => 1,
            default => 0,
        },
    },
    returns => $VIEW->{SimulatedView},
    code => sub {
        my ($param) = @_;
        my $text = $param->{packet} // eval { PVE::Firewall::Nft::Packet::text($param) };
        raise_param_exc({ to => $@ =~ s/\n\z//r }) if !defined($text);
        my $body = { packet => $text, all => $param->{all} // 0 };
        $body->{overlay} = {} if $param->{saved};
        return PVE::Firewall::Nft::request('simulate', body => $body, blame => 'packet');
    },
);

offer(
    name => 'guests',
    path => 'guests',
    method => 'GET',
    description => 'The guests of this node, those on which you have VM.Audit.',
    permissions => {
        description => 'Lists those guests on which the caller has VM.Audit.',
        user => 'all',
    },
    returns => {
        $VIEW->{GuestsView}->{properties}->{guests}->%*,
        links => [{ rel => 'child', href => '{vmid}' }],
    },
    code => sub {
        my $rpcenv = PVE::RPCEnvironment::get();
        my $user = $rpcenv->get_user();
        my $guests = PVE::Firewall::Nft::request('guests')->{guests};
        return [grep { $rpcenv->check($user, "/vms/$_->{vmid}", ['VM.Audit'], 1) } $guests->@*];
    },
);

offer(
    name => 'guest',
    path => 'guests/{vmid}',
    method => 'GET',
    description => 'What a guest\'s packets meet: for each device its rules, how often each was met, and which do nothing'
        . ' and why.',
    permissions => { check => ['perm', '/vms/{vmid}', ['VM.Audit']] },
    properties => { vmid => get_standard_option('pve-vmid') },
    returns => $VIEW->{GuestView},
    code => sub {
        my ($param) = @_;
        return PVE::Firewall::Nft::request('guest', path => { vmid => $param->{vmid} });
    },
);

offer(
    name => 'metrics',
    path => 'metrics',
    method => 'GET',
    description => 'What the service counts, in the text form of OpenMetrics: hits of rules, connections, how long applying'
        . ' takes.',
    permissions => $AUDIT,
    returns => { type => 'object', properties => { text => { description => 'OpenMetrics.', type => 'string' } } },
    code => sub { return PVE::Firewall::Nft::request('metrics') },
);

offer(
    name => 'ruleset',
    path => 'ruleset',
    method => 'GET',
    description => 'What is enforced, with the reason for each rule, set and element.',
    permissions => $AUDIT,
    properties => {
        format => {
            description => 'As nft(8) reads it, with a comment at the end of each line; or as tables.',
            type => 'string',
            enum => ['nft', 'json'],
            optional => 1,
            default => 'nft',
        },
        vmid => get_standard_option('pve-vmid', { description => 'Only what this guest meets.', optional => 1 }),
    },
    returns => {
        type => 'object',
        properties => {
            text => { description => 'With `nft`.', type => 'string', optional => 1 },
            tables => { $VIEW->{RulesetView}->{properties}->{tables}->%*, optional => 1 },
        },
    },
    code => sub {
        my ($param) = @_;
        my $query = { format => $param->{format} // 'nft', guest => $param->{vmid} };
        return PVE::Firewall::Nft::request('ruleset', query => $query);
    },
);

1;
