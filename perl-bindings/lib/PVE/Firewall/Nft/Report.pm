package PVE::Firewall::Nft::Report;

# How each node of the cluster stands: every node tells the others through pmxcfs' key-value store, as pvestatd does
# with its figures, so whoever asks has all answers at once, also about nodes that are gone. No node calls another, and
# nobody's credentials travel.

use strict;
use warnings;

use Digest::SHA qw(sha256 sha256_hex);
use JSON;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use PVE::Cluster;
use PVE::Firewall::Nft;

use constant {
    KEY => 'nft-firewall',
    # Unchanged news are told this often,
    REPEAT_S => 60,
    # and are old when they have not come for so long: pve-firewall tells them, every ten seconds it looks.
    OLD_S => 180,
    # The store takes less than 32 KiB.
    TEXT_MAX => 500,
};

our $PVE = '/etc/pve';

my ($last_text, $last_at) = ('', 0);

# Tells the cluster how this node stands, if that is news.
sub broadcast {
    my ($status, $error) = PVE::Firewall::Nft::attempt('status');
    my $report = $status ? summary($status) : { state => 'unreachable', cause => cut($error) };
    my $text = JSON->new->canonical->ascii->encode($report);
    my $now = clock_gettime(CLOCK_MONOTONIC);
    return if $text eq $last_text && $now - $last_at < REPEAT_S;
    ($last_text, $last_at) = ($text, $now);
    PVE::Cluster::broadcast_node_kv(KEY, JSON->new->canonical->ascii->encode({ $report->%*, at_s => time() }));
    return;
}

sub summary {
    my ($status) = @_;

    my $generation = $status->{generation} // {};
    my %report = (
        version => $status->{version},
        state => $status->{state},
        cause => cut($status->{cause}),
        generation => $generation->{number},
        digest => $generation->{digest},
        datacenter_digest => $generation->{datacenter_digest},
        committed_at_s => $generation->{committed_at_s},
        hold => $status->{hold},
        waits => $status->{candidate} ? cut($status->{candidate}->{reason}) : undef,
        confirm_s => ($status->{confirm} // {})->{remaining_s},
        reject_mode => $status->{reject_mode}->{effective},
        n_errors => $status->{n_diagnostics}->{error},
        n_warnings => $status->{n_diagnostics}->{warning},
        n_guests => $status->{counts}->{n_guests},
        n_refused_guests => scalar($status->{refused_guests}->@*),
    );
    return { map { $_ => $report{$_} } grep { defined($report{$_}) } keys %report };
}

sub cut {
    my ($text) = @_;
    return length($text) > TEXT_MAX ? substr($text, 0, TEXT_MAX - 3) . '...' : $text;
}

# All nodes, each with what it has told, or why it has told nothing.
sub told {
    my $told = PVE::Cluster::get_node_kv(KEY);
    my $members = PVE::Cluster::get_members();
    my @nodes = map { entry($_, $told->{$_}, $members) } PVE::Cluster::get_nodelist()->@*;
    compare(\@nodes, datacenter_digest());
    return \@nodes;
}

sub entry {
    my ($node, $text, $members) = @_;

    my $is_online = !$members || ($members->{$node} // {})->{online} ? 1 : 0;
    my %entry = (node => $node, online => $is_online);
    return { %entry, state => 'offline', cause => 'the node is not in the quorate part of the cluster' } if !$is_online;
    my $report = defined($text) ? eval { JSON->new->decode($text) } : undef;
    if (ref($report) ne 'HASH' || !defined($report->{state})) {
        my $cause = 'it has told nothing: the package is not installed there, or pve-firewall is not running';
        return { %entry, state => 'unknown', cause => $cause };
    }
    my $age_s = time() - ($report->{at_s} // 0);
    return { $report->%*, %entry } if $age_s < OLD_S;
    return { %entry, state => 'unknown', cause => "it has told nothing for $age_s s: pve-firewall is not running there" };
}

# Who lags behind what is saved, and in what a node differs from most.
sub compare {
    my ($nodes, $saved) = @_;

    my @live = grep { defined($_->{generation}) } $nodes->@*;
    my %usual = map { my $field = $_; $field => most_common(map { $_->{$field} } @live) } qw(version reject_mode);
    for my $node (@live) {
        my $is_old = $node->{state} ne 'disabled' && ($node->{datacenter_digest} // '') ne $saved;
        $node->{lags} = $is_old || defined($node->{waits}) ? 1 : 0;
        my @differs = grep { defined($node->{$_}) && $node->{$_} ne ($usual{$_} // '') } sort keys %usual;
        $node->{differs} = \@differs;
    }
    return;
}

sub most_common {
    my (@values) = @_;

    my %n_of;
    $n_of{$_}++ for grep { defined($_) } @values;
    my ($first) = sort { $n_of{$b} <=> $n_of{$a} || $a cmp $b } keys %n_of;
    return $first;
}

# The hash that a node enforces if it enforces what is saved for the datacenter; as the service computes it.
sub datacenter_digest {
    my @paths = grep { -e "$PVE/$_" } 'firewall/cluster.fw', 'sdn/.running-config';
    if (opendir(my $folder, "$PVE/sdn/firewall")) {
        push @paths, map { "sdn/firewall/$_" } grep { m/^[^.].*\.fw$/ } readdir($folder);
    }
    my $whole = '';
    for my $path (sort @paths) {
        open(my $file, '<:raw', "$PVE/$path") or next;
        local $/ = undef;
        $whole .= "/etc/pve/$path\0=" . sha256(scalar(<$file>) // '');
    }
    return sha256_hex($whole);
}

1;
