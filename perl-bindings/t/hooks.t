#!/usr/bin/perl -T

# The hooks, each in a stand-in for the file that it is made for, against the real service.

use strict;
use warnings;

use FindBin;
use lib map { m/^(.*)$/ } "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use JSON;
use Test::More;
use Time::HiRes qw(time);

use Api;
use Liar;
use Node;
use PVE::Cluster;
use PVE::QemuConfig;
use PVE::SafeSyslog;
use Tree;

my $tree;

BEGIN {
    $tree = Tree->new();
    unshift @INC, $tree->{path};
}

use PVE::API2::Firewall::Cluster;
use PVE::API2::Firewall::Host;
use PVE::Firewall;
use PVE::LXC;
use PVE::QemuServer::Network;
use PVE::Service::pve_firewall;

my $HOST = "[OPTIONS]\nnftables: 1\n";

$PVE::Firewall::Nft::Hook::PROGRAM = '/bin/true';
my $flag;

sub node {
    my $node = Node->new();
    $PVE::Firewall::PVE = $PVE::Firewall::Nft::Report::PVE = $node->path('/etc/pve');
    $flag = $PVE::Firewall::Helpers::FORCE_NFT_DISABLE_FLAG_FILE = $node->path('/run/proxmox-nftables-firewall-force-disable');
    $PVE::Firewall::Nft::Hook::Guest::SETTINGS = $node->path('/etc/pve/nodes/n1/proxmox-firewall.cfg');
    return $node;
}

# What a call printed, and what it complained of.
sub heard {
    my ($code) = @_;
    my ($printed, $ignored) = ('', '');
    local @PVE::SafeSyslog::LINES = ();
    {
        local (*STDOUT, *STDERR);
        open(STDOUT, '>', \$printed) or die $!;
        open(STDERR, '>', \$ignored) or die $!;
        $code->();
    }
    return ($printed, join("\n", @PVE::SafeSyslog::LINES));
}

sub quiet_ok {
    my ($name, $code) = @_;
    my (undef, $complaints) = heard($code);
    is($complaints, '', $name);
    return;
}

sub enforced { return PVE::Firewall::Nft::request('ruleset', query => { format => 'nft' })->{text} }
sub with_port { my ($port) = @_; return "${HOST}[RULES]\nIN ACCEPT -p tcp -dport $port\n" }
sub save_host { my ($text) = @_; return PVE::Firewall::lock_hostfw_conf(undef, 10, sub { PVE::Firewall::save_hostfw_conf($text) }) }

subtest 'each file has what it needs' => sub {
    for my $file (Tree->files()) {
        is_deeply([PVE::Firewall::Nft::Hook::install($file)], [], $file);
    }
    is(prototype('PVE::LXC::net_tap_plug'), '$$');
    is(prototype('PVE::Firewall::lock_hostfw_conf'), '$$$@');
    is(prototype('PVE::Firewall::save_vmfw_conf'), undef);
    like(join(' ', PVE::Firewall::Nft::Hook::wrap('PVE::Firewall::gone', sub { })), qr/no function PVE::Firewall::gone/);
};

