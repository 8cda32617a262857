//! `<vnet>.fw`
#![no_main]

use engine::lower::firewall::vnet;

libfuzzer_sys::fuzz_target!(|text: &[u8]| firewall_fuzz::read(text, vnet));
