//! Every packet line of every fixture and conformance case against Debian's kernel, over every kind of wiring.

use firewall_tests::Failure;
use firewall_tests::wire::cases::play;
use firewall_tests::wire::wiring::Wiring;

#[test]
fn the_kernel_does_what_each_case_says() -> Result<(), Failure> {
    play(Wiring::AsWritten, Clone::clone)
}

#[test]
fn bridges_that_know_vlans_change_nothing() -> Result<(), Failure> {
    play(Wiring::VlanAware, Clone::clone)
}

#[test]
fn firewall_bridges_change_nothing() -> Result<(), Failure> {
    play(Wiring::FirewallBridges, Clone::clone)
}

#[test]
fn a_tag_changes_nothing() -> Result<(), Failure> {
    play(Wiring::Tagged, Clone::clone)
}
