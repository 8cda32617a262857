package PVE::RESTHandler;

# Stands in for pve-common, PVE/RESTHandler.pm. Kept: `register_method` (methods by path, `{placeholders}` and
# subclasses; no name and no path twice), `find_handler`, `map_method_by_name`, `handle` (parameters are validated,
# then handed over untainted; with $verify_result the result is validated too).

use strict;
use warnings;

use PVE::Exception;
use PVE::JSONSchema;

my (%by_name, %by_path);

sub register_method {
    my ($class, $info) = @_;

    die "$class: a method has no path\n" if !defined($info->{path});
    $info->{method} //= 'GET' if !$info->{subclass};
    my $method = $info->{subclass} ? 'SUBCLASS' : $info->{method};
    my $folder = $by_path{$class} //= {};
    for my $part (grep { length } split(m{/}, $info->{path})) {
        my ($placeholder) = $part =~ m/^\{([\w-]+)\}$/;
        my $kind = defined($placeholder) ? 'placeholder' : 'folders';
        my $other = defined($placeholder) ? 'folders' : 'placeholder';
        die "$class/$info->{path}: fixed names beside a placeholder\n" if $folder->{$other};
        $folder->{name} = $placeholder if defined($placeholder);
        $folder = $folder->{$kind}->{ $placeholder // $part } //= {};
    }
    die "$class/$info->{path}: two methods $method\n" if $folder->{methods}->{$method}++;
    die "$class: two methods named $info->{name}\n" if $info->{name} && $by_name{$class}->{ $info->{name} };
    $by_name{$class}->{ $info->{name} } = $info if $info->{name};
    $folder->{$method} = $info;
    return;
}

sub map_method_by_name {
    my ($class, $name) = @_;
    return $by_name{$class}->{$name} // die "no such method '${class}::$name'\n";
}

# For tests: all methods of a class.
sub methods_of {
    my ($class) = @_;
    return map { $by_name{$class}->{$_} } sort keys $by_name{$class}->%*;
}

sub find_handler {
    my ($class, $method, $path, $param) = @_;

    my $folder = $by_path{$class};
    for my $part (grep { length } split(m{/}, $path)) {
        if ($folder->{placeholder}) {
            return if $part =~ m/\s/;
            $param->{ $folder->{name} } = $part;
            $folder = $folder->{placeholder}->{ $folder->{name} };
        } else {
            $folder = $folder->{folders}->{$part} or return;
        }
        if (my $mounted = $folder->{SUBCLASS}) {
            $class = $mounted->{subclass};
            $folder = $by_path{$class};
        }
    }
    return $folder->{$method} ? ($class, $folder->{$method}) : ();
}

sub handle {
    my ($class, $info, $param, $verify_result) = @_;

    PVE::JSONSchema::validate($param, $info->{parameters});
    my %clean = map { $_ => scalar(($param->{$_} =~ m/^(.*)$/s)[0]) } keys $param->%*;
    my $result = $info->{code}->(\%clean);
    PVE::JSONSchema::validate($result, $info->{returns}, "Result verification failed\n") if $verify_result;
    return $result;
}

1;
