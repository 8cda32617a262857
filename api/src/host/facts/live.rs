//! Facts of the running system: interfaces, addresses and routes over rtnetlink, names from the resolver.

use std::fs::OpenOptions;
use std::io::{self, Error, ErrorKind};
use std::net::IpAddr;
use std::path::PathBuf;

use engine::inputs::HostFacts;
use engine::model::address::Cidr;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::table::Table;
use super::{FactsError, names, now_s, short_name};
use crate::host::paths::Paths;

/// Asks kernel and resolver.
pub(super) fn facts(paths: &Paths, node: Option<&str>) -> Result<HostFacts, FactsError> {
    let node = match node {
        Some(node) => node.to_owned(),
        None => host_name()?,
    };
    let failed = |what| move |source| FactsError::Netlink { what, source };
    let links = table().map_err(failed("interfaces and addresses"))?.links();
    let connected = connected_now().map_err(failed("routes"))?;
    let resolved = names::of_host(paths, &node);
    Ok(HostFacts {
        node,
        links,
        resolved,
        now_s: now_s(),
        bridge_nf_stuck: is_bridge_nf_stuck(paths),
        connected,
        announced_bridges: Default::default(),
        divert_assumed: false,
    })
}

/// The kernel's host name, up to the first dot.
pub fn host_name() -> Result<String, FactsError> {
    let name = nix::unistd::gethostname().map_err(|e| FactsError::NoNode(format!("no host name ({e})")))?;
    short_name(&name.to_string_lossy()).ok_or_else(|| FactsError::NoNode("the host name is empty".to_owned()))
}

/// Interfaces, their addresses, what bridges have learned.
pub(crate) fn table() -> io::Result<Table> {
    let mut table = Table::default();
    let mut links = LinkMessage::default();
    links.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    for answer in dump(RouteNetlinkMessage::GetLink(links))? {
        table.apply(&answer);
    }
    for answer in dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
        table.apply(&answer);
    }
    let mut forwarding = NeighbourMessage::default();
    forwarding.header.family = AddressFamily::Bridge;
    for answer in dump(RouteNetlinkMessage::GetNeighbour(forwarding))? {
        table.apply(&answer);
    }
    Ok(table)
}

/// The networks that are directly connected.
pub(crate) fn connected_now() -> io::Result<Vec<Cidr>> {
    Ok(connected(&dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()))?))
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
        for payload in payloads(&datagram)? {
            match payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
        }
    }
}

/// The messages in a datagram.
pub(crate) fn payloads(datagram: &[u8]) -> io::Result<Vec<NetlinkPayload<RouteNetlinkMessage>>> {
    let mut payloads = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let buffer = NetlinkBuffer::new_checked(rest).map_err(|e| malformed(e.to_string()))?;
        let length = (buffer.length() as usize).next_multiple_of(4).min(rest.len());
        let parsed = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest);
        payloads.push(parsed.map_err(|e| malformed(e.to_string()))?.payload);
        rest = &rest[length..];
    }
    Ok(payloads)
}

fn malformed(text: String) -> Error {
    Error::new(ErrorKind::InvalidData, text)
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
    let is_stuck = |path: &PathBuf| is_on(path) && OpenOptions::new().write(true).open(path).is_err();
    bridge_nf(paths).iter().any(is_stuck)
}

/// br_netfilter is there, and sends bridged frames through the hooks of IP.
pub fn is_bridge_nf_on(paths: &Paths) -> bool {
    bridge_nf(paths).iter().any(is_on)
}

fn bridge_nf(paths: &Paths) -> [PathBuf; 2] {
    ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"]
        .map(|name| paths.at(&format!("/proc/sys/net/bridge/{name}")))
}

fn is_on(path: &PathBuf) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}
