package PVE::Firewall::Nft::Hook;

# What other packages' modules do besides, once they are loaded. The files in wrappers/ stand in their places, load the
# originals and call `install`; which functions are wrapped, and what for, says the module of each hook.
#
# A hook never makes its host fail: what it wraps is looked for first, what goes wrong in it is said and forgotten.

use strict;
use warnings;

use Scalar::Util qw(set_prototype);

# Where it is, hooks are off: wrappers load the originals and nothing else. They know the path themselves.
our $OFF = '/etc/proxmox-firewall/hooks-off';

# pve-firewall looks for it as well (PVE::Firewall, `get_nftables_option`).
our $PROGRAM = '/usr/libexec/proxmox/proxmox-firewall';

# The wrapped files, as wrappers/MANIFEST lists them: whose each is, the module of its hook, and what to call there.
our $HOOKS = {
    'PVE/Firewall.pm' => ['pve-firewall', 'Save', 'install'],
    'PVE/API2/Firewall/Host.pm' => ['pve-firewall', 'Api', 'install_node'],
    'PVE/API2/Firewall/Cluster.pm' => ['pve-firewall', 'Api', 'install_cluster'],
    'PVE/Service/pve_firewall.pm' => ['pve-firewall', 'Command', 'install'],
    'PVE/QemuServer/Network.pm' => ['qemu-server', 'Guest', 'install_qemu'],
    'PVE/LXC.pm' => ['pve-container', 'Guest', 'install_lxc'],
};

my (%installed, %wrapped);

# Hooks into a file that has just been loaded. Returns what is missing there, as texts.
sub install {
    my ($file) = @_;

    my $hook = $HOOKS->{$file} or return ("$file: there is no hook for it");
    return $installed{$file}->@* if $installed{$file};
    my (undef, $module, $function) = $hook->@*;
    my @missing = eval {
        require("PVE/Firewall/Nft/Hook/$module.pm");
        "PVE::Firewall::Nft::Hook::$module"->can($function)->();
    };
    push @missing, $@ =~ s/\s+\z//r if $@;
    $installed{$file} = \@missing;
    complain("$file is not as it was when this package was made: $_") for @missing;
    return @missing;
}

# Puts $around in the place of a function; it is called with the original and its arguments. Returns the name if there
# is no such function.
sub wrap {
    my ($name, $around) = @_;

    no strict 'refs'; ## no critic (ProhibitNoStrict, ProhibitProlongedStrictureOverride)
    return "there is no function $name" if !defined(&$name);
    return if $wrapped{$name}++;
    my $original = \&$name;
    my $wrapper = sub { return $around->($original, @_) };
    set_prototype(\&$wrapper, prototype($original));
    no warnings qw(redefine prototype);
    *$name = $wrapper;
    return;
}

# Calls the original as the wrapper was called, and something when it has ended, however it ends.
sub around {
    my ($want, $original, $arguments, $afterwards) = @_;

    my @result;
    my $is_good = eval {
        if ($want) {
            @result = $original->($arguments->@*);
        } elsif (defined($want)) {
            $result[0] = $original->($arguments->@*);
        } else {
            $original->($arguments->@*);
        }
        1;
    };
    my $error = $@;
    {
        local ($@, $!, $?);
        eval { $afterwards->($is_good); 1 } or complain($@);
    }
    die $error if !$is_good;
    return $want ? @result : $result[0];
}

# Whether the nftables firewall has this node: it is installed, and pve-firewall has not taken the node for itself.
sub in_charge {
    return -x $PROGRAM && !-e flag();
}

sub flag {
    no warnings 'once';
    return $PVE::Firewall::Helpers::FORCE_NFT_DISABLE_FLAG_FILE // '/run/proxmox-nftables-firewall-force-disable';
}

# To the log, and to the task's log if this is a task: as a warning, which the task counts,
sub complain {
    my ($text) = @_;

    local ($@, $!);
    $text = line($text);
    eval {
        require PVE::RESTEnvironment;
        PVE::RESTEnvironment::log_warn($text);
        1;
    } or print STDERR "WARN: $text\n";
    return;
}

# or as something that is worth knowing.
sub note {
    my ($text) = @_;

    local ($@, $!);
    $text = line($text);
    eval {
        require PVE::SafeSyslog;
        PVE::SafeSyslog::syslog('info', '%s', $text);
    };
    print STDERR "$text\n";
    return;
}

sub line {
    my ($text) = @_;
    $text = "firewall: $text" =~ s/\s+\z//r;
    utf8::encode($text);
    return $text;
}

1;
