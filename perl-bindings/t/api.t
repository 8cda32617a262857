#!/usr/bin/perl -T

# /nodes/{node}/firewall/nft, each method against the real service: with a user who may and one who may not.

use strict;
use warnings;

use FindBin;
use lib map { m/^(.*)$/ } "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes ();

use Api;
use Liar;
use Node;
use PVE::API2::Firewall::Nft;

my $CLASS = 'PVE::API2::Firewall::Nft';

sub call {
    my ($user, $method, $path, %param) = @_;
    return Api::call($CLASS, $user, $method, $path, node => 'n1', %param);
}

my $node = Node->new()->start();

# Name, how it is called, who may, who may not, what the answer must be.
my @METHODS = (
    ['index', 'GET', '', {}, 'nobody', undef, sub { grep { $_->{name} eq 'status' } $_->@* }],
    ['status', 'GET', 'status', {}, 'audit', 'modify', sub { $_->{generation}->{number} == 1 && $_->{node} eq 'n1' }],
    [
        'compile', 'GET', 'compile', { ruleset => 'nft', check => 1 }, 'audit', 'modify',
        sub { $_->{change}->{unchanged} && $_->{ruleset} =~ m/table inet/ && defined($_->{kernel}->{accepted}) },
    ],
    ['compile', 'GET', 'compile', { ruleset => 'json' }, 'audit', 'other', sub { $_->{ruleset}->{nftables} }],
    ['diff', 'GET', 'diff', {}, 'audit', 'other', sub { $_->{unchanged} && $_->{counts} }],
    ['generations', 'GET', 'generations', {}, 'audit', 'modify', sub { $_->[0]->{enforced} }],
    ['reject_mode', 'GET', 'reject-mode', {}, 'audit', 'modify', sub { $_->{reasons} }],
    [
        'simulate', 'GET', 'simulate', { packet => 'outside host tcp 10.66.0.5:40000 > 192.0.2.1:22', all => 1 },
        'audit', 'modify', sub { $_->{verdict} eq 'drop' && $_->{generation} == 1 && $_->{steps}->@* },
    ],
    [
        'simulate', 'GET', 'simulate', { source => '192.0.2.9', dport => '8006', saved => 1 }, 'audit', 'other',
        sub { $_->{verdict} eq 'accept' && $_->{packet} =~ m/^outside host tcp 192.0.2.9:40000 > 192.0.2.1:8006/ },
    ],
    ['guests', 'GET', 'guests', {}, 'tenant', undef, sub { "@{[map { $_->{vmid} } $_->@*]}" eq '100' }],
    ['guest', 'GET', 'guests/100', {}, 'tenant', 'other', sub { $_->{devices}->[0]->{rules}->[0]->{line} == 5 }],
    ['guest', 'GET', 'guests/100', {}, 'tenant', 'audit', sub { $_->{kind} eq 'qemu' }],
    ['ruleset', 'GET', 'ruleset', {}, 'audit', 'modify', sub { $_->{text} =~ m/^table inet proxmox-firewall/m }],
    ['ruleset', 'GET', 'ruleset', { format => 'json' }, 'audit', 'tenant', sub { $_->{tables}->[0]->{chains} }],
    ['ruleset', 'GET', 'ruleset', { vmid => 100 }, 'audit', 'tenant', sub { defined($_->{text}) }],
    ['metrics', 'GET', 'metrics', {}, 'audit', 'tenant', sub { $_->{text} =~ m/^proxmox_firewall_generation 1$/m }],
    ['hold', 'POST', 'hold', {}, 'modify', 'audit', sub { $_->{hold} }],
    ['release', 'POST', 'release', { enforced => 1 }, 'modify', 'audit', sub { !$_->{hold} }],
    ['apply', 'POST', 'apply', { force => 1, 'confirm-within' => 60 }, 'modify', 'audit', sub { $_->{confirm} }],
    ['confirm', 'POST', 'confirm', {}, 'modify', 'audit', sub { $_->{generation} }],
    ['rollback', 'POST', 'rollback', { generation => 1 }, 'modify', 'audit', sub { $_->{state} }],
    ['set_reject_mode', 'PUT', 'reject-mode', { mode => 'drop' }, 'modify', 'audit', sub { $_->{asked} eq 'drop' }],
);

