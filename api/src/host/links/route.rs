//! rtnetlink(7), as far as making bridges and pairs needs it: one request, one answer.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::host::facts::live::payloads;

/// A device as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) group: u32,
    pub(super) alias: String,
    pub(super) kind: Kind,
    pub(super) up: bool,
    pub(super) master: Option<u32>,
    /// What kind of port it is, if of a bridge.
    pub(super) port: Vec<InfoBridgePort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bridge,
    Other,
}

/// A socket for requests.
#[derive(Debug)]
pub(super) struct Route {
    socket: Socket,
    sequence: u32,
}

impl Route {
    pub(super) fn open() -> io::Result<Route> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Route { socket, sequence: 0 })
    }

    /// All devices by name.
    pub(super) fn devices(&mut self) -> io::Result<BTreeMap<String, Device>> {
        let mut links = LinkMessage::default();
        links.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let answers = self.ask(RouteNetlinkMessage::GetLink(links), NLM_F_DUMP)?;
        let devices = answers.iter().filter_map(device_of);
        Ok(devices.map(|device| (device.name.clone(), device)).collect())
    }

    /// The device of this name.
    pub(super) fn device(&mut self, name: &str) -> io::Result<Option<Device>> {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        match self.ask(RouteNetlinkMessage::GetLink(link), NLM_F_ACK) {
            Ok(answers) => Ok(answers.iter().find_map(device_of)),
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn create_bridge(&mut self, name: &str, group: u32) -> io::Result<()> {
        let data = InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)]);
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        link.attributes.push(LinkAttribute::Group(group));
        link.attributes.push(LinkAttribute::LinkInfo(info));
        self.create(link)
    }

    /// A pair of these names and addresses.
    pub(super) fn create_pair(
        &mut self,
        ends: [(String, [u8; 6]); 2],
        group: u32,
        mtu: u32,
    ) -> io::Result<()> {
        let [mut link, peer] = ends.map(|(name, address)| {
            let mut link = LinkMessage::default();
            link.attributes.push(LinkAttribute::IfName(name));
            link.attributes.push(LinkAttribute::Address(address.to_vec()));
            link.attributes.push(LinkAttribute::Group(group));
            link.attributes.push(LinkAttribute::Mtu(mtu));
            link
        });
        let data = InfoData::Veth(InfoVeth::Peer(peer));
        let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(data)];
        link.attributes.push(LinkAttribute::LinkInfo(info));
        self.create(link)
    }

    fn create(&mut self, link: LinkMessage) -> io::Result<()> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.ask(RouteNetlinkMessage::NewLink(link), flags).map(drop)
    }

    pub(super) fn remove(&mut self, index: u32) -> io::Result<()> {
        self.ask(RouteNetlinkMessage::DelLink(numbered(index)), NLM_F_ACK).map(drop)
    }

    pub(super) fn set_alias(&mut self, index: u32, alias: &str) -> io::Result<()> {
        self.set(index, LinkAttribute::IfAlias(alias.to_owned()))
    }

    pub(super) fn set_master(&mut self, index: u32, master: u32) -> io::Result<()> {
        self.set(index, LinkAttribute::Controller(master))
    }

    pub(super) fn set_port(&mut self, index: u32, flags: Vec<InfoBridgePort>) -> io::Result<()> {
        let port = LinkInfo::PortData(InfoPortData::BridgePort(flags));
        self.set(index, LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(InfoPortKind::Bridge), port]))
    }

    pub(super) fn set_up(&mut self, index: u32, up: bool) -> io::Result<()> {
        let mut link = numbered(index);
        link.header.change_mask = LinkFlags::Up;
        if up {
            link.header.flags = LinkFlags::Up;
        }
        self.ask(RouteNetlinkMessage::NewLink(link), NLM_F_ACK).map(drop)
    }

    fn set(&mut self, index: u32, attribute: LinkAttribute) -> io::Result<()> {
        let mut link = numbered(index);
        link.attributes.push(attribute);
        self.ask(RouteNetlinkMessage::NewLink(link), NLM_F_ACK).map(drop)
    }

    /// VLANs that a bridge port is a member of, and whether untagged.
    pub(super) fn vlans(&mut self, index: u32) -> io::Result<BTreeMap<u16, bool>> {
        let mut link = LinkMessage::default();
        link.header.interface_family = AddressFamily::Bridge;
        // RTEXT_FILTER_BRVLAN
        link.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan]));
        let answers = self.ask(RouteNetlinkMessage::GetLink(link), NLM_F_DUMP)?;
        let of_port = answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) if link.header.index == index => Some(&link.attributes),
            _ => None,
        });
        let specs = of_port.flatten().filter_map(|attribute| match attribute {
            LinkAttribute::AfSpecBridge(specs) => Some(specs),
            _ => None,
        });
        let members = specs.flatten().filter_map(|spec| match spec {
            AfSpecBridge::VlanInfo(info) => Some((info.vid, is_untagged(info))),
            _ => None,
        });
        Ok(members.collect())
    }

    /// Makes a bridge port a member of exactly these VLANs; untagged ones are its native one.
    pub(super) fn set_vlans(&mut self, index: u32, members: &BTreeMap<u16, bool>) -> io::Result<()> {
        let held = self.vlans(index)?;
        let leaves = held.keys().filter(|vlan| !members.contains_key(vlan)).copied().collect::<Vec<_>>();
        for range in ranges(&leaves) {
            self.vlan(index, range, BridgeVlanInfoFlags::empty(), false)?;
        }
        for untagged in [false, true] {
            let joins = |(vlan, own): (&u16, &bool)| (*own == untagged).then_some(*vlan);
            let joining: Vec<u16> = members.iter().filter_map(joins).collect();
            let native = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
            let flags = if untagged { native } else { BridgeVlanInfoFlags::empty() };
            for range in ranges(&joining) {
                self.vlan(index, range, flags, true)?;
            }
        }
        Ok(())
    }

    fn vlan(
        &mut self,
        index: u32,
        (first, last): (u16, u16),
        flags: BridgeVlanInfoFlags,
        joins: bool,
    ) -> io::Result<()> {
        let info = |vid, range| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags: flags | range, vid });
        let range = if first == last {
            vec![info(first, BridgeVlanInfoFlags::empty())]
        } else {
            let (begin, end) = (BridgeVlanInfoFlags::RangeBegin, BridgeVlanInfoFlags::RangeEnd);
            vec![info(first, begin), info(last, end)]
        };
        let mut link = numbered(index);
        link.header.interface_family = AddressFamily::Bridge;
        link.attributes.push(LinkAttribute::AfSpecBridge(range));
        let request = match joins {
            true => RouteNetlinkMessage::SetLink(link),
            false => RouteNetlinkMessage::DelLink(link),
        };
        self.ask(request, NLM_F_ACK).map(drop)
    }

    /// A request, and what comes before its acknowledgement.
    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut packet = vec![0; message.buffer_len()];
        message.serialize(&mut packet);
        self.socket.send(&packet, 0)?;
        let mut answers = Vec::new();
        loop {
            let datagram = match self.socket.recv_from_full() {
                Ok((datagram, _)) => datagram,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for payload in payloads(&datagram)? {
                match payload {
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    _ => {}
                }
            }
        }
    }
}

