//! Wakes a thread that sleeps in poll(2).

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd(2): readable once somebody has woken the thread, until it is drained.
#[derive(Debug)]
pub(super) struct Waker {
    event: EventFd,
}

impl Waker {
    pub(super) fn new() -> nix::Result<Waker> {
        Ok(Waker { event: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)? })
    }

    /// Never blocks: a full counter means that the thread has been woken already.
    pub(super) fn wake(&self) {
        let _full = self.event.write(1);
    }

    /// Until the next call of [`Waker::wake`].
    pub(super) fn drain(&self) {
        let _empty = self.event.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
