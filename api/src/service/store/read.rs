//! What lies in the folder is found, checked, and noted if it is damaged; what nobody needs is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use engine::inputs::{FileContent, Files};

use super::form::{self, Content};
use super::{Damage, Digest, N_DAMAGE_MAX, N_KEPT, STATE, STATE_BEFORE, State, StateFile, Store, disk};

impl Store {
    pub(super) fn manifest(&self, number: u64) -> PathBuf {
        self.folder.join("generations").join(format!("{number}.json"))
    }

    /// Finds the manifests.
    pub(super) fn list(&mut self) {
        disk::names(&self.folder);
        for name in disk::names(&self.folder.join("generations")) {
            let number = name.strip_suffix(".json").and_then(|number| number.parse::<u64>().ok());
            match number.filter(|number| format!("{number}.json") == name) {
                Some(number) => drop(self.generations.insert(number, None)),
                None => self.note(self.folder.join("generations").join(name), "is not ours".to_owned()),
            }
        }
    }

    /// Finds the state, or what stands in for it: that of before, or the newest generation.
    pub(super) fn read_state(&mut self) {
        for name in [STATE, STATE_BEFORE] {
            let path = self.folder.join(name);
            let read = match disk::read(&path) {
                Ok(Some(bytes)) => form::read_state(&bytes),
                Ok(None) => continue,
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok((state, form)) => {
                    self.last_number = form.last_number;
                    let last_good = self.present_files(form.last_good);
                    self.state = State { last_good, ..state };
                    self.state_file = if name == STATE { StateFile::Unflushed } else { StateFile::Unusable };
                    return;
                }
                Err(what) => self.note(path, what),
            }
        }
        let newest = self.generations().first().map(|head| head.number);
        self.state = State { enforced: newest, ..State::default() };
    }

    /// Reads a manifest in one of its forms.
    pub(super) fn read<T>(&mut self, number: u64, form: impl Fn(&[u8]) -> Result<T, String>) -> Option<T> {
        let path = self.manifest(number);
        let found = match disk::read(&path) {
            Ok(Some(bytes)) => form(&bytes),
            Ok(None) => Err("is not there".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        found.map_err(|what| self.note(path, what)).ok()
    }

    /// The files of a manifest; `None` if one of them is damaged.
    pub(super) fn files(&mut self, contents: BTreeMap<String, Content>) -> Option<Files> {
        let n_files = contents.len();
        let files = self.present_files(contents);
        (files.len() == n_files).then_some(files)
    }

    /// Those files whose objects are whole. Equal contents are held once.
    fn present_files(&mut self, contents: BTreeMap<String, Content>) -> Files {
        let mut held: BTreeMap<Digest, Arc<[u8]>> = BTreeMap::new();
        let mut files = Files::new();
        for (path, content) in contents {
            let content = match content {
                Content::Unreadable { unreadable } => FileContent::Unreadable(unreadable),
                Content::Object(name) => {
                    let Some(bytes) = self.object(&name, &mut held) else { continue };
                    FileContent::Bytes(bytes)
                }
            };
            files.insert(path, content);
        }
        files
    }

    fn object(&mut self, name: &str, held: &mut BTreeMap<Digest, Arc<[u8]>>) -> Option<Arc<[u8]>> {
        let digest: Digest = name.parse().ok()?;
        if let Some(bytes) = held.get(&digest) {
            return Some(Arc::clone(bytes));
        }
        match self.objects.read(digest) {
            Ok(bytes) => {
                let bytes: Arc<[u8]> = bytes.into();
                held.insert(digest, Arc::clone(&bytes));
                Some(bytes)
            }
            Err(what) => {
                self.note(self.objects.path(digest), what);
                None
            }
        }
    }

    /// Learns which contents the manifests name, once, and removes what none names.
    pub(super) fn index(&mut self) {
        if std::mem::replace(&mut self.indexed, true) {
            return;
        }
        for number in self.generations.keys().copied().collect::<Vec<_>>() {
            let Some((head, contents)) = self.read(number, |bytes| form::read_manifest(number, bytes)) else {
                continue;
            };
            digests_of(contents.values()).for_each(|digest| self.objects.mark(digest, number));
            self.generations.insert(number, Some(head));
        }
        self.objects.collect_strays(self.versions.contents(&self.state.last_good));
    }

    /// Removes generations beyond those that are kept, and what only they had.
    pub(super) fn collect(&mut self) {
        let back_to = self.state.confirm.map(|confirm| confirm.back_to);
        let pinned = [self.state.enforced, self.flushed, back_to];
        let followers = self.followers();
        let whole = self.generations.iter().rev().filter(|(_, head)| head.is_some());
        let whole = whole.map(|(number, _)| *number).filter(|number| !followers.contains(number));
        let oldest = whole.take(N_KEPT).last().unwrap_or(0);
        let is_left = |number: &u64| *number < oldest || followers.contains(number);
        let left = self.generations.keys().copied().filter(is_left);
        let left: Vec<u64> = left.filter(|number| !pinned.contains(&Some(*number))).collect();
        for number in left {
            if disk::remove(&self.manifest(number)).is_ok() {
                self.generations.remove(&number);
            }
        }
        self.objects.collect(&self.generations, self.versions.contents(&self.state.last_good));
    }

    /// Generations but the newest in which people had written what they had in the one before.
    fn followers(&self) -> BTreeSet<u64> {
        let mut followers = BTreeSet::new();
        let mut before = None;
        for (number, head) in &self.generations {
            let Some(head) = head else { continue };
            if before.replace(head.written) == Some(head.written) {
                followers.insert(*number);
            }
        }
        if let Some((newest, _)) = self.generations.last_key_value() {
            followers.remove(newest);
        }
        followers
    }

    pub(super) fn note(&mut self, path: PathBuf, what: String) {
        tracing::warn!(path = %path.display(), what, "stored file left out");
        let damage = Damage { path, what };
        if self.damage.len() < N_DAMAGE_MAX && !self.damage.contains(&damage) {
            self.damage.push(damage);
        }
    }
}

fn digests_of<'c>(contents: impl Iterator<Item = &'c Content>) -> impl Iterator<Item = Digest> {
    contents.filter_map(|content| match content {
        Content::Object(name) => name.parse().ok(),
        Content::Unreadable { .. } => None,
    })
}
