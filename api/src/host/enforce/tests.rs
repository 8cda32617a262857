use nft_ffi::netlink::NetlinkError;
use nix::sched::{CloneFlags, unshare};

use super::{DEAF, Enforcer};

#[test]
fn sockets_that_fail_are_opened_again() {
    unshare(CloneFlags::CLONE_NEWNET).expect("tests run as root");
    let mut enforcer = Enforcer::open().expect("libnftables is there");
    assert!(!enforcer.is_deaf() && !enforcer.hear_again());
    enforcer.no_batches(&NetlinkError::Call { call: "recv", errno: nix::errno::Errno::ENOBUFS });
    assert!(enforcer.is_deaf() && enforcer.ear().is_none());
    assert!(!enforcer.hear_again(), "not at once");
    enforcer.opened -= DEAF;
    assert!(enforcer.hear_again() && enforcer.ear().is_some());
    assert!(!enforcer.hear_again(), "there is nothing to open");
}