my %n_refused;
for (@METHODS) {
    my ($name, $method, $path, $param, $may, $may_not, $is_right) = $_->@*;
    subtest "$method $path for $may" => sub {
        # First who may not: nothing may come of it.
        if (defined($may_not)) {
            my $refused = call("$may_not\@pve", $method, $path, $param->%*);
            is($refused->{status}, 403, "not for $may_not") or diag(explain($refused));
            like($refused->{message}, qr{^Permission check failed \(/});
            $n_refused{$name}++;
        }
        my $answer = call("$may\@pve", $method, $path, $param->%*);
        is($answer->{status}, 200) or diag(explain($answer));
        local $_ = $answer->{data};
        ok($_ && $is_right->(), 'the answer') or diag(explain($_));
        is(call('root@pam', $method, $path, $param->%*)->{status}, 200, 'root may') if $method eq 'GET';
    };
}

subtest 'all methods are above, and as they must be' => sub {
    my %tried = map { $_->[0] => 1 } @METHODS;
    for my $info ($CLASS->methods_of()) {
        my $name = $info->{name};
        ok($tried{$name}, "$name is tried");
        next if $name eq 'index';
        is($info->{proxyto}, 'node', "$name runs on its node");
        is($info->{protected}, 1, "$name runs as root: the socket is root's");
        ok($info->{permissions}, "$name is not for everybody");
        is($info->{parameters}->{additionalProperties}, 0, "$name takes what it describes");
        is($info->{parameters}->{properties}->{node}->{format}, 'pve-node', "$name is told the node");
        ok($info->{returns}->{type}, "$name describes its answer");
        ok($n_refused{$name} || $name eq 'guests', "$name was refused to somebody");
    }
    my $index = { map { $_->{name} => 1 } call('nobody@pve', 'GET', '')->{data}->@* };
    is_deeply(
        $index,
        { map { $_->{path} =~ m{^([^/]+)} ? ($1 => 1) : () } $CLASS->methods_of() },
        'the index lists all',
    );
};

subtest 'wrong parameters' => sub {
    for (
        ['GET', 'compile', { ruleset => 'pf' }, 'ruleset'],
        ['GET', 'status', { more => 1 }, 'more'],
        ['POST', 'apply', { 'confirm-within' => 0 }, 'confirm-within'],
        ['POST', 'apply', { overlay => '{}' }, 'overlay'],
        ['PUT', 'reject-mode', {}, 'mode'],
        ['GET', 'simulate', { packet => 'gibberish' }, 'packet'],
        ['GET', 'simulate', { from => 'vm100', to => 'vm100' }, 'to'],
        ['GET', 'simulate', { from => 'vm100; reboot' }, 'from'],
        ['GET', 'simulate', { source => '1.2.3.4.5' }, 'source'],
        ['GET', 'guests/99', {}, 'vmid'],
    ) {
        my ($method, $path, $param, $at_fault) = $_->@*;
        my $answer = call('root@pam', $method, $path, $param->%*);
        is_deeply([$answer->{status}, keys $answer->{errors}->%*], [400, $at_fault], "$path: $at_fault");
    }
    is(call('root@pam', 'GET', 'guests/999')->{status}, 404, 'a guest that is not here');
    is(call('root@pam', 'GET', 'nothing')->{status}, 501);
};

subtest 'what is refused says why' => sub {
    my $stale = call('root@pam', 'POST', 'apply', enforced => 99);
    is_deeply([$stale->@{qw(status message)}], [500, PVE::Firewall::Nft::STALE]);
    my $nothing = call('root@pam', 'POST', 'confirm');
    is($nothing->{status}, 409);
    my $nowhere = call('root@pam', 'POST', 'rollback', generation => 4711);
    is($nowhere->{status}, 409);
    like($nowhere->{message}, qr/there is no such generation/);
    # The addresses of the management set are the way in.
    $node->write('/etc/pve/nodes/n1/host.fw', "[OPTIONS]\nnftables: 1\n[RULES]\nIN DROP -p tcp -dport 8006\n");
    my $cuts = call('modify@pve', 'POST', 'apply');
    is($cuts->{status}, 409) or diag(explain($cuts));
    like($cuts->{message}, qr/the change is held; what was enforced stays: it would cut the way in\n  \S/);
    my $diff = call('audit@pve', 'GET', 'diff');
    like($diff->{data}->{text}, qr/^\+.*8006/m, 'and the difference shows it');
    my $status = call('audit@pve', 'GET', 'status')->{data};
    is($status->{candidate}->{obstacle}, 'way-in');
};

subtest 'the caller does not shut himself out' => sub {
    my $rules = sub { "[OPTIONS]\nnftables: 1\n[RULES]\n" . join('', map { "IN ACCEPT -source $_ -p tcp -dport 8006\n" } @_) };
    $node->write('/etc/pve/nodes/n1/host.fw', $rules->('203.0.113.5'));
    is(call('root@pam', 'POST', 'apply', force => 1)->{status}, 200);
    call('root@pam', 'POST', 'hold');
    $node->write('/etc/pve/nodes/n1/host.fw', $rules->());
    for my $address ('::ffff:203.0.113.5', '203.0.113.5') {
        local $Api::CLIENT_IP = $address;
        # It may not have seen the file yet.
        my $candidate;
        for (1 .. 200) {
            $candidate = call('root@pam', 'GET', 'compile')->{data};
            last if !$candidate->{change}->{unchanged};
            Time::HiRes::sleep(0.02);
        }
        is($candidate->{cuts_the_way_in}, 1, 'compile tells beforehand');
        like($candidate->{cuts}->[0], qr/203\.0\.113\.5 to \S+ port 8006/);
        my $refused = call('root@pam', 'POST', 'apply');
        is($refused->{status}, 409) or diag(explain($refused));
        like($refused->{message}, qr/way in.*203\.0\.113\.5/s, "he comes from $address");
    }
    local $Api::CLIENT_IP = 'not an address';
    is(call('root@pam', 'POST', 'apply')->{status}, 200, 'nobody is connected from there');
    call('root@pam', 'POST', 'release');
};

subtest 'without a service' => sub {
    $node->freeze();
    my $frozen = call('audit@pve', 'GET', 'status');
    is($frozen->{status}, 504);
    $node->thaw();
    $node->stop();
    for my $info (grep { $_->{name} ne 'index' } $CLASS->methods_of()) {
        my $path = $info->{path} =~ s/\{vmid\}/100/r;
        my %needed = $info->{name} eq 'set_reject_mode' ? (mode => 'drop') : ();
        my $answer = call('root@pam', $info->{method}, $path, %needed);
        is($answer->{status}, 503, $info->{name}) or diag(explain($answer));
        like($answer->{message}, qr/^the firewall service is not running .*\n\z/);
    }
    my $liar = Liar->saying("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"state\":");
    is(call('audit@pve', 'GET', 'status')->{status}, 502, 'a truncated answer');
};

done_testing();
