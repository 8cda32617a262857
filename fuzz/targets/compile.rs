//! A whole configuration and packets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| firewall_fuzz::compile(input));
