package PVE::JSONSchema;

# Stands in for pve-common, PVE/JSONSchema.pm. Kept: `get_standard_option` (a copy, with fields over it),
# `validate` (type, enum, pattern as a whole, format, minimum, maximum, maxLength, optional, additionalProperties => 0;
# errors by path, code 400). A word of a schema that this does not know is an error, so that no test passes unread.

use strict;
use warnings;

use JSON;
use Socket qw(AF_INET AF_INET6 inet_pton);

use PVE::Exception;

use base 'Exporter';
our @EXPORT_OK = qw(get_standard_option register_standard_option);

my %OPTIONS = (
    'pve-node' => { description => 'The cluster node name.', type => 'string', format => 'pve-node' },
    'pve-vmid' => {
        description => 'The (unique) ID of the VM.', type => 'integer', format => 'pve-vmid', minimum => 100,
        maximum => 999_999_999,
    },
);

my %FORMATS = (
    'pve-node' => sub { $_[0] =~ m/^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/ },
    'pve-vmid' => sub { $_[0] =~ m/^[1-9][0-9]{2,8}$/ },
    ip => sub { defined(inet_pton(AF_INET, $_[0])) || defined(inet_pton(AF_INET6, $_[0])) },
    ipv4 => sub { defined(inet_pton(AF_INET, $_[0])) },
);

my %WORDS = map { $_ => 1 } qw(
    additionalProperties default description enum format items links maxLength maximum minimum optional pattern
    properties type
);

my %TYPES = (
    any => sub { 1 },
    array => sub { ref($_[0]) eq 'ARRAY' },
    boolean => sub { !ref($_[0]) && $_[0] =~ m/^[01]$/ },
    integer => sub { !ref($_[0]) && $_[0] =~ m/^-?[0-9]+$/ },
    null => sub { 0 },
    number => sub { !ref($_[0]) && $_[0] =~ m/^-?[0-9]+(?:\.[0-9]+)?$/ },
    object => sub { ref($_[0]) eq 'HASH' },
    string => sub { !ref($_[0]) },
);

sub get_standard_option {
    my ($name, $over) = @_;
    my $known = $OPTIONS{$name} or die "no such standard option '$name'\n";
    return { $known->%*, ($over // {})->%* };
}

sub register_standard_option {
    my ($name, $schema) = @_;
    $OPTIONS{$name} = $schema;
    return;
}

sub validate {
    my ($value, $schema, $message) = @_;
    my %errors;
    check($value, $schema, '', \%errors);
    return 1 if !%errors;
    die PVE::Exception->new($message // "Parameter verification failed.\n", code => 400, errors => \%errors);
}

sub check {
    my ($value, $schema, $path, $errors) = @_;

    my @unknown = grep { !$WORDS{$_} } keys $schema->%*;
    die "$path: unknown words in a schema: @unknown\n" if @unknown;
    my $type = $schema->{type} // ($schema->{properties} ? 'object' : 'any');
    if (!defined($value)) {
        $errors->{$path} = 'property is missing and it is not optional' if !$schema->{optional} && $type ne 'null';
        return;
    }
    my $is_of = $TYPES{$type} or die "$path: unknown type '$type'\n";
    return $errors->{$path} = "type check ('$type') failed" if !$is_of->($value);
    if ($type eq 'array') {
        check($value->[$_], $schema->{items}, "${path}[$_]", $errors) for 0 .. $value->$#*;
    } elsif ($type eq 'object') {
        check_object($value, $schema, $path, $errors);
    } elsif (!ref($value)) {
        my $wrong = fault($value, $schema);
        $errors->{$path} = $wrong if $wrong;
    }
    return;
}

sub check_object {
    my ($value, $schema, $path, $errors) = @_;
    my $properties = $schema->{properties} // {};
    for my $name (keys $properties->%*) {
        check($value->{$name}, $properties->{$name}, $path eq '' ? $name : "$path.$name", $errors);
    }
    return if ($schema->{additionalProperties} // 1) ne '0';
    for my $name (grep { !$properties->{$_} } keys $value->%*) {
        $errors->{$name} = 'property is not defined in schema and the schema does not allow additional properties';
    }
    return;
}

sub fault {
    my ($value, $schema) = @_;
    if (my $format = $schema->{format}) {
        my $is_of = $FORMATS{$format} or die "unknown format '$format'\n";
        return "invalid format - $format" if !$is_of->($value);
    }
    return 'value does not match the regex pattern' if defined($schema->{pattern}) && $value !~ m/^$schema->{pattern}$/;
    return 'value is too long' if defined($schema->{maxLength}) && length($value) > $schema->{maxLength};
    return 'value is too large' if defined($schema->{maximum}) && $value > $schema->{maximum};
    return 'value is too small' if defined($schema->{minimum}) && $value < $schema->{minimum};
    return 'value is none of the enumeration' if $schema->{enum} && !grep { $_ eq $value } $schema->{enum}->@*;
    return;
}

1;
