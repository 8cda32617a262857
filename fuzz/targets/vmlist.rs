//! `.vmlist`
#![no_main]

use engine::lower::vmlist::vmlist;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    firewall_fuzz::read(text, |text, file, _| vmlist(text, file).unwrap_or_default());
});
