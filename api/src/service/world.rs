//! Everything outside that the reconciler touches: files, interfaces, the kernel's tables and settings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine::Compiled;
use engine::divert::{self, Pair};
use engine::inputs::{Files, HostFacts, Link, RejectCan, Settings};
use engine::model::address::Mac;
use engine::model::guest::Nic;
use engine::model::names::Vmid;
use engine::plan::Sysctl;
use engine::ruleset::Ruleset;

use crate::features;
use crate::host::enforce::Enforcer;
use crate::host::events::LinkEvents;
use crate::host::facts::{self, FactsError, Wanted};
use crate::host::kernel;
use crate::host::links;
use crate::host::mirror::Mirror;
use crate::host::resolver::Resolver;

/// pve-firewall owns the node's firewall while this file is there.
const FORCE_DISABLE: &str = "/run/proxmox-nftables-firewall-force-disable";
/// Off.
const BRIDGE_NF: [Sysctl; 2] = [
    Sysctl { path: "/proc/sys/net/bridge/bridge-nf-call-iptables", value: 0 },
    Sysctl { path: "/proc/sys/net/bridge/bridge-nf-call-ip6tables", value: 0 },
];
/// How long an announced interface is taken to be coming, and its bridge to be ours.
const ANNOUNCED: Duration = Duration::from_secs(60);

/// The world, as one node sees it.
pub(super) struct World {
    /// Where it is looked at.
    pub(super) wanted: Wanted,
    /// The files.
    pub(super) mirror: Mirror,
    /// What happens to interfaces.
    pub(super) links: LinkEvents,
    /// The host.
    pub(super) facts: Arc<HostFacts>,
    /// The tables.
    pub(super) enforcer: Enforcer,
    /// Names.
    resolver: Resolver,
    /// Interfaces that a guest event has announced.
    announced: BTreeMap<String, Announced>,
    /// Devices of guests whose hardware addresses are watched.
    watched: Vec<Arc<BTreeMap<u8, Nic>>>,
    /// What was last done about the pairs of reject mode `divert`.
    pairs: Option<Pairs>,
    /// pve-firewall's flag was there when we last looked.
    pub(super) is_force_disabled: bool,
    /// What was found of br_netfilter, if anything was.
    pub(super) bridge_nf: Option<String>,
}

/// An interface that is coming, or has just come.
struct Announced {
    until: Instant,
    /// Where it goes: ours to judge, though no configuration may say so yet.
    bridges: Vec<String>,
}

/// Devices of reject mode `divert`: what was wanted, what was there, what could not be done.
struct Pairs {
    wanted: Vec<Pair>,
    seen: Vec<Link>,
    problems: Vec<String>,
}

