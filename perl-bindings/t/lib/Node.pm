package Node;

# A node for tests: its files in a folder of their own, the real service over them in a network namespace of its own.

use strict;
use warnings;

use Carp qw(croak);
use File::Path qw(make_path);
use File::Temp ();
use POSIX ();
use Time::HiRes qw(sleep time);

use PVE::Firewall::Nft;

# Taint mode: programs come from here alone.
$ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};

my ($HERE) = __FILE__ =~ m{^(.*)/[^/]+$};
my $PROGRAM = trusted($ENV{PROXMOX_FIREWALL} // "$HERE/../../../target/debug/proxmox-firewall");

my $FACTS = <<'JSON';
{"node": "n1", "links": [
  {"name": "eno1", "mac": "02:00:00:00:0e:01", "master": "vmbr0"},
  {"name": "tap100i0", "master": "vmbr0"},
  {"name": "vmbr0", "kind": "bridge", "mac": "02:00:00:00:0b:00", "addresses": ["192.0.2.1/24"]}
], "resolved": {"n1": ["192.0.2.1"]}, "connected": ["192.0.2.0/24"]}
JSON

my %FILES = (
    '/etc/pve/.version' => '{}',
    '/etc/pve/firewall/cluster.fw' => "[OPTIONS]\nenable: 1\n\n[IPSET management]\n192.0.2.0/24\n",
    '/etc/pve/nodes/n1/host.fw' => "[OPTIONS]\nnftables: 1\n",
    '/etc/pve/nodes/n1/qemu-server/100.conf' => "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n",
    '/etc/pve/nodes/n1/qemu-server/101.conf' => "net0: virtio=BC:24:11:00:00:02,bridge=vmbr0,firewall=1\n",
    '/etc/pve/nodes/n1/lxc/200.conf' => "net0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:03,type=veth\n",
    '/etc/pve/firewall/100.fw' => "[OPTIONS]\nenable: 1\n\n[RULES]\nIN DROP -p tcp -dport 81\nIN ACCEPT -p tcp\n",
    '/facts.json' => $FACTS,
);

sub trusted {
    my ($text) = @_;
    my ($same) = $text =~ m/^(.*)$/s;
    return $same;
}

sub new {
    my ($class) = @_;

    -x $PROGRAM or croak "$PROGRAM is not there: cargo build -p proxmox-firewall";
    my $folder = File::Temp->newdir('proxmox-firewall-perl-XXXXXX', TMPDIR => 1);
    my $self = bless { folder => $folder, root => trusted("$folder"), owner => $$ }, $class;
    $self->write($_, $FILES{$_}) for sort keys %FILES;
    $self->{socket} = $self->path('/run/api.sock');
    $PVE::Firewall::Nft::SOCKET = $self->{socket};
    return $self;
}

sub path {
    my ($self, $absolute) = @_;
    return $self->{root} . $absolute;
}

sub write { ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $absolute, $text) = @_;

    my $path = $self->path($absolute);
    make_path($path =~ m{^(.*)/});
    # As PVE::Tools::file_set_contents: readers see the old file or the new one.
    open(my $file, '>', "$path.tmp.$$") or croak "$path: $!";
    print $file $text;
    close($file) or croak "$path: $!";
    rename("$path.tmp.$$", $path) or croak "$path: $!";
    return;
}

sub read { ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $absolute) = @_;

    open(my $file, '<', $self->path($absolute)) or croak "$absolute: $!";
    local $/ = undef;
    return scalar(<$file>);
}

sub start {
    my ($self) = @_;

    $self->{service} = fork() // croak "fork: $!";
    if ($self->{service} == 0) {
        open(STDERR, '>>', $self->path('/log'));
        $ENV{RUST_LOG} = 'audit=info';
        my @where = ('--root', $self->{root}, '--facts', $self->path('/facts.json'), '--socket', $self->{socket});
        exec('unshare', '--net', $PROGRAM, 'serve', @where) or POSIX::_exit(127);
    }
    my $began = time();
    my $status;
    until (($status) = PVE::Firewall::Nft::attempt('status') and $status and $status->{generation}) {
        croak 'the service does not start: ' . $self->read('/log') if time() - $began > 60;
        sleep(0.02);
    }
    return $self;
}

sub stop {
    my ($self) = @_;

    my $service = delete $self->{service} or return;
    kill('TERM', $service);
    # A frozen one is told to go on first, or it would not hear.
    kill('CONT', $service);
    waitpid($service, 0);
    return;
}

# Stops its processor time, as a machine does that is busy elsewhere.
sub freeze {
    my ($self) = @_;

    kill('STOP', $self->{service});
    # Each of its threads stops when the kernel comes to it.
    for my $task (map { trusted($_) } glob("/proc/$self->{service}/task/*/stat")) {
        sleep(0.01) while stat_of($task) !~ m/\) [Tt] /;
    }
    return;
}

sub stat_of {
    my ($path) = @_;
    open(my $file, '<', $path) or croak "$path: $!";
    return scalar(<$file>);
}

sub thaw {
    my ($self) = @_;
    kill('CONT', $self->{service});
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->stop() if $self->{owner} == $$;
    return;
}

1;
