//! The kernel holds the same after text and after JSON, and what it lists reads back as what was wanted.

mod common;
use common::{kitchen, nft};
use engine::ruleset::Ruleset;
use engine::{lift, render, transaction};

fn loads_alike_and_reads_back(ruleset: &Ruleset) {
    assert_eq!(engine::ruleset::check::check(ruleset), Ok(()));
    let (listing, from_text) = nft::load_and_list(&transaction::full(ruleset).text, false);
    let (_, from_json) = nft::load_and_list(&render::json(ruleset), true);
    assert_eq!(from_text, from_json);
    let held = lift::ruleset(&listing).expect("the kernel holds what the IR can say");
    assert_eq!(lift::differences(ruleset, &held), Vec::<String>::new());
}

#[test]
fn everything_that_needs_no_bridge_modules() {
    loads_alike_and_reads_back(&kitchen::everywhere());
}
