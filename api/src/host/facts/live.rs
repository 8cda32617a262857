//! Facts of the running system: interfaces, addresses and routes over rtnetlink, names from the resolver.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Error, ErrorKind};
use std::net::IpAddr;

use engine::inputs::{HostAddress, HostFacts, Link, LinkKind};
use engine::model::address::{Cidr, Mac};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Prop,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::{FactsError, names, now_s, short_name};
use crate::host::paths::Paths;

/// Asks kernel and resolver.
pub(super) fn facts(paths: &Paths, node: Option<&str>) -> Result<HostFacts, FactsError> {
    let node = match node {
        Some(node) => node.to_owned(),
        None => host_name()?,
    };
    let ask = |what, request| dump(request).map_err(|source| FactsError::Netlink { what, source });
    let links = ask("interfaces", RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let addresses = ask("addresses", RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    let routes = ask("routes", RouteNetlinkMessage::GetRoute(RouteMessage::default()))?;
    let mut resolved = names::resolve(names::wanted(paths, &node));
    let own = resolved.entry(node.clone()).or_default();
    own.extend(names::member_address(paths, &node));
    names::tidy(own);
    Ok(HostFacts {
        node,
        links: links_of(&links, &addresses),
        resolved,
        now_s: now_s(),
        bridge_nf_stuck: is_bridge_nf_stuck(paths),
        connected: connected(&routes),
    })
}

/// The kernel's host name, up to the first dot.
pub fn host_name() -> Result<String, FactsError> {
    let name = nix::unistd::gethostname().map_err(|e| FactsError::NoNode(format!("no host name ({e})")))?;
    short_name(&name.to_string_lossy()).ok_or_else(|| FactsError::NoNode("the host name is empty".to_owned()))
}

/// All answers to a dump request.
fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut packet = vec![0; message.buffer_len()];
    message.serialize(&mut packet);
    socket.send(&packet, 0)?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let buffer = NetlinkBuffer::new_checked(rest).map_err(|e| malformed(e.to_string()))?;
            let length = (buffer.length() as usize).next_multiple_of(4).min(rest.len());
            let parsed = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest);
            match parsed.map_err(|e| malformed(e.to_string()))?.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
            rest = &rest[length..];
        }
    }
}

fn malformed(text: String) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

fn links_of(links: &[RouteNetlinkMessage], addresses: &[RouteNetlinkMessage]) -> Vec<Link> {
    let messages: Vec<&LinkMessage> = links
        .iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        })
        .collect();
    let names: BTreeMap<u32, &str> =
        messages.iter().filter_map(|link| Some((link.header.index, name_of(link)?))).collect();
    let mut addresses_of: BTreeMap<u32, Vec<HostAddress>> = BTreeMap::new();
    for answer in addresses {
        let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
        let address = address_of(message).and_then(|a| HostAddress::new(a, message.header.prefix_len));
        addresses_of.entry(message.header.index).or_default().extend(address);
    }
    let link_of = |message: &&LinkMessage| {
        let addresses = addresses_of.remove(&message.header.index).unwrap_or_default();
        Some(Link { addresses, ..link_of(message, &names)? })
    };
    messages.iter().filter_map(link_of).collect()
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn link_of(message: &LinkMessage, names: &BTreeMap<u32, &str>) -> Option<Link> {
    let mut link = Link { name: name_of(message)?.to_owned(), ..Link::default() };
    link.up = message.header.flags.contains(LinkFlags::Up);
    let named = |index: &u32| names.get(index).map(|name| (*name).to_owned());
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => {
                link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac);
            }
            LinkAttribute::Controller(index) => link.master = named(index),
            LinkAttribute::Link(index) => link.parent = named(index),
            LinkAttribute::PropList(properties) => {
                link.altnames.extend(properties.iter().filter_map(|property| match property {
                    Prop::AltIfName(name) => Some(name.clone()),
                    _ => None,
                }));
            }
            LinkAttribute::LinkInfo(infos) => link.kind = kind_of(infos),
            _ => {}
        }
    }
    Some(link)
}

fn kind_of(infos: &[LinkInfo]) -> LinkKind {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        Some(InfoKind::Bridge) => LinkKind::Bridge { vlan_aware: filters_vlans(infos) },
        Some(InfoKind::Vlan) => LinkKind::Vlan,
        _ => LinkKind::Other,
    }
}

fn filters_vlans(infos: &[LinkInfo]) -> bool {
    infos.iter().any(|info| match info {
        LinkInfo::Data(InfoData::Bridge(options)) => options.contains(&InfoBridge::VlanFiltering(true)),
        _ => false,
    })
}

/// The interface's own address: `Local` where there is a peer, else `Address`.
fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// Unicast routes of the main table without gateway.
fn connected(routes: &[RouteNetlinkMessage]) -> Vec<Cidr> {
    let route_of = |answer: &RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewRoute(route) = answer else { return None };
        let header = &route.header;
        let is_main = header.table == RouteHeader::RT_TABLE_MAIN && header.kind == RouteType::Unicast;
        let via = |attribute: &RouteAttribute| {
            matches!(
                attribute,
                RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_)
            )
        };
        if !is_main || header.destination_prefix_length == 0 || route.attributes.iter().any(via) {
            return None;
        }
        let dest = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
            _ => None,
        });
        Cidr::new(dest?, header.destination_prefix_length)
    };
    let mut networks: Vec<Cidr> = routes.iter().filter_map(route_of).collect();
    networks.sort_unstable();
    networks.dedup();
    networks
}

/// Switched on, and not to be switched off by us: what loading would reset is no fact to plan for.
fn is_bridge_nf_stuck(paths: &Paths) -> bool {
    ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"].iter().any(|name| {
        let path = paths.at(&format!("/proc/sys/net/bridge/{name}"));
        let is_on = std::fs::read_to_string(&path).is_ok_and(|text| text.trim() != "0");
        is_on && OpenOptions::new().write(true).open(&path).is_err()
    })
}
