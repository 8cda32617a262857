//! Sections and lines -> [`Config`]: every value typed, every default filled in, names not yet looked up. Each
//! file is read by a pure function of its text; [`config`] finds the files and keeps their order.

mod aliases;
pub mod corosync;
pub mod firewall;
pub mod guest_conf;
mod ipset;
mod memo;
pub mod names;
mod options;
mod rule;
pub mod sdn;
mod shown;
mod value;
pub mod vmlist;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{FileContent, Inputs};
use crate::links::Links;
use crate::model::guest::{Guest, GuestKind};
use crate::model::names::{Vmid, VnetName};
use crate::model::options::NodeSettings;
use crate::model::sdn::{Corosync, Sdn};
use crate::model::{Config, Datacenter, Host, Vnet};
use crate::span::{FileId, Sources};
use firewall::GuestFirewall;
pub(crate) use memo::Memo;
use memo::{Changed, Kept, KeptGuest, List, Local, Part};
use names::Names;
use vmlist::Listed;

/// Reads the whole configuration. Remarks come by file (datacenter, host, node settings, guests ascending, VNets,
/// SDN, IPAM, corosync), then by line.
pub fn config(inputs: &Inputs, sources: &mut Sources) -> (Config, Vec<Diagnostic>) {
    let links = Arc::new(Links::new(&inputs.facts));
    config_with(inputs, &links, sources, &mut Memo::default())
}

/// As [`config`]; files that are as `memo` knows them are not read again.
pub(crate) fn config_with(
    inputs: &Inputs,
    links: &Arc<Links>,
    sources: &mut Sources,
    memo: &mut Memo,
) -> (Config, Vec<Diagnostic>) {
    let changed = memo.changed(inputs);
    let Memo { ids, kept, .. } = memo;
    let mut reader = Reader {
        inputs,
        links,
        changed: Changed::new(&changed),
        sources,
        ids,
        names: OnceCell::new(),
        remarks: Vec::new(),
        diagnostics: Vec::new(),
    };
    let mut config = Config::default();
    reader.node(&mut config, kept);
    reader.guests(&mut config, kept);
    reader.vnets(&mut config, kept);
    reader.surroundings(&mut config, kept);
    (config, reader.diagnostics)
}

pub use options::Described;

