//! SDN running configuration and IPAM state -> the IPSets of scope `sdn`. Machine-written JSON: an object that is
//! not as expected is left out alone, and remarks name it instead of pointing at a line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::address::{Cidr, Family, IpInterval, join, longest_prefix, number};
use crate::model::names::{ObjectName, Vmid};
use crate::model::sdn::Sdn;
use crate::parse::cursor::quoted;
use crate::span::FileId;

const SKIPPED: &str = "object is left out of the generated IPSets";

/// Collects what is wrong with one file.
struct Remarks {
    file: FileId,
    diagnostics: Vec<Diagnostic>,
}

impl Remarks {
    fn skip(&mut self, what: &str, name: &str, why: &str) {
        let message = format!("{what} {} {why}", quoted(name.as_bytes()));
        let place = Place::File(self.file);
        self.diagnostics.push(Diagnostic::new(Code::SdnObject, place, message, SKIPPED));
    }

    /// The file's object; an empty file is an empty object.
    fn root(&mut self, text: &[u8]) -> Map<String, Value> {
        if text.trim_ascii().is_empty() {
            return Map::new();
        }
        match serde_json::from_slice(text) {
            Ok(Value::Object(root)) => root,
            Ok(_) | Err(_) => {
                let place = Place::File(self.file);
                let message = "file is no JSON object";
                self.diagnostics.push(Diagnostic::new(Code::SdnObject, place, message, NOTHING));
                Map::new()
            }
        }
    }

    /// The object under `key`; one that is missing is empty.
    fn object<'a>(&mut self, of: &'a Value, name: &str, key: &str) -> Option<&'a Map<String, Value>> {
        match of.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                self.skip(key, name, "is no object");
                None
            }
        }
    }
}

const NOTHING: &str = "no IPSet is generated from it";

/// Networks of one VNet.
#[derive(Default)]
struct Vnet {
    /// Subnets.
    networks: Vec<Cidr>,
    gateways: Vec<IpAddr>,
    dhcp: Vec<IpInterval>,
}

/// Reads `.running-config`: four sets for each VNet, also where they are empty.
pub fn running_config(text: &[u8], file: FileId, sdn: &mut Sdn) -> Vec<Diagnostic> {
    let mut remarks = Remarks { file, diagnostics: Vec::new() };
    let root = Value::Object(remarks.root(text));
    let mut ids = |key| root.get(key).and_then(|of| remarks.object(of, key, "ids"));
    let (zones, names, subnets) = (ids("zones"), ids("vnets"), ids("subnets"));
    let mut vnets: BTreeMap<&str, Vnet> = BTreeMap::new();
    for (name, vnet) in names.into_iter().flatten() {
        let zone = vnet.get("zone").and_then(Value::as_str);
        if !is_sdn_name(name) {
            remarks.skip("VNet", name, "has no usable name");
        } else if !zone
            .is_some_and(|zone| is_sdn_name(zone) && zones.is_some_and(|zones| zones.contains_key(zone)))
        {
            remarks.skip("VNet", name, "is in no zone of this configuration");
        } else {
            vnets.insert(name, Vnet::default());
        }
    }
    for (key, subnet) in subnets.into_iter().flatten() {
        if let Err(why) = add_subnet(key, subnet, &mut vnets, &mut remarks) {
            remarks.skip("subnet", key, why);
        }
    }
    for (name, vnet) in vnets {
        sdn.vnets.extend(name.parse());
        if generated(name, &vnet, sdn).is_none() {
            remarks.skip("VNet", name, "differs from another one by case alone");
        }
    }
    remarks.diagnostics
}