subtest 'the API is mounted' => sub {
    my $node = node()->start();
    my $status = Api::call('PVE::API2::Firewall::Host', 'audit@pve', 'GET', 'nft/status', node => 'n1');
    is($status->{data}->{node}, 'n1');
    is(Api::call('PVE::API2::Firewall::Host', 'nobody@pve', 'GET', 'nft/status', node => 'n1')->{status}, 403);
    for ('Host', 'Cluster') {
        my %node = $_ eq 'Host' ? (node => 'n1') : ();
        my $index = Api::call("PVE::API2::Firewall::$_", 'nobody@pve', 'GET', '', %node)->{data};
        is($index->[-1]->{name}, 'nft', "$_: the index has it, and what it had");
        is($index->$#*, 3);
    }
    is(Api::call('PVE::API2::Firewall::Cluster', 'nobody@pve', 'GET', 'nft')->{data}->[0]->{name}, 'nodes');
};

subtest 'what is saved is enforced when the call returns' => sub {
    my $node = node()->start();
    quiet_ok('through the API', sub {
        my $put = Api::call('PVE::API2::Firewall::Host', 'modify@pve', 'PUT', 'options', node => 'n1', text => with_port(4242));
        is($put->{status}, 200) or diag(explain($put));
        like(enforced(), qr/tcp dport 4242/);
    });
    like($node->read('/log'), qr{/v1/apply.*modify\@pve}, 'the service knows on whose behalf');
    quiet_ok('nested locks', sub {
        PVE::Firewall::lock_clusterfw_conf(10, sub {
            PVE::Firewall::lock_vmfw_conf(100, 10, sub {
                PVE::Firewall::save_vmfw_conf(100, "[OPTIONS]\nenable: 1\n[RULES]\nIN DROP -p tcp -dport 99\n");
            });
            unlike($node->read('/log'), qr/PUT.*later/, 'not while a lock is held');
        });
    });
    quiet_ok('without a lock', sub { PVE::Firewall::save_hostfw_conf(with_port(4243)); like(enforced(), qr/4243/) });
    quiet_ok('an error after a save', sub {
        eval {
            PVE::Firewall::lock_hostfw_conf('n1', 10, sub {
                PVE::Firewall::save_hostfw_conf(with_port(4244));
                die PVE::Exception->new("mine\n", code => 418);
            });
        };
        is($@->{code}, 418, 'it is handed on as it is');
        like(enforced(), qr/4244/);
    });
    my @list = PVE::Firewall::lock_clusterfw_conf(10, sub { return 'value' });
    is_deeply(\@list, ['value'], 'results come through');
    my $n_applies = () = $node->read('/log') =~ m{/v1/apply}g;
    PVE::Firewall::lock_clusterfw_conf(10, sub { });
    PVE::Firewall::Helpers::clone_vmfw_conf(100, 102);
    eval { PVE::Firewall::lock_vnetfw_conf('x', 10, sub { die "no\n" }) };
    is($@, "no\n");
    is(scalar(() = $node->read('/log') =~ m{/v1/apply}g), $n_applies, 'nothing was saved, nothing is asked');
};

subtest 'what keeps a change' => sub {
    my $node = node()->start();
    PVE::Firewall::Nft::request('hold');
    my (undef, $held) = heard(sub { save_host(with_port(4711)) });
    like($held, qr/the change is saved, but not enforced: .*automatic applying is switched off/);
    unlike(enforced(), qr/4711/, 'a hold is somebody\'s decision');
    like($node->read('/etc/pve/nodes/n1/host.fw'), qr/4711/, 'it is saved');
    PVE::Firewall::Nft::request('release');
    my (undef, $cut) = heard(sub { save_host("${HOST}[RULES]\nIN DROP -p tcp -dport 8006\n") });
    like($cut, qr/it would cut the way in/);
    $node->stop();
    my $began = time();
    my (undef, $down) = heard(sub { save_host(with_port(4712)) });
    like($down, qr/not enforced: the firewall service is not running/);
    cmp_ok(time() - $began, '<', 0.5, 'it costs nothing');
    like($node->read('/etc/pve/nodes/n1/host.fw'), qr/4712/);
    my $liar = Liar->saying("HTTP/1.0 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n");
    my (undef, $odd) = heard(sub { save_host(with_port(4713)) });
    isnt($odd, undef, 'whatever it says, the call returns');
};

subtest 'switched on by a save, and off' => sub {
    my $node = node();
    $node->write('/etc/pve/nodes/n1/host.fw', "[OPTIONS]\nnftables: 0\n");
    $node->write('/run/proxmox-nftables-firewall-force-disable', '');
    $node->start();
    is(PVE::Firewall::Nft::request('status')->{state}, 'disabled');
    quiet_ok('other changes meanwhile', sub { PVE::Firewall::save_clusterfw_conf("[OPTIONS]\nenable: 1\n") });
    ok(-e $flag, 'pve-firewall keeps the node');
    quiet_ok('on', sub { save_host(with_port(4242)) });
    ok(!-e $flag, 'the flag is gone');
    like(enforced(), qr/4242/, 'and the rules are there');
    quiet_ok('off', sub { save_host("[OPTIONS]\nnftables: 0\n") });
    ok(!-e $flag, 'pve-firewall takes over when it has rules of its own to put there');
};

subtest 'a guest\'s interface is announced' => sub {
    my $node = node()->start();
    @PVE::QemuServer::Network::PLUGGED = ();
    # On a kernel that cannot filter bridges no guest is protected, and nobody says it is.
    my $is_protected = !PVE::Firewall::Nft::request('guest', path => { vmid => 100 })->{unprotected};
    my $unless_protected = $is_protected ? qr/^\z/ : qr/ joins vmbr0, but its rules are not in force; the status/;
    my (undef, $known) = heard(sub {
        is(PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', 7, 1, '2;3', 10), 'plugged');
    });
    like($known, $unless_protected, 'a guest that is known');
    is_deeply(\@PVE::QemuServer::Network::PLUGGED, [['tap100i0', 'vmbr0', 7, 1, '2;3', 10]]);
    like($node->read('/log'), qr{POST path="?/v1/guests/100/events"? status=200});
    my (undef, $stranger) = heard(sub { PVE::QemuServer::Network::tap_plug('tap555i1', 'vmbr0', undef, 1) });
    my $quarantined = qr/^info: firewall: tap555i1 joins vmbr0; the kernel drops its frames until its rules are known\z/;
    like($stranger, $is_protected ? $quarantined : $unless_protected);
    is(scalar(@PVE::QemuServer::Network::PLUGGED), 2, 'it starts all the same');
    $node->write('/etc/pve/nodes/n1/proxmox-firewall.cfg', "# ours\nrefuse_unprotected: 1\n");
    heard(sub { eval { PVE::QemuServer::Network::tap_plug('tap555i1', 'vmbr0', undef, 1) } });
    if ($is_protected) {
        is($@, '', 'whose frames are dropped is protected');
    } else {
        like($@, qr/^firewall: tap555i1 joins vmbr0 without protection, which refuse_unprotected forbids: /);
    }
    is(scalar(@PVE::QemuServer::Network::PLUGGED), $is_protected ? 3 : 2);
    $node->write('/etc/pve/nodes/n1/proxmox-firewall.cfg', "refuse_unprotected: 0\n");
    my $net = { bridge => 'vmbr0', hwaddr => 'BC:24:11:00:00:03' };
    my (undef, $container) = heard(sub { PVE::LXC::net_tap_plug('veth200i0', $net) });
    like($container, $unless_protected, 'a container');
};

subtest 'what is told' => sub {
    my $node = node();
    my $heard = $node->path('/heard');
    my $liar = Liar->new(sub {
        my ($client, $request) = @_;
        open(my $file, '>>', $heard);
        print $file $request =~ m/^(\S+ \S+)/, ' ', $request =~ m/\r\n\r\n(.*)$/s, "\n";
        close($file);
        syswrite($client, Liar::answer('{"enforced":true,"quarantined":false,"generation":3}'));
    });
    $PVE::QemuConfig::CONF{n2}->{100} = { net3 => 'virtio=BC:24:11:00:00:03,bridge=vmbr1,firewall=1' };
    $PVE::QemuConfig::CONF{n1}->{100} = { net0 => 'e1000=BC:24:11:00:00:01', pending => { net0 => 'e1000=BC:24:11:00:00:0A' } };
    local $ENV{PVE_MIGRATED_FROM} = 'n2';
    PVE::QemuServer::Network::tap_plug('tap100i3', 'vmbr1', 12, 1);
    delete $ENV{PVE_MIGRATED_FROM};
    PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr1', undef, 0);
    PVE::QemuServer::Network::tap_plug('tap101i0', 'a bridge', 'no tag', 0);
    my $net = { bridge => 'vmbr2', tag => 5, hwaddr => 'BC:24:11:00:00:09', firewall => 1, name => 'eth0' };
    PVE::LXC::net_tap_plug('veth200i1', $net);
    PVE::LXC::net_tap_plug('veth200i1', { $net->%*, link_down => 1 });
    PVE::QemuServer::Network::tap_plug('strange0', 'vmbr1', undef, 0);
    my @told = split(/\n/, $node->read('/heard'));
    my @wanted = (
        [100, { iface => 'tap100i3', bridge => 'vmbr1', vlan => '12', mac => 'BC:24:11:00:00:03', source_node => 'n2' }],
        [100, { iface => 'tap100i0', bridge => 'vmbr1', mac => 'BC:24:11:00:00:0A' }],
        [101, { iface => 'tap101i0' }],
        [200, { iface => 'veth200i1', bridge => 'vmbr2', vlan => '5', mac => 'BC:24:11:00:00:09' }],
    );
    is(scalar(@told), scalar(@wanted), 'as many as there are');
    for (0 .. $#wanted) {
        my ($line, $body) = $told[$_] =~ m/^(\S+ \S+) (.*)$/;
        is($line, "POST /v1/guests/$wanted[$_]->[0]/events");
        my $sent = JSON->new->decode($body);
        my %sent = map { $_ => $sent->{$_} } grep { defined($sent->{$_}) } keys $sent->%*;
        is_deeply(\%sent, { event => 'plug', $wanted[$_]->[1]->%* });
    }
};

subtest 'a guest starts without the service' => sub {
    my $node = node()->start();
    @PVE::QemuServer::Network::PLUGGED = ();
    $node->freeze();
    my $began = time();
    my (undef, $frozen) = heard(sub { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 1) });
    cmp_ok(time() - $began, '<', 2, 'a frozen one costs a second');
    like($frozen, qr/tap100i0 joins vmbr0, but the firewall service does not answer in time/);
    $node->thaw();
    $node->stop();
    $began = time();
    my (undef, $down) = heard(sub { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 1) });
    cmp_ok(time() - $began, '<', 0.5, 'an absent one nothing');
    like($down, qr/is not running/);
    my $liar = Liar->saying(Liar::answer('{"enforced":'));
    my (undef, $garbled) = heard(sub { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 1) });
    like($garbled, qr/no answer/);
    is(scalar(@PVE::QemuServer::Network::PLUGGED), 3, 'it starts');
    $node->write('/etc/pve/nodes/n1/proxmox-firewall.cfg', "refuse_unprotected: on\n");
    $PVE::Firewall::Nft::SOCKET = $node->{socket};
    heard(sub { eval { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 1) } });
    like($@, qr/^firewall: .*not running/, 'refused');
    my (undef, $open) = heard(sub { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 0) });
    like($open, qr/not running/);
    is(scalar(@PVE::QemuServer::Network::PLUGGED), 4, 'an interface without firewall has nothing to lose');
    $node->write('/run/proxmox-nftables-firewall-force-disable', '');
    quiet_ok('with iptables', sub { PVE::QemuServer::Network::tap_plug('tap100i0', 'vmbr0', undef, 1) });
};

