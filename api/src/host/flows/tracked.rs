//! Entries of connection tracking, over ctnetlink.

use std::io;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::Flow;
use super::dump::{Budget, Request, attribute, dump};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`
pub(super) const GET: u16 = 1 << 8 | 1;
/// Bytes of the header of nfnetlink: family, version, resource. All zero asks for all families.
pub(super) const NFGENMSG: [u8; 4] = [0; 4];

/// linux/netfilter/nfnetlink_conntrack.h
pub(super) const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_MARK: u16 = 8;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;

/// linux/netfilter/nf_conntrack_common.h
const IPS_SEEN_REPLY: u32 = 1 << 1;
const IPS_ASSURED: u32 = 1 << 2;

/// linux/netfilter/nf_conntrack_tcp.h: from here on a connection is only remembered.
const TCP_CONNTRACK_LAST_ACK: u8 = 6;

/// Reads entries that are alive and have ports.
pub(super) fn read(budget: &mut Budget, found: &mut dyn FnMut(Flow)) -> io::Result<()> {
    let request = Request { protocol: NETLINK_NETFILTER, kind: GET, body: &NFGENMSG };
    dump(&request, budget, &mut |body| {
        if let Some(flow) = body.get(NFGENMSG.len()..).and_then(entry) {
            found(flow);
        }
    })
}

fn entry(attributes: &[u8]) -> Option<Flow> {
    let status = number(attribute(attributes, CTA_STATUS)?)?;
    let tcp = attribute(attributes, CTA_PROTOINFO).and_then(|info| attribute(info, CTA_PROTOINFO_TCP));
    let state = tcp.and_then(|tcp| attribute(tcp, CTA_PROTOINFO_TCP_STATE)?.first().copied());
    if status & IPS_SEEN_REPLY == 0 || state.is_some_and(|state| state >= TCP_CONNTRACK_LAST_ACK) {
        return None;
    }
    // Filters stand between the two translations: the destination is translated already (443 to 8006), the source is
    // not yet. So it is the sources of both directions that they see.
    let (protocol, opener) = source(attribute(attributes, CTA_TUPLE_ORIG)?)?;
    let (_, other) = source(attribute(attributes, CTA_TUPLE_REPLY)?)?;
    Some(Flow {
        mark: attribute(attributes, CTA_MARK).and_then(number).unwrap_or(0),
        assured: status & IPS_ASSURED != 0,
        ..Flow::between(protocol, opener, other)
    })
}

/// Protocol, source address and source port of one direction.
fn source(tuple: &[u8]) -> Option<(u8, (IpAddr, u16))> {
    let addresses = attribute(tuple, CTA_TUPLE_IP)?;
    let source = attribute(addresses, CTA_IP_V4_SRC).or_else(|| attribute(addresses, CTA_IP_V6_SRC))?;
    let transport = attribute(tuple, CTA_TUPLE_PROTO)?;
    let protocol = *attribute(transport, CTA_PROTO_NUM)?.first()?;
    let port = u16::from_be_bytes(attribute(transport, CTA_PROTO_SRC_PORT)?.try_into().ok()?);
    Some((protocol, (address(source)?, port)))
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Four bytes are IPv4, sixteen IPv6.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}
