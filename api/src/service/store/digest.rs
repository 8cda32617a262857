//! Contents become hashes, and the hashes of all files become one: each content is hashed once, however often the
//! whole is asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use engine::inputs::{FileContent, Files};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::service::isolate::vmid_of;

/// A SHA-256 hash, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is no [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    fn with_text<T>(self, then: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        then(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

/// Some of it is as good as all.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Digest, InvalidDigest> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidDigest),
        };
        if text.len() != 64 {
            return Err(InvalidDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

/// The hashes of the files that were met last: a content that is still the same is not hashed again.
#[derive(Debug, Default)]
pub struct Digests {
    files: Files,
    /// Of each of these, in order, as far as somebody has asked for it.
    hashes: Vec<Option<Digest>>,
}

impl Digests {
    /// The hash of all paths with their contents: what a compilation saw.
    pub fn all(&mut self, files: &Files) -> Digest {
        self.of_those(files, |_| true)
    }

    /// The hash of what people write ([`is_written`]): it stays the same while guests come and go.
    pub fn written(&mut self, files: &Files) -> Digest {
        self.of_those(files, is_written)
    }

    /// The hash of what the nodes of a datacenter have in common: its rules, those of VNets, and SDN's sets.
    pub fn datacenter(&mut self, files: &Files) -> Digest {
        self.of_those(files, is_of_datacenter)
    }

    /// The hash of each content, in order; `None` where there is none to hash.
    pub(super) fn contents(&mut self, files: &Files) -> &[Option<Digest>] {
        self.meet(files, |_| true);
        &self.hashes
    }

    /// Both lists are walked at once, which costs less than to look up thousands of paths.
    fn meet(&mut self, files: &Files, wanted: impl Fn(&str) -> bool) {
        let is_known = |((path, content), hash): ((&String, &FileContent), &Option<Digest>)| {
            hash.is_some() || matches!(content, FileContent::Unreadable(_)) || !wanted(path)
        };
        if files.is_clone_of(&self.files) && files.iter().zip(&self.hashes).all(is_known) {
            return;
        }
        let known = std::mem::take(&mut self.hashes);
        let mut before = self.files.iter().zip(known).peekable();
        let hash = |(path, content): (&String, &FileContent)| {
            while before.next_if(|((old, _), _)| *old < path).is_some() {}
            let known = before.next_if(|((old, _), _)| *old == path);
            let known = known.and_then(|((_, was), hash)| hash.filter(|_| was == content));
            match content {
                FileContent::Bytes(bytes) => known.or_else(|| wanted(path).then(|| Digest::of(bytes))),
                FileContent::Unreadable(_) => None,
            }
        };
        self.hashes = files.iter().map(hash).collect();
        self.files = files.clone();
    }

    fn of_those(&mut self, files: &Files, wanted: impl Fn(&str) -> bool) -> Digest {
        self.meet(files, &wanted);
        let mut hasher = Sha256::new();
        for (path, hash) in files.keys().zip(&self.hashes).filter(|(path, _)| wanted(path)) {
            // Neither a path nor a reason has a NUL, so no two lists of files are one text.
            hasher.update(path.as_bytes());
            match hash {
                Some(hash) => {
                    hasher.update(b"\0=");
                    hasher.update(hash.0);
                }
                None => hasher.update(b"\0!"),
            }
        }
        Digest(hasher.finalize().into())
    }
}

/// Whether a file is configuration of the firewall and its surroundings, written by people or on their behalf. Guests'
/// own configurations, lists of guests and members, address leases and the system's registries are not.
pub fn is_written(path: &str) -> bool {
    path.ends_with(".fw")
        || path.ends_with("/proxmox-firewall.cfg")
        || matches!(path, "/etc/pve/corosync.conf" | "/etc/pve/sdn/.running-config")
}

/// Whether a file holds for every node: the datacenter's and the VNets' rules, and the SDN sets that rules may name.
fn is_of_datacenter(path: &str) -> bool {
    path.starts_with("/etc/pve/sdn/firewall/")
        || matches!(path, "/etc/pve/firewall/cluster.fw" | "/etc/pve/sdn/.running-config")
}

/// Today's files with what people had written then: what a change is taken back to. Guests that came since are there, with
/// the rules that they came with.
pub fn with_written_of(then: &Files, today: &Files) -> Files {
    let of = |files: &Files, wanted: bool| {
        let files = files.iter().filter(|(path, _)| is_written(path) == wanted);
        files.map(|(path, content)| (path.clone(), content.clone())).collect::<Files>()
    };
    let mut files = of(today, false);
    files.append(&mut of(then, true));
    files.append(&mut newcomers(then, today, |_| false));
    files
}

/// The rules of guests that had none then, and whose packets met nothing that they could change: nothing was known of
/// them, or they are idle.
pub fn newcomers(then: &Files, today: &Files, is_idle: impl Fn(u32) -> bool) -> Files {
    let known: BTreeSet<u32> = then.keys().filter_map(|path| vmid_of(path)).collect();
    let is_new = |path: &str| {
        vmid_of(path).is_some_and(|vmid| !known.contains(&vmid) || is_idle(vmid)) && !then.contains_key(path)
    };
    let came = today.iter().filter(|(path, _)| is_written(path) && is_new(path));
    came.map(|(path, content)| (path.clone(), content.clone())).collect()
}
