package PVE::RESTEnvironment;

# Stands in for pve-common, PVE/RESTEnvironment.pm. Kept: `log_warn` (the log, and standard error: in a task that is
# the task's log, which counts warnings).

use strict;
use warnings;

use PVE::SafeSyslog;

use base 'Exporter';
our @EXPORT_OK = qw(log_warn);

sub log_warn {
    my ($message) = @_;
    chomp($message);
    syslog('warning', '%s', $message);
    print STDERR "WARN: $message\n";
    return;
}

1;
