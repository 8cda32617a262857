//! Which guests' configurations make the kernel refuse a ruleset, and what stands for those meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use engine::inputs::{FileContent, Files};

/// Guests whose present files the kernel has refused. Each keeps its last good ones until its files change.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    guests: BTreeMap<u32, Kept>,
}

#[derive(Debug)]
struct Kept {
    refused: Files,
    reason: String,
}

impl Isolation {
    /// `files` with the last good files in the place of refused ones. A guest that has none is left out, and its
    /// interfaces are dropped. Guests whose files have changed since are tried again.
    pub(super) fn substitute(&mut self, files: &Files, good: Option<&Files>) -> Option<Files> {
        self.guests.retain(|vmid, kept| same(&of_guest(files, *vmid), &kept.refused));
        let vmids: BTreeSet<u32> = self.guests.keys().copied().collect();
        (!vmids.is_empty()).then(|| without(files, good, &vmids))
    }

    /// The kernel refuses what these guests' files mean.
    pub(super) fn keep(&mut self, files: &Files, vmids: &BTreeSet<u32>, reason: &str) {
        for vmid in vmids {
            let refused = of_guest(files, *vmid);
            self.guests.insert(*vmid, Kept { refused, reason: reason.to_owned() });
        }
    }

    /// The guests, and what the kernel said.
    pub(super) fn refused(&self) -> Vec<(u32, String)> {
        self.guests.iter().map(|(vmid, kept)| (*vmid, kept.reason.clone())).collect()
    }
}

/// The guests whose files differ between `files` and `good`: one of these may be the cause.
pub(super) fn suspects(files: &Files, good: Option<&Files>) -> Vec<u32> {
    let vmids: BTreeSet<u32> = files.keys().filter_map(|path| vmid_of(path)).collect();
    let is_new = |vmid: &u32| good.is_none_or(|good| !same(&of_guest(files, *vmid), &of_guest(good, *vmid)));
    vmids.into_iter().filter(is_new).collect()
}

/// `files` with the guests' `good` files, or with none of theirs.
pub(super) fn without(files: &Files, good: Option<&Files>, vmids: &BTreeSet<u32>) -> Files {
    let is_kept = |path: &str| vmid_of(path).is_none_or(|vmid| !vmids.contains(&vmid));
    let mut result: Files = files.iter().filter(|(path, _)| is_kept(path)).map(owned).collect();
    let theirs = good.into_iter().flatten().filter(|(path, _)| !is_kept(path));
    result.extend(theirs.map(owned));
    result
}

/// The guests among `suspects` without whom a ruleset is accepted; `None`: it is refused even without all of them.
/// `is_accepted` is asked with those that are left out: about log2(n) times for each culprit.
pub(super) fn culprits(
    suspects: &[u32],
    is_accepted: &mut dyn FnMut(&BTreeSet<u32>) -> bool,
) -> Option<BTreeSet<u32>> {
    if !is_accepted(&suspects.iter().copied().collect()) {
        return None;
    }
    let mut found = BTreeSet::new();
    // The first `n_good` are harmless, but for those that were found.
    let mut n_good = 0;
    loop {
        if is_accepted(&found) {
            return Some(found);
        }
        // With the first `low` it is accepted, with the first `high` it is not.
        let (mut low, mut high) = (n_good, suspects.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let mut left_out = found.clone();
            left_out.extend(&suspects[middle..]);
            if is_accepted(&left_out) { low = middle } else { high = middle }
        }
        let culprit = suspects.get(high - 1)?;
        if !found.insert(*culprit) {
            return None;
        }
        n_good = high;
        if n_good >= suspects.len() && !is_accepted(&found) {
            return None;
        }
    }
}

fn owned((path, content): (&String, &FileContent)) -> (String, FileContent) {
    (path.clone(), content.clone())
}

fn of_guest(files: &Files, vmid: u32) -> Files {
    files.iter().filter(|(path, _)| vmid_of(path) == Some(vmid)).map(owned).collect()
}

fn same(one: &Files, other: &Files) -> bool {
    one.changed_since(other).is_empty()
}

/// `100` of `/etc/pve/firewall/100.fw` and `/etc/pve/nodes/n/qemu-server/100.conf`.
pub(super) fn vmid_of(path: &str) -> Option<u32> {
    let (folder, name) = path.rsplit_once('/')?;
    let number = match folder {
        "/etc/pve/firewall" => name.strip_suffix(".fw")?,
        _ if folder.ends_with("/qemu-server") || folder.ends_with("/lxc") => name.strip_suffix(".conf")?,
        _ => return None,
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::inputs::{FileContent, Files};

    use super::{Isolation, culprits, suspects};

    fn files(guests: &[(u32, &str)]) -> Files {
        let file =
            |(vmid, text): &(u32, &str)| (format!("/etc/pve/firewall/{vmid}.fw"), FileContent::text(text));
        guests.iter().map(file).collect()
    }

    #[test]
    fn culprits_are_found_in_few_trials() {
        let suspects: Vec<u32> = (100..1100).collect();
        for bad in [vec![], vec![100], vec![1099], vec![100, 101, 500, 1099]] {
            let bad: BTreeSet<u32> = bad.into_iter().collect();
            let mut n_trials = 0;
            let mut is_accepted = |left_out: &BTreeSet<u32>| {
                n_trials += 1;
                bad.is_subset(left_out)
            };
            assert_eq!(culprits(&suspects, &mut is_accepted), Some(bad.clone()));
            assert!(n_trials <= 2 + 12 * (bad.len() + 1), "{n_trials}");
        }
    }

    #[test]
    fn what_no_guest_causes_is_nobodys_fault() {
        assert_eq!(culprits(&[100, 101], &mut |_| false), None);
        assert_eq!(culprits(&[], &mut |_| false), None);
    }

    #[test]
    fn a_refused_guest_keeps_its_last_good_files_until_its_files_change() {
        let good = files(&[(100, "old"), (101, "old")]);
        let bad = files(&[(100, "new"), (101, "new")]);
        assert_eq!(suspects(&bad, Some(&good)), [100, 101]);
        let mut isolation = Isolation::default();
        isolation.keep(&bad, &[100].into(), "no");
        let text = |files: &Files, vmid: u32| match &files[&format!("/etc/pve/firewall/{vmid}.fw")] {
            FileContent::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            FileContent::Unreadable(why) => why.clone(),
        };
        let used = isolation.substitute(&bad, Some(&good)).expect("there is something to keep");
        assert_eq!((text(&used, 100).as_str(), text(&used, 101).as_str()), ("old", "new"));
        assert!(isolation.substitute(&files(&[(100, "third")]), Some(&good)).is_none());
        assert!(isolation.refused().is_empty());
    }
}
