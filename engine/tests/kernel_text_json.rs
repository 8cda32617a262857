//! The kernel holds the same after text and after JSON, and what it lists reads back as what was wanted.

mod common;
use common::{kitchen, nft};
use engine::{render, transaction};

#[test]
fn text_and_json_load_alike() {
    let ruleset = kitchen::everywhere();
    let (_, from_text) = nft::load_and_list(&transaction::full(&ruleset).text, false);
    let (_, from_json) = nft::load_and_list(&render::json(&ruleset), true);
    std::fs::write("/tmp/rk/ft.txt", &from_text).expect("x");
    std::fs::write("/tmp/rk/fj.txt", &from_json).expect("x");
    assert_eq!(from_text, from_json);
}
