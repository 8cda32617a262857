//! Input that nobody writes by hand.

use super::{CLUSTER, HOST, check, inputs, read};
use crate::span::Sources;

const MIB: usize = 1 << 20;

#[test]
fn a_line_of_a_mebibyte() {
    for (section, remark) in
        [("OPTIONS", "O001"), ("ALIASES", "A001"), ("RULES", "R001"), ("IPSET a", "S002")]
    {
        let text = format!("[{section}]\n{}", "x".repeat(MIB));
        check(CLUSTER, text.as_bytes(), &[&format!("cluster.fw:2 {remark}")]);
    }
    let ports = "1,".repeat(MIB / 2);
    check(CLUSTER, format!("[RULES]\nIN DROP -p tcp -dport {ports}2").as_bytes(), &[]);
    let addresses = "10.0.0.1,".repeat(MIB / 9);
    check(CLUSTER, format!("[RULES]\nIN DROP -source {addresses}10.0.0.3").as_bytes(), &[]);
    check(
        CLUSTER,
        format!("[RULES]\nIN DROP {}", "-x ".repeat(1000)).as_bytes(),
        &["cluster.fw:2 R006"; 1000],
    );
    check(CLUSTER, format!("[{}", "[".repeat(MIB)).as_bytes(), &["cluster.fw:1 L002"]);
    let net = format!("net0: virtio,{}", "a=b,".repeat(100));
    check("/etc/pve/nodes/node1/qemu-server/100.conf", net.as_bytes(), &["100.conf:1 G003"; 199]);
}

#[test]
fn a_hundred_thousand_entries() {
    let mut text = "[IPSET big]\n".to_owned();
    for index in 0..100_000_u32 {
        text.push_str(&format!("10.{}.{}.{}\n", index >> 16, index >> 8 & 255, index & 255));
    }
    text.push_str("10.0.0.7\n");
    let config = check(CLUSTER, text.as_bytes(), &["cluster.fw:100002 S004"]);
    assert_eq!(config.datacenter.ipsets.values().next().map(|set| set.entries.len()), Some(100_000));
}

#[test]
fn as_many_remarks_as_lines() {
    let text = "[RULES]\n".to_owned() + &"x\n".repeat(100_000);
    let (config, remarks) = read_unshown(text.as_bytes());
    assert_eq!((config, remarks), (100_000, 100_000));
}

fn read_unshown(text: &[u8]) -> (usize, usize) {
    let (config, diagnostics) = crate::lower::config(&inputs(&[(CLUSTER, text)]), &mut Sources::default());
    (config.datacenter.rules.len(), diagnostics.len())
}

/// xorshift64*; the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Pieces of the language, and of what it is not.
const PIECES: &[&str] = &[
    "[RULES]\n",
    "[OPTIONS]\n",
    "[ALIASES]\n",
    "[IPSET a]\n",
    "[group g]\n",
    "[",
    "]",
    "\n",
    "\n",
    "\r\n",
    " ",
    " ",
    "\t",
    "#",
    "|",
    "!",
    "+",
    "-",
    "--",
    ":",
    ",",
    "/",
    "(",
    ")",
    "=",
    "IN",
    "OUT",
    "FORWARD",
    "GROUP",
    "ACCEPT",
    "SSH(DROP)",
    "Ping(REJECT)",
    "-p",
    "tcp",
    "icmp",
    "icmpv6",
    "-dport",
    "-sport",
    "22",
    "80:90",
    "-icmp-type",
    "echo-request",
    "-source",
    "-dest",
    "10.0.0.0/8",
    "fe80::1-fe80::2",
    "dc/",
    "guest/",
    "sdn/",
    "name",
    "-i",
    "net0",
    "-log",
    "info",
    "enable",
    "1",
    "log_ratelimit",
    "rate=5/second",
    "net0:",
    "virtio=BC:24:11:00:00:01",
    "firewall=1",
    "ip=10.0.0.5/24",
    "nodelist {\n",
    "node {\n",
    "}\n",
    "ring0_addr: 10.0.0.1\n",
    "\0",
    "\u{feff}",
    "\u{e9}",
    "{\"ids\":{",
    "\"zones\":{",
    "\"100\":",
    "{}",
    "}}",
    "\"",
];

/// Nothing panics, every place lies in its file, and the same text says the same again.
#[test]
fn random_texts() {
    let paths = [
        CLUSTER,
        HOST,
        "/etc/pve/.vmlist",
        "/etc/pve/firewall/100.fw",
        "/etc/pve/sdn/firewall/v.fw",
        "/etc/pve/nodes/node1/qemu-server/100.conf",
        "/etc/pve/nodes/node1/lxc/200.conf",
        "/etc/pve/corosync.conf",
        "/etc/pve/sdn/.running-config",
        "/etc/pve/sdn/pve-ipam-state.json",
        "/etc/services",
        "/etc/protocols",
        "/etc/pve/nodes/node1/proxmox-firewall.cfg",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3_000 {
        let mut text = Vec::new();
        for _ in 0..random.below(60) {
            match random.below(20) {
                0 => text.push(random.below(256) as u8),
                _ => text.extend_from_slice(PIECES[random.below(PIECES.len())].as_bytes()),
            }
        }
        let tree =
            inputs(&[(paths[random.below(paths.len())], &text), (paths[random.below(paths.len())], &text)]);
        let (_, remarks) = read(&tree);
        assert_eq!(remarks, read(&tree).1);
    }
}
