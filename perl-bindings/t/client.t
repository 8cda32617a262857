#!/usr/bin/perl -T

# The client, against the real service and against whatever else may listen there.

use strict;
use warnings;

use FindBin;
use lib map { m/^(.*)$/ } "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use JSON;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(time sleep);

use Liar;
use Node;
use PVE::Exception;
use PVE::Firewall::Nft;
use PVE::RPCEnvironment;

# Two processors and others at work: a deadline may be met late, by this much.
use constant SLACK_S => 1;

sub error_of {
    my (@call) = @_;
    my $began = time();
    my $value = eval { PVE::Firewall::Nft::request(@call) };
    my $error = $@;
    ok(ref($error) eq 'PVE::Exception', "$call[0]: an exception") or diag(explain($error || $value));
    return ($error, time() - $began);
}

subtest 'the operations are those of the API' => sub {
    open(my $file, '<', "$FindBin::Bin/../../api/openapi.json") or die "openapi.json: $!";
    local $/ = undef;
    my $document = JSON->new->utf8->decode(<$file>);
    for my $name (sort keys $PVE::Firewall::Nft::OPERATIONS->%*) {
        my ($method, $path) = $PVE::Firewall::Nft::OPERATIONS->{$name}->@*;
        is($document->{paths}->{$path}->{ lc($method) }->{operationId}, $name, "$method $path");
    }
};

