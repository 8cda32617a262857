//! Sections and lines -> [`Config`]: every value typed, every default filled in, names not yet looked up. Each
//! file is read by a pure function of its text; [`config`] finds the files and keeps their order.

mod aliases;
pub mod corosync;
pub mod firewall;
pub mod guest_conf;
mod ipset;
pub mod names;
mod options;
mod rule;
pub mod sdn;
mod value;
pub mod vmlist;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{FileContent, HostFacts, Inputs};
use crate::model::Config;
use crate::model::guest::{Guest, GuestKind};
use crate::model::names::{Vmid, VnetName};
use crate::span::{FileId, Sources};
use firewall::GuestFirewall;
use names::Names;
use vmlist::Listed;

/// Reads the whole configuration. Remarks come by file (datacenter, host, node settings, guests ascending, VNets,
/// SDN, IPAM, corosync), then by line.
pub fn config(inputs: &Inputs, sources: &mut Sources) -> (Config, Vec<Diagnostic>) {
    let names = Names::new(&inputs.files);
    let mut reader = Reader { inputs, sources, names: &names, diagnostics: Vec::new() };
    let mut config = Config::default();
    reader.node(&mut config);
    reader.guests(&mut config);
    reader.vnets(&mut config);
    reader.surroundings(&mut config);
    (config, reader.diagnostics)
}

/// What a path holds.
enum Found<'a> {
    Absent,
    Unreadable,
    Text(&'a [u8], FileId),
}

struct Reader<'a, 's> {
    inputs: &'a Inputs,
    sources: &'s mut Sources,
    names: &'a Names<'a>,
    diagnostics: Vec<Diagnostic>,
}

/// Nothing can be said about what is wanted, so what is enforced must stay.
const STAYS: &str = "last applied ruleset stays";

