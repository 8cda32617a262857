//! `corosync.conf`
#![no_main]

use engine::lower::corosync::corosync;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    corosync(text);
});
