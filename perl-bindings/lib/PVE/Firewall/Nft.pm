package PVE::Firewall::Nft;

# The client of proxmox-firewall's API for everything in Perl: API handlers, hooks, commands.
#
#   my $status = PVE::Firewall::Nft::request('status');                    # dies with a PVE::Exception
#   my ($outcome, $error) = PVE::Firewall::Nft::attempt('guest_event',     # never dies
#       path => { vmid => 100 }, body => { event => 'plug', iface => 'tap100i0' });
#
# Whatever the service does (absent, frozen, restarting, talking nonsense), a call ends within its time limit.

use strict;
use warnings;

use JSON;
use Socket qw(AF_INET AF_INET6 inet_pton);

use PVE::Exception;
use PVE::Firewall::Nft::Http;

our $SOCKET = '/run/proxmox-firewall/api.sock';

# The user that the service runs as.
our $PEER_UID = 0;

use constant {
    # It accepts at once or it does not.
    CONNECT_S => 0.2,
    # A network device waits for it, and a start has 5 s for each.
    GUEST_EVENT_S => 1,
    # Handlers are synchronous and pvedaemon has three workers.
    STATUS_S => 2,
    # pveproxy waits 30 s.
    APPLY_S => 25,
    SMALL => 64 * 1024,
    USUAL => 16 * 1024 * 1024,
    # The ruleset of a thousand guests as text has ten.
    LARGE => 64 * 1024 * 1024,
    # A message is read by people: the first ones tell what is wrong.
    DIAGNOSTICS_MAX => 20,
    USER_MAX => 128,
};

# As PVE::Tools::assert_if_modified says it: the web UI and others know the sentence.
use constant STALE => "detected modified configuration - file changed by other user? Try again.\n";

# The operations by the ids that api/openapi.json gives them: method, path, seconds, bytes of an answer.
our $OPERATIONS = {
    status => ['GET', '/v1/status', STATUS_S, USUAL],
    health => ['GET', '/v1/health', STATUS_S, SMALL],
    generations => ['GET', '/v1/generations', STATUS_S, USUAL],
    reject_mode => ['GET', '/v1/reject-mode', STATUS_S, SMALL],
    guests => ['GET', '/v1/guests', STATUS_S, USUAL],
    guest => ['GET', '/v1/guests/{vmid}', STATUS_S, USUAL],
    metrics => ['GET', '/metrics', STATUS_S, USUAL],
    ruleset => ['GET', '/v1/ruleset', APPLY_S, LARGE],
    compile => ['POST', '/v1/compile', APPLY_S, LARGE],
    simulate => ['POST', '/v1/simulate', APPLY_S, USUAL],
    apply => ['POST', '/v1/apply', APPLY_S, USUAL],
    confirm => ['POST', '/v1/apply/confirm', APPLY_S, SMALL],
    rollback => ['POST', '/v1/apply/rollback', APPLY_S, USUAL],
    hold => ['POST', '/v1/hold', APPLY_S, SMALL],
    release => ['POST', '/v1/release', APPLY_S, SMALL],
    set_reject_mode => ['PUT', '/v1/reject-mode', APPLY_S, SMALL],
    guest_event => ['POST', '/v1/guests/{vmid}/events', GUEST_EVENT_S, SMALL],
};

# Calls an operation and returns its answer; booleans are 0 and 1, what is null is absent.
#
#   path     values for the path's placeholders
#   query    parameters
#   body     a hash; numbers and booleans may be strings, the service takes either
#   enforced only if this generation is enforced
#   blame    the parameter that is at fault if the service finds the request wrong
#   timeout  seconds, where the operation's own are too many
sub request {
    my ($name, %call) = @_;

    my $answer = exchange($name, %call);
    die exception($answer) if $answer->{error};
    my ($status, $value) = $answer->@{qw(status value)};
    die refusal($status, $value, $call{blame}) if $status >= 300;
    return $value;
}

