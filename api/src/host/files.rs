//! The cluster file system, as far as a firewall reads it, becomes [`Files`]: one consistent look, before anything
//! is parsed.
//!
//! A file that is not there is absent. One that is there but cannot be read says so in its [`FileContent`], because
//! then what is enforced must stay.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::inputs::{FileContent, Files, Link};

use super::paths::Paths;

/// The firewall cannot know its configuration.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// pmxcfs is not mounted, or this is no Proxmox VE node. Never to be taken for "no configuration".
    #[error("no cluster file system at {0}: is pmxcfs (pve-cluster.service) running?")]
    NoClusterFileSystem(PathBuf),
    /// A directory is there but cannot be listed.
    #[error("could not list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// pmxcfs holds at most 1 MiB in a file; whatever is far beyond was not written by PVE.
const SIZE_MAX: u64 = 16 << 20;

/// Registries of names: not configuration, so the running system's will do.
const REGISTRIES: [&str; 3] = ["/etc/services", "/etc/protocols", "/etc/ethertypes"];

/// Single files, `{node}` being this node's name.
const SINGLE: [&str; 9] = [
    "/etc/pve/firewall/cluster.fw",
    "/etc/pve/nodes/{node}/host.fw",
    "/etc/pve/nodes/{node}/proxmox-firewall.cfg",
    "/etc/pve/.vmlist",
    "/etc/pve/.members",
    "/etc/pve/corosync.conf",
    "/etc/pve/sdn/.running-config",
    "/etc/pve/sdn/pve-ipam-state.json",
    "/etc/pve/priv/ipam.db",
];

/// Reads everything that concerns `node`. Guests whose interface is among `links` are read wherever their
/// configuration lies.
pub fn gather(paths: &Paths, node: &str, links: &[Link]) -> Result<Files, GatherError> {
    assert_mounted(paths)?;
    let mut reader = Reader { paths, files: Files::new() };
    for file in SINGLE {
        reader.read(file.replace("{node}", node));
    }
    if !reader.files.contains_key(&format!("/etc/pve/nodes/{node}/host.fw")) {
        reader.read("/etc/pve/local/host.fw".to_owned());
    }
    reader.folder("/etc/pve/firewall", &|name| is_guest_file(name, ".fw"))?;
    reader.folder("/etc/pve/sdn/firewall", &|name| name.ends_with(".fw"))?;
    reader.guests(node, links)?;
    reader.registries();
    // Had it gone meanwhile, its files would look as if they had been deleted.
    assert_mounted(paths)?;
    Ok(reader.files)
}

/// Files that pmxcfs makes up: without them, a directory is only the place where it would be mounted, and empty.
const GENERATED: [&str; 3] = ["/etc/pve/.version", "/etc/pve/.members", "/etc/pve/.vmlist"];

/// A copy of a node's files may lack what is generated; the running system may not.
fn assert_mounted(paths: &Paths) -> Result<(), GatherError> {
    let cluster = paths.at("/etc/pve");
    let is_there = |path: &str| paths.at(path).exists();
    if cluster.is_dir() && (!paths.is_live() || GENERATED.iter().any(|path| is_there(path))) {
        return Ok(());
    }
    Err(GatherError::NoClusterFileSystem(cluster))
}

/// The nodes of the cluster.
pub fn nodes(paths: &Paths) -> Result<Vec<String>, GatherError> {
    list(&paths.at("/etc/pve/nodes"))
}

/// The registries of names alone.
pub fn registries(paths: &Paths) -> Files {
    let mut reader = Reader { paths, files: Files::new() };
    reader.registries();
    reader.files
}

/// A text file of the node, if it is there and can be read.
pub fn text(paths: &Paths, absolute: &str) -> Option<String> {
    match read(&paths.at(absolute)) {
        Ok(Some(FileContent::Bytes(bytes))) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(Some(FileContent::Unreadable(_)) | None) | Err(_) => None,
    }
}

struct Reader<'p> {
    paths: &'p Paths,
    files: Files,
}

impl Reader<'_> {
    fn read(&mut self, absolute: String) {
        let content = match read(&self.paths.at(&absolute)) {
            Ok(None) => return,
            Ok(Some(content)) => content,
            Err(error) => FileContent::Unreadable(error.to_string()),
        };
        self.files.insert(absolute, content);
    }

    fn folder(&mut self, folder: &str, wanted: &dyn Fn(&str) -> bool) -> Result<(), GatherError> {
        for name in list(&self.paths.at(folder))? {
            if wanted(&name) {
                self.read(format!("{folder}/{name}"));
            }
        }
        Ok(())
    }

    fn guests(&mut self, node: &str, links: &[Link]) -> Result<(), GatherError> {
        let here: Vec<String> =
            links.iter().filter_map(|l| vmid_of_port(&l.name)).map(|id| format!("{id}.conf")).collect();
        for owner in nodes(self.paths)? {
            for kind in ["qemu-server", "lxc"] {
                let own = |name: &str| is_guest_file(name, ".conf");
                let visiting = |name: &str| here.iter().any(|known| known == name);
                let wanted: &dyn Fn(&str) -> bool = if owner == node { &own } else { &visiting };
                self.folder(&format!("/etc/pve/nodes/{owner}/{kind}"), wanted)?;
            }
        }
        Ok(())
    }

    fn registries(&mut self) {
        for file in REGISTRIES {
            self.read(file.to_owned());
        }
        if self.paths.is_live() || REGISTRIES.iter().any(|file| self.files.contains_key(*file)) {
            return;
        }
        self.files.append(&mut registries(&Paths::default()));
    }
}

/// `tap100i0`, `veth200i1`.
pub(crate) fn vmid_of_port(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("tap").or_else(|| name.strip_prefix("veth"))?;
    let (vmid, index) = rest.split_once('i')?;
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (numeric(vmid) && numeric(index)).then_some(vmid)
}

fn is_guest_file(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending).is_some_and(|vmid| !vmid.is_empty() && vmid.bytes().all(|b| b.is_ascii_digit()))
}

/// Names in a directory, sorted; none if it is not there.
fn list(folder: &Path) -> Result<Vec<String>, GatherError> {
    let failed = |source| GatherError::List { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn read(path: &Path) -> io::Result<Option<FileContent>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // With room for one byte more than the file is long, one read gives it all and a second one its end.
    let length = file.metadata()?.len().min(SIZE_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Ok(Some(FileContent::Unreadable("larger than 16 MiB".to_owned())));
    }
    Ok(Some(FileContent::Bytes(Arc::from(bytes))))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::{is_guest_file, vmid_of_port};

    #[test]
    fn guest_ports_have_exact_names() {
        assert_eq!(vmid_of_port("tap100i0"), Some("100"));
        assert_eq!(vmid_of_port("veth200i31"), Some("200"));
        for name in ["tap0", "vethab12", "fwbr100i0", "tap100i", "tapi0", "tap100i0p"] {
            assert_eq!(vmid_of_port(name), None, "{name}");
        }
    }

    #[test]
    fn guest_files_are_numbers() {
        assert!(is_guest_file("100.fw", ".fw"));
        assert!(!is_guest_file("cluster.fw", ".fw"));
        assert!(!is_guest_file("100.fw.tmp", ".fw"));
    }
}
