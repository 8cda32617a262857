//! The devices of reject mode `divert`: created, held against what is wanted, removed without a trace.
//!
//! Ours are those of our names in a group of our own, which a device is born into: whatever else has one of these names
//! is left alone and reported. Nothing about an address or a route of the host is touched.

mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use engine::divert::{self, Pair};
use netlink_packet_route::link::InfoBridgePort;

use route::{Device, Kind, Route};

/// `IFLA_GROUP` of our devices, "fwrj" as a number.
const GROUP: u32 = 0x6677_726a;
/// As large as a device can be: every frame that fits a guest's port fits, and no bridge adopts it as its smallest.
const MTU: u32 = 65_535;
/// In it, untagged frames of guests without a VLAN of their own are; those guests receive all others with their tags.
const NATIVE_VLAN: u16 = 1;

/// Makes the devices that `pairs` need, removes those that nothing needs, and says what could not be done.
pub fn keep(pairs: &[Pair]) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = try_to_keep(pairs, &mut problems) {
        problems.push(format!("the devices of reject mode divert: {error}"));
    }
    problems
}

/// Removes all of our devices; returns their names.
pub fn remove_all() -> io::Result<Vec<String>> {
    let mut route = Route::open()?;
    remove_others(&mut route, &BTreeSet::new())
}

fn try_to_keep(pairs: &[Pair], problems: &mut Vec<String>) -> io::Result<()> {
    let mut route = Route::open()?;
    let names = pairs.iter().flat_map(|pair| [pair.outer(), pair.inner()]);
    let bridge = (!pairs.is_empty()).then(|| divert::BRIDGE.to_owned());
    let wanted: BTreeSet<String> = names.chain(bridge).collect();
    remove_others(&mut route, &wanted)?;
    if pairs.is_empty() {
        return Ok(());
    }
    let Some(answering) = keep_bridge(&mut route, problems)? else { return Ok(()) };
    for pair in pairs {
        if let Err(error) = keep_pair(&mut route, pair, answering, problems) {
            problems.push(format!("the pair {} of bridge {}: {error}", pair.outer(), pair.bridge));
        }
    }
    Ok(())
}

fn is_ours(device: &Device) -> bool {
    device.group == GROUP && divert::is_ours(&device.name)
}

/// With an outer end its inner one goes.
fn remove_others(route: &mut Route, wanted: &BTreeSet<String>) -> io::Result<Vec<String>> {
    let devices = route.devices()?;
    let mut removed = Vec::new();
    for device in devices.values().filter(|device| is_ours(device) && !wanted.contains(&device.name)) {
        match route.remove(device.index) {
            Ok(()) => removed.push(device.name.clone()),
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => {
                removed.push(device.name.clone())
            }
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// The bridge that answers; `None`: its name belongs to somebody else.
fn keep_bridge(route: &mut Route, problems: &mut Vec<String>) -> io::Result<Option<u32>> {
    let mut known = route.device(divert::BRIDGE)?;
    if known.is_none() {
        route.create_bridge(divert::BRIDGE, GROUP)?;
        known = route.device(divert::BRIDGE)?;
    }
    let Some(device) = known.filter(|device| is_ours(device) && device.kind == Kind::Bridge) else {
        problems.push(foreign(divert::BRIDGE));
        return Ok(None);
    };
    settle(route, &device, &divert::bridge_alias())?;
    Ok(Some(device.index))
}

fn foreign(name: &str) -> String {
    format!("{name} is another program's device: rejected packets of the host to guests are dropped")
}

/// No address, no neighbour discovery; up.
fn settle(route: &mut Route, device: &Device, alias: &str) -> io::Result<()> {
    without_ipv6(&device.name)?;
    if device.alias != alias {
        route.set_alias(device.index, alias)?;
    }
    if !device.up {
        route.set_up(device.index, true)?;
    }
    Ok(())
}

fn keep_pair(route: &mut Route, pair: &Pair, answering: u32, problems: &mut Vec<String>) -> io::Result<()> {
    let (outer, inner) = (pair.outer(), pair.inner());
    let Some(bridge) = route.device(pair.bridge.as_str())?.filter(|bridge| bridge.kind == Kind::Bridge)
    else {
        // It goes with its guests' ports, which the next plan knows.
        return Ok(());
    };
    let mut ends = (route.device(&outer)?, route.device(&inner)?);
    if let (None, None) = ends {
        let ends_of = |name: &String| (name.clone(), divert::hardware_address(name).0);
        route.create_pair([&outer, &inner].map(ends_of), GROUP, MTU)?;
        ends = (route.device(&outer)?, route.device(&inner)?);
    }
    let (Some(outer), Some(inner)) = ends else {
        let missing = if ends.0.is_some() { inner } else { outer };
        return Err(io::Error::other(format!("{missing} is gone, its other end is in another place")));
    };
    if let Some(device) = [&outer, &inner].into_iter().find(|device| !is_ours(device)) {
        problems.push(foreign(&device.name));
        return Ok(());
    }
    for (end, master, vlan) in [(&inner, answering, None), (&outer, bridge.index, pair.vlan)] {
        join(route, end, master, vlan)?;
        settle(route, end, &pair.alias())?;
    }
    Ok(())
}

/// Makes a device a port, closed to all that is not sent out of it. Down until it is, for a port is born open.
fn join(route: &mut Route, device: &Device, master: u32, vlan: Option<u16>) -> io::Result<()> {
    let flags = || {
        vec![
            InfoBridgePort::Learning(false),
            InfoBridgePort::UnicastFlood(false),
            InfoBridgePort::MulticastFlood(false),
            InfoBridgePort::BroadcastFlood(false),
        ]
    };
    let is_closed = flags().iter().all(|flag| device.port.contains(flag));
    let is_port = device.master == Some(master);
    let is_member = match vlan {
        Some(vlan) if is_port => route.vlans(device.index)? == members(vlan),
        Some(_) | None => vlan.is_none(),
    };
    if is_port && is_closed && is_member {
        return Ok(());
    }
    if device.up {
        route.set_up(device.index, false)?;
    }
    if !is_port {
        without_ipv6(&device.name)?;
        route.set_master(device.index, master)?;
    }
    route.set_port(device.index, flags())?;
    if let Some(vlan) = vlan {
        route.set_vlans(device.index, &members(vlan))?;
    }
    route.set_up(device.index, true)
}

/// The VLANs of a pair's outer end: its own untagged; where that is the native one, all others tagged.
fn members(vlan: u16) -> BTreeMap<u16, bool> {
    let tagged = if vlan == NATIVE_VLAN { 1..=4094 } else { vlan..=vlan };
    tagged.map(|member| (member, member == vlan)).collect()
}

fn without_ipv6(name: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim() == "1" => Ok(()),
        Ok(_) => std::fs::write(&path, "1"),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::members;

    #[test]
    fn only_the_native_vlan_brings_the_others_with_their_tags() {
        assert_eq!(members(7), [(7, true)].into());
        let native = members(1);
        assert_eq!(native.len(), 4094);
        assert_eq!(native.iter().filter(|(_, untagged)| **untagged).collect::<Vec<_>>(), [(&1, &true)]);
    }
}