impl<'a> Reader<'a, '_> {
    /// Looks at a path; `lost` is what follows if it cannot be read.
    fn open(&mut self, path: &str, lost: &'static str) -> Found<'a> {
        match self.inputs.files.get(path) {
            None => Found::Absent,
            Some(FileContent::Bytes(text)) => Found::Text(text, self.sources.add(path, text.clone())),
            Some(FileContent::Unreadable(why)) => {
                let file = self.sources.add(path, [].into());
                self.unreadable(file, format!("file cannot be read: {why}"), lost);
                Found::Unreadable
            }
        }
    }

    fn unreadable(&mut self, file: FileId, message: String, lost: &'static str) {
        self.diagnostics.push(Diagnostic::new(Code::FileUnreadable, Place::File(file), message, lost));
    }

    /// The value, its remarks among all others.
    fn keep<T>(&mut self, (value, diagnostics): (T, Vec<Diagnostic>)) -> T {
        self.diagnostics.extend(diagnostics);
        value
    }

    /// `cluster.fw`, `host.fw` and the node's settings.
    fn node(&mut self, config: &mut Config) {
        match self.open("/etc/pve/firewall/cluster.fw", STAYS) {
            Found::Absent => {}
            Found::Unreadable => config.unreadable = true,
            Found::Text(text, file) => {
                config.datacenter = self.keep(firewall::datacenter(text, file, self.names));
            }
        }
        let node = &self.inputs.facts.node;
        let host = match self.open(&format!("/etc/pve/nodes/{node}/host.fw"), STAYS) {
            Found::Absent => self.open("/etc/pve/local/host.fw", STAYS),
            found => found,
        };
        match host {
            Found::Absent => {}
            Found::Unreadable => config.unreadable = true,
            Found::Text(text, file) => config.host = self.keep(firewall::host(text, file, self.names)),
        }
        let path = format!("/etc/pve/nodes/{node}/proxmox-firewall.cfg");
        if let Found::Text(text, file) = self.open(&path, "settings keep their defaults") {
            config.settings = self.keep(firewall::settings(text, file, self.names));
        }
    }

    fn guests(&mut self, config: &mut Config) {
        let Some(local) = self.local_guests() else {
            config.unreadable = true;
            return;
        };
        for (vmid, listed) in local {
            if let Some(guest) = self.guest(vmid, &listed) {
                config.guests.insert(vmid, guest);
            }
        }
    }

    /// The guests of this node: those that the list says, and those with an interface here (a guest that is
    /// being migrated). `None`: the list exists but says nothing.
    fn local_guests(&mut self) -> Option<BTreeMap<Vmid, Listed>> {
        match self.open("/etc/pve/.vmlist", STAYS) {
            Found::Absent => Some(self.configured_guests()),
            Found::Unreadable => None,
            Found::Text(text, file) => {
                let Some(list) = vmlist::vmlist(text, file) else {
                    self.unreadable(file, "file is no list of guests".to_owned(), STAYS);
                    return None;
                };
                let mut list = self.keep(list);
                let facts = &self.inputs.facts;
                let here = guests_with_interface(facts);
                list.retain(|vmid, listed| listed.node == facts.node || here.contains(vmid));
                Some(list)
            }
        }
    }

    /// Without a list: the guests whose configuration lies in this node's folders.
    fn configured_guests(&self) -> BTreeMap<Vmid, Listed> {
        let node = &self.inputs.facts.node;
        let mut guests = BTreeMap::new();
        for kind in [GuestKind::Qemu, GuestKind::Lxc] {
            let folder = conf_folder(node, kind);
            for (name, _) in self.folder(&folder) {
                if let Some(Ok(vmid)) = name.strip_suffix(".conf").map(str::parse) {
                    guests.insert(vmid, Listed { node: node.clone(), kind });
                }
            }
        }
        guests
    }

    /// The files directly in a folder, whose path ends in `/`.
    fn folder<'f>(&self, folder: &'f str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, 'f> {
        let from = self.inputs.files.range::<str, _>((Bound::Included(folder), Bound::Unbounded));
        from.map_while(move |(path, _)| Some((path.strip_prefix(folder)?, path.as_str())))
            .filter(|(name, _)| !name.contains('/'))
    }

    /// `None`: its configuration is not there (it is being moved or destroyed), or cannot be read.
    fn guest(&mut self, vmid: Vmid, listed: &Listed) -> Option<Guest> {
        let conf = format!("{}{vmid}.conf", conf_folder(&listed.node, listed.kind));
        let fw = format!("/etc/pve/firewall/{vmid}.fw");
        // Without its devices there is nothing to filter by; its interfaces are then nobody's.
        let nics = match self.open(&conf, "guest's interfaces are treated as unknown ones") {
            Found::Unreadable => return None,
            Found::Absent => {
                self.without_configuration(&fw);
                return None;
            }
            Found::Text(text, file) => self.keep(guest_conf::nics(text, file, vmid, listed.kind)),
        };
        let of = match self.open(&fw, "guest is filtered with the default policies") {
            Found::Absent => GuestFirewall::default(),
            Found::Unreadable => {
                let mut of = GuestFirewall::default();
                of.options.enable.value = true;
                of
            }
            Found::Text(text, file) => self.keep(firewall::guest(text, file, self.names)),
        };
        let GuestFirewall { options, aliases, ipsets, rules } = of;
        Some(Guest { vmid, kind: listed.kind, nics, options, aliases, ipsets, rules })
    }

    fn without_configuration(&mut self, fw: &str) {
        let Some(content) = self.inputs.files.get(fw) else { return };
        let text = match content {
            FileContent::Bytes(text) => text.clone(),
            FileContent::Unreadable(_) => [].into(),
        };
        let file = self.sources.add(fw, text);
        self.diagnostics.push(Diagnostic::new(
            Code::GuestConfigMissing,
            Place::File(file),
            "guest has no configuration on its node",
            "guest is left out",
        ));
    }

    fn vnets(&mut self, config: &mut Config) {
        for (name, path) in self.folder("/etc/pve/sdn/firewall/") {
            let Some(name) = name.strip_suffix(".fw") else { continue };
            // Unlike a guest's, a VNet's file is all there is about its firewall: without it nothing is known
            // that could be enforced, and dropping all forwarded traffic would cut what was never filtered.
            let found = self.open(path, "VNet is not filtered");
            let Ok(vnet_name) = name.parse::<VnetName>() else {
                if let Found::Text(_, file) = found {
                    let message = "file name is no name of a bridge";
                    let place = Place::File(file);
                    self.diagnostics.push(Diagnostic::new(Code::VnetName, place, message, "file is skipped"));
                }
                continue;
            };
            let vnet = match found {
                Found::Absent | Found::Unreadable => crate::model::Vnet::default(),
                Found::Text(text, file) => self.keep(firewall::vnet(text, file, self.names)),
            };
            config.vnets.insert(vnet_name, vnet);
        }
    }

    /// SDN, IPAM, corosync.
    fn surroundings(&mut self, config: &mut Config) {
        const NO_SETS: &str = "IPSets are not generated from it";
        if let Found::Text(text, file) = self.open("/etc/pve/sdn/.running-config", NO_SETS) {
            self.diagnostics.extend(sdn::running_config(text, file, &mut config.sdn));
        }
        // The second path is where the state lay in earlier versions.
        let ipam = match self.open("/etc/pve/sdn/pve-ipam-state.json", NO_SETS) {
            Found::Absent => self.open("/etc/pve/priv/ipam.db", NO_SETS),
            found => found,
        };
        if let Found::Text(text, file) = ipam {
            self.diagnostics.extend(sdn::ipam(text, file, &mut config.sdn));
        }
        let lost = "traffic of the cluster is accepted by rules alone";
        if let Found::Text(text, _) = self.open("/etc/pve/corosync.conf", lost) {
            config.corosync = Some(corosync::corosync(text));
        }
    }
}

fn conf_folder(node: &str, kind: GuestKind) -> String {
    match kind {
        GuestKind::Qemu => format!("/etc/pve/nodes/{node}/qemu-server/"),
        GuestKind::Lxc => format!("/etc/pve/nodes/{node}/lxc/"),
    }
}

/// The guests with an interface `tap<vmid>i<n>` or `veth<vmid>i<n>` on this host.
fn guests_with_interface(facts: &HostFacts) -> BTreeSet<Vmid> {
    let vmid = |name: &str| {
        let rest = name.strip_prefix("tap").or_else(|| name.strip_prefix("veth"))?;
        let (vmid, index) = rest.split_once('i')?;
        guest_conf::nic_index(index)?;
        vmid.parse().ok()
    };
    facts.links.iter().filter_map(|link| vmid(&link.name)).collect()
}

#[cfg(test)]
mod tests;
