package PVE::Firewall::Nft::Packet;

# A question as `pve-firewall simulate` takes it -> a packet as the API takes it:
# `FROM TO PROTO SRC[:PORT] > DST[:PORT]`.

use strict;
use warnings;

use PVE::Cluster;
use PVE::INotify;

# What stands for an address that nobody names, as in PVE::FirewallSimulator::simulate_firewall.
use constant {
    SOMEBODY => '100.100.1.2',
    SOMEBODY_ELSE => '100.200.3.4',
};

our $PLACE = '(?:host|outside|vm\d+(?:i\d+)?|ct\d+(?:i\d+)?|[a-zA-Z][a-zA-Z0-9_.-]{0,14}\/[^\s\/]{1,15})';

# Parameters for a schema.
our $PROPERTIES = {
    from => {
        description => 'Where the packet comes from: host, outside, vm100, vm100i1 (its net1), ct200, vmbr0/eno1.',
        type => 'string',
        pattern => $PLACE,
        optional => 1,
        default => 'outside',
    },
    to => {
        description => 'Where it goes.',
        type => 'string',
        pattern => $PLACE,
        optional => 1,
        default => 'host',
    },
    protocol => {
        description => 'Its protocol.',
        type => 'string',
        pattern => '(?:[a-z][a-z0-9-]{1,19}|\d{1,3})',
        optional => 1,
        default => 'tcp',
    },
    source => { description => 'Its source address.', type => 'string', format => 'ip', optional => 1 },
    dest => { description => 'Its destination address.', type => 'string', format => 'ip', optional => 1 },
    sport => {
        description => 'Its source port.',
        type => 'integer',
        minimum => 0,
        maximum => 65535,
        optional => 1,
        default => 40000,
    },
    dport => {
        description => 'Its destination port; 0, which no rule names, if it has ports.',
        type => 'integer',
        minimum => 0,
        maximum => 65535,
        optional => 1,
        default => 0,
    },
};

my %HAS_PORTS = map { $_ => 1 } qw(tcp udp sctp udplite dccp);

# The question with what it leaves out.
sub completed {
    my ($question) = @_;

    my %packet = map { $_ => $question->{$_} } grep { defined($question->{$_}) } keys $PROPERTIES->%*;
    $packet{from} //= 'outside';
    $packet{to} //= 'host';
    $packet{protocol} //= 'tcp';
    die "from and to are the same\n" if $packet{from} eq $packet{to};
    $packet{source} //= $packet{from} eq 'host' ? own_address() : SOMEBODY;
    $packet{dest} //= $packet{to} eq 'host' ? own_address() : SOMEBODY_ELSE;
    return \%packet;
}

sub own_address {
    return scalar(PVE::Cluster::remote_node_ip(PVE::INotify::nodename()));
}

sub text {
    my ($question) = @_;

    my $packet = completed($question);
    my $has_ports = $HAS_PORTS{ $packet->{protocol} };
    my $end = sub {
        my ($address, $port) = @_;
        return $address if !$has_ports;
        return $address =~ m/:/ ? "[$address]:$port" : "$address:$port";
    };
    my $source = $end->($packet->{source}, $packet->{sport} // 40000);
    my $dest = $end->($packet->{dest}, $packet->{dport} // 0);
    return "$packet->{from} $packet->{to} $packet->{protocol} $source > $dest";
}

1;
