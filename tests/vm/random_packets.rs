//! The simulator against Debian's kernel: both tables, every kind of frame.

use firewall_tests::Failure;
use firewall_tests::wire::contest::{Length, play};

#[test]
fn the_kernel_does_what_the_simulator_says() -> Result<(), Failure> {
    play(Length::from_env(50, 60)?, Clone::clone)
}
