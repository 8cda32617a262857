//! Which files concern a node: the one place that knows.

use std::collections::BTreeSet;

/// Registries of names: not configuration, so the running system's will do.
pub(super) const REGISTRIES: [&str; 3] = ["/etc/services", "/etc/protocols", "/etc/ethertypes"];

/// Single files, `{node}` being this node's name.
const SINGLE: [&str; 9] = [
    "/etc/pve/firewall/cluster.fw",
    "/etc/pve/nodes/{node}/host.fw",
    "/etc/pve/nodes/{node}/proxmox-firewall.cfg",
    "/etc/pve/.vmlist",
    "/etc/pve/.members",
    "/etc/pve/corosync.conf",
    "/etc/pve/sdn/.running-config",
    "/etc/pve/sdn/pve-ipam-state.json",
    "/etc/pve/priv/ipam.db",
];

/// Stands in for the node's own `host.fw` where that is not there.
pub(super) const HOST_FW_STAND_IN: &str = "/etc/pve/local/host.fw";

const GUEST_RULES: &str = "/etc/pve/firewall";
const VNET_RULES: &str = "/etc/pve/sdn/firewall";
const NODES: &str = "/etc/pve/nodes";
const GUEST_KINDS: [&str; 2] = ["qemu-server", "lxc"];

/// Whose files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Concern {
    node: String,
    /// VMIDs of the guests whose interface is here.
    present: BTreeSet<String>,
}

impl Concern {
    /// Of `node`, where the interfaces `names` are.
    pub(super) fn new<'n>(node: &str, names: impl IntoIterator<Item = &'n str>) -> Concern {
        let present = names.into_iter().filter_map(vmid_of_port).map(str::to_owned).collect();
        Concern { node: node.to_owned(), present }
    }

    /// The node's name.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The node's own `host.fw`.
    pub(super) fn host_fw(&self) -> String {
        format!("{NODES}/{}/host.fw", self.node)
    }

    /// Files that are known by their name, there or not; `HOST_FW_STAND_IN` and the registries apart.
    pub(super) fn single(&self) -> impl Iterator<Item = String> {
        SINGLE.iter().map(|file| file.replace("{node}", &self.node))
    }

    /// Folders whose files concern us if [`Concern::wants`] says so; `nodes` are those of the cluster.
    pub(super) fn folders(&self, nodes: &[String]) -> Vec<String> {
        let own = [GUEST_RULES, VNET_RULES].map(str::to_owned);
        let of_guests = |node: &String| GUEST_KINDS.map(|kind| format!("{NODES}/{node}/{kind}"));
        own.into_iter().chain(nodes.iter().flat_map(of_guests)).collect()
    }

    /// A file in one of the folders concerns us. A guest whose interface is here does wherever its configuration lies.
    pub(super) fn wants(&self, path: &str) -> bool {
        let Some((folder, name)) = path.rsplit_once('/') else { return false };
        if folder == GUEST_RULES {
            return vmid_of_file(name, ".fw").is_some();
        }
        if folder == VNET_RULES {
            return name.ends_with(".fw");
        }
        let below_nodes = folder.strip_prefix(NODES).and_then(|rest| rest.strip_prefix('/'));
        let Some((owner, kind)) = below_nodes.and_then(|rest| rest.split_once('/')) else { return false };
        let is_ours = |vmid| owner == self.node || self.present.contains(vmid);
        GUEST_KINDS.contains(&kind) && vmid_of_file(name, ".conf").is_some_and(is_ours)
    }

    /// The files that guest `vmid` may have.
    pub(super) fn of_guest(&self, vmid: &str, nodes: &[String]) -> Vec<String> {
        let rules = format!("{GUEST_RULES}/{vmid}.fw");
        let configurations = nodes
            .iter()
            .flat_map(|node| GUEST_KINDS.map(|kind| format!("{NODES}/{node}/{kind}/{vmid}.conf")))
            .filter(|path| self.wants(path));
        std::iter::once(rules).chain(configurations).collect()
    }

    /// Guests that are here although none of `known` is their configuration in this node's folders.
    pub(super) fn has_visitors<'k>(&self, known: impl Fn(&str) -> bool + 'k) -> bool {
        let is_at_home = |vmid: &String| {
            GUEST_KINDS.iter().any(|kind| known(&format!("{NODES}/{}/{kind}/{vmid}.conf", self.node)))
        };
        !self.present.iter().all(is_at_home)
    }
}

/// `tap100i0`, `veth200i1`.
pub(crate) fn vmid_of_port(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("tap").or_else(|| name.strip_prefix("veth"))?;
    let (vmid, index) = rest.split_once('i')?;
    (is_number(vmid) && is_number(index)).then_some(vmid)
}

fn vmid_of_file<'n>(name: &'n str, ending: &str) -> Option<&'n str> {
    name.strip_suffix(ending).filter(|vmid| is_number(vmid))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Concern, vmid_of_port};

    #[test]
    fn guest_ports_have_exact_names() {
        assert_eq!(vmid_of_port("tap100i0"), Some("100"));
        assert_eq!(vmid_of_port("veth200i31"), Some("200"));
        for name in ["tap0", "vethab12", "fwbr100i0", "tap100i", "tapi0", "tap100i0p"] {
            assert_eq!(vmid_of_port(name), None, "{name}");
        }
    }

    #[test]
    fn wants_what_is_ours_and_what_visits_us() {
        let concern = Concern::new("a", ["tap200i0", "vmbr0"]);
        for path in [
            "/etc/pve/firewall/100.fw",
            "/etc/pve/sdn/firewall/vnet1.fw",
            "/etc/pve/nodes/a/qemu-server/100.conf",
            "/etc/pve/nodes/a/lxc/101.conf",
            "/etc/pve/nodes/b/qemu-server/200.conf",
        ] {
            assert!(concern.wants(path), "{path}");
        }
        for path in [
            "/etc/pve/firewall/100.fw.tmp.77",
            "/etc/pve/firewall/cluster.fw",
            "/etc/pve/nodes/b/qemu-server/100.conf",
            "/etc/pve/nodes/a/priv/100.conf",
            "/etc/pve/nodes/100.conf",
            "/etc/pve/nodes",
            "/etc/pve/storage.cfg",
        ] {
            assert!(!concern.wants(path), "{path}");
        }
        let guest = concern.of_guest("200", &["a".to_owned(), "b".to_owned()]);
        assert_eq!(guest.len(), 5);
    }

    #[test]
    fn a_guest_visits_whose_configuration_is_elsewhere() {
        let concern = Concern::new("a", ["tap200i0"]);
        assert!(concern.has_visitors(|_| false));
        assert!(!concern.has_visitors(|path| path == "/etc/pve/nodes/a/lxc/200.conf"));
    }
}
