//! Which files are read, for which guests, and what follows if one cannot be.

use super::{CLUSTER, HOST, VMLIST, inputs, read};
use crate::inputs::{FileContent, Inputs, Link};
use crate::model::Config;

const VMLIST_PATH: &str = "/etc/pve/.vmlist";

fn vmids(config: &Config) -> Vec<u32> {
    config.guests.keys().map(|vmid| vmid.get()).collect()
}

#[track_caller]
fn unreadable(path: &str, remark: &str, stays: bool) -> Config {
    let mut inputs = inputs(&[]);
    inputs.files.insert(path.to_owned(), FileContent::Unreadable("input/output error".to_owned()));
    let (config, remarks) = read(&inputs);
    assert_eq!(remarks, [remark], "{path}");
    assert_eq!(config.unreadable, stays, "{path}");
    config
}

#[test]
fn unreadable_files() {
    unreadable(CLUSTER, "cluster.fw L008", true);
    unreadable(HOST, "host.fw L008", true);
    unreadable(VMLIST_PATH, ".vmlist L008", true);
    let config = unreadable("/etc/pve/firewall/100.fw", "100.fw L008", false);
    assert!(config.guests.first_key_value().expect("guest 100").1.options.enable.value);
    let config = unreadable("/etc/pve/sdn/firewall/v.fw", "v.fw L008", false);
    assert!(!config.vnets.first_key_value().expect("a VNet").1.options.enable.value);
    let config = unreadable("/etc/pve/nodes/node1/qemu-server/100.conf", "100.conf L008", false);
    assert_eq!(vmids(&config), [200]);
    unreadable("/etc/pve/corosync.conf", "corosync.conf L008", false);
    unreadable("/etc/pve/sdn/.running-config", ".running-config L008", false);
}

#[test]
fn locality() {
    let mut here = inputs(&[
        ("/etc/pve/nodes/node2/qemu-server/300.conf", b"net0: virtio=BC:24:11:00:00:03,firewall=1\n"),
        ("/etc/pve/firewall/300.fw", b"nonsense"),
        ("/etc/pve/firewall/999.fw", b"nonsense"),
    ]);
    let (config, remarks) = read(&here);
    assert_eq!((vmids(&config), remarks.len()), (vec![100, 200], 0));
    std::sync::Arc::make_mut(&mut here.facts)
        .links
        .push(Link { name: "tap300i0".to_owned(), ..Link::default() });
    let (config, remarks) = read(&here);
    assert_eq!((vmids(&config), remarks), (vec![100, 200, 300], vec!["300.fw:1 L001".to_owned()]));

    let (config, _) = read(&inputs(&[(VMLIST_PATH, b"{}")]));
    assert!(vmids(&config).is_empty() && !config.unreadable);
    let (config, remarks) = read(&inputs(&[(VMLIST_PATH, b"")]));
    assert!(config.unreadable && remarks == [".vmlist L008"]);
    let mut absent = inputs(&[("/etc/pve/nodes/node1/qemu-server/x.conf", b"")]);
    absent.files.remove(VMLIST_PATH);
    assert_eq!(vmids(&read(&absent).0), [100, 200]);
}

#[test]
fn a_guest_without_configuration_is_left_out() {
    let mut moving = inputs(&[("/etc/pve/firewall/200.fw", b"[OPTIONS]\nenable: 1")]);
    moving.files.remove("/etc/pve/nodes/node1/lxc/200.conf");
    let (config, remarks) = read(&moving);
    assert_eq!((vmids(&config), remarks), (vec![100], vec!["200.fw G006".to_owned()]));
}

#[test]
fn second_places() {
    let host = ("/etc/pve/local/host.fw", &b"[OPTIONS]\nenable: 0"[..]);
    assert!(!read(&inputs(&[host])).0.host.options.enable.value);
    assert!(read(&inputs(&[host, (HOST, b"")])).0.host.options.enable.value);
    let state = br#"{"zones":{"z":{"subnets":{"10.0.0.0/8":{"ips":{"10.0.0.1":{"vmid":"100"}}}}}}}"#;
    let old = ("/etc/pve/priv/ipam.db", &state[..]);
    assert_eq!(read(&inputs(&[old])).0.sdn.ipsets.len(), 1);
    assert_eq!(read(&inputs(&[old, ("/etc/pve/sdn/pve-ipam-state.json", b"{}")])).0.sdn.ipsets.len(), 0);
}

#[test]
fn remarks_come_in_the_order_of_files() {
    let (config, remarks) = read(&inputs(&[
        (CLUSTER, b"x"),
        (HOST, b"x"),
        ("/etc/pve/nodes/node1/proxmox-firewall.cfg", b"x"),
        ("/etc/pve/nodes/node1/qemu-server/100.conf", b"net99: x"),
        ("/etc/pve/firewall/100.fw", b"x"),
        ("/etc/pve/firewall/200.fw", b"x"),
        ("/etc/pve/sdn/firewall/v0.fw", b"x"),
        ("/etc/pve/sdn/firewall/way-too-long-for-a-bridge.fw", b"x"),
        ("/etc/pve/sdn/firewall/README", b"x"),
        ("/etc/pve/sdn/.running-config", b"x"),
        ("/etc/pve/sdn/pve-ipam-state.json", b"x"),
        ("/etc/pve/corosync.conf", b"x"),
    ]));
    let expected = [
        "cluster.fw:1 L001",
        "host.fw:1 L001",
        "proxmox-firewall.cfg:1 O001",
        "100.conf:1 G002",
        "100.fw:1 L001",
        "200.fw:1 L001",
        "v0.fw:1 L001",
        "way-too-long-for-a-bridge.fw N002",
        ".running-config N001",
        "pve-ipam-state.json N001",
    ];
    assert_eq!(remarks, expected);
    assert!(config.corosync.is_some() && config.vnets.len() == 1);
}

#[test]
fn nothing_at_all() {
    let (config, remarks) = read(&Inputs::default());
    assert!(remarks.is_empty() && config.guests.is_empty() && !config.unreadable);
    let mut empty = inputs(&[(CLUSTER, b""), (HOST, b""), ("/etc/pve/firewall/100.fw", b"")]);
    empty.files.insert(VMLIST_PATH.to_owned(), FileContent::text(VMLIST));
    assert!(read(&empty).1.is_empty());
}