/// A letter, then letters and digits; at most 8.
fn is_sdn_name(name: &str) -> bool {
    name.len() <= 8
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The four sets of a VNet; `None`: another VNet has these names.
fn generated(name: &str, vnet: &Vnet, sdn: &mut Sdn) -> Option<()> {
    let host = |address: &IpAddr| Cidr::host(*address);
    let networks = vnet.networks.iter().map(|network| (*network, false));
    let gateways = vnet.gateways.iter().map(|gateway| (host(gateway), true));
    // Gateways first: of two entries for one network (a subnet of one address) the first decides.
    let no_gateway: Vec<(Cidr, bool)> = gateways.chain(networks).collect();
    let sets = [
        ("all", join(vnet.networks.iter().map(|network| network.interval()).collect())),
        ("gateway", join(vnet.gateways.iter().map(|gateway| host(gateway).interval()).collect())),
        ("no-gateway", longest_prefix(&no_gateway)),
        ("dhcp", join(vnet.dhcp.clone())),
    ];
    for (suffix, intervals) in sets {
        let name: ObjectName = format!("{name}-{suffix}").parse().ok()?;
        if sdn.ipsets.contains_key(&name) {
            return None;
        }
        sdn.ipsets.insert(name, intervals);
    }
    Some(())
}

/// A subnet is named `<zone>-<address>-<prefix>`.
fn add_subnet(
    key: &str,
    subnet: &Value,
    vnets: &mut BTreeMap<&str, Vnet>,
    remarks: &mut Remarks,
) -> Result<(), &'static str> {
    let mut parts = key.splitn(3, '-').skip(1);
    let network = match (parts.next(), parts.next()) {
        (Some(address), Some(prefix)) => format!("{address}/{prefix}").parse::<Cidr>(),
        _ => return Err("has no network in its name"),
    };
    let network = network.map_err(|_| "has no network in its name")?;
    let vnet = subnet.get("vnet").and_then(Value::as_str).and_then(|name| vnets.get_mut(name));
    let vnet = vnet.ok_or("belongs to no VNet of this configuration")?;
    let gateway = match subnet.get("gateway") {
        None | Some(Value::Null) => None,
        Some(Value::String(gateway)) if gateway.is_empty() => None,
        Some(gateway) => {
            let address = gateway.as_str().and_then(|gateway| gateway.parse::<IpAddr>().ok());
            let fits = address.filter(|address| Family::of(*address) == network.family());
            Some(fits.ok_or("has a gateway that is no address of its family")?)
        }
    };
    vnet.networks.push(network);
    vnet.gateways.extend(gateway);
    let ranges = match subnet.get("dhcp-range") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(ranges)) => ranges,
        Some(range) => std::slice::from_ref(range),
    };
    for range in ranges {
        match range.as_str().and_then(|range| dhcp_range(range, network.family())) {
            Some(range) => vnet.dhcp.push(range),
            None => remarks.skip("DHCP range of subnet", key, "is no range of its family"),
        }
    }
    Ok(())
}

/// `start-address=A,end-address=B`
fn dhcp_range(text: &str, family: Family) -> Option<IpInterval> {
    let (mut first, mut last) = (None, None);
    for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        let slot = match key.trim() {
            "start-address" => &mut first,
            "end-address" => &mut last,
            _ => continue,
        };
        *slot = Some(value.trim().parse::<IpAddr>().ok().filter(|address| Family::of(*address) == family)?);
    }
    let (first, last) = (number(first?), number(last?));
    (first <= last).then_some(IpInterval { family, first, last })
}

/// Reads the IPAM state: `guest-ipam-<vmid>` for each guest that holds an address.
pub fn ipam(text: &[u8], file: FileId, sdn: &mut Sdn) -> Vec<Diagnostic> {
    let mut remarks = Remarks { file, diagnostics: Vec::new() };
    let root = Value::Object(remarks.root(text));
    let mut held: BTreeMap<Vmid, Vec<IpInterval>> = BTreeMap::new();
    for (zone, value) in remarks.object(&root, "the file", "zones").into_iter().flatten() {
        for (cidr, subnet) in remarks.object(value, zone, "subnets").into_iter().flatten() {
            match cidr.parse::<Cidr>() {
                Ok(network) => allocations((cidr, network), subnet, &mut held, &mut remarks),
                Err(_) => remarks.skip("subnet", cidr, "is no network"),
            }
        }
    }
    for (vmid, intervals) in held {
        if let Ok(name) = format!("guest-ipam-{vmid}").parse() {
            sdn.ipsets.insert(name, join(intervals));
        }
    }
    remarks.diagnostics
}

