#!/usr/bin/perl

# The schemas of answers are those that scripts/perl-schema makes.

use strict;
use warnings;

use FindBin;
use Test::More;

my $made = qx{$^X $FindBin::Bin/../../scripts/perl-schema};
is($?, 0, 'scripts/perl-schema');
open(my $file, '<', "$FindBin::Bin/../lib/PVE/API2/Firewall/Nft/Schema.pm") or die "Schema.pm: $!";
my $kept = do { local $/ = undef; <$file> };
ok($made eq $kept, 'lib/PVE/API2/Firewall/Nft/Schema.pm is current: scripts/perl-schema writes it anew');

done_testing();
