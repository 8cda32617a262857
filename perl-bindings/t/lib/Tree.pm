package Tree;

# A tree of modules as a node has them once the package is installed: the stand-ins for the wrapped files diverted, the
# wrappers in their places.

use strict;
use warnings;

use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp ();

my ($HERE) = __FILE__ =~ m{^(.*)/[^/]+$};

#   off      the path that switches the hooks off, instead of the usual one
#   without  an original that is not there
#   alter    { file => code that changes the original's text in $_ }
sub new {
    my ($class, %how) = @_;

    my $folder = File::Temp->newdir('proxmox-firewall-tree-XXXXXX', TMPDIR => 1);
    my ($path) = "$folder" =~ m/^(.*)$/;
    my $self = bless { folder => $folder, path => $path }, $class;
    for my $file ($class->files()) {
        make_path("$path/$file" =~ m{^(.*)/});
        $self->place("$HERE/../../wrappers/$file", $file, sub { s{/etc/proxmox-firewall/hooks-off}{$how{off}}g if $how{off} });
        next if ($how{without} // '') eq $file;
        $self->place("$HERE/../originals/$file", "$file.distrib", $how{alter}->{$file} // sub { });
    }
    return $self;
}

# The wrapped files, as the manifest lists them.
sub files {
    open(my $manifest, '<', "$HERE/../../wrappers/MANIFEST") or die "MANIFEST: $!";
    return map { m{^/usr/share/perl5/\S+\s+(\S+)} ? $1 : () } <$manifest>;
}

sub place {
    my ($self, $from, $to, $change) = @_;

    open(my $in, '<', $from) or die "$from: $!";
    local $_ = do { local $/ = undef; <$in> };
    $change->();
    open(my $out, '>', "$self->{path}/$to") or die "$to: $!";
    print $out $_;
    close($out) or die "$to: $!";
    return;
}

1;
