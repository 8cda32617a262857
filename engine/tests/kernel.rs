//! The kernel holds the same after text and after JSON, what it lists reads back as what was wanted, and changes lead
//! from one ruleset to the other.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "nft is asked, which the engine itself must not do"
)]

mod changes;
mod common;

use std::sync::Arc;

use common::{held, kitchen, nft};
use engine::ruleset::check::check;
use engine::ruleset::{Field, Ruleset};
use engine::{lift, render, transaction};

fn loads_alike_and_reads_back(ruleset: &Ruleset) {
    let from_text = loads_as_text_and_reads_back(ruleset);
    let (_, from_json) = nft::load_and_list(&render::json(ruleset), true);
    assert_eq!(from_text, from_json);
}

fn loads_as_text_and_reads_back(ruleset: &Ruleset) -> String {
    assert_eq!(check(ruleset), Ok(()));
    let (listing, text) = nft::load_and_list(&transaction::full(ruleset).text, false);
    let held = held(&listing);
    assert_eq!(lift::differences(ruleset, &held), Vec::<String>::new());
    text
}

#[test]
fn everything_that_needs_no_bridge_modules() {
    loads_alike_and_reads_back(&kitchen::everywhere());
}

#[test]
fn everything_on_a_debian_kernel() {
    if nft::has_bridge_modules() || nft::is_in_vm() {
        loads_alike_and_reads_back(&kitchen::with_bridge_modules());
    } else {
        nft::test_on_debian_kernel("everything_on_a_debian_kernel");
    }
}

#[test]
fn the_kitchen_sink_has_every_field() {
    let text = render::text(&kitchen::with_bridge_modules());
    let unused: Vec<&str> =
        Field::FIXED.iter().map(|field| field.as_str()).filter(|f| !text.contains(f)).collect();
    assert_eq!(unused, Vec::<&str>::new());
}

/// By text alone: nft 1.0.6 has no JSON for them ("Invalid set datatype").
#[test]
fn integers_as_keys() {
    loads_as_text_and_reads_back(&kitchen::integer_keys());
}

/// The oracle sees: one missing element, one changed rule, one rule too many.
#[test]
fn what_the_kernel_holds_otherwise_is_found() {
    let wanted = kitchen::integer_keys();
    let mut other = wanted.clone();
    let table = &mut other.tables[0];
    Arc::make_mut(&mut table.sets[0]).elements.pop();
    let chain = Arc::make_mut(&mut table.chains[0]);
    chain.rules[0].statements.pop();
    let extra = chain.rules[0].clone();
    chain.rules.push(extra);
    let (listing, _) = nft::load_and_list(&render::text(&other), false);
    let held = held(&listing);
    let place = "table bridge integers: chain frames";
    assert_eq!(
        lift::differences(&wanted, &held),
        [
            "table bridge integers: set by-port-and-vlan: element `\"tap100i0\" . 7` is missing".to_owned(),
            format!(
                "{place}: rule 1: wanted `iifname . vlan id @by-port-and-vlan accept comment \"0000000000000001\"`, \
                 held `iifname . vlan id @by-port-and-vlan comment \"0000000000000001\"`"
            ),
            format!(
                "{place}: rule `iifname . vlan id @by-port-and-vlan comment \"0000000000000001\"` is not ours"
            ),
        ]
    );
}