# As `request`, for callers that must go on: the answer, or nothing and a text without line feeds at its end.
sub attempt {
    my ($name, %call) = @_;

    local $@;
    my $value = eval { request($name, %call) };
    return ($value, undef) if !$@;
    my $error = ref($@) && $@->isa('PVE::Exception') ? $@->{msg} : "$@";
    $error =~ s/\s+\z//;
    return (undef, $error);
}

sub exchange {
    my ($name, %call) = @_;

    my $operation = $OPERATIONS->{$name} or die "the API has no operation '$name'\n";
    my ($method, $path, $timeout, $limit) = $operation->@*;
    my $answer = PVE::Firewall::Nft::Http::exchange(
        path => $SOCKET,
        peer_uid => $PEER_UID,
        connect => CONNECT_S,
        timeout => $call{timeout} // $timeout,
        limit => $limit,
        request => request_bytes($method, target($path, %call), %call),
    );
    return $answer if $answer->{error};
    my $value = eval { body_value($answer) };
    return { error => 'garbled', text => "$@" } if $@;
    return { status => $answer->{status}, value => $value };
}

sub target {
    my ($path, %call) = @_;

    $path =~ s/\{(\w+)\}/escape($call{path}->{$1})/ge;
    my $query = $call{query} // {};
    my @pairs = map { escape($_) . '=' . escape($query->{$_}) } grep { defined($query->{$_}) } sort keys $query->%*;
    return @pairs ? "$path?" . join('&', @pairs) : $path;
}

sub escape {
    my ($text) = @_;

    utf8::encode($text);
    $text =~ s/([^A-Za-z0-9._~-])/sprintf('%%%02X', ord($1))/ge;
    return $text;
}

