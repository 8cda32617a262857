//! A file system with the properties of pmxcfs that matter to somebody who watches it: times in whole seconds, no
//! events for what other nodes write, `.version` made up when attributes are asked for and no sooner, content never
//! cached, attributes and names cached for a second.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

/// What libfuse lets the kernel remember, unless told otherwise.
const TTL: Duration = Duration::from_secs(1);

const VERSION: &str = "/.version";

/// What the nodes share.
#[derive(Debug, Default)]
struct Tree {
    /// Files by path below the mount point, with their content and time.
    files: BTreeMap<String, (Vec<u8>, u64)>,
    /// Numbers that the kernel knows paths by.
    numbers: BTreeMap<String, u64>,
    paths: BTreeMap<u64, String>,
    /// Counters: of the list of guests, of `cluster.fw`.
    vmlist: u64,
    cluster_fw: u64,
    version: String,
    asked: Asked,
}

/// What the kernel asked of the file system, in all.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Asked {
    /// Names looked up and attributes.
    pub(crate) looks: u64,
    /// Reads of contents.
    pub(crate) reads: u64,
}

/// The cluster, seen from anywhere; mounted or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    tree: Arc<Mutex<Tree>>,
}

impl Cluster {
    /// Another node writes: no event here. `time` is what its clock says.
    pub(crate) fn write(&self, path: &str, text: &str, time: u64) {
        self.tree().write(path, text.as_bytes().to_vec(), time);
    }

    /// Another node removes a file.
    pub(crate) fn remove(&self, path: &str) {
        self.tree().remove(path);
    }

    /// This node mounts it.
    pub(crate) fn mount(&self, at: &Path) -> std::io::Result<BackgroundSession> {
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("cluster".to_owned()), MountOption::DefaultPermissions];
        fuser::spawn_mount(self.clone(), at, &config)
    }

    pub(crate) fn asked(&self) -> Asked {
        self.tree().asked
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().expect("nobody panics while holding it")
    }
}

impl Tree {
    fn write(&mut self, path: &str, content: Vec<u8>, time: u64) {
        let is_new = self.files.insert(path.to_owned(), (content, time)).is_none();
        self.count(path, is_new);
    }

    fn remove(&mut self, path: &str) -> Option<(Vec<u8>, u64)> {
        let removed = self.files.remove(path)?;
        self.count(path, true);
        Some(removed)
    }

    fn count(&mut self, path: &str, is_listed: bool) {
        self.vmlist += u64::from(is_listed && path.ends_with(".conf"));
        self.cluster_fw += u64::from(path == "/firewall/cluster.fw");
    }

    fn number(&mut self, path: &str) -> u64 {
        if path.is_empty() {
            return 1;
        }
        let next = self.paths.last_key_value().map_or(2, |(last, _)| last + 1);
        let number = *self.numbers.entry(path.to_owned()).or_insert(next);
        self.paths.insert(number, path.to_owned());
        number
    }

    fn path(&self, number: INodeNo) -> String {
        self.paths.get(&u64::from(number)).cloned().unwrap_or_default()
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> String {
        format!("{}/{}", self.path(parent), name.to_string_lossy())
    }

    fn is_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        path.is_empty()
            || self.files.range(prefix.clone()..).next().is_some_and(|(p, _)| p.starts_with(&prefix))
    }

    fn attributes(&mut self, path: &str) -> Option<FileAttr> {
        self.asked.looks += 1;
        if path == VERSION {
            self.version = format!(
                "{{\n\"starttime\": 1,\n\"clinfo\": 1,\n\"vmlist\": {},\n\"firewall/cluster.fw\": {},\n}}\n",
                self.vmlist, self.cluster_fw
            );
        }
        let (size, time) = match self.files.get(path) {
            Some((content, time)) => (content.len() as u64, *time),
            None if path == VERSION => (self.version.len() as u64, 0),
            None if self.is_folder(path) => (0, 0),
            None => return None,
        };
        let is_file = path == VERSION || self.files.contains_key(path);
        let time = UNIX_EPOCH + Duration::from_secs(time);
        Some(FileAttr {
            ino: INodeNo(self.number(path)),
            size,
            blocks: 1,
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: if is_file { 0o640 } else { 0o755 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn children(&mut self, path: &str) -> Vec<(INodeNo, FileType, String)> {
        let prefix = format!("{path}/");
        let below = self.files.keys().filter_map(|file| file.strip_prefix(&prefix));
        let mut names: Vec<String> =
            below.map(|rest| rest.split('/').next().unwrap_or_default().to_owned()).collect();
        names.dedup();
        let entry = |name: String| {
            let path = format!("{prefix}{name}");
            let is_file = self.files.contains_key(&path);
            let kind = if is_file { FileType::RegularFile } else { FileType::Directory };
            (INodeNo(self.number(&path)), kind, name)
        };
        names.into_iter().map(entry).collect()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Filesystem for Cluster {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut tree = self.tree();
        let path = tree.child(parent, name);
        match tree.attributes(&path) {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let mut tree = self.tree();
        let path = tree.path(number);
        match tree.attributes(&path) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut tree = self.tree();
        let path = tree.path(number);
        if let (Some(size), Some((content, time))) = (size, tree.files.get_mut(&path)) {
            content.resize(usize::try_from(size).unwrap_or(0), 0);
            *time = now();
        }
        match tree.attributes(&path) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let tree = self.tree();
        let path = tree.path(number);
        if path == VERSION || tree.files.contains_key(&path) {
            reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut tree = self.tree();
        tree.asked.reads += 1;
        let path = tree.path(number);
        let generated = tree.version.as_bytes();
        let content =
            if path == VERSION { Some(generated) } else { tree.files.get(&path).map(|(c, _)| &c[..]) };
        let Some(content) = content else { return reply.error(Errno::ENOENT) };
        let from = usize::try_from(offset).map_or(content.len(), |from| from.min(content.len()));
        let to = content.len().min(from + size as usize);
        reply.data(&content[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut tree = self.tree();
        let path = tree.path(number);
        let mut content = tree.files.get(&path).map(|(content, _)| content.clone()).unwrap_or_default();
        let from = usize::try_from(offset).unwrap_or(0);
        content.resize(content.len().max(from + data.len()), 0);
        content[from..from + data.len()].copy_from_slice(data);
        tree.write(&path, content, now());
        reply.written(u32::try_from(data.len()).unwrap_or(0));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let mut tree = self.tree();
        let path = tree.child(parent, name);
        tree.write(&path, Vec::new(), now());
        match tree.attributes(&path) {
            Some(attributes) => {
                reply.created(&TTL, &attributes, Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
            }
            None => reply.error(Errno::EIO),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut tree = self.tree();
        let path = tree.child(parent, name);
        match tree.remove(&path) {
            Some(_) => reply.ok(),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut tree = self.tree();
        let (from, to) = (tree.child(parent, name), tree.child(to_parent, to_name));
        let Some((content, time)) = tree.remove(&from) else { return reply.error(Errno::ENOENT) };
        tree.write(&to, content, time);
        // The kernel now knows the new name by the old one's number.
        if let Some(number) = tree.numbers.remove(&from) {
            tree.paths.insert(number, to.clone());
            if let Some(replaced) = tree.numbers.insert(to, number) {
                tree.paths.insert(replaced, "/(replaced)".to_owned());
            }
        }
        reply.ok();
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut tree = self.tree();
        let path = tree.path(number);
        let children = tree.children(&path);
        let start = usize::try_from(offset).unwrap_or(0);
        for (index, (number, kind, name)) in children.into_iter().enumerate().skip(start) {
            if reply.add(number, index as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
