//! The order in which people read diagnostics: datacenter, host, guests ascending, VNets, what surrounds them.

use crate::diagnostic::Place;
use crate::model::names::Vmid;
use crate::span::Sources;

/// Files in their order, then the host; in a file the bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position<'s> {
    kind: Kind,
    path: &'s str,
    start: u32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Datacenter,
    Host,
    Settings,
    GuestList,
    Guest(Vmid, GuestFile),
    Vnet,
    Sdn,
    Ipam,
    Other,
    /// No file.
    Nowhere,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum GuestFile {
    Configuration,
    Firewall,
}

/// Where a remark about this place stands among all others.
pub(super) fn of(place: Place, sources: &Sources) -> Position<'_> {
    let (file, start) = match place {
        Place::Span(span) => (span.file, span.start),
        Place::File(file) => (file, 0),
        Place::Host => return Position { kind: Kind::Nowhere, path: "", start: 0 },
    };
    let path = sources.path(file);
    Position { kind: kind(path), path, start }
}

fn kind(path: &str) -> Kind {
    let name = path.rsplit('/').next().unwrap_or(path);
    let vmid = |suffix: &str| name.strip_suffix(suffix).and_then(|vmid| vmid.parse().ok());
    if path.starts_with("/etc/pve/sdn/firewall/") {
        return Kind::Vnet;
    }
    match (name, vmid(".conf"), vmid(".fw")) {
        ("cluster.fw", ..) => Kind::Datacenter,
        ("host.fw", ..) => Kind::Host,
        ("proxmox-firewall.cfg", ..) => Kind::Settings,
        (".vmlist", ..) => Kind::GuestList,
        (".running-config", ..) => Kind::Sdn,
        ("pve-ipam-state.json" | "ipam.db", ..) => Kind::Ipam,
        (_, Some(vmid), _) => Kind::Guest(vmid, GuestFile::Configuration),
        (_, None, Some(vmid)) => Kind::Guest(vmid, GuestFile::Firewall),
        (_, None, None) => Kind::Other,
    }
}
