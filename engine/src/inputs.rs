//! All that a compilation may know: files, facts about the host, settings. Gathered outside, once.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::model::address::{Cidr, InvalidAddress, Mac};

/// Everything [`crate::compile`] reads.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The files, by the path that a node sees.
    pub files: Files,
    /// The last error-free version of a scope's file; only read where `strict` is on.
    pub last_good: Files,
    /// What the host looks like.
    pub facts: Arc<HostFacts>,
    /// What the caller asks for.
    pub settings: Settings,
}

/// Files by absolute path, for example `/etc/pve/firewall/cluster.fw`. A path that is not there is absent. Clones share
/// what they hold until one of them changes: everybody keeps the files of a generation, and thousands are not copied.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<BTreeMap<String, FileContent>>);

impl Files {
    /// None.
    pub fn new() -> Files {
        Files::default()
    }

    /// Whether both are clones of one, and neither has changed since: then they are equal.
    pub fn is_clone_of(&self, other: &Files) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Paths that are new, gone, or have another content than before. Both are walked at once: thousands of look-ups by path
    /// would cost more than all else together.
    pub fn changed_since(&self, before: &Files) -> Vec<String> {
        let mut changed = Vec::new();
        if self.is_clone_of(before) {
            return changed;
        }
        let mut before = before.iter().peekable();
        for (path, content) in self {
            while let Some((gone, _)) = before.next_if(|(old, _)| *old < path) {
                changed.push(gone.clone());
            }
            let was = before.next_if(|(old, _)| *old == path);
            if was.is_none_or(|(_, was)| was != content) {
                changed.push(path.clone());
            }
        }
        changed.extend(before.map(|(gone, _)| gone.clone()));
        changed
    }
}

impl Deref for Files {
    type Target = BTreeMap<String, FileContent>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Files {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl FromIterator<(String, FileContent)> for Files {
    fn from_iter<I: IntoIterator<Item = (String, FileContent)>>(files: I) -> Files {
        Files(Arc::new(files.into_iter().collect()))
    }
}

impl<const N: usize> From<[(String, FileContent); N]> for Files {
    fn from(files: [(String, FileContent); N]) -> Files {
        files.into_iter().collect()
    }
}

impl IntoIterator for Files {
    type Item = (String, FileContent);
    type IntoIter = btree_map::IntoIter<String, FileContent>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'f> IntoIterator for &'f Files {
    type Item = (&'f String, &'f FileContent);
    type IntoIter = btree_map::Iter<'f, String, FileContent>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// What reading a file gave.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// Its bytes; any bytes.
    Bytes(Arc<[u8]>),
    /// It exists but could not be read; the text says why.
    Unreadable(String),
}

impl PartialEq for FileContent {
    fn eq(&self, other: &FileContent) -> bool {
        match (self, other) {
            (FileContent::Bytes(one), FileContent::Bytes(other)) => Arc::ptr_eq(one, other) || one == other,
            (FileContent::Unreadable(one), FileContent::Unreadable(other)) => one == other,
            (FileContent::Bytes(_), FileContent::Unreadable(_))
            | (FileContent::Unreadable(_), FileContent::Bytes(_)) => false,
        }
    }
}

impl Eq for FileContent {}

impl FileContent {
    /// The content of a string.
    pub fn text(text: &str) -> FileContent {
        FileContent::Bytes(Arc::from(text.as_bytes()))
    }
}

/// What the kernel and the resolver say about this host.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Node name: the kernel host name up to the first dot.
    pub node: String,
    /// Network interfaces, in the kernel's order.
    pub links: Vec<Link>,
    /// Addresses that names resolve to: the node's own name and the names in `corosync.conf`.
    pub resolved: BTreeMap<String, Vec<IpAddr>>,
    /// Unix time in seconds, for a timed `enable`.
    pub now_s: u64,
    /// `net.bridge.bridge-nf-call-iptables` or `-ip6tables` is 1 and could not be reset to 0.
    pub bridge_nf_stuck: bool,
    /// The networks of the kernel's routing tables that are directly connected, defaults left out.
    pub connected: Vec<Cidr>,
    /// Bridges that guests' interfaces join now, according to who plugs them: no configuration may name them yet.
    pub announced_bridges: BTreeSet<String>,
    /// The devices of [`crate::divert`] are taken to be there: for a host that is not the running one.
    pub divert_assumed: bool,
}

impl HostFacts {
    /// The interface of this name or alternative name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|l| l.name == name || l.altnames.iter().any(|a| a == name))
    }
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Kernel name, at most 15 bytes.
    pub name: String,
    /// Its number; 0: not known. An interface that takes the place of another has another.
    pub index: u32,
    /// Alternative names (`ip link property`).
    pub altnames: Vec<String>,
    /// What it is.
    pub kind: LinkKind,
    /// Hardware address.
    pub mac: Option<Mac>,
    /// The bridge or bond it is a port of.
    pub master: Option<String>,
    /// The interface below it (VLAN sub-interface).
    pub parent: Option<String>,
    /// Administratively up.
    pub up: bool,
    /// NO-CARRIER of ip-link(8): nobody is at its other end.
    pub no_carrier: bool,
    /// Bridge port that exchanges no frames with other isolated ones.
    pub isolated: bool,
    /// Hardware addresses that the bridge has learned at this port, though they are those of guests' devices elsewhere.
    pub learned: Vec<Mac>,
    /// Its addresses.
    pub addresses: Vec<HostAddress>,
}

/// An address of the host, with its prefix length: `192.0.2.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAddress {
    address: IpAddr,
    prefix: u8,
}