fn numbered(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link
}

fn is_untagged(info: &BridgeVlanInfo) -> bool {
    info.flags.contains(BridgeVlanInfoFlags::Untagged) && info.flags.contains(BridgeVlanInfoFlags::Pvid)
}

/// First and last of each run of neighbours; `vlans` ascend.
fn ranges(vlans: &[u16]) -> Vec<(u16, u16)> {
    let runs = vlans.chunk_by(|one, next| one + 1 == *next);
    runs.filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
}

fn device_of(answer: &RouteNetlinkMessage) -> Option<Device> {
    let RouteNetlinkMessage::NewLink(link) = answer else { return None };
    let mut device = Device {
        name: String::new(),
        index: link.header.index,
        group: 0,
        alias: String::new(),
        kind: Kind::Other,
        up: link.header.flags.contains(LinkFlags::Up),
        master: None,
        port: Vec::new(),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => device.alias.clone_from(alias),
            LinkAttribute::Group(group) => device.group = *group,
            LinkAttribute::Controller(master) => device.master = Some(*master),
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| match info {
                LinkInfo::Kind(InfoKind::Bridge) => device.kind = Kind::Bridge,
                LinkInfo::PortData(InfoPortData::BridgePort(flags)) => device.port.clone_from(flags),
                _ => {}
            }),
            _ => {}
        }
    }
    (!device.name.is_empty()).then_some(device)
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(ranges(&[]), []);
    }
}
