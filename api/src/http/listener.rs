//! The sockets: made with the right owner and mode from the first moment on, or passed by systemd.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::Gid;

/// Where the API listens.
pub const API_SOCKET: &str = "/run/proxmox-firewall/api.sock";

/// Where readers connect to.
pub const READ_SOCKET: &str = "/run/proxmox-firewall/read.sock";

/// The name that a socket unit gives the reader's socket (`FileDescriptorName=`).
const READ_NAME: &str = "read";

/// The sockets of a service.
#[derive(Debug)]
pub struct Listeners {
    /// All of the API, for root.
    pub api: UnixListener,
    /// What reads, for a group.
    pub read: Option<UnixListener>,
    /// The only user whom the API serves.
    pub(super) owner: u32,
}

/// A socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another service is there.
    #[error("a service listens on {0} already")]
    Taken(PathBuf),
    /// Something else lies where the socket should.
    #[error("{0} is there and is no socket")]
    NoSocket(PathBuf),
    /// The environment speaks of passed sockets in a way that cannot be understood.
    #[error("LISTEN_PID, LISTEN_FDS: could not understand which sockets were passed")]
    Environment,
    /// What was passed is no listening unix socket.
    #[error("a passed descriptor is no unix socket")]
    Passed(#[source] io::Error),
    /// A file or socket operation failed.
    #[error("could not listen on {path}")]
    World {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Listeners {
    /// The sockets that systemd passed; those that it did not are made. `readers` is the group of the reader's socket.
    pub fn open(api: &Path, read: Option<(&Path, Gid)>) -> Result<Listeners, ListenError> {
        let (mut passed_api, mut passed_read) = (None, None);
        for (name, descriptor) in sd_listen_fds::get().map_err(|_| ListenError::Environment)? {
            let listener = UnixListener::from(descriptor);
            // A descriptor that is no unix socket has no address of one.
            listener.local_addr().map_err(ListenError::Passed)?;
            let slot = if name.as_deref() == Some(READ_NAME) { &mut passed_read } else { &mut passed_api };
            slot.get_or_insert(listener);
        }
        Ok(Listeners {
            api: passed_api.map_or_else(|| bind(api, 0o600, None), Ok)?,
            read: match (passed_read, read) {
                (None, Some((path, group))) => Some(bind(path, 0o660, Some(group))?),
                (passed, _) => passed,
            },
            owner: 0,
        })
    }
}

/// Makes a socket. It gets its name only when owner and mode are right, and takes the place of one that nobody
/// listens on any more.
pub(super) fn bind(path: &Path, mode: u32, group: Option<Gid>) -> Result<UnixListener, ListenError> {
    let world = |source| ListenError::World { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(world)?;
    match std::fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(ListenError::Taken(path.to_owned())),
        _ => {}
    }
    let nascent = path.with_extension(format!("{}.new", std::process::id()));
    let _absent = std::fs::remove_file(&nascent);
    let listener = UnixListener::bind(&nascent).map_err(world)?;
    let named = std::fs::set_permissions(&nascent, Permissions::from_mode(mode))
        .and_then(|()| Ok(nix::unistd::chown(&nascent, None, group)?))
        .and_then(|()| std::fs::rename(&nascent, path));
    if let Err(error) = named {
        let _gone = std::fs::remove_file(&nascent);
        return Err(world(error));
    }
    Ok(listener)
}
