use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::diff::{Changes, TableChange, replay};
use engine::inputs::{FileContent, HostFacts, Inputs, Link, LinkKind};
use engine::plan::DIVERT_READY;
use engine::ruleset::{Ruleset, TableFamily, Value};

use super::{Egress, Ports, WriteError};

/// A kernel with these ports, by name.
#[derive(Default)]
struct Twin {
    ports: BTreeMap<String, u32>,
    held: Ruleset,
    n_writes: usize,
}

impl Ports for Twin {
    fn has_table(&mut self) -> Result<bool, WriteError> {
        Ok(!self.held.tables.is_empty())
    }

    fn chains(&mut self) -> Result<BTreeSet<String>, WriteError> {
        let chains = self.held.tables.iter().flat_map(|table| &table.chains);
        Ok(chains.map(|chain| chain.name.to_string()).collect())
    }

    fn write(&mut self, changes: &Changes<'_>) -> Result<(), WriteError> {
        self.n_writes += 1;
        let added = changes.tables.iter().flat_map(|change| match change {
            TableChange::Add(table) => table.chains.iter().map(|chain| &**chain).collect(),
            TableChange::Edit(edit) => edit.chains.added.clone(),
            TableChange::Remove(_) => Vec::new(),
        });
        let device = |chain: &engine::ruleset::Chain| {
            chain.base.as_ref().and_then(|base| base.device.clone()).expect("a chain at a port has one")
        };
        for chain in added {
            if !self.ports.contains_key(&*device(chain).name) {
                return Err(WriteError::Refused("no such device".to_owned()));
            }
        }
        self.held = replay(&self.held, changes);
        Ok(())
    }
}

impl Twin {
    /// A port goes, and the kernel takes the chain there along.
    fn unplug(&mut self, port: &str) {
        self.ports.remove(port);
        for table in &mut self.held.tables {
            table.chains.retain(|chain| &*chain.name != port);
        }
    }

    fn chains(&self) -> Vec<String> {
        let chains = self.held.tables.iter().flat_map(|table| &table.chains);
        chains.map(|chain| chain.name.to_string()).collect()
    }
}

/// Guests 100, 101, … that reject, with ports of these numbers; 0: no port.
fn wanted(indexes: &[u32]) -> Ruleset {
    let mut files = engine::inputs::Files::from([
        ("/etc/pve/firewall/cluster.fw".to_owned(), FileContent::text("[OPTIONS]\nenable: 1\n")),
        ("/etc/pve/nodes/n/proxmox-firewall.cfg".to_owned(), FileContent::text("reject_mode: divert\n")),
    ]);
    let kind = LinkKind::Bridge { vlan_aware: false };
    let mut links = vec![Link { name: "vmbr0".to_owned(), index: 2, up: true, kind, ..Link::default() }];
    for (vmid, index) in (100..).zip(indexes) {
        let rules = "[OPTIONS]\nenable: 1\n[RULES]\nIN REJECT -p tcp -dport 25\n";
        files.insert(format!("/etc/pve/firewall/{vmid}.fw"), FileContent::text(rules));
        let nic = format!("net0: virtio=BC:24:11:00:00:{:02},bridge=vmbr0,firewall=1\n", vmid - 100);
        files.insert(format!("/etc/pve/nodes/n/qemu-server/{vmid}.conf"), FileContent::text(&nic));
        if *index != 0 {
            let (name, master) = (format!("tap{vmid}i0"), Some("vmbr0".to_owned()));
            links.push(Link { name, master, index: *index, up: true, ..Link::default() });
        }
    }
    let facts = HostFacts { node: "n".to_owned(), links, divert_assumed: true, ..HostFacts::default() };
    engine::compile(&Inputs { files, facts: facts.into(), ..Inputs::default() }).plan.ruleset
}

fn ready(ruleset: &Ruleset) -> Vec<u128> {
    assert!(ruleset.tables.iter().all(|table| table.family != TableFamily::Netdev));
    let set = ruleset.tables.iter().find_map(|table| table.set(DIVERT_READY)).expect("there in mode divert");
    let index = |value: &Value| match value {
        Value::Number(numbers) => numbers.first(),
        Value::Name(_) => panic!("a name"),
    };
    set.elements.iter().map(|element| index(&element.key[0])).collect()
}

fn twin(ports: &[(&str, u32)]) -> Twin {
    Twin {
        ports: ports.iter().map(|(name, index)| ((*name).to_owned(), *index)).collect(),
        ..Twin::default()
    }
}

#[test]
fn ready_is_what_is_armed_before_and_after() {
    let (mut egress, mut kernel) = (Egress::default(), twin(&[("tap100i0", 5), ("tap101i0", 6)]));
    let both = wanted(&[5, 6]);
    assert_eq!(ready(&egress.before(&both)), []);
    assert_eq!(egress.arm(&both, &mut kernel), Vec::<String>::new());
    assert_eq!(ready(&egress.after(&both)), [5, 6]);
    assert_eq!(kernel.chains(), ["tap100i0", "tap101i0"]);
    // Nothing to do: nothing is written.
    let n_writes = kernel.n_writes;
    egress.arm(&wanted(&[5, 6]), &mut kernel);
    assert_eq!(kernel.n_writes, n_writes);
    assert_eq!(ready(&egress.before(&both)), [5, 6]);
}

#[test]
fn a_port_that_took_the_place_of_another_is_not_ready_until_it_is_armed() {
    let (mut egress, mut kernel) = (Egress::default(), twin(&[("tap100i0", 5), ("tap101i0", 6)]));
    egress.arm(&wanted(&[5, 6]), &mut kernel);
    kernel.unplug("tap100i0");
    kernel.ports.insert("tap100i0".to_owned(), 9);
    let now = wanted(&[9, 6]);
    assert_eq!(ready(&egress.before(&now)), [6]);
    assert_eq!(egress.arm(&now, &mut kernel), Vec::<String>::new());
    assert_eq!(ready(&egress.after(&now)), [6, 9]);
    assert_eq!(kernel.chains().len(), 2);
}

#[test]
fn a_port_that_is_gone_keeps_no_other_from_being_armed() {
    let ports = [("tap100i0", 5), ("tap101i0", 6), ("tap103i0", 8), ("tap104i0", 9)];
    let (mut egress, mut kernel) = (Egress::default(), twin(&ports));
    let all = wanted(&[5, 6, 7, 8, 9]);
    let refused = egress.arm(&all, &mut kernel);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("port tap102i0"), "{refused:?}");
    assert_eq!(ready(&egress.after(&all)), [5, 6, 8, 9]);
    assert_eq!(kernel.chains().len(), 4);
}

#[test]
fn without_chains_there_is_no_table_whoever_left_one() {
    let (mut egress, mut kernel) = (Egress::default(), twin(&[("tap100i0", 5)]));
    egress.arm(&wanted(&[5]), &mut kernel);
    let mut later = Egress::default();
    assert!(!later.is_nothing());
    assert_eq!(later.arm(&wanted(&[0]), &mut kernel), Vec::<String>::new());
    assert!(kernel.held.tables.is_empty() && later.is_nothing());
}

#[test]
fn what_is_shared_stays_shared() {
    let wanted = wanted(&[5]);
    let before = Egress::default().before(&wanted);
    let pairs = wanted.tables.iter().zip(&before.tables).flat_map(|(a, b)| a.chains.iter().zip(&b.chains));
    assert!(pairs.clone().count() > 0 && pairs.clone().all(|(a, b)| Arc::ptr_eq(a, b)));
}
