//! `<vmid>.conf` -> the guest's network devices. Only `net<n>` lines of the main section count; whatever is wrong
//! with such a line, a device never becomes unfiltered by it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::value::boolean;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::address::Mac;
use crate::model::guest::{GuestKind, Nic};
use crate::model::names::{IfName, Vmid};
use crate::parse::cursor::{RawLine, Text, lines, quoted, sort_by_line};
use crate::span::FileId;

/// The guest's devices by index. Of two lines for one index the last counts, as for the guest's start.
pub fn nics(text: &[u8], file: FileId, vmid: Vmid, kind: GuestKind) -> (BTreeMap<u8, Nic>, Vec<Diagnostic>) {
    let mut nics = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for line in lines(text, file).take_while(|line| !line.bytes.starts_with(b"[")) {
        if !line.bytes.starts_with(b"net") {
            continue;
        }
        let (key, Some(value)) = line.split_at(b':') else { continue };
        let digits = &key.bytes[b"net".len()..];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let index = std::str::from_utf8(digits).ok().and_then(nic_index);
        let named = index.and_then(|index| Some((index, ifname(kind, vmid, index)?)));
        let Some((index, ifname)) = named else {
            let message = format!("{} is no device that a guest can have", quoted(key.bytes));
            let place = Place::Span(key.span());
            diagnostics.push(Diagnostic::new(Code::DeviceIndex, place, message, "line is ignored"));
            continue;
        };
        let nic = Nic {
            index,
            ifname,
            mac: None,
            bridge: None,
            firewall: false,
            tag: None,
            trunks: false,
            link_down: false,
            ip: None,
            ip6: None,
            span: line.span(),
        };
        nics.insert(index, device(nic, kind, value.trimmed(), &mut diagnostics));
    }
    sort_by_line(text, &mut diagnostics);
    (nics, diagnostics)
}

/// Index of a network device, 0 to 31, without leading zero.
pub(crate) fn nic_index(digits: &str) -> Option<u8> {
    let canonical = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if canonical { digits.parse().ok().filter(|index| *index <= 31) } else { None }
}

/// `None`: the name would be longer than the kernel allows, so no such interface can exist.
fn ifname(kind: GuestKind, vmid: Vmid, index: u8) -> Option<IfName> {
    let prefix = match kind {
        GuestKind::Qemu => "tap",
        GuestKind::Lxc => "veth",
    };
    format!("{prefix}{vmid}i{index}").parse().ok()
}

/// Models that a VM's device can have; one stands as a bare word, as `model=`, or as a key with the MAC address.
const MODELS: [&str; 14] = [
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "virtio",
    "vmxnet3",
];

/// Properties that say nothing to a firewall.
fn meaningless(kind: GuestKind, key: &str) -> bool {
    match kind {
        GuestKind::Qemu => matches!(key, "queues" | "rate" | "mtu" | "host-tunnel"),
        GuestKind::Lxc => {
            matches!(key, "name" | "rate" | "mtu" | "host-managed" | "gw" | "gw6")
        }
    }
}

const IGNORED: &str = "property is ignored";

/// Reads the properties of one device line.
fn device(mut nic: Nic, kind: GuestKind, line: RawLine<'_>, diagnostics: &mut Vec<Diagnostic>) -> Nic {
    let Some(value) = line.text().filter(|value| splits(*value, kind)) else {
        let message = format!("{} is no list of properties", quoted(line.bytes));
        let consequence = "device is filtered, without any known address";
        diagnostics.push(Diagnostic::new(Code::DeviceMalformed, Place::Span(nic.span), message, consequence));
        nic.firewall = true;
        return nic;
    };
    let mut mac = None;
    let mut seen = BTreeSet::new();
    for element in value.list().map(Text::trimmed).filter(|element| !element.str.is_empty()) {
        let (key, value) = match element.split_once(b'=') {
            Some((key, value)) => (key.str, value),
            None if kind == GuestKind::Qemu => ("model", element),
            None => ("", element),
        };
        if !seen.insert(key) {
            let message = format!("property {} is given again", quoted(element.str.as_bytes()));
            diagnostics.push(element.remark(Code::DeviceProperty, message, "its last value counts"));
        }
        if !property(&mut nic, kind, (key, value), &mut mac) {
            let message = format!("{} is unknown, or no value for it", quoted(element.str.as_bytes()));
            let consequence = if key == "firewall" { "device is filtered" } else { IGNORED };
            diagnostics.push(element.remark(Code::DeviceProperty, message, consequence));
        }
        address_property(&mut nic, kind, (key, value), diagnostics);
    }
    hardware_address(&mut nic, mac, diagnostics);
    nic
}