# HTTP/1.0: the service closes the connection behind its answer, and never sends it in chunks.
sub request_bytes {
    my ($method, $target, %call) = @_;

    my @lines = ("$method $target HTTP/1.0", 'Accept: application/json, text/plain, application/openmetrics-text');
    my $user = user();
    push @lines, "PVE-User: $user" if defined($user);
    push @lines, sprintf('If-Match: "%d"', $call{enforced}) if defined($call{enforced});
    my $body = '';
    if ($method ne 'GET') {
        $body = JSON->new->utf8->canonical->encode($call{body} // {});
        push @lines, 'Content-Type: application/json', 'Content-Length: ' . length($body);
    }
    return join("\r\n", @lines, '', $body);
}

# On whose behalf we call, for the audit log of the service; it grants nothing. Hooks run where nobody is logged in.
sub user {
    return if !PVE::RPCEnvironment->can('get');

    my $user = eval { PVE::RPCEnvironment::get()->get_user(1) };
    # A header holds visible characters.
    return if !defined($user) || $user !~ m/^[!-~]+$/;
    return substr($user, 0, USER_MAX);
}

# Where the caller sits, if he came over the network; from another node of the cluster he comes with that node's address.
sub client_address {
    return if !PVE::RPCEnvironment->can('get');

    my $address = eval { PVE::RPCEnvironment::get()->get_client_ip() } // return;
    # A socket for both families writes IPv4 so.
    $address =~ s/^::ffff:(?=[0-9.]+$)//i;
    my $is_address = grep { defined(inet_pton($_, $address)) } AF_INET, AF_INET6;
    return $is_address ? $address : undef;
}

sub body_value {
    my ($answer) = @_;

    return if $answer->{status} == 204 || $answer->{status} == 304;
    my ($type) = ($answer->{headers}->{'content-type'} // '') =~ m/^([\w\/+.-]+)/;
    $type //= 'unknown';
    if ($type eq 'text/plain' || $type eq 'application/openmetrics-text') {
        utf8::decode($answer->{body});
        return { text => $answer->{body} };
    }
    die "the answer's type is $type, not JSON\n" if $type !~ m{^application/(?:problem\+)?json$};
    my $value = eval { JSON->new->utf8->decode($answer->{body}) };
    die "the answer is no JSON\n" if $@;
    die "the answer is no JSON object\n" if ref($value) ne 'HASH';
    plain($value);
    return $value;
}

# PVE's schemas know no null, and formatters no JSON::Boolean. In place: answers may be large.
sub plain {
    my ($value) = @_;

    if (ref($value) eq 'HASH') {
        for my $key (keys $value->%*) {
            if (!defined($value->{$key})) {
                delete $value->{$key};
            } elsif (ref($value->{$key})) {
                $value->{$key} = plain($value->{$key});
            }
        }
    } elsif (ref($value) eq 'ARRAY') {
        ref($_) and $_ = plain($_) for $value->@*;
    } elsif (JSON::is_bool($value)) {
        return $value ? 1 : 0;
    }
    return $value;
}

my $WITHOUT_ANSWER = {
    absent => [503, 'the firewall service is not running (systemctl start proxmox-firewall)'],
    timeout => [504, 'the firewall service does not answer in time'],
    stranger => [502, 'the socket of the firewall service is in other hands'],
    garbled => [502, 'the firewall service answers what is no answer'],
};

sub exception {
    my ($answer) = @_;

    my ($code, $text) = $WITHOUT_ANSWER->{ $answer->{error} }->@*;
    my $detail = $answer->{text} =~ s/\s+\z//r;
    return PVE::Exception->new(status_line("$text: $detail\n"), code => $code);
}

# A problem document (RFC 9457) as exception, with the document in it.
sub refusal {
    my ($status, $problem, $blame) = @_;

    $problem = { title => "HTTP status $status" } if ref($problem) ne 'HASH' || !defined($problem->{title});
    # Without a code, as everywhere in PVE: that makes it 500.
    return PVE::Exception->new(STALE, problem => $problem) if $status == 412;
    if ($status == 400 || $status == 422) {
        my $detail = $problem->{detail} // $problem->{title};
        my %wrong = defined($blame) ? (errors => { $blame => $detail }) : ();
        my $text = defined($blame) ? 'Parameter verification failed.' : $detail;
        return PVE::Exception->new(status_line("$text\n"), code => 400, problem => $problem, %wrong);
    }
    # The service refuses this program, or something that this program made up: nobody's fault who called us.
    my $code = $status < 500 && $status != 404 && $status != 409 ? 500 : $status;
    return PVE::Exception->new(status_line(problem_text($problem)), code => $code, problem => $problem);
}

# The API servers put the first line of a message into the head of their answer, which holds bytes: a character beyond
# them would end the server's connection.
sub status_line {
    my ($text) = @_;

    my ($first, $rest) = $text =~ m/^([^\n]*)(.*)\z/s;
    $first =~ s/\x{2026}/.../g;
    $first =~ s/[^ -~]/?/g;
    return $first . $rest;
}

sub problem_text {
    my ($problem) = @_;

    # A plain status has only its own name as a title.
    my $is_named = ($problem->{type} // 'about:blank') ne 'about:blank';
    my @head = grep { defined($_) } ($is_named ? $problem->{title} : undef), $problem->{detail};
    my @lines = (join(': ', @head ? @head : $problem->{title}));
    push @lines, map { "  $_" } ($problem->{reasons} // [])->@*;
    my @diagnostics = ($problem->{diagnostics} // [])->@*;
    my $n_left_out = @diagnostics - DIAGNOSTICS_MAX;
    push @lines, map { diagnostic_text($_) } grep { defined($_) } @diagnostics[0 .. DIAGNOSTICS_MAX - 1];
    push @lines, "and $n_left_out more" if $n_left_out > 0;
    return join("\n", @lines) . "\n";
}

# `file:line:column: severity[code]: what was found; what follows`, as the program itself prints it.
sub diagnostic_text {
    my ($diagnostic) = @_;

    my @place = grep { defined($_) } $diagnostic->@{qw(file line column)};
    my $text = sprintf(
        '%s[%s]: %s; %s',
        map { $_ // '' } $diagnostic->@{qw(severity code message consequence)},
    );
    return join(': ', (@place ? join(':', @place) : ()), $text);
}

1;
