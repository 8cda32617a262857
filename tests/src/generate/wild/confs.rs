//! What the firewall reads besides: guests' devices, the guest list, SDN, IPAM, corosync, the node's settings.

use std::collections::BTreeMap;

use super::{GUESTS, Wild};

/// The reference network's own files, by the path that a node sees.
const NETWORK: &[(&str, &str)] = &[
    ("/etc/services", include_str!("../../../network/services")),
    ("/etc/protocols", include_str!("../../../network/protocols")),
    ("/etc/ethertypes", include_str!("../../../network/ethertypes")),
    ("/etc/pve/nodes/node1/qemu-server/100.conf", include_str!("../../../network/100.conf")),
    ("/etc/pve/nodes/node1/qemu-server/110.conf", include_str!("../../../network/110.conf")),
    ("/etc/pve/nodes/node1/qemu-server/199.conf", include_str!("../../../network/199.conf")),
    ("/etc/pve/nodes/node1/lxc/200.conf", include_str!("../../../network/200.lxc.conf")),
    ("/etc/pve/nodes/node1/qemu-server/400.conf", include_str!("../../../network/400.conf")),
    ("/etc/pve/nodes/node1/qemu-server/401.conf", include_str!("../../../network/401.conf")),
];

const RUNNING_CONFIG: &[&str] = &[
    r#"{"zones":{"ids":{"lab":{"type":"simple"}}},"vnets":{"ids":{"vnet1":{"zone":"lab","tag":5}}},"subnets":{"ids":{
"lab-203.0.113.0-24":{"vnet":"vnet1","gateway":"203.0.113.1","dhcp-range":["start-address=203.0.113.40,end-address=203.0.113.99"]},
"lab-2001:db8:c::-64":{"vnet":"vnet1","gateway":"2001:db8:c::1"}}}}"#,
    r#"{"zones":{"ids":{"lab":{"type":"vlan"}}},"vnets":{"ids":{"vnet1":{"zone":"lab"}}}}"#,
];

const BAD_JSON: &[&str] = &[
    "",
    "{",
    "[]",
    "null",
    "7",
    r#"{"zones":7,"ids":7}"#,
    r#"{"zones":{"ids":[]},"vnets":{"ids":{"vnet1":{"zone":"gone"}}}}"#,
    r#"{"subnets":{"ids":{"lab-203.0.113.0":{},"x":null,"lab-1.2.3.4-99":{"vnet":"vnet1"}}}}"#,
];

const IPAM: &[&str] = &[
    r#"{"zones":{"lab":{"subnets":{"192.0.2.0/24":{"ips":{"192.0.2.100":{"vmid":"100","mac":"BC:24:11:00:01:00"},
"192.0.2.1":{"gateway":1}}},"2001:db8:a::/64":{"ips":{"2001:db8:a::100":{"vmid":100}}}}}}}"#,
];

const COROSYNC: &[&str] = &[
    "totem {\n  transport: knet\n}\nnodelist {\n  node {\n    name: node1\n    ring0_addr: 192.0.2.1\n    ring1_addr: \
     198.51.100.1\n  }\n  node {\n    name: node2\n    ring0_addr: node2\n    ring1_addr: 198.51.100.2\n  }\n}\n",
    "totem {\n  transport: udp\n  ip_version: ipv6-4\n}\nnodelist {\n  node {\n    ring0_addr: 2001:db8:a::1\n    name: \
     node1\n  }\n  node {\n    name: node2\n    ring0_addr: 2001:db8:a::2\n  }\n}\n",
];

const BAD_COROSYNC: &[&str] =
    &["}\n}\n", "nodelist {\n node {\n ring0_addr: nowhere\n}", "totem { transport: knet }"];

/// Everything but the firewall's own files.
pub(super) fn files(wild: &mut Wild) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (path, text) in NETWORK {
        let text = if path.ends_with(".conf") { conf(wild, text) } else { (*text).to_owned() };
        files.insert((*path).to_owned(), text.into_bytes());
    }
    let mut add = |path: &str, text: &str| {
        files.insert(path.to_owned(), text.as_bytes().to_vec());
    };
    if wild.chance(50) {
        add("/etc/pve/sdn/.running-config", wild.value(RUNNING_CONFIG, BAD_JSON));
    }
    if wild.chance(50) {
        add("/etc/pve/sdn/pve-ipam-state.json", wild.value(IPAM, BAD_JSON));
    }
    if wild.chance(40) {
        add("/etc/pve/corosync.conf", wild.value(COROSYNC, BAD_COROSYNC));
    }
    if wild.chance(25) {
        let settings = [
            "reject_mode: drop\n",
            "reject_mode: prerouting\n",
            "reject_mode: divert\n",
            "reject_mode: fwbr\n",
            "strict: 1\n",
            "strict: 1\nreject_mode: drop",
        ];
        add(
            "/etc/pve/nodes/node1/proxmox-firewall.cfg",
            wild.value(&settings, &["strict: 2\n", "# none\nx: 1\n"]),
        );
    }
    if wild.chance(50) {
        let list = vmlist(wild);
        add("/etc/pve/.vmlist", &list);
    }
    files
}

/// The reference configuration, sometimes with another device line.
fn conf(wild: &mut Wild, text: &str) -> String {
    if wild.chance(80) {
        return text.to_owned();
    }
    let (from, to) = wild.draw.pick(&[
        ("firewall=1", "firewall=0"),
        ("bridge=vmbr1", "bridge=vmbr1,firewall=1"),
        ("bridge=vmbr0", "bridge=vmbr0,tag=5"),
        ("bridge=vmbr0", "bridge=vmbr0,trunks=5;7-9"),
        ("BC:24:11", "bc:24:11"),
        ("ip=192.0.2.200/24", "ip=dhcp"),
        ("type=veth", "type=veth,link_down=1"),
        ("bridge=vmbr1", "bridge=vmbr1,link_down=1"),
    ]);
    let mut text = text.replacen(from, to, 1);
    if wild.chance(wild.noise) {
        text.push_str(wild.draw.pick(&[
            "net0: virtio=ff:ff:ff:ff:ff:ff,bridge=vmbr0,firewall=1\n",
            "net1: e1000,bridge=vmbr0,firewall=1\n",
            "net2: virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1,wings=2\n",
            "net32: virtio,bridge=vmbr0\n",
            "net3: nonsense\n",
            "net0: \n",
            "[snapshot]\nnet0: virtio=BC:24:11:99:99:99,bridge=vmbr9\n",
        ]));
    }
    text
}

fn vmlist(wild: &mut Wild) -> String {
    if wild.chance(wild.noise) {
        return wild.draw.pick(BAD_JSON).to_owned();
    }
    let entries: Vec<String> = GUESTS
        .iter()
        .map(|vmid| {
            let node = if wild.chance(5) { "node2" } else { "node1" };
            let kind = if *vmid == 200 { "lxc" } else { "qemu" };
            format!(r#""{vmid}":{{"node":"{node}","type":"{kind}","version":{vmid}}}"#)
        })
        .collect();
    format!(r#"{{"version":4,"ids":{{{}}}}}"#, entries.join(","))
}
