//! Contents become hashes, and the hashes of all files become one: each content is hashed once, however often the
//! whole is asked for.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engine::inputs::{FileContent, Files};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
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

/// Hashes of contents that were met before, known by their `Arc`: each content is hashed once.
#[derive(Debug, Default)]
pub struct Digests {
    /// By their addresses, which are theirs for as long as they are held here.
    known: HashMap<usize, (Arc<[u8]>, Digest)>,
    /// What was asked for last: whoever holds the same files gets the same answer.
    written: Option<(Files, Digest)>,
}

impl Digests {
    /// The hash of all paths with their contents: what a compilation saw.
    pub fn all(&mut self, files: &Files) -> Digest {
        self.of_those(files, |_| true)
    }

    /// The hash of what people write ([`is_written`]): it stays the same while guests come and go.
    pub fn written(&mut self, files: &Files) -> Digest {
        match &self.written {
            Some((of, digest)) if of.is_clone_of(files) => *digest,
            Some(_) | None => {
                let digest = self.of_those(files, is_written);
                self.written = Some((files.clone(), digest));
                digest
            }
        }
    }

    /// The hash of what the nodes of a datacenter have in common: its rules, those of VNets, and SDN's sets.
    pub fn datacenter(&mut self, files: &Files) -> Digest {
        self.of_those(files, is_of_datacenter)
    }

    /// The hash of a content.
    pub(super) fn content(&mut self, bytes: &Arc<[u8]>) -> Digest {
        let known = self.known.entry(Arc::as_ptr(bytes).addr());
        known.or_insert_with(|| (Arc::clone(bytes), Digest::of(bytes))).1
    }

    fn of_those(&mut self, files: &Files, wanted: impl Fn(&str) -> bool) -> Digest {
        let mut hasher = Sha256::new();
        for (path, content) in files.iter().filter(|(path, _)| wanted(path)) {
            // Neither a path nor a reason has a NUL, so no two lists of files are one text.
            hasher.update(path.as_bytes());
            match content {
                FileContent::Bytes(bytes) => {
                    hasher.update(b"\0=");
                    hasher.update(self.content(bytes).0);
                }
                FileContent::Unreadable(_) => hasher.update(b"\0!"),
            }
        }
        if self.known.len() > 2 * files.len() {
            // Nobody else holds the rest.
            self.known.retain(|_, (bytes, _)| Arc::strong_count(bytes) > 1);
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

/// Today's files with what people had written then: what a change is taken back to. Guests that came since are there.
pub fn with_written_of(then: &Files, today: &Files) -> Files {
    let of = |files: &Files, wanted: bool| {
        let files = files.iter().filter(|(path, _)| is_written(path) == wanted);
        files.map(|(path, content)| (path.clone(), content.clone())).collect::<Files>()
    };
    let mut files = of(today, false);
    files.append(&mut of(then, true));
    files
}