sub command {
    my ($name, %param) = @_;
    my $result;
    my $class = 'PVE::Service::pve_firewall';
    my ($printed, $complaints) = heard(sub { $result = $class->handle($class->map_method_by_name($name), \%param, 1) });
    return ($result, $printed, $complaints);
}

subtest 'pve-firewall status, compile, localnet, simulate' => sub {
    my $node = node()->start();
    %PVE::Firewall::CALLS = ();
    my ($status) = command('status');
    is_deeply($status, { status => 'running', enable => 1, changes => 0 });
    is($PVE::Firewall::CALLS{compile}, undef, 'no rules of iptables were made');
    {
        local $PVE::Firewall::LEFT_OVER = 1;
        is((command('status'))[0]->{changes}, 1, 'what iptables holds still is a change');
    }
    my (undef, $text) = command('compile');
    like($text, qr/^nftables ruleset:\n.*table inet proxmox-firewall.*\nno changes\n\z/s);
    PVE::Firewall::Nft::request('hold');
    $node->write('/etc/pve/nodes/n1/host.fw', with_port(4242));
    my ($pending, $complaints);
    for (1 .. 100) {
        ($pending, undef, $complaints) = command('status');
        last if $pending->{changes};
        Time::HiRes::sleep(0.02);
    }
    is($pending->{changes}, 1, 'what waits is a change');
    like($complaints, qr/held: /, 'and says why');
    my (undef, $changed) = command('compile');
    like($changed, qr/^nftables changes:\n.*^\+.*4242.*\ndetected changes\n\z/ms);
    is((command('localnet'))[1], "local hostname: n1\n");

    my (undef, $drop) = command('simulate', from => 'outside', dport => 22, source => '10.0.0.1', verbose => 0);
    is($drop, <<'TEXT');
Test packet:
  from    : outside
  to      : host
  proto   : tcp
  source  : 10.0.0.1
  dport   : 22
ACTION: DROP
TEXT
    my (undef, $accept) = command('simulate', dport => 4242, verbose => 1);
    like($accept, qr/^inet input\n.*rule \w+ \(\S+host.fw:4\): accept.*^ACTION: ACCEPT\n\z/ms, 'with its way');
    eval { command('simulate', from => 'host', to => 'host') };
    like($@, qr/are the same/);
    $node->stop();
    my ($without, undef, $why) = command('status');
    is($without->{changes}, 1);
    like($why, qr/is not running/);
    eval { command('compile') };
    like("$@", qr/is not running/);
    $node->write('/run/proxmox-nftables-firewall-force-disable', '');
    is((command('compile'))[1], "iptables cmdlist:\nno changes\n", 'with iptables all is as it was');
    is((command('simulate'))[1], "ACTION: classic\n");
};

