//! `proxmox-firewall.cfg`
#![no_main]

use engine::lower::firewall::settings;

libfuzzer_sys::fuzz_target!(|text: &[u8]| firewall_fuzz::read(text, settings));
