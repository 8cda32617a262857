//! What `nft -j list` may print: what is read back renders, and differs from itself in nothing.
#![no_main]

use engine::lift;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(listing) = serde_json::from_slice(text) else { return };
    if let Ok(ruleset) = lift::ruleset(&listing) {
        assert_eq!(lift::differences(&ruleset, &ruleset), Vec::<String>::new());
        let _ = engine::ruleset::check::check(&ruleset);
    }
});
