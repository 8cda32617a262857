//! One guest: its devices and its rules.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::cluster::set_entries;
use super::network::{self, Nic};
use super::rules::{Names, address};
use super::{N_VNETS, OwnSets, Size, stream};
use crate::generate::Draw;

/// A guest's files.
pub(super) struct Guest {
    pub(super) container: bool,
    pub(super) conf: String,
    pub(super) firewall: String,
    pub(super) nics: Vec<Nic>,
}

/// One in three is a container; one in four has two devices.
pub(super) fn guest(size: &Size, vmid: u32) -> Guest {
    let mut draw = stream(size, "guest", vmid);
    let container = draw.chance(33);
    let n_nics = if draw.chance(25) { 2 } else { 1 };
    let nics: Vec<Nic> = (0..n_nics).map(|index| nic(&mut draw, container, vmid, index)).collect();
    let conf = if container { container_conf(&nics) } else { vm_conf(&nics) };
    let firewall = firewall(&mut draw, size, nics.len());
    Guest { container, conf, firewall, nics }
}

fn nic(draw: &mut Draw, container: bool, vmid: u32, index: usize) -> Nic {
    let [a, b, c, d, ..] = draw.bits().to_le_bytes();
    let vnet = draw.chance(50).then(|| u32::from(a) % N_VNETS);
    let host = d.clamp(2, 254);
    Nic {
        vmid,
        ifname: format!("{}{vmid}i{index}", if container { "veth" } else { "tap" }),
        mac: format!("BC:24:11:{a:02X}:{b:02X}:{c:02X}"),
        vnet,
        ip: vnet.map_or(Ipv4Addr::new(192, 168, b, host), |vnet| network::address(vnet, host)),
    }
}

fn vm_conf(nics: &[Nic]) -> String {
    let mut text =
        "boot: order=scsi0;net0\ncores: 4\ncpu: x86-64-v2-AES\nmemory: 4096\nname: vm\n".to_owned();
    for (index, nic) in nics.iter().enumerate() {
        writeln!(text, "net{index}: virtio={},bridge={},firewall=1", nic.mac, nic.bridge())
            .expect("a String takes all");
    }
    text.push_str("numa: 0\nostype: l26\nscsi0: local-lvm:disk-0,iothread=1,size=32G\nsockets: 1\n");
    text
}

fn container_conf(nics: &[Nic]) -> String {
    let mut text = "arch: amd64\ncores: 2\nhostname: ct\nmemory: 1024\n".to_owned();
    for (index, nic) in nics.iter().enumerate() {
        let (bridge, length) = (nic.bridge(), if nic.vnet.is_some() { 24 } else { 16 });
        writeln!(
            text,
            "net{index}: name=eth{index},bridge={bridge},firewall=1,hwaddr={},ip={}/{length},type=veth",
            nic.mac, nic.ip
        )
        .expect("a String takes all");
    }
    text.push_str("ostype: debian\nrootfs: local-lvm:disk-0,size=8G\nswap: 512\nunprivileged: 1\n");
    text
}

fn firewall(draw: &mut Draw, size: &Size, n_nics: usize) -> String {
    let policy_in = draw.pick(&["DROP", "DROP", "DROP", "REJECT"]);
    let policy_out = draw.pick(&["ACCEPT", "ACCEPT", "ACCEPT", "DROP"]);
    let level = draw.pick(&["nolog", "nolog", "info"]);
    let ipfilter = if draw.chance(20) { "ipfilter: 1\n" } else { "" };
    let mut text = format!(
        "[OPTIONS]\n\nenable: 1\ndhcp: 1\nmacfilter: 1\npolicy_in: {policy_in}\npolicy_out: {policy_out}\n\
         log_level_in: {level}\n{ipfilter}"
    );
    if draw.chance(20) {
        writeln!(text, "\n[ALIASES]\n\nhome {}", address(draw)).expect("a String takes all");
    }
    let (n_sets, n_entries) = match size.own_sets {
        OwnSets::Few if draw.chance(20) => (draw.between(1, 2), draw.between(3, 12)),
        OwnSets::Few => (0, 0),
        OwnSets::Many => (2, 50),
    };
    for index in 0..n_sets {
        write!(text, "\n[IPSET own{index}]\n\n{}", set_entries(draw, n_entries)).expect("a String takes all");
    }
    if ipfilter.is_empty() || draw.chance(50) {
        // Without a set a VM with `ipfilter` may send nothing: so do administrators begin.
    } else {
        writeln!(text, "\n[IPSET ipfilter-net0]\n\n{}", address(draw)).expect("a String takes all");
    }
    let rules = Names::guest(n_nics, n_sets).rules(draw, size.rules_per_guest);
    text.push_str(&format!("\n[RULES]\n\n{rules}"));
    text
}
