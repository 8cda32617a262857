//! Other ways to plug guests into the reference network: none of them may change what becomes of a packet.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::compile;
use engine::inputs::{HostFacts, Inputs, Link, LinkKind};
use engine::model::guest::Guest;
use engine::simulate::packet::Packet;

use super::lab::Zone;

/// How guests are plugged into the reference network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// As each case says.
    AsWritten,
    /// The same, but for cases that bring a network of their own, and conversations: not every kernel has all kinds of
    /// interfaces and tracks what is bridged.
    Reference,
    /// All bridges know VLANs; everybody is in VLAN 1.
    VlanAware,
    /// Filtered devices sit behind firewall bridges of their own.
    FirewallBridges,
    /// Ports are trunks: what guests and strangers send to each other bears a tag.
    Tagged,
}

/// The VLAN of [`Wiring::Tagged`].
const VLAN: u16 = 7;

impl Wiring {
    /// Changes the network of a configuration.
    pub fn plug(self, inputs: &mut Inputs) {
        match self {
            Wiring::AsWritten | Wiring::Reference | Wiring::Tagged => {}
            Wiring::VlanAware => make_aware(Arc::make_mut(&mut inputs.facts)),
            Wiring::FirewallBridges => {
                let guests = compile(inputs).config.guests;
                plug_behind_bridges(Arc::make_mut(&mut inputs.facts), guests.values().map(|guest| &**guest));
            }
        }
    }
}

fn make_aware(facts: &mut HostFacts) {
    for link in &mut facts.links {
        if let LinkKind::Bridge { vlan_aware } = &mut link.kind {
            *vlan_aware = true;
        }
    }
}

/// Ports of filtered devices into `fwbr<vmid>i<n>`, and a pair from there to where they were.
fn plug_behind_bridges<'g>(facts: &mut HostFacts, guests: impl Iterator<Item = &'g Guest>) {
    let plain = |name: String, master: &str| Link {
        name,
        master: Some(master.to_owned()),
        up: true,
        ..Link::default()
    };
    for (vmid, nic) in guests.flat_map(|guest| guest.nics.values().map(|nic| (guest.vmid, nic))) {
        let port = facts.links.iter_mut().find(|link| link.name == nic.ifname.as_str());
        let Some(port) = port.filter(|_| nic.firewall) else { continue };
        let index = nic.index;
        let bridge = format!("fwbr{vmid}i{index}");
        let Some(main) = port.master.replace(bridge.clone()) else { continue };
        facts.links.push(plain(format!("fwln{vmid}i{index}"), &bridge));
        facts.links.push(plain(format!("fwpr{vmid}p{index}"), &main));
        let kind = LinkKind::Bridge { vlan_aware: false };
        facts.links.push(Link { name: bridge, kind, up: true, ..Link::default() });
    }
}

/// Gives the packet a tag, if it stays on one bridge and has none.
pub(super) fn tag(zones: &BTreeMap<String, Zone>, packet: &mut Packet) -> bool {
    let (from, to) = (zones.get(packet.from.as_str()), zones.get(packet.to.as_str()));
    let stays = from.zip(to).is_some_and(|(from, to)| from.bridge == to.bridge) && packet.vlans.is_empty();
    if stays {
        packet.vlans = vec![VLAN];
    }
    stays
}
