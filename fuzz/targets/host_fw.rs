//! `host.fw`
#![no_main]

use engine::lower::firewall::host;

libfuzzer_sys::fuzz_target!(|text: &[u8]| firewall_fuzz::read(text, host));