/// Whether the value is made of properties at all.
fn splits(value: Text<'_>, kind: GuestKind) -> bool {
    let mut elements = value.list().filter(|element| !element.trimmed().str.is_empty()).peekable();
    let bare = kind == GuestKind::Qemu;
    elements.peek().is_some()
        && elements.any(|element| element.split_once(b'=').map_or(bare, |(key, _)| !key.str.is_empty()))
}

/// Takes one property; `false` if it is unknown or its value odd.
fn property<'a>(
    nic: &mut Nic,
    kind: GuestKind,
    (key, value): (&'a str, Text<'a>),
    mac: &mut Option<Text<'a>>,
) -> bool {
    match (kind, key) {
        (_, "bridge") => {
            nic.bridge = value.str.parse::<IfName>().ok().map(|name| name.as_str().to_owned());
            nic.bridge.is_some()
        }
        (_, "firewall") => {
            let wanted = boolean(value.str);
            // Two values, or one that is no boolean: filtering is the safe reading.
            nic.firewall |= wanted.unwrap_or(true);
            wanted.is_some()
        }
        (_, "tag") => {
            nic.tag = value.str.parse().ok().filter(|tag| (1..=4094).contains(tag));
            nic.tag.is_some()
        }
        (_, "trunks") => {
            nic.trunks = !value.str.is_empty();
            true
        }
        (_, "link_down") => {
            let wanted = boolean(value.str);
            nic.link_down = wanted.unwrap_or(false);
            wanted.is_some()
        }
        (GuestKind::Qemu, "macaddr") | (GuestKind::Lxc, "hwaddr") => {
            *mac = Some(value);
            true
        }
        (GuestKind::Qemu, "model") => MODELS.contains(&value.str),
        (GuestKind::Qemu, model) if MODELS.contains(&model) => {
            *mac = Some(value);
            true
        }
        // A model that is not in the list still gives the device's address.
        (GuestKind::Qemu, _) if value.str.parse::<Mac>().is_ok() => {
            *mac = Some(value);
            false
        }
        (GuestKind::Lxc, "type") => value.str == "veth",
        (GuestKind::Lxc, "ip" | "ip6") => true,
        (_, key) => meaningless(kind, key),
    }
}

/// `ip=` and `ip6=` of a container: the address alone, its network is none of the guest's.
fn address_property(
    nic: &mut Nic,
    kind: GuestKind,
    (key, value): (&str, Text<'_>),
    diagnostics: &mut Vec<Diagnostic>,
) {
    let dynamic: &[&str] = match (kind, key) {
        (GuestKind::Lxc, "ip") => &["dhcp", "manual"],
        (GuestKind::Lxc, "ip6") => &["dhcp", "manual", "auto"],
        _ => return,
    };
    let address = match value.str.parse::<crate::model::address::Cidr>() {
        Ok(_) => value.str.split('/').next().and_then(|address| address.parse::<IpAddr>().ok()),
        Err(_) => None,
    };
    match (key, address) {
        ("ip", Some(IpAddr::V4(ip))) => nic.ip = Some(ip),
        ("ip6", Some(IpAddr::V6(ip6))) => nic.ip6 = Some(ip6),
        _ => {
            if key == "ip" {
                nic.ip = None
            } else {
                nic.ip6 = None
            }
            if !dynamic.contains(&value.str) {
                let message = format!("{} is no address for `{key}`", quoted(value.str.as_bytes()));
                diagnostics.push(value.remark(Code::DeviceAddress, message, "treated as not given"));
            }
        }
    }
}

fn hardware_address(nic: &mut Nic, given: Option<Text<'_>>, diagnostics: &mut Vec<Diagnostic>) {
    nic.mac = given.and_then(|text| text.str.parse().ok());
    match (given, nic.mac) {
        (Some(text), Some(mac)) if !mac.is_unicast() => {
            let message = format!("{} is the address of a group", quoted(text.str.as_bytes()));
            diagnostics.push(text.remark(Code::DeviceProperty, message, "it is used as it is"));
        }
        (_, Some(_)) => {}
        (Some(text), None) => {
            let message = format!("{} is no MAC address", quoted(text.str.as_bytes()));
            diagnostics.push(text.remark(Code::DeviceMac, message, NO_MAC));
        }
        (None, None) if nic.firewall => {
            let place = Place::Span(nic.span);
            let message = format!("device `net{}` has no MAC address", nic.index);
            diagnostics.push(Diagnostic::new(Code::DeviceMac, place, message, NO_MAC));
        }
        (None, None) => {}
    }
}

const NO_MAC: &str = "no link-local address is allowed to it, and the MAC filter drops all its frames";
