//! The context of libnftables, and all `unsafe` code: scripts and commands in, the kernel's answer out.

use std::ffi::{CStr, CString, c_uint};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde::de::IgnoredAny;

use crate::error::{CheckError, CommitError, Failure, ListError, NewError, Rejected};
use crate::object::{Metainfo, Objects};
use crate::sys;

/// Holds every call into libnftables apart from every other: the crate's documentation says which variables of the
/// process it shares between contexts. It guards no data of ours, so a poisoned lock is as good as any.
static LIBRARY: Mutex<()> = Mutex::new(());

/// A context of libnftables: parser, caches, buffers and a netlink socket into the network namespace of the thread
/// that made it.
///
/// It may move to another thread; the crate's documentation says what that means for namespaces.
#[derive(Debug)]
pub struct Nft {
    /// From `nft_ctx_new`; freed by `drop` alone.
    ctx: NonNull<sys::nft_ctx>,
}

// SAFETY: a context holds no thread-local state: its memory, its stdio buffers and its socket may be used from any
// thread, one at a time, which `&mut self` and `LIBRARY` see to. (It is not `Sync`, because `NonNull` isn't.)
unsafe impl Send for Nft {}

/// How a listing is printed. The default is that of `nft list` without options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listing {
    /// Without packet and byte counters, and without other state that the kernel changes (`nft -s`).
    pub stateless: bool,
    /// With handles (`nft -a`); JSON always has them.
    pub handles: bool,
    /// Protocols, priorities, symbolic values and times as numbers (`nft -n`).
    pub numeric: bool,
    /// Without the elements of sets and maps (`nft -t`).
    pub terse: bool,
}

/// Whether the kernel keeps what it validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Dry,
    Commit,
}

