//! Mode `divert`: frames that the host sends or routes to a guest, and that its policy rejects, are answered too.
//!
//! No hook that they pass on the guest's bridge may answer. So the guest's in zone marks them and lets them go, a chain
//! at the egress of the guest's port sends what is marked to a bridge of our own, and there it is answered in
//! prerouting. The answer comes back through the pair, as from the guest.
//!
//! Nothing is marked but for a port whose egress chain is known to be there: `divert-ready` names it by the number of
//! its interface, so that a port which takes its place under the same name is not in it.

use super::reject;
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::divert;
use crate::resolve::{Guest, Resolved};
use crate::ruleset::{Chain, Device, Field, Hook, Origin, Statement, Value, build};

/// Chain that sends a rejected frame to where it is answered.
pub(super) const DIVERT: &str = "divert";

const PARAGRAPH: Origin = Origin::Skeleton("diverted rejects");

/// Only what is for this NIC, and answers as few as in the pass before.
pub(super) fn chain(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::regular(DIVERT, PARAGRAPH);
    let key = [Field::Oif, Field::Obrname, Field::EtherDaddr];
    let not_ready = build::not_in_set(&key, &Shared::DivertReady.name());
    chain.rule(PARAGRAPH, vec![not_ready, build::counter(), build::drop()]);
    chain.rule(PARAGRAPH, vec![reject::answer_rate(), build::counter(), build::drop()]);
    let mark = Statement::MarkSet(resolved.settings.mark_divert);
    chain.rule(PARAGRAPH, vec![build::counter(), mark, build::accept()]);
    chain.finish()
}

/// Whoever marks packets on the host diverts none: the bit is ours.
pub(super) fn unmarked(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::base("mark-diverting", Hook::Postrouting, -300, PARAGRAPH);
    chain.rule(PARAGRAPH, reject::clear(resolved.settings.mark_divert));
    chain.finish()
}

/// The bridge that answers: what is marked, and nothing else. Before fragments are gathered: their first one is
/// answered or lost here.
pub(super) fn answering(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::base("reject-diverted", Hook::Prerouting, -290, PARAGRAPH);
    chain.rule(PARAGRAPH, vec![build::not_named(Field::Ibrname, divert::BRIDGE), build::accept()]);
    let bit = u128::from(resolved.settings.mark_divert);
    chain.rule(PARAGRAPH, vec![build::masked(Field::Mark, bit, bit), build::goto(reject::REJECT)]);
    chain.rule(PARAGRAPH, vec![build::counter(), build::drop()]);
    chain.finish()
}

/// A guest's ports: the pair that each needs, and as soon as that is there, its egress chain.
pub(super) fn guest(resolved: &Resolved, guest: &Guest, unit: &mut Unit) {
    if reject::rules_to_walk(resolved, guest).is_none() {
        return;
    }
    for (nic, port) in guest.filtered().filter_map(reject::answering) {
        let (Some(diversion), Some(mac)) = (&port.diversion, nic.mac) else { continue };
        let origin = Origin::Line(nic.span);
        unit.pairs.push(diversion.pair.clone());
        let Some(outer) = diversion.index.filter(|_| port.index != 0) else { continue };
        let number = Value::number(port.index.into());
        let key = [number, Value::name(port.bridge.shared()), Value::number(mac.number())];
        unit.element(Shared::DivertReady, key, origin);
        let device = Device { name: nic.ifname.shared(), index: port.index };
        let mut chain = ChainBuilder::egress(device, PARAGRAPH);
        let bit = u128::from(resolved.settings.mark_divert);
        let forward = build::forward(&diversion.pair.outer(), outer);
        chain.rule(PARAGRAPH, vec![build::masked(Field::Mark, bit, bit), build::counter(), forward]);
        unit.egress.push(chain.finish());
    }
}
