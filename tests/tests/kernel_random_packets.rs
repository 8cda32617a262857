//! The simulator against this machine's kernel: the host's table alone, since not every kernel tracks connections on
//! bridges.

use firewall_tests::Failure;
use firewall_tests::wire::contest::{Length, play};
use firewall_tests::wire::judge::inet_only;
use firewall_tests::wire::wiring::Wiring;

#[test]
fn the_hosts_table_does_what_the_simulator_says() -> Result<(), Failure> {
    play(Length::from_env(20, 100)?, Wiring::Reference, inet_only)
}
