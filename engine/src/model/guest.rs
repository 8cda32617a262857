//! A guest: its firewall file and the network devices of its configuration.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::address::Mac;
use super::names::{IfName, ObjectName, Vmid};
use super::options::GuestOptions;
use super::rule::Rule;
use super::{Alias, Ipset};
use crate::span::Span;

/// VM or container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestKind {
    /// A VM; devices are `tap<vmid>i<n>`.
    Qemu,
    /// A container; devices are `veth<vmid>i<n>`.
    Lxc,
}

/// One guest of this node.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its number.
    pub vmid: Vmid,
    /// VM or container.
    pub kind: GuestKind,
    /// `net<index>` of the current configuration.
    pub nics: Arc<BTreeMap<u8, Nic>>,
    /// `[OPTIONS]` of its firewall file; defaults (off) if there is none.
    pub options: GuestOptions,
    /// `[ALIASES]`
    pub aliases: BTreeMap<ObjectName, Alias>,
    /// `[IPSET name]`
    pub ipsets: BTreeMap<ObjectName, Ipset>,
    /// `[RULES]`
    pub rules: Vec<Rule>,
}

/// A network device of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Index of `net<index>`, 0 to 31.
    pub index: u8,
    /// `tap<vmid>i<index>` or `veth<vmid>i<index>`.
    pub ifname: IfName,
    /// Configured hardware address; `None`: missing or unusable.
    pub mac: Option<Mac>,
    /// `bridge=`
    pub bridge: Option<String>,
    /// `firewall=1`
    pub firewall: bool,
    /// `tag=`, 1 to 4094.
    pub tag: Option<u16>,
    /// `trunks=` was given.
    pub trunks: bool,
    /// `link_down=1`: its cable is unplugged.
    pub link_down: bool,
    /// `ip=` of a container, the address alone.
    pub ip: Option<Ipv4Addr>,
    /// `ip6=` of a container, the address alone.
    pub ip6: Option<Ipv6Addr>,
    /// The device line.
    pub span: Span,
}
