//! The tests of `tests/tests/netlink.rs` where nothing is missing: bridge tables as they are.

#[path = "../tests/netlink.rs"]
mod tests;

use firewall_tests::{Failure, netlink};

#[test]
fn nothing_is_left_out() -> Result<(), Failure> {
    assert_eq!(netlink::missing()?, [].into());
    assert!(std::env::var_os("NFT113").is_some(), "NFT113 is not set; run tests/vm/suite");
    Ok(())
}
