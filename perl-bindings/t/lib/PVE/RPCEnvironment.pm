package PVE::RPCEnvironment;

# Stands in for pve-access-control, PVE/RPCEnvironment.pm, and its base in pve-common, PVE/RESTEnvironment.pm. Kept:
# `get` (dies before there is one), `get_user` (`$noerr`), `get_client_ip`, `check` and `check_any` and `check_full` (path, privileges, `$noerr`;
# privileges are inherited from the paths above), `check_api2_permissions` (root@pam may everything; `user => 'all'`;
# `check` with `perm`, `and`, `or`), `set_result_attrib`.

use strict;
use warnings;

use PVE::Exception qw(raise_perm_exc);

my $env;

# For tests: who is logged in, and { path => [privileges] } for each user.
sub stand_in {
    my (%fields) = @_;
    $env = bless { acl => {}, attributes => {}, %fields }, __PACKAGE__;
    return $env;
}

sub gone { $env = undef; return }

sub get { return $env // die "no PVE::RPCEnvironment - call init first\n" }

sub get_user {
    my ($self, $noerr) = @_;
    return $self->{user} if defined($self->{user}) || $noerr;
    die "user name not set\n";
}

sub get_client_ip { return $_[0]->{client_ip} }

sub set_result_attrib {
    my ($self, $key, $value) = @_;
    $self->{attributes}->{$key} = $value;
    return;
}

sub has {
    my ($self, $user, $path, $wanted) = @_;
    return 1 if $user eq 'root@pam';
    my $acl = $self->{acl}->{$user} // {};
    my @above = ('/');
    my $walked = '';
    push @above, $walked .= "/$_" for grep { length } split('/', $path);
    for my $place (reverse @above) {
        # The nearest entry counts.
        return scalar(grep { $_ eq $wanted } $acl->{$place}->@*) if $acl->{$place};
    }
    return 0;
}

sub check_full {
    my ($self, $user, $path, $privileges, $any, $noerr) = @_;
    my @held = grep { $self->has($user, $path, $_) } $privileges->@*;
    return 1 if $any ? @held : @held == $privileges->@*;
    return 0 if $noerr;
    return raise_perm_exc("$path, " . join('|', $privileges->@*));
}

sub check { my ($self, $user, $path, $privileges, $noerr) = @_; return $self->check_full($user, $path, $privileges, 0, $noerr) }
sub check_any { my ($self, $user, $path, $privileges, $noerr) = @_; return $self->check_full($user, $path, $privileges, 1, $noerr) }

sub check_api2_permissions {
    my ($self, $permissions, $user, $param) = @_;
    raise_perm_exc('user != null') if !$user;
    return 1 if $user eq 'root@pam';
    raise_perm_exc('user != root@pam') if !$permissions;
    return 1 if ($permissions->{user} // '') eq 'all';
    raise_perm_exc() if !$permissions->{check};
    return $self->checks($permissions->{check}, $user, $param);
}

sub checks {
    my ($self, $check, $user, $param, $noerr) = @_;
    my ($kind, @rest) = $check->@*;
    if ($kind eq 'and') {
        $self->checks($_, $user, $param) for @rest;
        return 1;
    }
    if ($kind eq 'or') {
        $self->checks($_, $user, $param, 1) and return 1 for @rest;
        return 0 if $noerr;
        raise_perm_exc();
    }
    die "unknown permission test $kind" if $kind ne 'perm';
    my ($path, $privileges, %options) = @rest;
    $path =~ s/\{(\w+)\}/$param->{$1} \/\/ die "no parameter $1"/ge;
    return $self->check_full($user, $path, $privileges, $options{any}, $noerr);
}

1;