/// The addresses of one subnet that guests hold. Gateways and reservations by hand are nobody's.
fn allocations(
    (cidr, network): (&str, Cidr),
    subnet: &Value,
    held: &mut BTreeMap<Vmid, Vec<IpInterval>>,
    remarks: &mut Remarks,
) {
    let mut seen = BTreeSet::new();
    for (ip, entry) in remarks.object(subnet, cidr, "ips").into_iter().flatten() {
        let address = match ip.parse::<IpAddr>() {
            Ok(address) if network.contains(address) => address,
            _ => {
                remarks.skip("address", ip, "is none of its subnet");
                continue;
            }
        };
        if !seen.insert(address) {
            remarks.skip("address", ip, "stands in its subnet twice");
            continue;
        }
        let vmid = match entry.get("vmid") {
            None | Some(Value::Null) => continue,
            Some(Value::String(vmid)) => vmid.parse().ok(),
            Some(Value::Number(vmid)) => vmid.to_string().parse().ok(),
            Some(_) => None,
        };
        match vmid {
            Some(vmid) => held.entry(vmid).or_default().push(Cidr::host(address).interval()),
            None => remarks.skip("address", ip, "is held by no guest that can exist"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::from_number;

    #[track_caller]
    fn check(read: fn(&[u8], FileId, &mut Sdn) -> Vec<Diagnostic>, text: &str, sets: &[&str], lost: usize) {
        let mut sdn = Sdn::default();
        let diagnostics = read(text.as_bytes(), FileId(0), &mut sdn);
        let shown = |interval: &IpInterval| {
            let end = |number| from_number(interval.family, number);
            format!(" {}-{}", end(interval.first), end(interval.last))
        };
        let found: Vec<String> = sdn
            .ipsets
            .iter()
            .map(|(name, intervals)| format!("{name}{}", intervals.iter().map(shown).collect::<String>()))
            .collect();
        assert_eq!(found, sets, "{text}");
        assert_eq!(diagnostics.len(), lost, "{text}: {diagnostics:?}");
    }

    #[test]
    fn four_sets_for_each_vnet() {
        let text = r#"{"zones":{"ids":{"z":{"type":"faucet"}}},
            "vnets":{"ids":{"v0":{"zone":"z","tag":"7"},"v1":{"zone":"gone"},"v2":{"zone":"z"},"bad-name":{"zone":"z"}}},
            "subnets":{"ids":{
                "z-10.0.0.0-30":{"vnet":"v0","gateway":"10.0.0.1","snat":"1",
                    "dhcp-range":["start-address=10.0.0.2,end-address=10.0.0.3","x"]},
                "z-2001:db8::-127":{"vnet":"v0"},
                "z-10.1.0.0-24":{"vnet":"v1"},
                "z-10.2.0.0-24":{"vnet":"v2","gateway":"fe80::1"},
                "z-10.2.0.0":{"vnet":"v2"}, "odd":7}}}"#;
        let sets = [
            "v0-all 10.0.0.0-10.0.0.3 2001:db8::-2001:db8::1",
            "v0-dhcp 10.0.0.2-10.0.0.3",
            "v0-gateway 10.0.0.1-10.0.0.1",
            "v0-no-gateway 10.0.0.0-10.0.0.0 10.0.0.2-10.0.0.3 2001:db8::-2001:db8::1",
            "v2-all",
            "v2-dhcp",
            "v2-gateway",
            "v2-no-gateway",
        ];
        check(running_config, text, &sets, 7);
        check(running_config, "", &[], 0);
        check(running_config, "{}", &[], 0);
        check(running_config, "[", &[], 1);
        check(running_config, r#"{"zones":7,"vnets":{"ids":[]}}"#, &[], 1);
        check(running_config, &"[".repeat(100_000), &[], 1);
    }

    #[test]
    fn guests_addresses_over_all_subnets() {
        let text = r#"{"zones":{"z":{"subnets":{
            "10.0.0.0/24":{"ips":{"10.0.0.5":{"vmid":"100","mac":"x"},"10.0.0.6":{"vmid":100},
                "10.0.0.1":{"gateway":1},"10.0.0.9":{},"10.1.0.1":{"vmid":"100"},"10.0.0.7":{"vmid":"x"}}},
            "2001:db8::/64":{"ips":{"2001:db8::1":{"vmid":"100"},"2001:db8:0::1":{"vmid":"101"}}},
            "nonsense":{}}},"y":7}}"#;
        let sets = ["guest-ipam-100 10.0.0.5-10.0.0.6", "guest-ipam-101 2001:db8::1-2001:db8::1"];
        check(ipam, text, &sets, 4);
        check(ipam, "{}", &[], 0);
        check(ipam, " \n", &[], 0);
        check(ipam, r#"{"zones":{"z":{"subnets":[]}}}"#, &[], 1);
    }
}
