//! The simulator against Debian's kernel: both tables, every kind of frame, each kind of wiring.

use firewall_tests::Failure;
use firewall_tests::wire::contest::{Length, play};
use firewall_tests::wire::wiring::Wiring;

#[test]
fn the_kernel_does_what_the_simulator_says() -> Result<(), Failure> {
    play(Length::from_env(70, 60)?, Wiring::Reference, Clone::clone)
}

#[test]
fn the_same_on_bridges_that_know_vlans() -> Result<(), Failure> {
    play(Length::from_env(15, 60)?, Wiring::VlanAware, Clone::clone)
}

#[test]
fn the_same_behind_firewall_bridges() -> Result<(), Failure> {
    play(Length::from_env(15, 60)?, Wiring::FirewallBridges, Clone::clone)
}
