//! What `nft -j list` may print: what is read back and is legal differs from itself in nothing.
#![no_main]

use engine::{lift, ruleset};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(listing) = serde_json::from_slice(text) else { return };
    let Ok(held) = lift::ruleset(&listing) else { return };
    let differences = lift::differences(&held, &held);
    if ruleset::check::check(&held).is_ok() {
        assert_eq!(differences, Vec::<String>::new());
    }
});
