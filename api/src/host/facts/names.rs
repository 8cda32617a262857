//! Names that must become addresses: this node's, and those that `corosync.conf` uses in place of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs};

use crate::host::files;
use crate::host::paths::Paths;

/// All names, as the running system resolves them.
pub(in crate::host) fn of_host(paths: &Paths, node: &str) -> BTreeMap<String, Vec<IpAddr>> {
    let mut resolved = resolve(wanted(paths, node));
    let own = resolved.entry(node.to_owned()).or_default();
    own.extend(member_address(paths, node));
    tidy(own);
    resolved
}

/// This node's name and every name among the ring addresses of `corosync.conf`.
pub(super) fn wanted(paths: &Paths, node: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from([node.to_owned()]);
    let corosync = files::text(paths, "/etc/pve/corosync.conf").unwrap_or_default();
    for line in corosync.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let is_link = key.starts_with("ring") && key.ends_with("_addr");
        if is_link && !value.is_empty() && value.parse::<IpAddr>().is_err() {
            names.insert(value.to_owned());
        }
    }
    names
}

/// Asks the system's resolver. Loopback addresses are left out: Debian's installer gives the host name one
/// (127.0.1.1), and nobody manages a node from there.
fn resolve(names: BTreeSet<String>) -> BTreeMap<String, Vec<IpAddr>> {
    let address_of = |name: &String| -> Vec<IpAddr> {
        let found = (name.as_str(), 0).to_socket_addrs();
        let mut addresses: Vec<IpAddr> = found.map(|all| all.map(|a| a.ip()).collect()).unwrap_or_default();
        tidy(&mut addresses);
        addresses
    };
    names.into_iter().map(|name| (address_of(&name), name)).map(|(a, n)| (n, a)).collect()
}

/// Looks names up in `etc/hosts` alone.
pub(super) fn look_up(hosts: &str, names: BTreeSet<String>) -> BTreeMap<String, Vec<IpAddr>> {
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for line in hosts.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words.filter(|name| names.contains(*name)) {
            found.entry(name.to_owned()).or_default().push(address);
        }
    }
    found.values_mut().for_each(tidy);
    found
}

/// `nodelist.<node>.ip` of `.members`: what the cluster calls the node's own address.
pub(super) fn member_address(paths: &Paths, node: &str) -> Option<IpAddr> {
    let members: serde_json::Value = serde_json::from_str(&files::text(paths, "/etc/pve/.members")?).ok()?;
    members.get("nodelist")?.get(node)?.get("ip")?.as_str()?.parse().ok()
}

pub(super) fn tidy(addresses: &mut Vec<IpAddr>) {
    addresses.retain(|address| !address.is_loopback());
    addresses.sort_unstable();
    addresses.dedup();
}

#[cfg(test)]
mod tests {
    use super::look_up;

    #[test]
    fn hosts_gives_every_address_of_a_name_but_loopback() {
        let hosts =
            "127.0.1.1 node1\n192.0.2.1 node1.example.org node1 # own\n2001:db8::1 node1\n10.0.0.1 other\n";
        let found = look_up(hosts, ["node1".to_owned()].into());
        let texts: Vec<String> = found["node1"].iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.0.2.1", "2001:db8::1"]);
    }
}
