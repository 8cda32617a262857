package Liar;

# Something that listens where the service should, and answers as a test says.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);

use PVE::Firewall::Nft;

# Listens, and calls $answer with each connection and what was asked; without $answer nobody accepts.
#
#   backlog  of the socket
#   uid      of the process
sub new {
    my ($class, $answer, %how) = @_;

    my $folder = File::Temp->newdir('proxmox-firewall-liar-XXXXXX', TMPDIR => 1);
    chmod(0755, "$folder");
    my ($path) = "$folder/api.sock" =~ m/^(.*)$/;
    my $self = bless { folder => $folder, path => $path, owner => $$ }, $class;
    pipe(my $ready, my $is_ready) or die "pipe: $!";
    $self->{pid} = fork() // die "fork: $!";
    if ($self->{pid} == 0) {
        if (my $uid = $how{uid}) {
            chown($uid, -1, $path =~ m{^(.*)/}) or die "chown: $!";
            $> = $uid;
        }
        my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => $how{backlog} // 16);
        print STDERR "$path: $!\n" if !$listener;
        close($is_ready);
        serve($listener, $answer);
        POSIX::_exit(0);
    }
    close($is_ready);
    # The end of the pipe: it listens.
    my $nothing = <$ready>;
    $PVE::Firewall::Nft::SOCKET = $path;
    return $self;
}

sub serve {
    my ($listener, $answer) = @_;

    local $SIG{PIPE} = 'IGNORE';
    sleep() if !$answer;
    while (my $client = $listener->accept()) {
        my $request = '';
        1 while !is_whole($request) && sysread($client, $request, 65536, length($request));
        $answer->($client, $request);
        close($client);
    }
    return;
}

sub is_whole {
    my ($request) = @_;
    my ($head, $body) = $request =~ m/^(.*?)\r\n\r\n(.*)$/s or return 0;
    my ($length) = $head =~ m/^content-length: (\d+)/im;
    return length($body) >= ($length // 0);
}

# One that answers everybody with these bytes.
sub saying {
    my ($class, $bytes) = @_;
    return $class->new(sub { my ($client) = @_; syswrite($client, $bytes) });
}

# An answer as it should be.
sub answer {
    my ($body, %how) = @_;
    my $status = $how{status} // '200 OK';
    my $type = $how{type} // 'application/json';
    return "HTTP/1.0 $status\r\ncontent-type: $type\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@);
    kill('KILL', $self->{pid});
    waitpid($self->{pid}, 0);
    return;
}

1;
