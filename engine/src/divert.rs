//! The devices of reject mode `divert`: names and kinds, nothing that is done to them.
//!
//! One bridge answers for all guests. A pair leads to it from each bridge with guests that reject; on a VLAN-aware
//! bridge one from each VLAN that untagged frames of such a guest are in. Its outer end is a port there, its inner end
//! one of the answering bridge. The inner MTU is the largest, so that every frame that fits a guest's port fits.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::inputs::{Link, LinkKind};
use crate::links::Links;
use crate::model::address::Mac;
use crate::model::names::IfName;

/// Name of the bridge that answers.
pub const BRIDGE: &str = "fwrej";

/// What all outer ends begin with.
pub(crate) const OUTER: &str = "fwrjo";
const INNER: &str = "fwrji";
/// Digits behind that; a name has 15 bytes.
const DIGITS: usize = 9;

/// A pair that leads from a bridge to the one that answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// The bridge with guests.
    pub bridge: IfName,
    /// VLAN of untagged frames at its outer end, where all others are tagged; `None`: the bridge is not VLAN-aware.
    pub vlan: Option<u16>,
}

impl Pair {
    /// Its end at the bridge with guests.
    pub fn outer(&self) -> String {
        self.named(OUTER)
    }

    /// Its end at the bridge that answers.
    pub fn inner(&self) -> String {
        self.named(INNER)
    }

    /// What is written on both ends, for people, and to tell our devices from others of their names.
    pub fn alias(&self) -> String {
        match self.vlan {
            None => format!("{ALIAS}: rejected packets to guests on {}", self.bridge),
            Some(vlan) => format!("{ALIAS}: rejected packets to guests on {} in VLAN {vlan}", self.bridge),
        }
    }

    /// Of bridge and VLAN, so that a pair keeps its name whichever others there are.
    fn named(&self, prefix: &str) -> String {
        let mut hasher = SipHasher13::new();
        (self.bridge.as_str(), self.vlan).hash(&mut hasher);
        let digits = format!("{:016x}", hasher.finish());
        format!("{prefix}{}", &digits[..DIGITS])
    }

    /// The number of its outer end, if frames that are sent out of it get to the bridge that answers.
    pub(crate) fn index(&self, links: &Links) -> Option<u32> {
        if links.has_pairs() {
            return Some(self.assumed_index());
        }
        let is_port = |link: &&Link, bridge: &str| {
            link.master.as_deref() == Some(bridge) && link.up && !link.no_carrier && link.index != 0
        };
        let outer = links.get(&self.outer()).filter(|link| is_port(link, self.bridge.as_str()))?;
        links.get(&self.inner()).filter(|link| is_port(link, BRIDGE))?;
        let answers = |link: &&Link| link.up && matches!(link.kind, LinkKind::Bridge { .. });
        links.get(BRIDGE).filter(answers).map(|_| outer.index)
    }

    /// Beyond what a kernel has reached by counting.
    fn assumed_index(&self) -> u32 {
        let mut hasher = SipHasher13::new();
        (self.bridge.as_str(), self.vlan).hash(&mut hasher);
        // Any 30 bits of it.
        (hasher.finish() >> 34) as u32 | 1 << 30
    }
}

/// How the aliases of all our devices begin.
pub const ALIAS: &str = "proxmox-firewall";

/// What is written on the bridge that answers.
pub fn bridge_alias() -> String {
    format!("{ALIAS}: answers rejected packets to guests")
}

/// Of an end of a pair: locally administered, and higher than any of a vendor, for a bridge without an address of its own
/// takes the lowest of its ports.
pub fn hardware_address(name: &str) -> Mac {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    let [a, b, c, d, e, ..] = hasher.finish().to_be_bytes();
    Mac([0xfe, a, b, c, d, e])
}

/// Whether a device is ours, by its name.
pub fn is_ours(name: &str) -> bool {
    let is_end = |prefix| {
        let digits = name.strip_prefix(prefix);
        digits.is_some_and(|digits: &str| {
            digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        })
    };
    name == BRIDGE || is_end(OUTER) || is_end(INNER)
}

/// The other end of a pair, and the bridge that is there: for the outer end, the one that answers.
pub(crate) fn inner_of(outer: &str) -> Option<String> {
    outer.strip_prefix(OUTER).map(|digits| format!("{INNER}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::{Pair, hardware_address, inner_of, is_ours};

    #[test]
    fn names_fit_and_are_known_again() {
        let of = |bridge: &str, vlan| Pair { bridge: bridge.parse().expect("a name"), vlan };
        let pairs =
            [of("vmbr0", None), of("vmbr0", Some(1)), of("vmbr0", Some(7)), of("abcdefghijklmno", None)];
        for pair in &pairs {
            assert!(pair.outer().len() <= 15 && is_ours(&pair.outer()) && is_ours(&pair.inner()), "{pair:?}");
            assert_eq!(inner_of(&pair.outer()), Some(pair.inner()));
        }
        let names: std::collections::BTreeSet<String> = pairs.iter().map(Pair::outer).collect();
        assert_eq!(names.len(), pairs.len());
        assert_ne!(hardware_address("fwrjo123456789"), hardware_address("fwrji123456789"));
        for foreign in ["fwrejx", "fwrjo", "fwrjo12345678", "fwrjo12345678g", "fwrjO123456789", "vmbr0"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
