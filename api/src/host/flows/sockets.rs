//! TCP sockets of the node, over `sock_diag`.

use std::io;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::dump::{Budget, Request, dump};
use super::tracked::address;

/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Bytes of `struct inet_diag_req_v2` (linux/inet_diag.h): family, protocol, two bytes, states, and a socket id, which
/// a dump leaves empty.
const REQUEST: usize = 56;

/// States of a socket, by their bit in a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Established = 1,
    Listen = 10,
}

/// An end of a connection, seen from this node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: (IpAddr, u16),
    pub(super) remote: (IpAddr, u16),
}

/// Reads the sockets in one state.
pub(super) fn read(state: State, budget: &mut Budget, found: &mut dyn FnMut(Ends)) -> io::Result<()> {
    for family in [AF_INET, AF_INET6] {
        let mut body = [0; REQUEST];
        body[0] = family;
        body[1] = TCP;
        body[4..8].copy_from_slice(&(1_u32 << state as u32).to_ne_bytes());
        let request = Request { protocol: NETLINK_SOCK_DIAG, kind: SOCK_DIAG_BY_FAMILY, body: &body };
        dump(&request, budget, &mut |body| {
            if let Some(ends) = ends(body) {
                found(ends);
            }
        })?;
    }
    Ok(())
}

/// `struct inet_diag_msg`: family, state, two bytes, then ports, source and destination in 16 bytes each. IPv4 inside
/// an IPv6 socket comes out as IPv4.
fn ends(body: &[u8]) -> Option<Ends> {
    let length = match *body.first()? {
        AF_INET => 4,
        AF_INET6 => 16,
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| address(body.get(at..at + length)?);
    Some(Ends { local: (address(8)?, port(4)?), remote: (address(24)?, port(6)?) })
}
