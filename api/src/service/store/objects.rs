//! Contents by their hash: written once, and removed when no generation has them any more.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use super::{Digest, StoreError, disk};

/// What a call has written before its time was over.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) paths: Vec<PathBuf>,
    /// Something is still to be written.
    pub(super) is_part: bool,
}

/// The folder of contents, and what this process knows of it.
#[derive(Debug)]
pub(super) struct Objects {
    folder: PathBuf,
    /// Written or found whole by this process. A file that only has the right name may be torn.
    whole: HashSet<Digest>,
    /// The newest generation that has it.
    newest: HashMap<Digest, u64>,
}

impl Objects {
    pub(super) fn new(folder: PathBuf) -> Objects {
        Objects { folder, whole: HashSet::new(), newest: HashMap::new() }
    }

    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// The content of a hash, or what is wrong with its file.
    pub(super) fn read(&mut self, digest: Digest) -> Result<Vec<u8>, String> {
        let found = match disk::read(&self.path(digest)) {
            Ok(Some(bytes)) if Digest::of(&bytes) == digest => Ok(bytes),
            Ok(Some(_)) => Err("is not what was written".to_owned()),
            Ok(None) => Err("is not there".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(_) => self.whole.insert(digest),
            Err(_) => self.whole.remove(&digest),
        };
        found
    }

    /// Writes contents of a generation that are not there yet: at least one, and as many as time allows.
    pub(super) fn write<'c>(
        &mut self,
        contents: impl Iterator<Item = (Digest, &'c [u8])>,
        generation: u64,
        until: Option<Instant>,
    ) -> Result<Written, StoreError> {
        let mut written = Written::default();
        for (digest, bytes) in contents {
            if !self.whole.contains(&digest) {
                written.is_part =
                    !written.paths.is_empty() && until.is_some_and(|until| until <= Instant::now());
                if written.is_part {
                    break;
                }
                let path = self.path(digest);
                if !matches!(disk::read(&path), Ok(Some(found)) if found == bytes) {
                    disk::write(&path, bytes)?;
                    written.paths.push(path);
                }
                self.whole.insert(digest);
            }
            let newest = self.newest.entry(digest).or_insert(generation);
            *newest = generation.max(*newest);
        }
        Ok(written)
    }

    /// A generation has these.
    pub(super) fn mark(&mut self, digests: impl Iterator<Item = Digest>, generation: u64) {
        for digest in digests {
            let newest = self.newest.entry(digest).or_insert(generation);
            *newest = generation.max(*newest);
        }
    }

    /// Removes what only generations before `oldest` have, but for `kept`.
    pub(super) fn collect(&mut self, oldest: u64, kept: &[Option<Digest>]) {
        let is_left = |digest: &Digest, newest: &u64| *newest < oldest && !kept.contains(&Some(*digest));
        let left: Vec<Digest> =
            self.newest.iter().filter(|(d, n)| is_left(d, n)).map(|(digest, _)| *digest).collect();
        for digest in left {
            self.newest.remove(&digest);
            self.remove(digest);
        }
    }

    /// Removes what no generation has: an earlier process may have been stopped between two steps.
    pub(super) fn collect_strays(&mut self, kept: &[Option<Digest>]) {
        let kept: HashSet<Digest> = kept.iter().flatten().copied().collect();
        for digest in disk::names(&self.folder).iter().filter_map(|name| name.parse().ok()) {
            if !self.newest.contains_key(&digest) && !kept.contains(&digest) {
                self.remove(digest);
            }
        }
    }

    /// A file that stays is only in the way; the next sweep finds it.
    fn remove(&mut self, digest: Digest) {
        self.whole.remove(&digest);
        let _ = disk::remove(&self.path(digest));
    }
}
