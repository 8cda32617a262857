package PVE::Firewall::Nft::Http;

# One HTTP exchange over a unix socket: request bytes in, status, headers and body out, all of it before a deadline.
# No AnyEvent (API handlers must not run it), no LWP (it has no unix sockets); a kept connection would gain nothing,
# for connecting takes some ten microseconds.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR ENOENT ECONNREFUSED EWOULDBLOCK);
use Socket qw(AF_UNIX SOCK_STREAM SOCK_NONBLOCK SOL_SOCKET SO_PEERCRED pack_sockaddr_un);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

# A head that is longer is none of the service's.
use constant HEAD_MAX => 16 * 1024;
use constant CHUNK => 64 * 1024;
# While the listener's queue is full there is nothing to wait for but time.
use constant QUEUE_PAUSE => 0.01;

# Sends a request and reads its answer.
#
#   path      of the socket
#   peer_uid  who must be at its other end
#   request   bytes
#   connect   seconds until the connection must stand
#   timeout   seconds until all must be over, the connection included
#   limit     bytes that a body may have
#
# Returns { status, headers, body } or { error, text }, where error is `absent` (nobody listens), `timeout`, `stranger`
# (the peer is somebody else) or `garbled` (what came is no answer). It never dies.
sub exchange {
    my (%call) = @_;

    # Whoever calls may be in the middle of handling an error of his own, or of a loop over $_.
    local ($@, $!, $_);
    # A peer that goes while we write is an error like others, not the end of this process.
    local $SIG{PIPE} = 'IGNORE';

    my $deadline = now() + $call{timeout};
    my $answer = eval {
        my $connected_by = now() + $call{connect};
        my $socket = connected($call{path}, $connected_by < $deadline ? $connected_by : $deadline);
        is_peer($socket, $call{peer_uid});
        send_all($socket, $call{request}, $deadline);
        received($socket, $call{limit}, $deadline);
    };
    return $answer if $answer;
    my $error = $@;
    return ref($error) eq 'HASH' ? $error : { error => 'garbled', text => "$error" };
}

sub now {
    return clock_gettime(CLOCK_MONOTONIC);
}

sub failed {
    my ($error, $text) = @_;
    die { error => $error, text => $text };
}

sub connected {
    my ($path, $deadline) = @_;

    socket(my $socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) or failed('absent', "no socket: $!");
    my $address = pack_sockaddr_un($path);
    until (connect($socket, $address)) {
        next if $!{EINTR};
        failed('absent', "$path: $!") if !$!{EAGAIN};
        failed('timeout', 'its queue is full') if now() + QUEUE_PAUSE > $deadline;
        Time::HiRes::sleep(QUEUE_PAUSE);
    }
    return $socket;
}

# Who listens: the process that had bound the socket, or systemd on its behalf.
sub is_peer {
    my ($socket, $wanted) = @_;

    my $credentials = getsockopt($socket, SOL_SOCKET, SO_PEERCRED) or failed('stranger', "the peer is unknown: $!");
    my (undef, $uid) = unpack('l L L', $credentials);
    failed('stranger', "the peer runs as user $uid, not as $wanted") if $uid != $wanted;
    return;
}

sub send_all {
    my ($socket, $bytes, $deadline) = @_;

    my $sent = 0;
    while ($sent < length($bytes)) {
        my $n = syswrite($socket, $bytes, CHUNK, $sent);
        if (defined($n)) {
            $sent += $n;
        } elsif ($!{EAGAIN} || $!{EWOULDBLOCK}) {
            ready($socket, 1, $deadline);
        } elsif (!$!{EINTR}) {
            # An answer that came before the whole request was read is an answer still.
            return if $!{EPIPE};
            failed('garbled', "the connection broke while the request was sent: $!");
        }
    }
    return;
}

sub ready {
    my ($socket, $is_writing, $deadline) = @_;

    my $left = $deadline - now();
    failed('timeout', 'no answer in time') if $left <= 0;
    my $bits = '';
    vec($bits, fileno($socket), 1) = 1;
    # Interrupted or over: the loop that asked looks again, and at the clock.
    $is_writing ? select(undef, $bits, undef, $left) : select($bits, undef, undef, $left);
    return;
}

sub received {
    my ($socket, $limit, $deadline) = @_;

    my ($bytes, $head, $length) = ('');
    while (!defined($length) || length($bytes) < $length) {
        my $n = sysread($socket, $bytes, CHUNK, length($bytes));
        if (!defined($n)) {
            next if $!{EINTR};
            failed('garbled', "the connection broke: $!") if !$!{EAGAIN} && !$!{EWOULDBLOCK};
            ready($socket, 0, $deadline);
            next;
        }
        failed('garbled', 'the answer is cut off') if $n == 0;
        # Drops reach a peer that never stops.
        failed('timeout', 'no answer in time') if now() > $deadline;
        next if defined($length);
        my @parts = split_head($bytes) or next;
        ($head, $bytes) = @parts;
        $length = body_length($head, $limit);
    }
    failed('garbled', 'the answer is longer than it says') if length($bytes) > $length;
    return { $head->%*, body => $bytes };
}

# The head, parsed, and what came behind it; nothing while it is not complete.
sub split_head {
    my ($bytes) = @_;

    my $end = index($bytes, "\r\n\r\n");
    if ($end < 0) {
        failed('garbled', 'the head of the answer has no end') if length($bytes) > HEAD_MAX;
        failed('garbled', 'the answer is not HTTP') if length($bytes) >= 5 && substr($bytes, 0, 5) ne 'HTTP/';
        return;
    }
    my ($first, @lines) = split(/\r\n/, substr($bytes, 0, $end));
    my ($status) = ($first // '') =~ m{^HTTP/1\.[01] ([1-5][0-9][0-9])(?: |$)};
    failed('garbled', 'the answer is not HTTP') if !defined($status);
    my %headers;
    for my $line (@lines) {
        my ($name, $value) = $line =~ m/^([!-9;-~]+):[ \t]*(.*?)[ \t]*$/;
        failed('garbled', 'a header of the answer has no name') if !defined($name);
        $headers{ lc($name) } = $value;
    }
    return ({ status => $status + 0, headers => \%headers }, substr($bytes, $end + 4));
}

sub body_length {
    my ($head, $limit) = @_;

    return 0 if $head->{status} == 204 || $head->{status} == 304;
    my $length = $head->{headers}->{'content-length'};
    failed('garbled', 'the answer does not say how long it is') if ($length // '') !~ m/^[0-9]{1,12}$/;
    failed('garbled', "the answer has $length bytes, more than the $limit that are read") if $length > $limit;
    return $length;
}

1;
