//! Names are looked up again when what they depend on has changed, in a thread of its own: a resolver takes its time,
//! and firewalls are what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::inputs::{FileContent, Link};

use super::facts::names;
use super::paths::Paths;

const HOSTS: &str = "/etc/hosts";
/// How often a name that has no address is looked up.
const AGAIN: Duration = Duration::from_secs(30);

/// Names and their addresses.
pub type Names = BTreeMap<String, Vec<IpAddr>>;

/// Looks up the names of one node.
#[derive(Debug)]
pub struct Resolver {
    paths: Paths,
    node: String,
    /// What the last answer depends on; `None`: nobody knows.
    seen: Option<Surroundings>,
    looked: Instant,
    looking: Option<JoinHandle<Names>>,
}

/// What addresses of names depend on, as far as it can be seen.
#[derive(Debug, PartialEq, Eq)]
struct Surroundings {
    hosts: Option<(i64, i64, u64)>,
    corosync: Option<FileContent>,
    addresses: BTreeSet<IpAddr>,
}

impl Resolver {
    /// Nothing is looked up yet.
    pub fn new(paths: Paths, node: String) -> Resolver {
        Resolver { paths, node, seen: None, looked: Instant::now(), looking: None }
    }

    /// Whatever was seen, names are looked up again.
    pub fn forget(&mut self) {
        self.seen = None;
    }

    /// Starts to look names up if that is due, and gives what was found meanwhile: never waits. A name without an answer
    /// keeps the addresses that are `known`.
    pub fn look(&mut self, known: &Names, corosync: Option<&FileContent>, links: &[Link]) -> Option<Names> {
        if let Some(found) = self.looking.take_if(|looking| looking.is_finished()) {
            let mut found = found.join().ok()?;
            for (name, addresses) in found.iter_mut().filter(|(_, addresses)| addresses.is_empty()) {
                addresses.clone_from(known.get(name).unwrap_or(&Vec::new()));
            }
            return Some(found);
        }
        if self.looking.is_some() {
            return None;
        }
        let now = self.surroundings(corosync, links);
        let lacks = known.values().any(Vec::is_empty) && self.looked.elapsed() >= AGAIN;
        if lacks || self.seen.as_ref() != Some(&now) {
            let (paths, node) = (self.paths.clone(), self.node.clone());
            (self.seen, self.looked) = (Some(now), Instant::now());
            self.looking = Some(std::thread::spawn(move || names::of_host(&paths, &node)));
        }
        None
    }

    fn surroundings(&self, corosync: Option<&FileContent>, links: &[Link]) -> Surroundings {
        let stamp = |file: Metadata| (file.mtime(), file.mtime_nsec(), file.ino());
        Surroundings {
            hosts: std::fs::metadata(self.paths.at(HOSTS)).ok().map(stamp),
            corosync: corosync.cloned(),
            addresses: links.iter().flat_map(|link| &link.addresses).map(|own| own.address()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, Resolver};
    use crate::host::paths::Paths;
    use engine::inputs::FileContent;

    fn found(resolver: &mut Resolver, known: &Names, corosync: &FileContent) -> Option<Names> {
        (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            resolver.look(known, Some(corosync), &[])
        })
    }

    #[test]
    fn names_are_looked_up_when_something_has_changed() {
        let root = tempfile::tempdir().expect("there is a temporary folder");
        std::fs::create_dir_all(root.path().join("etc/pve")).expect("writable");
        let members = |ip: &str| {
            let text = format!(r#"{{"nodelist": {{"no-such-name.invalid": {{"ip": "{ip}"}}}}}}"#);
            std::fs::write(root.path().join("etc/pve/.members"), text).expect("writable");
        };
        let mut resolver = Resolver::new(Paths::below(root.path()), "no-such-name.invalid".to_owned());
        let corosync = FileContent::text("ring0_addr: 192.0.2.1\n");
        members("192.0.2.1");
        let known = found(&mut resolver, &Names::new(), &corosync).expect("something is new");
        assert_eq!(
            known["no-such-name.invalid"],
            ["192.0.2.1".parse::<std::net::IpAddr>().expect("an address")]
        );
        members("192.0.2.2");
        assert!((0..20).all(|_| resolver.look(&known, Some(&corosync), &[]).is_none()), "nothing says so");
        resolver.forget();
        let later = found(&mut resolver, &known, &corosync).expect("somebody says so");
        assert_ne!(later, known);
        std::fs::remove_file(root.path().join("etc/pve/.members")).expect("was there");
        let corosync = FileContent::text("ring0_addr: 192.0.2.7\n");
        let kept = found(&mut resolver, &later, &corosync).expect("something is new");
        assert_eq!(kept, later, "no answer is no news");
    }
}