impl Nft {
    /// A context for the network namespace of the calling thread.
    ///
    /// # Errors
    /// When no netlink socket can be opened, or libnftables cannot set itself up.
    pub fn new() -> Result<Nft, NewError> {
        // Where libnftables is refused a socket it ends the process; we prefer to hear of it.
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)
            .map_err(|errno| NewError::Netlink(errno.into()))?;
        let ctx = {
            // Let go at once: a context that fails below is dropped, which takes the lock again.
            let _library = lock();
            // SAFETY: takes no pointer; `_library` keeps a second first call away.
            unsafe { sys::nft_ctx_new(sys::NFT_CTX_DEFAULT) }
        };
        let nft = Nft { ctx: NonNull::new(ctx).ok_or(NewError::NoContext)? };
        nft.buffer()
    }

    /// Runs a script of nft commands as one transaction that the kernel validates and forgets.
    ///
    /// # Errors
    /// [`CheckError::Rejected`] lists what is wrong, with lines and columns.
    pub fn check(&mut self, script: &str) -> Result<(), CheckError> {
        Ok(self.run_text(script, Run::Dry)?)
    }

    /// Runs a script of nft commands as one transaction: all of it is in force afterwards, or none of it.
    ///
    /// # Errors
    /// [`CommitError::Rejected`] lists what is wrong, with lines and columns.
    pub fn commit(&mut self, script: &str) -> Result<(), CommitError> {
        Ok(self.run_text(script, Run::Commit)?)
    }

    /// As [`Nft::check`], for a script in the JSON of libnftables-json(5). Its errors have no positions.
    ///
    /// # Errors
    /// [`CheckError::NotJson`] with line and column for a mistake in the JSON itself.
    pub fn check_json(&mut self, script: &str) -> Result<(), CheckError> {
        Ok(self.run_json(script, Run::Dry)?)
    }

    /// As [`Nft::commit`], for a script in the JSON of libnftables-json(5). Its errors have no positions.
    ///
    /// # Errors
    /// [`CommitError::NotJson`] with line and column for a mistake in the JSON itself.
    pub fn commit_json(&mut self, script: &str) -> Result<(), CommitError> {
        Ok(self.run_json(script, Run::Commit)?)
    }

    /// What a `list …` command prints. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`ListError::NotAList`] for any other command, [`ListError::Rejected`] where the object does not exist.
    pub fn list(&mut self, command: &str, listing: Listing) -> Result<String, ListError> {
        self.run_list(command, listing.flags())
    }

    /// What a `list …` command prints as JSON: `{"nftables": [{"metainfo": …}, …]}`.
    ///
    /// # Errors
    /// As [`Nft::list`].
    pub fn list_json(&mut self, command: &str, listing: Listing) -> Result<serde_json::Value, ListError> {
        let text = self.run_list(command, listing.flags() | sys::NFT_CTX_OUTPUT_JSON)?;
        serde_json::from_str(&text).map_err(ListError::NotJson)
    }

    /// As [`Nft::list_json`], with the head of each object in types.
    ///
    /// # Errors
    /// As [`Nft::list`], and [`ListError::Form`] for an object without the fields that all its kind have.
    pub fn list_objects(&mut self, command: &str, listing: Listing) -> Result<Objects, ListError> {
        Objects::from_json(self.list_json(command, listing)?)
    }

    /// Gives back what libnftables and malloc keep of a large run: the context is another one afterwards.
    ///
    /// # Errors
    /// As [`Nft::new`]; then the context is as it was.
    pub fn renew(&mut self) -> Result<(), NewError> {
        *self = Nft::new()?;
        // SAFETY: no argument is a pointer, and malloc locks for itself.
        unsafe { nix::libc::malloc_trim(0) };
        Ok(())
    }

    /// Which libnftables is loaded. It has no call for this: a JSON listing begins with it, so this one lists tables.
    ///
    /// # Errors
    /// As [`Nft::list_objects`].
    pub fn version(&mut self) -> Result<Metainfo, ListError> {
        Ok(self.list_objects("list tables", Listing::default())?.metainfo)
    }

    fn run_text(&mut self, script: &str, run: Run) -> Result<(), Failure> {
        // A NUL byte would reach libnftables' scanner, which takes it for the end of a buffer.
        if let Some(offset) = script.bytes().position(|byte| byte == 0) {
            return Err(Failure::InteriorNul { offset });
        }
        self.run_file(script, 0, run)
    }

    fn run_json(&mut self, script: &str, run: Run) -> Result<(), Failure> {
        // What is not JSON would be read as text and, if it happens to be legal there, be run.
        serde_json::from_str::<IgnoredAny>(script).map_err(Failure::NotJson)?;
        self.run_file(script, sys::NFT_CTX_OUTPUT_JSON, run)
    }

    fn run_file(&mut self, script: &str, flags: c_uint, run: Run) -> Result<(), Failure> {
        let memfd = memfd(script).map_err(Failure::Memfd)?;
        // Not `self`: that is the process's first thread, which may have ended.
        let path = format!("/proc/thread-self/fd/{}", memfd.as_raw_fd());
        let c_path = CString::new(path.as_str()).expect("a formatted number holds no NUL byte");

        let _library = lock();
        self.set(flags, run);
        // SAFETY: `ctx` is ours until `drop`; `c_path` lives to the end of this function.
        let code = unsafe { sys::nft_run_cmd_from_filename(self.ctx.as_ptr(), c_path.as_ptr()) };
        // Of no use, but left in its buffer it would precede the next listing.
        self.take_output();
        let stderr = self.take_errors();
        if code == 0 { Ok(()) } else { Err(Failure::Rejected(Rejected::parse(&stderr, &path))) }
    }

    fn run_list(&mut self, command: &str, flags: c_uint) -> Result<String, ListError> {
        let c_command = CString::new(command).map_err(ListError::InteriorNul)?;
        // Several commands fit into one buffer.
        if command.split_whitespace().next() != Some("list") || command.contains([';', '\n']) {
            return Err(ListError::NotAList { command: command.to_owned() });
        }

        let _library = lock();
        // A dry run changes nothing, whatever the command may turn out to be, and frees its cache.
        self.set(flags, Run::Dry);
        // SAFETY: `ctx` is ours until `drop`; `c_command` lives to the end of this function.
        let code = unsafe { sys::nft_run_cmd_from_buffer(self.ctx.as_ptr(), c_command.as_ptr()) };
        let output = self.take_output();
        let stderr = self.take_errors();
        if code == 0 { Ok(output) } else { Err(ListError::Rejected(Rejected::parse(&stderr, "<cmdline>"))) }
    }

    /// Lets libnftables collect what it would print. Frees the context if it can't.
    fn buffer(self) -> Result<Nft, NewError> {
        // SAFETY: `ctx` is ours until `drop`.
        let output = unsafe { sys::nft_ctx_buffer_output(self.ctx.as_ptr()) };
        // SAFETY: `ctx` is ours until `drop`.
        let errors = unsafe { sys::nft_ctx_buffer_error(self.ctx.as_ptr()) };
        if output == 0 && errors == 0 { Ok(self) } else { Err(NewError::NoBuffer) }
    }

    /// Each run states all that it depends on: no setting outlives it.
    fn set(&mut self, flags: c_uint, run: Run) {
        // SAFETY: `ctx` is ours until `drop`.
        unsafe { sys::nft_ctx_output_set_flags(self.ctx.as_ptr(), flags) };
        // SAFETY: `ctx` is ours until `drop`.
        unsafe { sys::nft_ctx_set_dry_run(self.ctx.as_ptr(), run == Run::Dry) };
        // SAFETY: `ctx` is ours until `drop`.
        unsafe { sys::nft_ctx_clear_include_paths(self.ctx.as_ptr()) };
    }

    fn take_output(&mut self) -> String {
        // SAFETY: `ctx` is ours until `drop`.
        let buffer = unsafe { sys::nft_ctx_get_output_buffer(self.ctx.as_ptr()) };
        // SAFETY: a NUL-terminated text of the context, copied before the next call can end its life.
        let text = unsafe { CStr::from_ptr(buffer) };
        text.to_string_lossy().into_owned()
    }

    fn take_errors(&mut self) -> String {
        // SAFETY: `ctx` is ours until `drop`.
        let buffer = unsafe { sys::nft_ctx_get_error_buffer(self.ctx.as_ptr()) };
        // SAFETY: a NUL-terminated text of the context, copied before the next call can end its life.
        let text = unsafe { CStr::from_ptr(buffer) };
        text.to_string_lossy().into_owned()
    }
}

impl Drop for Nft {
    fn drop(&mut self) {
        let _library = lock();
        // SAFETY: `ctx` came from `nft_ctx_new`, and nobody else has it: this is its end.
        unsafe { sys::nft_ctx_free(self.ctx.as_ptr()) };
    }
}

impl Listing {
    fn flags(self) -> c_uint {
        [
            (self.stateless, sys::NFT_CTX_OUTPUT_STATELESS),
            (self.handles, sys::NFT_CTX_OUTPUT_HANDLE),
            (self.numeric, sys::NFT_CTX_OUTPUT_NUMERIC_ALL),
            (self.terse, sys::NFT_CTX_OUTPUT_TERSE),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(0, |flags, (_, flag)| flags | flag)
    }
}

fn lock() -> MutexGuard<'static, ()> {
    LIBRARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file without a name that holds the script and closes with the value.
fn memfd(script: &str) -> std::io::Result<File> {
    let mut file = File::from(memfd_create(c"nft", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(script.as_bytes())?;
    Ok(file)
}
