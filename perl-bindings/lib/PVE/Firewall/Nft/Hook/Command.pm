package PVE::Firewall::Nft::Hook::Command;

# `pve-firewall status|compile|simulate` while the nftables firewall has the node: the service is asked where the
# command would generate rules for iptables and compare those with the kernel. What the commands print keeps its form.
# `localnet` says nothing of rules and stays as it is.

use strict;
use warnings;

use PVE::Firewall::Nft;
use PVE::Firewall::Nft::Hook;
use PVE::Firewall::Nft::Packet;

my $CLASS = 'PVE::Service::pve_firewall';

sub install {
    return (replace('status', \&status), replace('compile', \&compile), replace('simulate', \&simulate));
}

sub replace {
    my ($name, $code) = @_;

    my $info = eval { $CLASS->map_method_by_name($name) };
    return "$CLASS has no method $name" if !$info || ref($info->{code}) ne 'CODE';
    my $original = $info->{code};
    $info->{code} = sub {
        my ($param) = @_;
        return PVE::Firewall::Nft::Hook::in_charge() ? $code->($original, $param) : $original->($param);
    };
    return;
}

# `changes`: something is saved and not enforced, or rules of iptables are left over. The original knows the rest; it
# is told that there are no rules to generate, which is so.
sub status {
    my ($original, $param) = @_;

    my $result = do {
        no warnings qw(redefine once);
        local *PVE::Firewall::compile = sub { return ({}, {}, {}, {}) };
        $original->($param);
    };
    my ($status, $error) = PVE::Firewall::Nft::attempt('status');
    if (!$status) {
        PVE::Firewall::Nft::Hook::complain($error);
    } elsif ($status->{state} ne 'active' && $status->{state} ne 'disabled') {
        PVE::Firewall::Nft::Hook::complain("$status->{state}: $status->{cause}");
    }
    $result->{changes} = 1 if !$status || $status->{candidate} || !$status->{generation};
    return $result;
}

sub compile {
    my $compiled = PVE::Firewall::Nft::request('compile', body => { ruleset => 'nft' });
    binmode(STDOUT, ':encoding(UTF-8)');
    binmode(STDERR, ':encoding(UTF-8)');
    print STDERR PVE::Firewall::Nft::diagnostic_text($_), "\n" for $compiled->{diagnostics}->@*;
    print "nftables ruleset:\n", $compiled->{ruleset}, "\n";
    my $change = $compiled->{change};
    print "nftables changes:\n", $change->{text}, "\n" if !$change->{unchanged};
    print $change->{unchanged} ? "no changes\n" : "detected changes\n";
    print "firewall disabled\n" if !$compiled->{enabled};
    return;
}

sub simulate {
    my ($original, $param) = @_;

    my $text = eval { PVE::Firewall::Nft::Packet::text($param) } // die $@;
    my $body = { packet => $text, overlay => {}, all => $param->{verbose} // 0 };
    my $trace = PVE::Firewall::Nft::request('simulate', body => $body, blame => 'packet');
    binmode(STDOUT, ':encoding(UTF-8)');
    my %shown = ($param->%*, from => $param->{from} // 'outside', to => $param->{to} // 'host');
    $shown{proto} = $param->{protocol} // 'tcp';
    print "Test packet:\n";
    for my $field (qw(from to proto source dest dport sport)) {
        printf("  %-8s: %s\n", $field, $shown{$field}) if defined($shown{$field});
    }
    print map { "$_\n" } steps($trace) if $param->{verbose};
    print 'ACTION: ', uc($trace->{verdict}), "\n";
    return;
}

# A line for each step: the hook, the chain, each rule and what came of it.
sub steps {
    my ($trace) = @_;

    my @lines = map { "assumed: $_" } $trace->{assumptions}->@*;
    for my $step ($trace->{steps}->@*) {
        my $kind = $step->{step};
        push @lines, "$step->{family} $step->{hook}" if $kind eq 'hook';
        push @lines, "  table $step->{table} chain $step->{chain}" if $kind eq 'chain';
        push @lines, '    ' . rule($step) if $kind eq 'rule';
        push @lines, '    policy accept' if $kind eq 'policy';
        push @lines, "answer ($step->{with}): $step->{packet}" if $kind eq 'answer';
    }
    return @lines;
}

sub rule {
    my ($step) = @_;

    my $origin = $step->{origin};
    my $from = join(':', grep { defined($_) } $origin->@{qw(file line)});
    $from = $origin->{what} // $origin->{name} // $origin->{kind} if $from eq '';
    my $log = defined($step->{log}) ? ", logs $step->{log}" : '';
    return "rule $step->{rule} ($from): $step->{outcome}$log";
}

1;
