//! `<vmid>.conf` of a VM and of a container.
#![no_main]

use engine::lower::guest_conf::nics;
use engine::model::guest::GuestKind;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let vmid = "100".parse().expect("a VMID");
    for kind in [GuestKind::Qemu, GuestKind::Lxc] {
        firewall_fuzz::read(text, |text, file, _| nics(text, file, vmid, kind));
    }
});
