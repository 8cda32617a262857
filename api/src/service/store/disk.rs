//! Files of a folder that is ours alone: written whole or not at all, private, flushed when it is time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

/// More than any file of ours: a node of 10,000 guests has manifests of a few MiB, an object is 16 MiB at most.
const SIZE_MAX: u64 = 64 << 20;
/// Ending of files that are being written.
const UNFINISHED: &str = ".new";

/// From so many files on, the whole file system is flushed: dearer than one file, cheaper than hundreds.
const N_SINGLE_MAX: usize = 64;

/// Files that were written and would not outlive a loss of power yet.
#[derive(Debug, Default)]
pub(super) struct Unflushed {
    files: Vec<PathBuf>,
    many: bool,
}

impl Unflushed {
    /// These were written.
    pub(super) fn extend(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.files.extend(paths);
        if self.files.len() > N_SINGLE_MAX {
            self.files.clear();
            self.many = true;
        }
    }

    /// Nobody knows which.
    pub(super) fn all() -> Unflushed {
        Unflushed { files: Vec::new(), many: true }
    }

    /// These, too.
    pub(super) fn absorb(&mut self, others: Unflushed) {
        self.many |= others.many;
        self.extend(others.files);
    }

    /// There are none.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.many
    }

    /// Makes them last, and their names in these folders.
    pub(super) fn flush(&mut self, folders: &[PathBuf]) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        if let (true, Some(folder)) = (self.many, folders.first()) {
            let opened = File::open(folder).map_err(failed("flush", folder))?;
            nix::unistd::syncfs(opened).map_err(|errno| failed("flush", folder)(errno.into()))?;
        } else {
            self.files.iter().try_for_each(|path| flush(path))?;
            folders.iter().try_for_each(|path| flush(path))?;
        }
        *self = Unflushed::default();
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Disk { doing, path, source }
}

/// Makes a folder that only its owner enters; one that is there becomes so.
pub(super) fn folder(path: &Path) -> Result<(), StoreError> {
    if !path.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        return made.map_err(failed("make the folder", path));
    }
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("close the folder", path))?;
    }
    Ok(())
}

/// Writes a file under another name and then gives it its own.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = write_beside(path, bytes)?;
    rename(&unfinished, path)
}

/// Writes what shall become `path` under another name, which is given back.
pub(super) fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    fill(&unfinished, bytes).map_err(|error| {
        // What is left of it takes space, perhaps the last there is.
        let _ = fs::remove_file(&unfinished);
        failed("write", path)(error)
    })?;
    Ok(unfinished)
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Makes a file's content, or the names in a folder, last. What is gone needs nothing.
pub(super) fn flush(path: &Path) -> Result<(), StoreError> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("flush", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A file's bytes; `None` if it is not there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len().min(SIZE_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(SIZE_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Names in a folder, in any order; what was never finished is removed.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (unfinished, names): (Vec<_>, Vec<_>) = names.partition(|name| name.ends_with(UNFINISHED));
    for name in unfinished {
        let _ = fs::remove_file(folder.join(name));
    }
    names
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(failed("rename", from))
}
