//! Two small conversations with nfnetlink: what rules log, and an empty connection tracking table.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt,
    socket,
};

use crate::Failure;

// linux/netlink.h
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
// linux/netfilter/nfnetlink.h
const SUBSYS_CTNETLINK: u16 = 1;
const SUBSYS_ULOG: u16 = 4;
// linux/netfilter/nfnetlink_conntrack.h
const CT_DELETE: u16 = 2;
// linux/netfilter/nfnetlink_log.h
const ULOG_PACKET: u16 = 0;
const ULOG_CONFIG: u16 = 1;
const CFG_CMD: u16 = 1;
const CFG_MODE: u16 = 2;
const CFG_QTHRESH: u16 = 5;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const PACKET_HEADER: u16 = 1;
const MARK: u16 = 2;
/// The first of four: in, out, and the bridge ports of both.
const DEVICES: u16 = 4;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const LINK_HEADER: u16 = 16;

/// A netlink socket into the namespace that the thread was in.
#[derive(Debug)]
struct Netlink(OwnedFd);

impl Netlink {
    fn new() -> Result<Netlink, Failure> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, RcvBufForce, &(32 << 20))?;
        Ok(Netlink(socket))
    }

    /// Sends a request and waits until the kernel has done it; packets that come in meanwhile are lost.
    fn request(&self, kind: u16, resource: u16, attributes: &[(u16, &[u8])]) -> Result<(), Failure> {
        let mut body = vec![0, 0];
        body.extend(resource.to_be_bytes());
        for (number, value) in attributes {
            body.extend(u16::try_from(4 + value.len())?.to_ne_bytes());
            body.extend(number.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = u32::try_from(16 + body.len())?.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        sendto(self.0.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut buffer = [0; 1 << 16];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for (kind, body) in messages(&buffer[..length]) {
                if kind == NLMSG_ERROR {
                    let code = body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
                    return match code {
                        Some(0) => Ok(()),
                        Some(code) => Err(Errno::from_raw(-code).into()),
                        None => Err("a short answer of nfnetlink".into()),
                    };
                }
            }
        }
    }
}

/// Forgets connections.
#[derive(Debug)]
pub struct Conntrack(Netlink);

impl Conntrack {
    /// For the namespace that the thread is in.
    pub fn new() -> Result<Conntrack, Failure> {
        Ok(Conntrack(Netlink::new()?))
    }

    /// Empties the table.
    pub fn flush(&self) -> Result<(), Failure> {
        self.0.request(SUBSYS_CTNETLINK << 8 | CT_DELETE, 0, &[])
    }
}

/// What rules with `log group` report.
#[derive(Debug)]
pub struct Log {
    netlink: Netlink,
    buffer: Vec<u8>,
}

/// A packet that a rule logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// The rule's prefix.
    pub prefix: String,
    /// EtherType.
    pub protocol: u16,
    /// Interfaces by index, 0 for none: in, out, bridge port in, bridge port out.
    pub devices: [u32; 4],
    /// Ethernet header; empty where there is none.
    pub link_header: Vec<u8>,
    /// The packet's mark.
    pub mark: u32,
    /// The packet, from the network header on.
    pub packet: Vec<u8>,
}

impl Log {
    /// Binds a group of the namespace that the thread is in. Each packet comes at once.
    pub fn group(group: u16) -> Result<Log, Failure> {
        let netlink = Netlink::new()?;
        let config = SUBSYS_ULOG << 8 | ULOG_CONFIG;
        netlink.request(config, group, &[(CFG_CMD, &[BIND])])?;
        // struct nfulnl_msg_config_mode: range (32 bits), mode, padding.
        netlink.request(config, group, &[(CFG_MODE, &[0, 0, 0xff, 0xff, COPY_PACKET, 0])])?;
        netlink.request(config, group, &[(CFG_QTHRESH, &1u32.to_be_bytes())])?;
        Ok(Log { netlink, buffer: vec![0; 1 << 17] })
    }

    /// What was logged since the last call.
    pub fn take(&mut self) -> Result<Vec<Logged>, Failure> {
        let mut all = Vec::new();
        loop {
            let length = match recv(self.netlink.0.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return Ok(all),
                Err(errno) => return Err(errno.into()),
            };
            let packets = messages(&self.buffer[..length])
                .into_iter()
                .filter(|(kind, _)| *kind == SUBSYS_ULOG << 8 | ULOG_PACKET);
            all.extend(packets.map(|(_, body)| logged(body.get(4..).unwrap_or_default())));
        }
    }
}

fn logged(mut attributes: &[u8]) -> Logged {
    let mut logged = Logged::default();
    let number =
        |value: &[u8]| value.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    while attributes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]])).max(4);
        let value = attributes.get(4..length).unwrap_or_default();
        match u16::from_ne_bytes([attributes[2], attributes[3]]) & 0x3fff {
            PACKET_HEADER => logged.protocol = u16::try_from(number(value) >> 16).unwrap_or(0),
            MARK => logged.mark = number(value),
            kind @ DEVICES..=7 => logged.devices[usize::from(kind - DEVICES)] = number(value),
            LINK_HEADER => logged.link_header = value.to_vec(),
            PAYLOAD => logged.packet = value.to_vec(),
            PREFIX => logged.prefix = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    logged
}

/// Types and bodies of the netlink messages in a buffer.
fn messages(mut buffer: &[u8]) -> Vec<(u16, &[u8])> {
    let mut all = Vec::new();
    while buffer.len() >= 16 {
        let length = u32::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(16);
        all.push((u16::from_ne_bytes([buffer[4], buffer[5]]), buffer.get(16..length).unwrap_or_default()));
        buffer = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}
