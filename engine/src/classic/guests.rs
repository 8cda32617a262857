//! Guests' devices: those that the classic firewall leaves unfiltered, and what is filtered below IP.

use super::{Effect, Notes};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::Config;
use crate::model::guest::{Guest, GuestKind, Nic};
use crate::model::options::Enable;
use crate::span::Span;

pub(super) fn find(config: &Config, diagnostics: &[Diagnostic], notes: &mut Notes<'_>) {
    if config.datacenter.options.enable.value == Enable::Off {
        return;
    }
    let filtered: Vec<(&Guest, &Nic)> = config
        .guests
        .values()
        .filter(|guest| guest.options.enable.value)
        .flat_map(|guest| guest.nics.values().map(move |nic| (&**guest, nic)))
        .filter(|(_, nic)| nic.firewall)
        .collect();
    for (guest, nic) in &filtered {
        device(guest, nic, diagnostics, notes);
    }
    if filtered.is_empty() {
        return;
    }
    for (id, effect, texts) in BELOW_IP {
        notes.add(id, Place::Host, *effect, *texts);
    }
    let named = |guest: &Guest| guest.ipsets.keys().any(|name| name.as_str().starts_with("ipfilter-net"));
    if filtered.iter().any(|(guest, _)| guest.options.ipfilter.value || named(guest)) {
        let texts = [
            "blocks a guest's check for duplicate addresses (IPv6) and its ARP probes",
            "pass: they claim no address of another guest",
        ];
        notes.add("S27", Place::Host, Effect::PassesMore, texts);
    }
    if filtered.iter().any(|(guest, _)| guest.options.macfilter.value) {
        for (id, texts) in MAC_FILTER {
            notes.add(id, Place::Host, Effect::PassesLess, *texts);
        }
    }
}

/// Of every node with filtered guests.
const BELOW_IP: &[(&str, Effect, [&str; 2])] = &[
    (
        "S19",
        Effect::PassesMore,
        ["drops invalid packets between unfiltered ports, too", "unfiltered ports are not touched"],
    ),
    (
        "S31",
        Effect::PassesLess,
        ["lets EtherTypes other than IP pass, whatever the policy", "the policy decides"],
    ),
    (
        "S34",
        Effect::PassesLess,
        [
            "does not look into frames that a guest tags itself",
            "one VLAN tag hides nothing; behind two, the policy decides",
        ],
    ),
    (
        "S68",
        Effect::PassesLess,
        [
            "does not know ports that look like a guest's and have no configuration",
            "drops what they send and receive on bridges of guests, until the configuration is there",
        ],
    ),
];

const MAC_FILTER: &[(&str, [&str; 2])] = &[
    (
        "S28",
        [
            "does not look at the sender's MAC inside ARP packets",
            "drops ARP packets with another MAC than the guest's",
        ],
    ),
    ("S29", ["filters the source MAC of the first packet of a connection", "of every packet"]),
    ("S30", ["lets DHCP pass before the MAC filter", "the MAC filter comes first"]),
];

const UNFILTERED: &str = "leaves the device unfiltered";

fn device(guest: &Guest, nic: &Nic, diagnostics: &[Diagnostic], notes: &mut Notes<'_>) {
    let is_here = |place: Place| match place {
        Place::Span(span) => lies_in(span, nic.span),
        Place::File(_) | Place::Host => false,
    };
    let has_odd = diagnostics.iter().any(|d| d.code == Code::DeviceProperty && is_here(d.place));
    let place = Place::Span(nic.span);
    if has_odd {
        let ours = "filtered; what is not known about the device is reported";
        notes.add("D124", place, Effect::PassesLess, [UNFILTERED, ours]);
    }
    let is_group = nic.mac.is_some_and(|mac| !mac.is_unicast());
    if is_group {
        notes.add("D125", place, Effect::PassesLess, [UNFILTERED, "filtered by the MAC as it stands"]);
    }
    let line = notes.line(nic.span);
    let is_bare = |item: &str| {
        let address = item.trim().strip_prefix("ip=").or_else(|| item.trim().strip_prefix("ip6="));
        address.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
    };
    if guest.kind == GuestKind::Lxc && line.split(',').any(is_bare) {
        let classic = "leaves the device, and those after it, unfiltered: an address without prefix";
        notes.add("D126", place, Effect::PassesLess, [classic, "filtered, the address is taken"]);
    }
    if nic.mac.is_none() {
        let texts =
            ["invents another MAC every ten seconds", "drops everything that the MAC filter would check"];
        notes.add("D123", place, Effect::Other, texts);
    }
}

/// On the device's line: diagnostics point at a part of it.
fn lies_in(inner: Span, line: Span) -> bool {
    inner.file == line.file && line.start <= inner.start && inner.end <= line.end
}
