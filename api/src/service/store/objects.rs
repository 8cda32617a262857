//! Contents by their hash: written once, and removed when no generation has them any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use super::disk::Unflushed;
use super::{Digest, StoreError, disk};

/// The first and the last generation that have a content, and perhaps those between.
type Span = (u64, u64);

/// The folder of contents, and what this process knows of it.
#[derive(Debug)]
pub(super) struct Objects {
    folder: PathBuf,
    /// Written or found whole by this process. A file that only has the right name may be torn.
    whole: HashSet<Digest>,
    /// Which generations may have it.
    spans: HashMap<Digest, Span>,
}

impl Objects {
    pub(super) fn new(folder: PathBuf) -> Objects {
        Objects { folder, whole: HashSet::new(), spans: HashMap::new() }
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

    /// Writes contents of a generation that are not there yet: at least one, and as many as time allows. Gives whether all
    /// are there.
    pub(super) fn write<'c>(
        &mut self,
        contents: impl Iterator<Item = (Digest, &'c [u8])>,
        generation: Option<u64>,
        until: Option<Instant>,
        unflushed: &mut Unflushed,
    ) -> Result<bool, StoreError> {
        let mut n_written = 0;
        for (digest, bytes) in contents {
            if !self.whole.contains(&digest) {
                if n_written > 0 && until.is_some_and(|until| until <= Instant::now()) {
                    return Ok(false);
                }
                let path = self.path(digest);
                if !matches!(disk::read(&path), Ok(Some(found)) if found == bytes) {
                    disk::write(&path, bytes)?;
                    unflushed.extend([path]);
                    n_written += 1;
                }
                self.whole.insert(digest);
            }
            generation.iter().for_each(|generation| self.mark(digest, *generation));
        }
        Ok(true)
    }

    /// A generation has it.
    pub(super) fn mark(&mut self, digest: Digest, generation: u64) {
        let (first, last) = self.spans.entry(digest).or_insert((generation, generation));
        (*first, *last) = (generation.min(*first), generation.max(*last));
    }

    /// Removes what none of these generations can have, but for `kept`.
    pub(super) fn collect<T>(&mut self, generations: &BTreeMap<u64, T>, kept: &[Option<Digest>]) {
        let is_left = |digest: &Digest, (first, last): &Span| {
            generations.range(first..=last).next().is_none() && !kept.contains(&Some(*digest))
        };
        let left = self.spans.iter().filter(|(digest, span)| is_left(digest, span));
        for digest in left.map(|(digest, _)| *digest).collect::<Vec<_>>() {
            self.spans.remove(&digest);
            self.remove(digest);
        }
    }

    /// Removes what no generation has: an earlier process may have been stopped between two steps.
    pub(super) fn collect_strays(&mut self, kept: &[Option<Digest>]) {
        let kept: HashSet<Digest> = kept.iter().flatten().copied().collect();
        for digest in disk::names(&self.folder).iter().filter_map(|name| name.parse().ok()) {
            if !self.spans.contains_key(&digest) && !kept.contains(&digest) {
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
