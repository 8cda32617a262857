//! Files are read again, and the copy takes over what differs; unless the whole file system went meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::inputs::FileContent;

use super::stamp::{self, Stamp};
use super::{Changed, HOST_FW_STAND_IN, Mirror, REGISTRIES};
use crate::host::files;

/// A second write within the same second, to the same size, changes no stamp. Whatever the clock of its writer, it
/// comes within a second of the first; the second look is for changes that travelled slowly.
const AGAIN: [Duration; 2] = [Duration::from_millis(1_100), Duration::from_millis(2_500)];

/// Files that pmxcfs makes up.
const GENERATED: [&str; 2] = ["/etc/pve/.vmlist", "/etc/pve/.members"];

/// What reading a file gave.
struct Look {
    path: String,
    stamp: Option<Stamp>,
    content: Option<FileContent>,
}

impl Mirror {
    /// Reads `wanted`, as far as it concerns us.
    pub(super) fn reread(&mut self, wanted: impl IntoIterator<Item = String>) -> Changed {
        let mut wanted: BTreeSet<String> = wanted.into_iter().filter(|path| self.is_ours(path)).collect();
        if wanted.is_empty() || !self.is_available {
            return Changed::default();
        }
        let host_fw = self.concern.host_fw();
        let asks_stand_in = wanted.remove(HOST_FW_STAND_IN) || wanted.contains(&host_fw);
        let mut looks: Vec<Look> = wanted.into_iter().map(|path| self.look(path)).collect();
        if asks_stand_in {
            let is_there = match looks.iter().find(|look| look.path == host_fw) {
                Some(look) => look.content.is_some(),
                None => self.files.contains_key(&host_fw),
            };
            let path = HOST_FW_STAND_IN.to_owned();
            let nothing = Look { path: path.clone(), stamp: None, content: None };
            looks.push(if is_there { nothing } else { self.look(path) });
        }
        // Whoever has begun to write one of them meanwhile will end, and then it is read again.
        self.take_events();
        looks
            .retain(|look| !self.watch.is_unfinished(&look.path) && !self.pending.files.contains(&look.path));
        // Had the file system gone meanwhile, its files would look as if they had been deleted.
        let is_doubtful = |look: &Look| !matches!(look.content, Some(FileContent::Bytes(_)));
        if looks.iter().any(is_doubtful) && (self.place.is_none() || self.place_now() != self.place) {
            self.is_available = false;
            return Changed::default();
        }
        Changed { paths: looks.into_iter().filter_map(|look| self.take_over(look)).collect() }
    }

    /// `/etc/pve/local` is a link to the node's own folder; `host.fw` there stands in for the node's own.
    pub(super) fn is_stood_for(&self, path: &str) -> bool {
        path == HOST_FW_STAND_IN && self.files.contains_key(&self.concern.host_fw())
    }

    pub(super) fn location(&self, path: &str) -> PathBuf {
        let root = if REGISTRIES.contains(&path) { &self.registries } else { &self.paths };
        root.at(path)
    }

    fn is_ours(&self, path: &str) -> bool {
        self.tracked.contains_key(path) || self.concern.wants(path) || self.is_single(path)
    }

    pub(super) fn is_single(&self, path: &str) -> bool {
        path == HOST_FW_STAND_IN || REGISTRIES.contains(&path) || self.concern.single().any(|s| s == path)
    }

    fn look(&self, path: String) -> Look {
        let location = self.location(&path);
        if GENERATED.contains(&path.as_str()) {
            stamp::refresh(&location);
        }
        // The stamp first: of what is written between the two, it is not the stamp.
        let stamp = Stamp::of(&location).unwrap_or_default();
        let unreadable = |error: io::Error| Some(FileContent::Unreadable(error.to_string()));
        let content = files::read(&location).unwrap_or_else(unreadable);
        Look { path, stamp, content }
    }

    /// The path, if the content differs.
    fn take_over(&mut self, look: Look) -> Option<String> {
        let Look { path, stamp, content } = look;
        let known = self.tracked.get(&path).copied();
        let is_same = match (self.files.get(&path), &content) {
            (None, None) => true,
            (Some(FileContent::Bytes(old)), Some(FileContent::Bytes(new))) => old == new,
            (Some(FileContent::Unreadable(old)), Some(FileContent::Unreadable(new))) => old == new,
            _ => false,
        };
        // At first sight of a file there was no first write to wait for a second one after.
        if let Some(stamp) =
            stamp.filter(|s| s.is_coarse() && known.is_some_and(|k| k != Some(*s) || !is_same))
        {
            let now = Instant::now();
            self.again.extend(AGAIN.map(|wait| (now + wait, path.clone())));
            self.tracked.insert(path.clone(), Some(stamp));
        } else if content.is_some() || self.is_single(&path) {
            self.tracked.insert(path.clone(), stamp);
        } else {
            self.tracked.remove(&path);
        }
        if is_same {
            return None;
        }
        match content {
            Some(content) => self.files.insert(path.clone(), content),
            None => self.files.remove(&path),
        };
        Some(path)
    }
}
