package PVE::Exception;

# Stands in for pve-common, PVE/Exception.pm. Kept: `new` (a message, then any fields), `raise` and `raise_param_exc`
# (code 400, `errors` by parameter), `raise_perm_exc` (code 403), the text that an exception becomes (code, message,
# then a line for each parameter).

use strict;
use warnings;

use overload '""' => \&text, fallback => 1;

use base 'Exporter';
our @EXPORT_OK = qw(raise raise_param_exc raise_perm_exc);

sub new {
    my ($class, $message, %fields) = @_;
    return bless { %fields, msg => $message }, ref($class) || $class;
}

sub raise { die PVE::Exception->new(@_) }

sub raise_param_exc {
    my ($errors) = @_;
    die PVE::Exception->new("Parameter verification failed.\n", code => 400, errors => $errors);
}

sub raise_perm_exc {
    my ($what) = @_;
    my $which = $what ? " ($what)" : '';
    die PVE::Exception->new("Permission check failed$which\n", code => 403);
}

sub text {
    my ($self) = @_;
    my $errors = $self->{errors} // {};
    my $code = $self->{code} ? "$self->{code} " : '';
    return join('', "$code$self->{msg}", map { "$_: $errors->{$_}\n" } sort keys $errors->%*);
}

1;