/// The world cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Facts about the host.
    #[error("could not look at the host")]
    Facts(#[source] FactsError),
    /// The configuration.
    #[error("could not watch the configuration")]
    Mirror(#[source] crate::host::files::GatherError),
    /// Interfaces.
    #[error("could not listen to the kernel's notifications")]
    Events(#[source] std::io::Error),
    /// libnftables.
    #[error("could not open libnftables")]
    Nft(#[source] nft_ffi::NewError),
}

/// As [`World::shall_hold`], wherever the flag was seen.
pub(super) fn shall_hold(compiled: &Compiled, is_force_disabled: bool) -> Cow<'_, Ruleset> {
    let is_ours = compiled.config.host.options.nftables.value && !is_force_disabled;
    if is_ours { Cow::Borrowed(&compiled.plan.ruleset) } else { Cow::default() }
}

impl World {
    /// Opens everything; a cluster file system that is not there yet is waited for later.
    pub(super) fn open(wanted: Wanted) -> Result<World, WorldError> {
        let links = LinkEvents::new().map_err(WorldError::Events)?;
        let facts = facts::host(&wanted).map_err(WorldError::Facts)?;
        let mut enforcer = Enforcer::open().map_err(WorldError::Nft)?;
        // The kernel's answer takes as long as all files; it is kept, and whoever needs it tells if there was none.
        let mirror = thread::scope(|scope| {
            scope.spawn(|| enforcer.lacking().is_ok());
            Mirror::new(wanted.paths.clone(), &facts.node).map_err(WorldError::Mirror)
        })?;
        let resolver = Resolver::new(wanted.paths.clone(), facts.node.clone());
        let mut world = World {
            wanted,
            resolver,
            mirror,
            links,
            facts: Arc::new(facts),
            enforcer,
            announced: BTreeMap::new(),
            watched: Vec::new(),
            pairs: None,
            is_force_disabled: false,
            bridge_nf: None,
        };
        world.told_ports();
        world.look_at_flag();
        Ok(world)
    }

    /// Looks at the host again. `true`: it is not as it was.
    pub(super) fn look_at_host(&mut self) -> Result<bool, FactsError> {
        let is_live = self.is_live();
        let mut facts = if is_live { HostFacts::clone(&self.facts) } else { facts::host(&self.wanted)? };
        if is_live {
            // Names are the resolver's.
            let told = self.links.update(&mut facts);
            told.map_err(|source| FactsError::Netlink { what: "interfaces and routes", source })?;
        }
        facts.now_s = super::reconcile::now_s();
        let now = Instant::now();
        self.announced.retain(|_, announced| announced.until > now);
        facts.announced_bridges =
            self.announced.values().flat_map(|one| one.bridges.iter().cloned()).collect();
        let is_coming = |name: &&String| facts.links.iter().all(|link| link.name != **name);
        let coming: Vec<&String> = self.announced.keys().filter(is_coming).collect();
        let coming = coming.into_iter().map(|name| Link { name: name.clone(), ..Link::default() });
        facts.links.extend(coming);
        let is_new = facts.links != self.facts.links
            || facts.connected != self.facts.connected
            || facts.resolved != self.facts.resolved
            || facts.announced_bridges != self.facts.announced_bridges
            || facts.bridge_nf_stuck != self.facts.bridge_nf_stuck;
        self.facts = Arc::new(facts);
        if is_new {
            self.told_ports();
        }
        Ok(is_new)
    }

    /// Names may have other addresses, whatever we see of that.
    pub(super) fn forget_names(&mut self) {
        self.resolver.forget();
    }

    /// Looks names up where that is due. `true`: they have other addresses than they had.
    pub(super) fn look_up_names(&mut self) -> bool {
        if !self.is_live() {
            return false;
        }
        let corosync = self.mirror.files().get("/etc/pve/corosync.conf");
        let found = self.resolver.look(&self.facts.resolved, corosync, &self.facts.links);
        let Some(resolved) = found.filter(|found| *found != self.facts.resolved) else { return false };
        tracing::info!(?resolved, "names have other addresses");
        Arc::make_mut(&mut self.facts).resolved = resolved;
        true
    }

    /// An interface will come: its guest is ours, wherever its configuration lies.
    pub(super) fn announce(&mut self, iface: &str, bridges: Vec<String>) {
        let announced = Announced { until: Instant::now() + ANNOUNCED, bridges };
        self.announced.insert(iface.to_owned(), announced);
    }

    /// Listens for the hardware addresses of the guests' devices: where else than at their ports bridges learn them.
    pub(super) fn watch(&mut self, compiled: &Compiled) {
        let guests = &compiled.config.guests;
        let is_same = self.watched.len() == guests.len()
            && self.watched.iter().zip(guests.values()).all(|(known, guest)| Arc::ptr_eq(known, &guest.nics));
        if is_same || !self.is_live() {
            return;
        }
        self.watched = guests.values().map(|guest| guest.nics.clone()).collect();
        let mut ports: BTreeMap<Mac, BTreeSet<String>> = BTreeMap::new();
        for nic in self.watched.iter().flat_map(|nics| nics.values()) {
            if let Some(mac) = nic.mac {
                ports.entry(mac).or_default().insert(nic.ifname.as_str().to_owned());
            }
        }
        self.links.watch(ports);
    }

    /// A guest has stopped: none of its interfaces is waited for.
    pub(super) fn unannounce(&mut self, vmid: Vmid) {
        let of_guest = [format!("tap{vmid}i"), format!("veth{vmid}i")];
        self.announced.retain(|name, _| !of_guest.iter().any(|start| name.starts_with(start)));
    }

    /// An interface of a guest is there, or is coming.
    pub(super) fn has_ports(&self, vmid: u32) -> bool {
        let of_guest = [format!("tap{vmid}i"), format!("veth{vmid}i")];
        self.facts.links.iter().any(|link| of_guest.iter().any(|start| link.name.starts_with(start)))
    }

    fn told_ports(&mut self) {
        let ports: Vec<String> = self.facts.links.iter().map(|link| link.name.clone()).collect();
        self.mirror.set_ports(&ports);
    }

    /// Reads one guest's files now. `true`: they are not as they were.
    pub(super) fn look_at_guest(&mut self, vmid: Vmid) -> bool {
        !self.mirror.refresh(vmid).is_empty()
    }

    /// Looks for pve-firewall's flag. `true`: it has come or gone.
    pub(super) fn look_at_flag(&mut self) -> bool {
        let is_there = self.wanted.paths.at(FORCE_DISABLE).exists();
        std::mem::replace(&mut self.is_force_disabled, is_there) != is_there
    }

    /// Bridged frames run through the hooks of IP as well while br_netfilter does that, which is off by our settings
    /// and comes back with the module: it is switched off again. `true`: the host is not as it was.
    pub(super) fn look_at_bridge_nf(&mut self) -> bool {
        if !facts::live::is_bridge_nf_on(&self.wanted.paths) {
            return false;
        }
        kernel::write_sysctls(&self.wanted.paths, &BRIDGE_NF);
        let is_stuck = facts::live::is_bridge_nf_on(&self.wanted.paths);
        let news = match is_stuck {
            true => "br_netfilter cannot be switched off: bridged packets meet the host's rules, too",
            false => "somebody had switched br_netfilter on (net.bridge.bridge-nf-call-*); it is off again",
        };
        if self.bridge_nf.as_deref() != Some(news) {
            tracing::warn!(news);
            self.bridge_nf = Some(news.to_owned());
        }
        let is_new = self.facts.bridge_nf_stuck != is_stuck;
        if is_new {
            Arc::make_mut(&mut self.facts).bridge_nf_stuck = is_stuck;
        }
        is_new
    }

    /// What the kernel shall hold. Nothing of ours while pve-firewall has the node: it has, unless the node's
    /// `nftables` is on.
    pub(super) fn shall_hold<'c>(&self, compiled: &'c Compiled) -> Cow<'c, Ruleset> {
        shall_hold(compiled, self.is_force_disabled)
    }

    /// What a compilation is told besides files and facts.
    pub(super) fn settings(&self) -> Settings {
        let can = self.enforcer.known_lacking().map(features::reject_can);
        // Devices of a host that is not the running one are not ours to make.
        let can = can.map(|can| RejectCan { divert: can.divert && self.is_live(), ..can });
        Settings { reject_can: can, ..Settings::default() }
    }

    fn is_live(&self) -> bool {
        self.wanted.facts.is_none() && self.wanted.paths.is_live()
    }

    /// Asks the kernel what it can; once.
    pub(super) fn ask_what_it_can(&mut self) {
        if let Err(error) = self.enforcer.lacking() {
            tracing::error!(%error, "could not ask the kernel what it can");
        }
    }

    /// Why another reject mode is in force than was asked for.
    pub(super) fn falls_back(&self, compiled: &Compiled) -> Option<String> {
        let (asked, effective) = (compiled.resolved.reject_asked, compiled.resolved.reject_mode);
        if asked == effective || !compiled.resolved.enabled {
            return None;
        }
        let needed = features::needs_of_mode(asked);
        let lacking = self.enforcer.known_lacking().into_iter().flatten();
        let lacks: Vec<String> = lacking
            .filter(|feature| needed.contains(feature))
            .map(|feature| format!("{} ({})", feature.name(), feature.brought_by()))
            .collect();
        let why = if lacks.is_empty() {
            "the service does not look at the running system".to_owned()
        } else {
            format!("the kernel lacks {}", lacks.join("; "))
        };
        Some(format!("reject mode {} instead of {}: {why}", effective.as_str(), asked.as_str()))
    }

    /// Makes, repairs or removes the devices of reject mode `divert`; returns what could not be done.
    pub(super) fn keep_pairs(&mut self, compiled: &Compiled) -> Vec<String> {
        if !self.is_live() {
            return Vec::new();
        }
        let is_empty = self.shall_hold(compiled).tables.is_empty();
        let wanted = if is_empty { Vec::new() } else { compiled.plan.pairs.clone() };
        let ours = self.facts.links.iter().filter(|link| divert::is_ours(&link.name));
        let seen: Vec<Link> = ours.cloned().collect();
        if wanted.is_empty() && seen.is_empty() {
            self.pairs = None;
            return Vec::new();
        }
        match &self.pairs {
            Some(pairs) if pairs.wanted == wanted && pairs.seen == seen => pairs.problems.clone(),
            Some(_) | None => {
                let problems = links::keep(&wanted);
                for problem in &problems {
                    tracing::warn!(%problem, "reject mode divert");
                }
                self.pairs = Some(Pairs { wanted, seen, problems: problems.clone() });
                problems
            }
        }
    }

    /// Somebody may have changed what the facts do not tell.
    pub(super) fn forget_pairs(&mut self) {
        self.pairs = None;
    }

    /// Writes the kernel settings of a plan; returns what could not be written.
    pub(super) fn write_settings(&self, compiled: &Compiled) -> Vec<String> {
        let failed = kernel::write_sysctls(&self.wanted.paths, &compiled.plan.sysctls);
        let line = |(sysctl, error): &(Sysctl, std::io::Error)| {
            format!("could not write {} to {}: {error}", sysctl.value, sysctl.path)
        };
        let mut failures: Vec<String> = failed.iter().map(line).collect();
        let flag =
            kernel::write_log_flag(&self.wanted.paths, compiled.config.host.options.log_nf_conntrack.value);
        failures.extend(
            flag.err().map(|error| format!("could not tell the log daemon about connections: {error}")),
        );
        failures
    }

    /// The files that are saved.
    pub(super) fn saved(&self) -> &Files {
        self.mirror.files()
    }

    /// Where the node's own settings lie.
    pub(super) fn settings_file(&self) -> (String, PathBuf) {
        let path = format!("/etc/pve/nodes/{}/proxmox-firewall.cfg", self.facts.node);
        let on_disk = self.wanted.paths.at(&path);
        (path, on_disk)
    }
}
