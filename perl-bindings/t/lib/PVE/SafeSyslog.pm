package PVE::SafeSyslog;

# Stands in for pve-common, PVE/SafeSyslog.pm. Kept: `syslog` (level, format, values), exported.

use strict;
use warnings;

use base 'Exporter';
our @EXPORT = qw(syslog); ## no critic (ProhibitAutomaticExportation)

# For tests: what was logged.
our @LINES;

sub syslog {
    my ($level, $format, @values) = @_;
    push @LINES, sprintf("$level: $format", @values);
    return;
}

1;