subtest 'the datacenter' => sub {
    my $node = node();
    $node->write('/etc/pve/sdn/.running-config', '{"version":1}');
    $node->write('/etc/pve/sdn/firewall/vnet1.fw', "[OPTIONS]\nenable: 1\n");
    $node->start();
    my $nodes = sub {
        my $answer = Api::call('PVE::API2::Firewall::Cluster', 'datacenter@pve', 'GET', 'nft/nodes');
        is($answer->{status}, 200) or diag(explain($answer));
        return map { $_->{node} => $_ } $answer->{data}->@*;
    };
    is(Api::call('PVE::API2::Firewall::Cluster', 'audit@pve', 'GET', 'nft/nodes')->{status}, 403, 'of all nodes');
    %PVE::Cluster::KV = ();
    my %none = $nodes->();
    is_deeply([map { $none{$_}->{state} } qw(n1 n2 n3)], [qw(unknown unknown offline)]);
    $PVE::Cluster::N_BROADCASTS = 0;
    is(PVE::Firewall::update(), 'chains removed', 'pve-firewall\'s round');
    PVE::Firewall::update();
    is($PVE::Cluster::N_BROADCASTS, 1, 'tells what is new, once');
    my %one = $nodes->();
    is_deeply([$one{n1}->@{qw(generation lags differs online)}], [1, 0, [], 1]) or diag(explain(\%one));
    my $told = JSON->new->decode($PVE::Cluster::KV{'nft-firewall'}->{n1});
    my %same = (reject_mode => 'drop', $told->%*);
    my %other = (%same, version => '0.0.9', generation => 77, reject_mode => 'sometimes');
    $PVE::Cluster::KV{'nft-firewall'}->{n2} = JSON->new->encode(\%other);
    $PVE::Cluster::KV{'nft-firewall'}->{n3} = JSON->new->encode(\%same);
    is({ $nodes->() }->{n3}->{state}, 'offline', 'what a node told is no news once it is gone');
    $PVE::Cluster::MEMBERS{n3}->{online} = 1;
    my %all = $nodes->();
    is_deeply([map { $all{$_}->{differs} } qw(n1 n2 n3)], [[], ['reject_mode', 'version'], []]) or diag(explain(\%all));
    $other{datacenter_digest} = '0' x 64;
    $PVE::Cluster::KV{'nft-firewall'}->{n2} = JSON->new->encode(\%other);
    is_deeply([map { { $nodes->() }->{$_}->{lags} } qw(n1 n2)], [0, 1], 'who enforces something else than is saved');
    $PVE::Cluster::KV{'nft-firewall'}->{n2} = JSON->new->encode({ %other, at_s => int(time()) - 500 });
    like({ $nodes->() }->{n2}->{cause}, qr/told nothing for 5\d\d s/);
    for ('', 'rubbish', '[1]', '{}', "\xff") {
        $PVE::Cluster::KV{'nft-firewall'}->{n2} = $_;
        is({ $nodes->() }->{n2}->{state}, 'unknown', 'rubbish is no report');
    }
    $PVE::Cluster::HAS_CLUSTER = 0;
    is({ $nodes->() }->{n3}->{online}, 1, 'a node alone is a member');
    $node->stop();
    PVE::Firewall::update();
    is({ $nodes->() }->{n1}->{state}, 'unreachable');
};

done_testing();
