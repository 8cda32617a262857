//! Ways in and out: the far end of a port, frames on an interface of the node, packets out of its IP stack.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::{BindToDevice, Broadcast, RcvBufForce};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind,
    recvmsg, send, sendto, setsockopt, socket,
};

use tappers::{Interface, Tap};

use crate::Failure;

/// Room for thousands of frames between two looks.
const BUFFER: usize = 32 << 20;
/// PACKET_OUTGOING of packet(7).
const OUTGOING: u8 = 4;

/// Where frames come out.
pub trait Receive {
    /// The next frame, if there is one.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure>;
}

/// A port of a bridge, of which we are the other end.
pub struct FarEnd(Tap);

impl FarEnd {
    /// Makes the interface, in the namespace that the thread is in.
    pub fn new(interface: &str) -> Result<FarEnd, Failure> {
        let name = Interface::new(interface).map_err(|error| format!("{interface}: {error}"))?;
        let mut tap = Tap::new_named(name).map_err(|error| format!("TAP device {interface}: {error}"))?;
        tap.set_nonblocking(true)?;
        Ok(FarEnd(tap))
    }

    /// Sends a frame, which has passed the bridge when this returns.
    pub fn send(&self, frame: &[u8]) -> Result<(), Failure> {
        self.0.send(frame)?;
        Ok(())
    }
}

impl AsFd for FarEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Receive for FarEnd {
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        match self.0.recv(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// All frames of one interface, in both directions: sent by us, seen from others.
#[derive(Debug)]
pub struct FrameSocket(OwnedFd);

impl FrameSocket {
    /// On an interface of the namespace that the thread is in.
    pub fn on(interface: &str) -> Result<FrameSocket, Failure> {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )?;
        let addresses = getifaddrs()?.filter(|address| address.interface_name == interface);
        let link = addresses.filter_map(|address| address.address?.as_link_addr().copied()).next();
        bind(socket.as_raw_fd(), &link.ok_or_else(|| format!("no interface {interface}"))?)?;
        setsockopt(&socket, RcvBufForce, &BUFFER)?;
        Ok(FrameSocket(socket))
    }

    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) -> Result<(), Failure> {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }
}

/// Only what came in: what others sent out here is passed over.
impl Receive for FrameSocket {
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let message = recvmsg::<LinkAddr>(self.0.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT);
            match message {
                Ok(message) if message.address.is_some_and(|from| from.pkttype() == OUTGOING) => {}
                Ok(message) => return Ok(Some(message.bytes)),
                Err(Errno::EAGAIN) => return Ok(None),
                // The interface went down between two looks.
                Err(Errno::ENETDOWN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Packets with headers of our own, through the IP stack of the namespace and out of one interface.
#[derive(Debug)]
pub struct StackSocket {
    socket: OwnedFd,
    interface: u32,
}

/// What the stack says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It took it.
    Taken,
    /// It refused, as it does for a packet that its own rules drop.
    Refused(Errno),
}

impl StackSocket {
    /// For one family; `interface` is the way out.
    pub fn on(family: AddressFamily, interface: &str) -> Result<StackSocket, Failure> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(family, SockType::Raw, flags, SockProtocol::Raw)?;
        setsockopt(&socket, BindToDevice, &interface.into())?;
        setsockopt(&socket, Broadcast, &true)?;
        let interface = nix::net::if_::if_nametoindex(interface)?;
        Ok(StackSocket { socket, interface })
    }

    /// Sends a packet that begins with its IP header.
    pub fn send(&self, packet: &[u8], dest: IpAddr) -> Sent {
        let fd = self.socket.as_raw_fd();
        let sent = match dest {
            IpAddr::V4(dest) => {
                sendto(fd, packet, &SockaddrIn::from(SocketAddrV4::new(dest, 0)), MsgFlags::empty())
            }
            IpAddr::V6(dest) => {
                let address = SocketAddrV6::new(dest, 0, 0, self.interface);
                sendto(fd, packet, &SockaddrIn6::from(address), MsgFlags::empty())
            }
        };
        sent.map_or_else(Sent::Refused, |_| Sent::Taken)
    }
}
