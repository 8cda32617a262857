//! The kernel's notifications about interfaces, addresses and routes: do they change what the facts hold, and if so,
//! to what?
//!
//! Traffic counters, states of ports, or a changed MTU do not: what a message leaves as it was is not reported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use engine::inputs::HostFacts;
use engine::model::address::Mac;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteHeader, RouteMessage, RouteType};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::facts::live;
use super::facts::table::{Table, is_of_bridge};

/// Multicast groups of rtnetlink(7), as bits: links, neighbours (forwarding databases of bridges are among them), IPv4
/// and IPv6 addresses, IPv4 and IPv6 routes.
const GROUPS: u32 = 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 6 | 1 << 10;

/// Room for a burst; the kernel grants what `net.core.rmem_max` allows.
const BUFFER_SIZE: i32 = 4 << 20;

/// A burst that does not end is left to the next call.
const DATAGRAMS_MAX: usize = 4_096;

/// Notifications about what [`HostFacts`] holds of the kernel.
#[derive(Debug)]
pub struct LinkEvents {
    socket: Socket,
    /// As of the last notification.
    table: Table,
    /// Some were lost.
    is_stale: bool,
    /// What is watched has changed what there is to tell.
    is_news: bool,
}

impl LinkEvents {
    /// Listens, and looks at what there is. Nothing falls between the two.
    pub fn new() -> io::Result<LinkEvents> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.set_rx_buf_sz(BUFFER_SIZE)?;
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        Ok(LinkEvents { socket, table: live::table()?, is_stale: false, is_news: false })
    }

    /// The hardware addresses of guests' devices, with the names of their ports: where else they send from is told.
    pub fn watch(&mut self, guests: BTreeMap<Mac, BTreeSet<String>>) {
        self.is_news |= self.table.watch(guests);
    }

    /// Takes what is pending: something that the facts hold changed, or notifications were lost.
    pub fn drain(&mut self) -> bool {
        let mut is_news = std::mem::take(&mut self.is_news);
        for _ in 0..DATAGRAMS_MAX {
            let payloads = match self.socket.recv_from_full() {
                Ok((datagram, _)) => live::payloads(&datagram),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // ENOBUFS, the queue was full; nothing else is known to happen.
                Err(error) => Err(error),
            };
            match payloads {
                Ok(payloads) => payloads.iter().for_each(|payload| is_news |= self.takes_over(payload)),
                Err(_) => {
                    self.is_stale = true;
                    is_news = true;
                }
            }
        }
        is_news
    }

    /// Brings links and connected networks up to date; everything else is left as it is.
    pub fn update(&mut self, facts: &mut HostFacts) -> io::Result<()> {
        if self.is_stale {
            let mut table = live::table()?;
            table.watch(self.table.watched().clone());
            (self.table, self.is_stale) = (table, false);
        }
        facts.links = self.table.links();
        // IPv4 routes go without a word when their interface does: they are asked for.
        facts.connected = live::connected_now()?;
        Ok(())
    }

    fn takes_over(&mut self, payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
        match payload {
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route),
            ) => is_of_facts(route),
            // It holds little, and not what changed: isolation, for one.
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) if is_of_bridge(link) => {
                self.is_stale = true;
                true
            }
            NetlinkPayload::InnerMessage(message) => self.table.apply(message),
            _ => false,
        }
    }
}

/// Not: the default route, local and broadcast addresses, other tables, cached exceptions.
fn is_of_facts(route: &RouteMessage) -> bool {
    let header = &route.header;
    header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast
        && header.destination_prefix_length != 0
}

/// Readable when [`LinkEvents::drain`] has something to look at.
impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