impl HostAddress {
    /// `None` if the family has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<HostAddress> {
        Cidr::new(address, prefix).map(|_| HostAddress { address, prefix })
    }

    /// The address itself.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Leading bits that the network's addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network that it is in.
    pub fn network(self) -> Cidr {
        Cidr::new(self.address, self.prefix).expect("checked when it was made")
    }
}

impl std::str::FromStr for HostAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let network: Cidr = text.parse()?;
        let address = text.split('/').next().unwrap_or_default();
        HostAddress::new(address.parse().map_err(|_| InvalidAddress)?, network.prefix()).ok_or(InvalidAddress)
    }
}

/// Kinds of interfaces that matter to a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// A Linux bridge.
    Bridge {
        /// `vlan_filtering` is on.
        vlan_aware: bool,
    },
    /// A VLAN sub-interface.
    Vlan,
    /// Anything else.
    #[default]
    Other,
}

/// What the caller or the node's settings file asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How REJECT towards a guest is answered; `None`: as the node's settings file says, else the default.
    pub reject_mode: Option<RejectMode>,
    /// Mark bit of packets that passed the host's inet output or forward hook.
    pub mark_routed: u32,
    /// Mark bit of reject answers on their way to their sender.
    pub mark_answer: u32,
    /// Mark bit of rejected packets on their way to the bridge that answers them, in mode `divert`.
    pub mark_divert: u32,
    /// What the kernel can: a stronger mode falls back to the next weaker one. `None`: anything.
    pub reject_can: Option<RejectCan>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            reject_mode: None,
            mark_routed: 0x4000_0000,
            mark_answer: 0x2000_0000,
            mark_divert: 0x1000_0000,
            reject_can: None,
        }
    }
}

/// How a REJECT towards a guest is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RejectMode {
    /// Not at all: dropped.
    Drop,
    /// Bridged frames are answered in the bridge `prerouting` hook; others are dropped.
    #[default]
    Prerouting,
    /// As `prerouting`, and what the host sends or routes is answered by a bridge of its own.
    Divert,
    /// As `prerouting`, and guests' devices have a firewall bridge each, which sees all frames as bridged ones.
    Fwbr,
}

/// Of what reject modes need, what a kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectCan {
    /// Bridges answer.
    pub answer: bool,
    /// Frames that leave a port can be sent out of another one.
    pub divert: bool,
}

impl RejectMode {
    /// All of them, the weakest first.
    pub const ALL: [RejectMode; 4] =
        [RejectMode::Drop, RejectMode::Prerouting, RejectMode::Divert, RejectMode::Fwbr];

    /// Bridged frames are answered in the bridge `prerouting` hook.
    pub fn answers_bridged(self) -> bool {
        match self {
            RejectMode::Drop => false,
            RejectMode::Prerouting | RejectMode::Divert | RejectMode::Fwbr => true,
        }
    }

    /// This mode, or the strongest weaker one that such a kernel can.
    pub fn on(self, can: RejectCan) -> RejectMode {
        match self {
            _ if !can.answer => RejectMode::Drop,
            RejectMode::Divert if !can.divert => RejectMode::Prerouting,
            RejectMode::Drop | RejectMode::Prerouting | RejectMode::Divert | RejectMode::Fwbr => self,
        }
    }

    /// The word of the command line and the settings file.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectMode::Drop => "drop",
            RejectMode::Prerouting => "prerouting",
            RejectMode::Divert => "divert",
            RejectMode::Fwbr => "fwbr",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileContent, Files};

    #[test]
    fn files_tell_what_changed() {
        let files = |all: &[(&str, &str)]| -> Files {
            all.iter().map(|(path, text)| ((*path).to_owned(), FileContent::text(text))).collect()
        };
        let before = files(&[("/a", "1"), ("/b", "1"), ("/d", "1")]);
        let now = files(&[("/b", "1"), ("/c", "1"), ("/d", "2"), ("/e", "1")]);
        assert_eq!(now.changed_since(&before), ["/a", "/c", "/d", "/e"]);
        assert!(before.changed_since(&files(&[("/a", "1"), ("/b", "1"), ("/d", "1")])).is_empty());
        let mut copy = before.clone();
        assert!(copy.is_clone_of(&before));
        copy.remove("/a");
        assert!(!copy.is_clone_of(&before) && before.contains_key("/a"));
        assert_eq!(copy.changed_since(&before), ["/a"]);
    }
}
