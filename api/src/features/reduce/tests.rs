//! What is left of rulesets, and what memory changes about it: nothing.

use std::collections::BTreeSet;

use super::super::reject_can;
use super::{Feature, Memo, reduce, used};
use engine::inputs::{FileContent, HostFacts, Inputs, RejectMode};
use engine::ruleset::{Ruleset, Table, TableFamily};

fn ruleset() -> Ruleset {
    let files = [
        ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n"),
        ("/etc/pve/nodes/n/host.fw", "[OPTIONS]\nnf_conntrack_helpers: ftp\n"),
        ("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n[RULES]\nIN REJECT -p tcp -dport 25\n"),
        ("/etc/pve/nodes/n/qemu-server/100.conf", "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), FileContent::text(text))).into();
    let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() };
    engine::compile(&Inputs { files, facts: facts.into(), ..Inputs::default() }).plan.ruleset
}

#[test]
fn a_kernel_that_has_all_loads_all() {
    let ruleset = ruleset();
    let reduced = reduce(&ruleset, &BTreeSet::new());
    assert_eq!((reduced.ruleset, reduced.losses), (ruleset, Vec::new()));
}

#[test]
fn each_family_needs_its_own() {
    let ruleset = ruleset();
    let of_bridge = |table: &&Table| table.family == TableFamily::Bridge;
    let tables = ruleset.tables.iter().filter(of_bridge).cloned().collect();
    let bridge = used(&Ruleset { tables });
    assert!(bridge.contains(&Feature::BridgeConntrack) && !bridge.contains(&Feature::InetConntrack));
    assert!(used(&ruleset).is_superset(&[Feature::InetReject, Feature::Helper("ftp")].into()));
}

#[test]
fn without_answers_bridges_drop_and_stay_protected() {
    let ruleset = ruleset();
    let reduced = reduce(&ruleset, &[Feature::BridgeReject].into());
    assert_eq!(reduced.ruleset.tables.len(), ruleset.tables.len());
    assert!(reduced.losses[0].contains("dropped where they should be rejected"), "{:?}", reduced.losses);
    let bridge = reduced.ruleset.tables.iter().find(|table| table.family == TableFamily::Bridge);
    let text = engine::render::text(&Ruleset { tables: bridge.cloned().into_iter().collect() });
    assert!(!text.contains("reject with") && text.contains("chain do-reject"));
}

#[test]
fn a_mode_falls_back_to_the_next_weaker_one() {
    let can = |missing: &[Feature]| reject_can(&missing.iter().copied().collect());
    for (missing, divert, fwbr) in [
        (&[][..], RejectMode::Divert, RejectMode::Fwbr),
        (&[Feature::NetdevForward], RejectMode::Prerouting, RejectMode::Fwbr),
        (&[Feature::NetdevEgress], RejectMode::Prerouting, RejectMode::Fwbr),
        (&[Feature::BridgeReject], RejectMode::Drop, RejectMode::Drop),
    ] {
        assert_eq!(RejectMode::Divert.on(can(missing)), divert, "{missing:?}");
        assert_eq!(RejectMode::Fwbr.on(can(missing)), fwbr, "{missing:?}");
        assert_eq!(RejectMode::Drop.on(can(missing)), RejectMode::Drop);
    }
}

#[cfg(not(feature = "lab"))]
#[test]
fn a_table_that_needs_what_is_missing_stays_out_and_is_named() {
    let reduced = reduce(&ruleset(), &[Feature::BridgeMeta, Feature::BridgeConntrack].into());
    assert_eq!(reduced.ruleset.tables.len(), 1);
    assert_eq!(reduced.losses.len(), 1);
    assert!(reduced.losses[0].starts_with("guests and VNets are NOT PROTECTED: table bridge"));
    assert!(reduced.losses[0].contains("CONFIG_NF_CONNTRACK_BRIDGE"));
}

#[cfg(feature = "lab")]
#[test]
fn the_lab_build_leaves_out_what_needs_it_and_says_so() {
    let missing = [Feature::BridgeMeta, Feature::BridgeConntrack, Feature::BridgeReject].into();
    let reduced = reduce(&ruleset(), &missing);
    assert_eq!(reduced.ruleset.tables.len(), 2);
    assert!(used(&reduced.ruleset).is_disjoint(&missing));
    assert!(reduced.losses[0].starts_with("THIS BUILD DOES NOT PROTECT"));
}

#[test]
fn what_is_known_of_chains_changes_nothing() {
    let (mut memo, ruleset) = (Memo::default(), ruleset());
    let lacks = [BTreeSet::new(), [Feature::BridgeMeta].into(), [Feature::Helper("ftp")].into()];
    for missing in lacks.iter().chain(&lacks) {
        assert_eq!(memo.reduce(&ruleset, missing), reduce(&ruleset, missing));
        assert_eq!(memo.used(&ruleset), used(&ruleset));
    }
}

#[test]
fn a_missing_helper_costs_itself_alone() {
    let reduced = reduce(&ruleset(), &[Feature::Helper("ftp")].into());
    assert_eq!(reduced.ruleset.tables.len(), 2);
    assert!(!used(&reduced.ruleset).contains(&Feature::Helper("ftp")));
    assert!(engine::ruleset::check::check(&reduced.ruleset).is_ok());
}
