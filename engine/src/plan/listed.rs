//! Ports that the rules of a guest list: elements of sets that all guests share, so that a list is one rule.
//!
//! A rule for each port is most of what the kernel has to walk when it validates a table, and a set for each list would
//! be thousands of sets. So a key is a device of the guest and a port, and a guest's lists lie in different sets: each in
//! the one that its content names, or, where another list of this guest lies already, in the next. Which one it is does
//! not depend on other guests, and hardly ever on the guest's other rules.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::reject;
use super::rules::{Context, Zone};
use super::shared::Shared;
use super::unit::Unit;
use crate::model::port::PortRange;
use crate::resolve::{Addresses, Guest, MatchRule, Nic, RunningPort};
use crate::ruleset::{Field, Origin, Statement, Value, build};

/// From this many on, ports are looked up.
const MIN: usize = 3;
/// The same where the rule asks for addresses, of which most packets have others.
const MIN_WITH_ADDRESSES: usize = 2;

/// Sets that a guest takes first; one with more lists takes others too, of 256. A dozen lists are usual, and each set costs
/// every rule that names one: the kernel looks for it among all.
const USUAL: u8 = 64;

/// Which lists of a guest lie in which sets.
#[derive(Debug, Default)]
pub(super) struct Lists(BTreeMap<u8, Box<[u16]>>);

impl Lists {
    /// The number of the set that holds exactly these ports, and whether they must be put there. `None`: every set
    /// holds another list.
    fn place(&mut self, ports: &[u16]) -> Option<(u8, bool)> {
        let mut hasher = SipHasher13::new();
        ports.hash(&mut hasher);
        let first = hasher.finish().to_le_bytes()[0];
        let usual = (0..USUAL).map(|step| first.wrapping_add(step) % USUAL);
        for number in usual.chain(USUAL..=u8::MAX) {
            match self.0.get(&number) {
                None => {
                    self.0.insert(number, ports.into());
                    return Some((number, true));
                }
                Some(known) if **known == *ports => return Some((number, false)),
                Some(_) => {}
            }
        }
        None
    }
}

/// Whether the ports of this list that stand alone are looked up together, where guests' rules are written.
pub(super) fn is_looked_up(context: Context<'_>, rule: &MatchRule, ranges: &[PortRange]) -> bool {
    let has_addresses = !matches!((&rule.source, &rule.dest), (Addresses::Any, Addresses::Any));
    let min = if has_addresses { MIN_WITH_ADDRESSES } else { MIN };
    context.guest.is_some() && alone(ranges).count() >= min
}

/// The ports of a list that are no ranges.
fn alone(ranges: &[PortRange]) -> impl Iterator<Item = u16> {
    ranges.iter().filter(|range| range.first == range.last).map(|range| range.first)
}

/// The look-up of the ports of this list that stand alone. `None`: there is no room for them.
pub(super) fn look_up(
    context: Context<'_>,
    field: Field,
    ranges: &[PortRange],
    unit: &mut Unit,
) -> Option<Statement> {
    let guest = context.guest?;
    let ports: Vec<u16> = alone(ranges).collect();
    let by_mac = context.zone == Zone::GuestReject;
    let lists = if by_mac { &mut unit.mac_ports } else { &mut unit.device_ports };
    let (number, is_new) = lists.place(&ports)?;
    let set = if by_mac { Shared::MacPorts(number) } else { Shared::DevicePorts(number) };
    if is_new {
        let keys = if by_mac { macs(guest) } else { devices(guest) };
        for (key, origin) in &keys {
            for port in &ports {
                let port = Value::number(u128::from(*port));
                unit.element(set, [key.as_slice(), &[port]].concat(), *origin);
            }
        }
    }
    match context.zone {
        Zone::GuestIn => Some(build::in_set(&[Field::Oifname, field], &set.name())),
        Zone::GuestOut => Some(build::in_set(&[Field::Iifname, field], &set.name())),
        Zone::GuestReject => Some(build::in_set(&[Field::Ibrname, Field::EtherDaddr, field], &set.name())),
        Zone::HostIn | Zone::HostOut | Zone::HostForward | Zone::VnetForward | Zone::VnetReject => None,
    }
}

/// What tells the guest's devices where a frame's port is known.
fn devices(guest: &Guest) -> Vec<(Vec<Value>, Origin)> {
    let key = |nic: &Nic| vec![Value::name(nic.ifname.shared())];
    guest.filtered().map(|nic| (key(nic), Origin::Line(nic.span))).collect()
}

/// What tells them before the bridge has decided.
fn macs(guest: &Guest) -> Vec<(Vec<Value>, Origin)> {
    let answering = guest.filtered().filter_map(reject::answering);
    let key = |(nic, port): (&Nic, &RunningPort)| {
        let mac = Value::number(nic.mac?.number());
        Some((vec![Value::name(port.bridge.shared()), mac], Origin::Line(nic.span)))
    };
    answering.filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many different lists as there are sets have one each; equal ones lie together, and the next finds no room.
    #[test]
    fn lists_of_a_guest_lie_apart() {
        let mut lists = Lists::default();
        let numbers =
            |lists: &mut Lists, n: u16| (0..n).map(|first| lists.place(&[first, 1000])).collect::<Vec<_>>();
        let few = numbers(&mut lists, u16::from(USUAL));
        assert!(few.iter().all(|place| matches!(place, Some((number, true)) if *number < USUAL)), "{few:?}");
        let all: Vec<u8> = numbers(&mut lists, 256).into_iter().map(|place| place.expect("room").0).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..=u8::MAX));
        assert_eq!(lists.place(&[7, 1000]), Some((all[7], false)));
        assert_eq!(lists.place(&[300, 1000]), None);
    }
}
