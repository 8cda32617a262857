//! Devices of VMs and containers.

use super::check;
use crate::model::guest::Nic;

#[track_caller]
fn nics(file: &str, text: &str, remarks: &[&str], expected: &[&str]) {
    let folder = if file == "100.conf" { "qemu-server" } else { "lxc" };
    let path = format!("/etc/pve/nodes/node1/{folder}/{file}");
    let mut config = check(&path, text.as_bytes(), remarks);
    let vmid = file.trim_end_matches(".conf").parse().expect("a VMID");
    let guest = config.guests.remove(&vmid).expect("the guest");
    let found: Vec<String> = guest.nics.values().map(shown).collect();
    assert_eq!(found, expected, "{text}");
}

fn shown(nic: &Nic) -> String {
    let mut text = format!("{} {}", nic.ifname, if nic.firewall { "on" } else { "off" });
    nic.mac.inspect(|mac| text.push_str(&format!(" {mac}")));
    nic.bridge.iter().for_each(|bridge| text.push_str(&format!(" {bridge}")));
    nic.tag.inspect(|tag| text.push_str(&format!(" tag {tag}")));
    nic.ip.inspect(|ip| text.push_str(&format!(" {ip}")));
    nic.ip6.inspect(|ip6| text.push_str(&format!(" {ip6}")));
    text
}

#[test]
fn vms() {
    let mac = "BC:24:11:00:00:01";
    let vm = |line: &str, remarks: &[&str], expected: &[&str]| {
        nics("100.conf", &line.replace("MAC", mac), remarks, expected);
    };
    let on = "tap100i0 on bc:24:11:00:00:01 vmbr0";
    vm("net0: virtio=MAC,bridge=vmbr0,firewall=1", &[], &[on]);
    vm("net0: e1000e=MAC,bridge=vmbr0,firewall=1,tag=7\r\n", &[], &[&format!("{on} tag 7")]);
    vm("net0: virtio,macaddr=MAC,,bridge=vmbr0,firewall=on", &[], &[on]);
    vm("net0: model=virtio,macaddr=MAC,bridge=vmbr0,firewall=1,queues=2", &[], &[on]);
    vm("net0: virtio=MAC,bridge=vmbr0", &[], &["tap100i0 off bc:24:11:00:00:01 vmbr0"]);
    vm(
        "net31: virtio=MAC,firewall=1\nnet32: virtio=MAC",
        &["100.conf:2 G002"],
        &["tap100i31 on bc:24:11:00:00:01"],
    );
    vm("net0: virtio=MAC,bridge=a\nnet0: virtio=MAC,bridge=vmbr0,firewall=1", &[], &[on]);
    vm("net0: virtio=MAC,bridge=vmbr0,firewall=1\n[PENDING]\nnet0: virtio=MAC\n", &[], &[on]);
    vm("#net1: x\n net1: x\nnetx: y\nname: net0\ntemplate: 1\nnet0", &[], &[]);
    vm(
        "net0: virtio=MAC,bridge=vmbr0,firewall=1,foo=bar,tag=5000",
        &["100.conf:1 G003", "100.conf:1 G003"],
        &[on],
    );
    vm("net0: newmodel=MAC,bridge=vmbr0,firewall=1", &["100.conf:1 G003"], &[on]);
    vm("net0: virtio=MAC,bridge=vmbr0,firewall=maybe", &["100.conf:1 G003"], &[on]);
    vm("net0: virtio=MAC,bridge=vmbr0,firewall=1,firewall=0", &["100.conf:1 G003"], &[on]);
    vm("net0: virtio=01:24:11:00:00:01,firewall=1", &["100.conf:1 G003"], &["tap100i0 on 01:24:11:00:00:01"]);
    vm("net0: virtio,firewall=1", &["100.conf:1 G004"], &["tap100i0 on"]);
    vm("net0: virtio=zz,firewall=1", &["100.conf:1 G004"], &["tap100i0 on"]);
    vm("net0: virtio", &[], &["tap100i0 off"]);
    for bad in ["", ",", "\u{e9}", "virtio=MAC\0,firewall=0"] {
        vm(&format!("net0: {bad}"), &["100.conf:1 G001"], &["tap100i0 on"]);
    }
}

#[test]
fn containers() {
    let ct = |line: &str, remarks: &[&str], expected: &[&str]| {
        let start = "name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:01";
        nics("200.conf", &line.replace("START", start), remarks, expected);
    };
    let on = "veth200i0 on bc:24:11:00:00:01 vmbr0";
    ct(
        "net0: START,ip=10.0.0.5/24,ip6=2001:db8::5/64,type=veth",
        &[],
        &[&format!("{on} 10.0.0.5 2001:db8::5")],
    );
    ct("net0: START,ip=10.0.0.5,ip6=auto", &[], &[&format!("{on} 10.0.0.5")]);
    ct("net0: START,ip=dhcp,ip6=manual", &[], &[on]);
    ct(
        "net0: START,ip=foo\nnet1: START",
        &["200.conf:1 G005"],
        &[on, "veth200i1 on bc:24:11:00:00:01 vmbr0"],
    );
    ct("net0: START,ip=fe80::1,ip6=10.0.0.1/33", &["200.conf:1 G005", "200.conf:1 G005"], &[on]);
    ct("net0: START,type=phys,word", &["200.conf:1 G003", "200.conf:1 G003"], &[on]);
    ct("net0: word", &["200.conf:1 G001"], &["veth200i0 on"]);
    ct("lxc.net.0.type = veth\n[pve:pending]\nnet0: START", &[], &[]);
}