/// The options of each kind of file: its name as people know it, and what stands in its table.
pub fn catalog() -> [(&'static str, Vec<Described>); 5] {
    [
        ("cluster.fw", options::describe(options::DATACENTER)),
        ("host.fw", options::describe(options::HOST)),
        ("<vmid>.fw", options::describe(options::GUEST)),
        ("<vnet>.fw", options::describe(options::VNET)),
        ("proxmox-firewall.cfg", options::describe(options::SETTINGS)),
    ]
}

/// What a path holds.
enum Found<'a> {
    Absent,
    Unreadable,
    Text(&'a [u8], FileId),
}

struct Reader<'a, 's> {
    inputs: &'a Inputs,
    links: &'a Arc<Links>,
    changed: Changed<'s>,
    sources: &'s mut Sources,
    ids: &'s mut BTreeMap<String, FileId>,
    /// Read when the first file is lowered.
    names: OnceCell<Names<'a>>,
    /// Of the part that is being read.
    remarks: Vec<Diagnostic>,
    diagnostics: Vec<Diagnostic>,
}

/// Nothing can be said about what is wanted, so what is enforced must stay.
const STAYS: &str = "last applied ruleset stays";

impl<'a> Reader<'a, '_> {
    /// What `paths` come to: as before, or read now where one of them has changed.
    fn part<T: Clone>(
        &mut self,
        kept: &mut Option<Part<T>>,
        paths: &[&str],
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let part = match kept.take() {
            Some(part) if !paths.iter().any(|path| self.changed.has(path)) => part,
            Some(_) | None => Part { value: read(self), diagnostics: std::mem::take(&mut self.remarks) },
        };
        self.diagnostics.extend_from_slice(&part.diagnostics);
        kept.insert(part).value.clone()
    }

    /// Looks at a path; `lost` is what follows if it cannot be read.
    fn open(&mut self, path: &str, lost: &'static str) -> Found<'a> {
        match self.inputs.files.get(path) {
            None => Found::Absent,
            Some(FileContent::Bytes(text)) => Found::Text(text, self.file(path, text.clone())),
            Some(FileContent::Unreadable(why)) => {
                let file = self.file(path, [].into());
                self.unreadable(file, format!("file cannot be read: {why}"), lost);
                Found::Unreadable
            }
        }
    }

    /// The id of a file that is read now.
    fn file(&mut self, path: &str, text: Arc<[u8]>) -> FileId {
        if let Some(file) = self.ids.get(path) {
            self.sources.replace(*file, text);
            return *file;
        }
        let file = self.sources.add(path, text);
        self.ids.insert(path.to_owned(), file);
        file
    }

    fn unreadable(&mut self, file: FileId, message: String, lost: &'static str) {
        self.remarks.push(Diagnostic::new(Code::FileUnreadable, Place::File(file), message, lost));
    }

    /// What `lower` makes of a text, its remarks among all others.
    fn keep<T>(
        &mut self,
        (text, file): (&[u8], FileId),
        lower: impl FnOnce(&[u8], FileId, &Names<'_>) -> (T, Vec<Diagnostic>),
    ) -> T {
        let names = self.names.get_or_init(|| Names::new(&self.inputs.files));
        let (value, diagnostics) = lower(text, file, names);
        self.remarks.extend(diagnostics);
        value
    }

    /// `cluster.fw`, `host.fw` and the node's settings.
    fn node(&mut self, config: &mut Config, kept: &mut Kept) {
        const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";
        const LOCAL: &str = "/etc/pve/local/host.fw";
        let node = &self.inputs.facts.node;
        let (host, settings) =
            (format!("/etc/pve/nodes/{node}/host.fw"), format!("/etc/pve/nodes/{node}/proxmox-firewall.cfg"));
        let datacenter = self.part(&mut kept.datacenter, &[CLUSTER], |reader| reader.datacenter(CLUSTER));
        let host = self.part(&mut kept.host, &[&host, LOCAL], |reader| reader.host(&host, LOCAL));
        config.settings = self.part(&mut kept.settings, &[&settings], |reader| reader.settings(&settings));
        config.unreadable = datacenter.is_none() || host.is_none();
        config.datacenter = datacenter.unwrap_or_default();
        config.host = host.unwrap_or_default();
    }

    /// `None`: it cannot be read.
    fn datacenter(&mut self, path: &str) -> Option<Arc<Datacenter>> {
        match self.open(path, STAYS) {
            Found::Absent => Some(Arc::default()),
            Found::Unreadable => None,
            Found::Text(text, file) => Some(Arc::new(self.keep((text, file), firewall::datacenter))),
        }
    }

    /// `None`: it cannot be read.
    fn host(&mut self, path: &str, local: &str) -> Option<Arc<Host>> {
        let found = match self.open(path, STAYS) {
            Found::Absent => self.open(local, STAYS),
            found => found,
        };
        match found {
            Found::Absent => Some(Arc::default()),
            Found::Unreadable => None,
            Found::Text(text, file) => Some(Arc::new(self.keep((text, file), firewall::host))),
        }
    }

    fn settings(&mut self, path: &str) -> NodeSettings {
        match self.open(path, "settings keep their defaults") {
            Found::Text(text, file) => self.keep((text, file), firewall::settings),
            Found::Absent | Found::Unreadable => NodeSettings::default(),
        }
    }

    fn guests(&mut self, config: &mut Config, kept: &mut Kept) {
        let Some(local) = self.local_guests(kept) else {
            config.unreadable = true;
            // What changes meanwhile is not looked at.
            kept.guests.clear();
            return;
        };
        let n_before = kept.guests.len();
        let before = std::mem::replace(&mut kept.guests, Vec::with_capacity(n_before.max(local.len())));
        let mut before = before.into_iter().peekable();
        for (vmid, listed) in &*local {
            while before.next_if(|known| known.vmid < *vmid).is_some() {}
            let known = before.next_if(|known| known.vmid == *vmid);
            let guest = match known {
                Some(known) if known.listed == *listed && !self.changed.guests.contains(vmid) => known,
                known => self.kept_guest(*vmid, listed, known),
            };
            self.diagnostics.extend_from_slice(&guest.diagnostics);
            kept.guests.push(guest);
        }
        let known = kept.guests.iter().filter_map(|known| Some((known.vmid, known.guest.clone()?)));
        config.guests = known.collect();
    }

    fn kept_guest(&mut self, vmid: Vmid, listed: &Listed, before: Option<KeptGuest>) -> KeptGuest {
        let mut guest = self.guest(vmid, listed);
        if let (Some(guest), Some(before)) = (&mut guest, before.and_then(|known| known.guest)) {
            // Rules change every day, devices seldom: what depends on them alone sees that they are the same.
            if guest.nics == before.nics {
                guest.nics = before.nics.clone();
            }
        }
        let diagnostics = std::mem::take(&mut self.remarks);
        KeptGuest { vmid, listed: listed.clone(), guest: guest.map(Arc::new), diagnostics }
    }

    /// The guests of this node: those that the list says, and those with an interface here (a guest that is
    /// being migrated). `None`: the list exists but says nothing.
    fn local_guests(&mut self, kept: &mut Kept) -> Option<Arc<BTreeMap<Vmid, Listed>>> {
        const LIST: &str = "/etc/pve/.vmlist";
        match self.part(&mut kept.list, &[LIST], |reader| reader.list(LIST)) {
            List::Absent => Some(Arc::new(self.configured_guests())),
            List::Unreadable => None,
            List::Guests(list) => {
                let known = kept.local.as_ref();
                let known = known
                    .filter(|known| Arc::ptr_eq(&known.list, &list) && Arc::ptr_eq(&known.links, self.links));
                if let Some(known) = known {
                    return Some(known.guests.clone());
                }
                let (node, here) = (&self.inputs.facts.node, self.links.guests());
                let local = list.iter().filter(|(vmid, l)| l.node == *node || here.contains(vmid));
                let guests: Arc<BTreeMap<Vmid, Listed>> =
                    Arc::new(local.map(|(vmid, listed)| (*vmid, listed.clone())).collect());
                kept.local = Some(Local { list, links: self.links.clone(), guests: guests.clone() });
                Some(guests)
            }
        }
    }

    /// The guests of all nodes.
    fn list(&mut self, path: &str) -> List {
        match self.open(path, STAYS) {
            Found::Absent => List::Absent,
            Found::Unreadable => List::Unreadable,
            Found::Text(text, file) => match vmlist::vmlist(text, file) {
                Some((list, remarks)) => {
                    self.remarks.extend(remarks);
                    List::Guests(Arc::new(list))
                }
                None => {
                    self.unreadable(file, "file is no list of guests".to_owned(), STAYS);
                    List::Unreadable
                }
            },
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
            Found::Text(text, file) => {
                self.keep((text, file), |text, file, _| guest_conf::nics(text, file, vmid, listed.kind))
            }
        };
        let of = match self.open(&fw, "guest is filtered with the default policies") {
            Found::Absent => GuestFirewall::default(),
            Found::Unreadable => {
                let mut of = GuestFirewall::default();
                of.options.enable.value = true;
                of
            }
            Found::Text(text, file) => self.keep((text, file), firewall::guest),
        };
        let GuestFirewall { options, aliases, ipsets, rules } = of;
        let nics = Arc::new(nics);
        Some(Guest { vmid, kind: listed.kind, nics, options, aliases, ipsets, rules })
    }

    fn without_configuration(&mut self, fw: &str) {
        let Some(content) = self.inputs.files.get(fw) else { return };
        let text = match content {
            FileContent::Bytes(text) => text.clone(),
            FileContent::Unreadable(_) => [].into(),
        };
        let file = self.file(fw, text);
        self.remarks.push(Diagnostic::new(
            Code::GuestConfigMissing,
            Place::File(file),
            "guest has no configuration on its node",
            "guest is left out",
        ));
    }

    fn vnets(&mut self, config: &mut Config, kept: &mut Kept) {
        let mut before = std::mem::take(&mut kept.vnets);
        for (name, path) in self.folder("/etc/pve/sdn/firewall/") {
            let Some(name) = name.strip_suffix(".fw") else { continue };
            let mut part = before.remove(path);
            config.vnets.extend(self.part(&mut part, &[path], |reader| reader.vnet(name, path)));
            kept.vnets.extend(part.map(|part| (path.to_owned(), part)));
        }
    }

    fn vnet(&mut self, name: &str, path: &str) -> Option<(VnetName, Arc<Vnet>)> {
        // Unlike a guest's, a VNet's file is all there is about its firewall: without it nothing is known
        // that could be enforced, and dropping all forwarded traffic would cut what was never filtered.
        let found = self.open(path, "VNet is not filtered");
        let Ok(vnet_name) = name.parse::<VnetName>() else {
            if let Found::Text(_, file) = found {
                let message = "file name is no name of a bridge";
                let place = Place::File(file);
                self.remarks.push(Diagnostic::new(Code::VnetName, place, message, "file is skipped"));
            }
            return None;
        };
        let vnet = match found {
            Found::Absent | Found::Unreadable => Vnet::default(),
            Found::Text(text, file) => self.keep((text, file), firewall::vnet),
        };
        Some((vnet_name, Arc::new(vnet)))
    }

    /// SDN, IPAM, corosync.
    fn surroundings(&mut self, config: &mut Config, kept: &mut Kept) {
        const RUNNING: &str = "/etc/pve/sdn/.running-config";
        // The second path is where the state lay in earlier versions.
        const IPAM: [&str; 2] = ["/etc/pve/sdn/pve-ipam-state.json", "/etc/pve/priv/ipam.db"];
        const COROSYNC: &str = "/etc/pve/corosync.conf";
        let paths = [RUNNING, IPAM[0], IPAM[1]];
        config.sdn = self.part(&mut kept.sdn, &paths, |reader| Arc::new(reader.sdn(RUNNING, IPAM)));
        config.corosync = self.part(&mut kept.corosync, &[COROSYNC], |reader| reader.corosync(COROSYNC));
    }

    fn sdn(&mut self, running: &str, [ipam, ipam_before]: [&str; 2]) -> Sdn {
        const NO_SETS: &str = "IPSets are not generated from it";
        let mut sdn = Sdn::default();
        if let Found::Text(text, file) = self.open(running, NO_SETS) {
            self.remarks.extend(sdn::running_config(text, file, &mut sdn));
        }
        let ipam = match self.open(ipam, NO_SETS) {
            Found::Absent => self.open(ipam_before, NO_SETS),
            found => found,
        };
        if let Found::Text(text, file) = ipam {
            self.remarks.extend(sdn::ipam(text, file, &mut sdn));
        }
        sdn
    }

    fn corosync(&mut self, path: &str) -> Option<Arc<Corosync>> {
        match self.open(path, "traffic of the cluster is accepted by rules alone") {
            Found::Text(text, _) => Some(Arc::new(corosync::corosync(text))),
            Found::Absent | Found::Unreadable => None,
        }
    }
}

fn conf_folder(node: &str, kind: GuestKind) -> String {
    match kind {
        GuestKind::Qemu => format!("/etc/pve/nodes/{node}/qemu-server/"),
        GuestKind::Lxc => format!("/etc/pve/nodes/{node}/lxc/"),
    }
}

#[cfg(test)]
mod tests;
