package PVE::INotify;

# Stands in for pve-common, PVE/INotify.pm. Kept: `nodename`.

use strict;
use warnings;

sub nodename { return 'n1' }

1;
