//! `<vmid>.fw`
#![no_main]

use engine::lower::firewall::guest;

libfuzzer_sys::fuzz_target!(|text: &[u8]| firewall_fuzz::read(text, guest));
