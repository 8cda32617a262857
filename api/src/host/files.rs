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

use super::concern::{Concern, HOST_FW_STAND_IN, REGISTRIES};
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
    /// The kernel gives no further inotify instance.
    #[error("could not watch the cluster file system")]
    Watch(#[source] io::Error),
}

/// pmxcfs holds at most 1 MiB in a file; whatever is far beyond was not written by PVE.
const SIZE_MAX: usize = 16 << 20;

/// What is read at once: most files are shorter.
const BUFFER: usize = 16 << 10;

/// Reads everything that concerns `node`. Guests whose interface is among `links` are read wherever their
/// configuration lies.
pub fn gather(paths: &Paths, node: &str, links: &[Link]) -> Result<Files, GatherError> {
    assert_mounted(paths)?;
    let concern = Concern::new(node, links.iter().map(|link| link.name.as_str()));
    let mut reader = Reader::new(paths);
    concern.single().for_each(|file| reader.read(file));
    if !reader.files.contains_key(&concern.host_fw()) {
        reader.read(HOST_FW_STAND_IN.to_owned());
    }
    for folder in concern.folders(&nodes(paths)?) {
        let files = list(&paths.at(&folder))?.into_iter().map(|name| format!("{folder}/{name}"));
        files.filter(|file| concern.wants(file)).for_each(|file| reader.read(file));
    }
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
    if cluster.is_dir() && (!paths.is_live() || has_generated(paths)) {
        return Ok(());
    }
    Err(GatherError::NoClusterFileSystem(cluster))
}

/// pmxcfs answers.
pub(super) fn has_generated(paths: &Paths) -> bool {
    GENERATED.iter().any(|path| paths.at(path).exists())
}

/// The nodes of the cluster.
pub fn nodes(paths: &Paths) -> Result<Vec<String>, GatherError> {
    list(&paths.at("/etc/pve/nodes"))
}

/// The registries of names alone.
pub fn registries(paths: &Paths) -> Files {
    let mut reader = Reader::new(paths);
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
    /// Nearly all files fit: one read gives all of one, a second one its end.
    buffer: Vec<u8>,
}

impl<'p> Reader<'p> {
    fn new(paths: &'p Paths) -> Reader<'p> {
        Reader { paths, files: Files::new(), buffer: Vec::new() }
    }

    fn read(&mut self, absolute: String) {
        let content = match read_with(&self.paths.at(&absolute), &mut self.buffer) {
            Ok(None) => return,
            Ok(Some(content)) => content,
            Err(error) => FileContent::Unreadable(error.to_string()),
        };
        self.files.insert(absolute, content);
    }

    fn registries(&mut self) {
        let root = root_of_registries(self.paths);
        let mut reader = Reader::new(&root);
        REGISTRIES.iter().for_each(|file| reader.read((*file).to_owned()));
        self.files.append(&mut reader.files);
    }
}

/// Where the registries of names lie: a copy of a node may do without.
pub(super) fn root_of_registries(paths: &Paths) -> Paths {
    let is_there = REGISTRIES.iter().any(|file| paths.at(file).exists());
    if is_there { paths.clone() } else { Paths::default() }
}

/// Names in a directory, sorted; none if it is not there.
pub(super) fn list(folder: &Path) -> Result<Vec<String>, GatherError> {
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

/// `None`: it is not there.
pub(super) fn read(path: &Path) -> io::Result<Option<FileContent>> {
    read_with(path, &mut Vec::new())
}

/// As [`read`], for many files: the buffer is that of the file before.
fn read_with(path: &Path, buffer: &mut Vec<u8>) -> io::Result<Option<FileContent>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize((2 * length).max(BUFFER), 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok(Some(FileContent::Bytes(Arc::from(&buffer[..length])))),
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length > SIZE_MAX {
            return Ok(Some(FileContent::Unreadable("larger than 16 MiB".to_owned())));
        }
    }
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