subtest 'the real service' => sub {
    my $node = Node->new()->start();
    PVE::RPCEnvironment::stand_in(user => 'alice@pve');
    my $status = PVE::Firewall::Nft::request('status');
    is($status->{generation}->{number}, 1, 'it enforces');
    is($status->{hold}, 0, 'booleans are numbers');
    ok(!exists($status->{confirm}), 'what is null is absent');
    my $text = PVE::Firewall::Nft::request('ruleset', query => { format => 'nft' })->{text};
    like($text, qr/^table inet proxmox-firewall \{/m, 'text comes as text');

    my ($unknown) = error_of('guest', path => { vmid => 999 });
    is($unknown->{code}, 404);
    is($unknown->{msg}, "guest 999 is not on this node\n");
    my ($stale) = error_of('apply', enforced => 77);
    is($stale->{code}, undef, 'a plain error, as elsewhere in PVE');
    is($stale->{msg}, "detected modified configuration - file changed by other user? Try again.\n");
    my ($nothing) = error_of('confirm');
    is($nothing->{code}, 409);
    like($nothing->{msg}, qr/^there is nothing to do: nothing waits for a confirmation$/m);
    is($nothing->{problem}->{type}, 'urn:proxmox-firewall:problem:nothing', 'the document is kept');
    my ($wrong) = error_of('simulate', body => { packet => 'gibberish' }, blame => 'packet');
    is($wrong->{code}, 400);
    is($wrong->{msg}, "Parameter verification failed.\n");
    like($wrong->{errors}->{packet}, qr/<from> <to> <proto>/);
    my ($unblamed) = error_of('simulate', body => { packet => 'gibberish' });
    is_deeply([$unblamed->{code}, $unblamed->{errors}], [400, undef]);
    like($unblamed->{msg}, qr/<from> <to> <proto>.*\[key=value \.\.\.\]$/m, 'bytes alone: it becomes a line of HTTP');

    $node->write('/etc/pve/nodes/n1/host.fw', "[OPTIONS]\nnftables: 1\n[RULES]\nIN ACCEPT -p tcp -dport 4242\n");
    my $applied = PVE::Firewall::Nft::request('apply', body => { automatic => '1' });
    is_deeply([$applied->@{qw(generation state)}], [2, $status->{state}], 'what is saved is enforced');
    is(PVE::Firewall::Nft::request('hold', enforced => 2)->{hold}, 1, 'the generation is the one that was meant');
    like($node->read('/log'), qr{path="?/v1/apply"?.*alice\@pve}, 'the service knows who asked');
    PVE::RPCEnvironment::stand_in(user => "eve\r\nPVE-User: root\@pam");
    PVE::Firewall::Nft::request('hold');
    unlike($node->read('/log'), qr/hold.*(?:eve|root)/, 'nobody writes headers of his own');
};

subtest 'a refused ruleset brings its diagnostics' => sub {
    my @diagnostics = map {
        {
            severity => 'error', code => 'R001', message => "no alias `a$_`", consequence => 'rule is skipped',
            file => '/etc/pve/firewall/100.fw', line => $_, column => 4,
        }
    } 1 .. 25;
    my $problem = {
        type => 'urn:proxmox-firewall:problem:refused', title => 'the kernel refused the ruleset', status => 409,
        reasons => ['no such file'], diagnostics => \@diagnostics,
    };
    my $body = JSON->new->utf8->encode($problem);
    my $liar = Liar->saying(Liar::answer($body, status => '409 Conflict', type => 'application/problem+json'));
    my ($error) = error_of('apply');
    my @lines = split(/\n/, $error->{msg});
    is($lines[0], 'the kernel refused the ruleset');
    is($lines[1], '  no such file');
    is($lines[2], '/etc/pve/firewall/100.fw:1:4: error[R001]: no alias `a1`; rule is skipped');
    is($lines[-1], 'and 5 more');
    my ($value, $text) = PVE::Firewall::Nft::attempt('apply');
    is($value, undef);
    like($text, qr/and 5 more\z/, 'no line feed at its end');
};

subtest 'nobody there' => sub {
    local $PVE::Firewall::Nft::SOCKET = '/nonexistent/api.sock';
    my ($error, $took) = error_of('status');
    is($error->{code}, 503);
    like($error->{msg}, qr/^the firewall service is not running .*No such file/);
    cmp_ok($took, "<", 0.5);
    my $liar = Liar->saying('');
    kill('KILL', $liar->{pid});
    waitpid($liar->{pid}, 0);
    ($error) = error_of('status');
    like($error->{msg}, qr/Connection refused/, 'a socket without a listener');
};

subtest 'it restarts' => sub {
    my $node = Node->new()->start();
    $node->stop();
    my ($error) = error_of('status');
    is($error->{code}, 503);
    $node->start();
    is(PVE::Firewall::Nft::request('status')->{node}, 'n1');
    # systemd keeps the socket: who asks meanwhile waits in its queue.
    my $liar = Liar->new(sub { sleep(0.4); syswrite($_[0], Liar::answer('{"enforced":true}')) });
    is(PVE::Firewall::Nft::request('guest_event', path => { vmid => 100 })->{enforced}, 1);
};

subtest 'a frozen service costs the deadline and no more' => sub {
    my $node = Node->new()->start();
    $node->freeze();
    for (['status', 2], ['guest_event', 1, path => { vmid => 100 }, body => { event => 'start' }]) {
        my ($name, $limit, @call) = $_->@*;
        my ($error, $took) = error_of($name, @call);
        is($error->{code}, 504);
        cmp_ok(abs($took - $limit - SLACK_S / 2), '<=', SLACK_S / 2 + 0.05, "$name: $took s");
    }
    my ($error, $took) = error_of('apply', timeout => 0.3);
    cmp_ok($took, '<', 0.3 + SLACK_S, 'a caller may be in a greater hurry');
    $node->thaw();
    is(PVE::Firewall::Nft::request('status')->{generation}->{number}, 1, 'and then it answers');
};

subtest 'a full queue' => sub {
    my $liar = Liar->new(undef, backlog => 1);
    my @waiting;
    push @waiting, IO::Socket::UNIX->new(Peer => $liar->{path}, Blocking => 0) for 1 .. 4;
    my ($error, $took) = error_of('apply');
    is($error->{code}, 504);
    cmp_ok($took, '<', 0.2 + SLACK_S, 'connecting has a limit of its own');
};

subtest 'drops that never end' => sub {
    my $head = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
    my $drip = sub {
        my ($client) = @_;
        syswrite($client, $head);
        sleep(0.05) while syswrite($client, ' ');
    };
    my $liar = Liar->new($drip);
    my ($error, $took) = error_of('guest_event', path => { vmid => 100 });
    is($error->{code}, 504);
    cmp_ok($took, '<', 1 + SLACK_S);
};

my $good = Liar::answer('{"ready":true}');
my %garbled = (
    'nothing' => '',
    'half a head' => "HTTP/1.0 200 OK\r\ncontent-ty",
    'a truncated body' => substr($good, 0, -3),
    'more than it says' => "$good ",
    'more than is read' => "HTTP/1.0 200 OK\r\ncontent-length: 999999999\r\n\r\n{",
    'a length of no meaning' => "HTTP/1.0 200 OK\r\ncontent-length: -1\r\n\r\n{}",
    'no length' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{}",
    'chunks' => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    'a head without end' => "HTTP/1.0 200 OK\r\n" . ("x: y\r\n" x 4000),
    'a header without a name' => "HTTP/1.0 200 OK\r\n: y\r\n\r\n",
    'something else than HTTP' => "SSH-2.0-OpenSSH_9.2p1\r\n",
    'a page' => Liar::answer('<html></html>', type => 'text/html'),
    'an error as a page' => Liar::answer('<html></html>', status => '502 Bad Gateway', type => 'text/html'),
    'no type' => "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    'an empty body' => Liar::answer(''),
    'a list' => Liar::answer('[1]'),
    'half of JSON' => Liar::answer('{"ready":'),
    'bytes that are no UTF-8' => Liar::answer("{\"ready\":\"\xff\xfe\"}"),
);
for my $what (sort keys %garbled) {
    subtest "an answer: $what" => sub {
        my $liar = Liar->saying($garbled{$what});
        my ($error, $took) = error_of('health');
        is($error->{code}, 502);
        like($error->{msg}, qr/^the firewall service answers what is no answer: /);
        unlike($error->{msg}, qr/ at \S+ line /, 'for people');
        cmp_ok($took, '<', 1.5);
    };
}

subtest 'an endless body' => sub {
    my $pour = sub { 1 while syswrite($_[0], 'HTTP/1.0 200 OK' x 1000) };
    my $liar = Liar->new($pour);
    my ($error, $took) = error_of('health');
    is($error->{code}, 502);
    cmp_ok($took, '<', 1.5);
};

subtest 'a wrong peer' => sub {
    my $liar = Liar->new(sub { syswrite($_[0], $good) }, uid => 65534);
    my ($error) = error_of('health');
    is($error->{code}, 502);
    like($error->{msg}, qr/in other hands: the peer runs as user 65534, not as 0$/m);
};

subtest 'a peer that goes while we write' => sub {
    my $liar = Liar->new(sub { });
    $liar->{pid} = do { kill('KILL', $liar->{pid}); waitpid($liar->{pid}, 0); fork() };
    if ($liar->{pid} == 0) {
        unlink($liar->{path});
        my $listener = IO::Socket::UNIX->new(Local => $liar->{path}, Listen => 4);
        close($listener->accept()) while 1;
    }
    sleep(0.2);
    local $SIG{PIPE} = sub { fail('SIGPIPE came through') };
    my ($error) = error_of('compile', body => { overlay => { '/etc/pve/firewall/100.fw' => 'x' x 4_000_000 } });
    is($error->{code}, 502);
};

subtest 'who must go on, goes on' => sub {
    local $PVE::Firewall::Nft::SOCKET = '/nonexistent/api.sock';
    local $_ = 'mine';
    eval { die "an error of the caller's\n" };
    my ($value, $error) = PVE::Firewall::Nft::attempt('guest_event', path => { vmid => 1 });
    is($@, "an error of the caller's\n", '$@ is left alone');
    is($_, 'mine', 'and so is $_');
    is($value, undef);
    like($error, qr/not running/);
    ($value, $error) = PVE::Firewall::Nft::attempt('no such thing');
    like($error, qr/no operation/, 'not even a mistake of ours dies');
};

subtest 'odd values' => sub {
    is(PVE::Firewall::Nft::target('/v1/guests/{vmid}', path => { vmid => '1/../2?x' }), '/v1/guests/1%2F..%2F2%3Fx');
    my $liar = Liar->saying(Liar::answer('', type => 'text/plain; charset=utf-8'));
    is(PVE::Firewall::Nft::request('ruleset')->{text}, '', 'a text without a character');
    is(PVE::Firewall::Nft::target('/v1/x', query => { b => "\x{e4}&", a => undef }), '/v1/x?b=%C3%A4%26');
};

done_testing();
