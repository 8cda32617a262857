//! Packet lines of all cases against this machine's kernel: the host's table alone, since not every kernel tracks
//! connections on bridges.

use firewall_tests::Failure;
use firewall_tests::wire::cases::play;
use firewall_tests::wire::judge::inet_only;
use firewall_tests::wire::wiring::Wiring;

#[test]
fn the_hosts_table_does_what_each_case_says() -> Result<(), Failure> {
    play(Wiring::Reference, inet_only)
}
