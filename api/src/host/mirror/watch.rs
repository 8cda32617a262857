//! inotify(7) events become paths to look at again.
//!
//! On pmxcfs there are events for what this node writes; what other nodes write comes without.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// A file is looked at when its writer has closed it, not at each write: half of a configuration is none.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What happens to a file all at once, or ends.
const FINISHED: ReadFlags = ReadFlags::CLOSE_WRITE
    .union(ReadFlags::ATTRIB)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO)
    .union(ReadFlags::DELETE);

/// A folder is no longer the one that is watched.
const FOLDER_GONE: ReadFlags =
    ReadFlags::IGNORED.union(ReadFlags::UNMOUNT).union(ReadFlags::DELETE_SELF).union(ReadFlags::MOVE_SELF);

/// A writer who takes longer is no longer waited for.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// The kernel's queue holds 16,384 events of about 32 bytes: reads beyond that serve a writer who never stops.
const READS_MAX: usize = 32;

/// What happened since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    /// Files that were written, moved, removed, or whose rights changed.
    pub(super) files: BTreeSet<String>,
    /// Folders came, went or moved.
    pub(super) folders: bool,
    /// Events were lost.
    pub(super) overflow: bool,
    /// The database below the cluster file system was written to.
    pub(super) journal: bool,
}

impl Happened {
    pub(super) fn extend(&mut self, later: Happened) {
        self.files.extend(later.files);
        self.folders |= later.folders;
        self.overflow |= later.overflow;
        self.journal |= later.journal;
    }
}

/// An inotify instance, and what it watches.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
    folders: BTreeMap<i32, String>,
    journal: Option<i32>,
    /// Files somebody is writing.
    unfinished: BTreeMap<String, Instant>,
}

impl Watch {
    pub(super) fn new() -> io::Result<Watch> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Watch { inotify, folders: BTreeMap::new(), journal: None, unfinished: BTreeMap::new() })
    }

    /// Watches a folder, known to the caller as `folder`. To watch it again costs nothing; one that is not there is
    /// left to a later call.
    pub(super) fn arm(&mut self, at: &Path, folder: &str) {
        if let Ok(watch) = inotify::add_watch(&self.inotify, at, EVENTS) {
            self.folders.insert(watch, folder.to_owned());
        }
    }

    /// Watches the folder of the database that pmxcfs keeps on the local disk.
    pub(super) fn arm_journal(&mut self, at: &Path) {
        let events = WatchFlags::MODIFY | WatchFlags::ONLYDIR;
        self.journal = inotify::add_watch(&self.inotify, at, events).ok();
    }

    /// Writes to the database are noticed.
    pub(super) fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Somebody on this node has begun to write the file, and not ended.
    pub(super) fn is_unfinished(&self, path: &str) -> bool {
        self.unfinished.get(path).is_some_and(|since| since.elapsed() < WRITE_MAX)
    }

    /// Takes what is pending.
    pub(super) fn take(&mut self) -> Happened {
        let mut happened = Happened::default();
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        for _ in 0..READS_MAX {
            if !self.read(&mut buffer, &mut happened) {
                break;
            }
        }
        self.unfinished.retain(|_, since| since.elapsed() < WRITE_MAX);
        happened
    }

    /// One read(2); `false` if nothing was there.
    fn read(&mut self, buffer: &mut [MaybeUninit<u8>], happened: &mut Happened) -> bool {
        let mut reader = inotify::Reader::new(&self.inotify, buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => return false,
            };
            let kind = event.events();
            let folder = self.folders.get(&event.wd());
            let name = event.file_name().and_then(|name| name.to_str().ok());
            if kind.contains(ReadFlags::QUEUE_OVERFLOW) {
                happened.overflow = true;
            } else if Some(event.wd()) == self.journal {
                happened.journal |= kind.contains(ReadFlags::MODIFY);
                self.journal = self.journal.filter(|_| !kind.contains(ReadFlags::IGNORED));
            } else if kind.intersects(FOLDER_GONE) || kind.contains(ReadFlags::ISDIR) {
                happened.folders = true;
                if kind.contains(ReadFlags::IGNORED) {
                    self.folders.remove(&event.wd());
                }
            } else if let (Some(folder), Some(name)) = (folder, name) {
                let file = format!("{folder}/{name}");
                if kind.intersects(FINISHED) {
                    self.unfinished.remove(&file);
                    happened.files.insert(file);
                } else if kind.contains(ReadFlags::MODIFY) {
                    self.unfinished.insert(file, Instant::now());
                }
            }
            if reader.is_buffer_empty() {
                return true;
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
