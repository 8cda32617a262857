//! What statx(2) says about a file without reading it.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};

/// Times and size. Equal stamps prove nothing on pmxcfs, whose times are whole seconds; different ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: (i64, u32),
    changed: (i64, u32),
    size: u64,
}

/// Which file system is mounted, and which folder of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    device: (u32, u32),
    inode: u64,
}

impl Stamp {
    /// `None`: not there. The kernel asks pmxcfs where nobody did within the last second, and remembers otherwise.
    pub(super) fn of(path: &Path) -> io::Result<Option<Stamp>> {
        let found = ask(path, AtFlags::empty(), StatxFlags::MTIME | StatxFlags::CTIME | StatxFlags::SIZE)?;
        Ok(found.map(|s| Stamp {
            modified: (s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec),
            changed: (s.stx_ctime.tv_sec, s.stx_ctime.tv_nsec),
            size: s.stx_size,
        }))
    }

    /// The file system counts whole seconds (or the clock struck one).
    pub(super) fn is_coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }
}

impl Place {
    /// `None`: not there, or pmxcfs does not answer: what the kernel remembers of it is no answer.
    pub(super) fn of(path: &Path) -> Option<Place> {
        let found = ask(path, AtFlags::STATX_FORCE_SYNC, StatxFlags::INO).ok()??;
        Some(Place { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino })
    }
}

/// Files that pmxcfs makes up get new content when it is asked for their attributes, which the kernel does once a
/// second at most unless it is told to.
pub(super) fn refresh(path: &Path) {
    let _not_there = ask(path, AtFlags::STATX_FORCE_SYNC, StatxFlags::SIZE);
}

fn ask(path: &Path, flags: AtFlags, wanted: StatxFlags) -> io::Result<Option<Statx>> {
    match statx(CWD, path, flags, wanted) {
        Ok(found) => Ok(Some(found)),
        Err(error) if crate::host::files::is_absence(&error.into()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
