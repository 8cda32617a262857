//! A value that is only reached through exclusive references: `&mut`, `Pin<&mut>`, or by taking it out.
//!
//! A shared reference to the wrapper gives nothing, so threads that share it share nothing: it is `Sync` whatever is
//! inside. axum and tower keep streams and services in one.

use std::pin::Pin;

pin_project_lite::pin_project! {
    /// The wrapper.
    pub struct SyncWrapper<T> {
        #[pin]
        inner: T,
    }
}

// SAFETY: no function takes `&SyncWrapper<T>` and gives anything of `T`; a `&SyncWrapper<T>` in another thread cannot
// reach the value. Moving the wrapper to another thread still needs `T: Send`, which the compiler derives.
unsafe impl<T> Sync for SyncWrapper<T> {}

impl<T> SyncWrapper<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> SyncWrapper<T> {
        SyncWrapper { inner: value }
    }

    /// The value, exclusively.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The value, pinned and exclusively.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut T> {
        self.project().inner
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> std::fmt::Debug for SyncWrapper<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad("SyncWrapper")
    }
}

impl<T: Default> Default for SyncWrapper<T> {
    fn default() -> SyncWrapper<T> {
        SyncWrapper::new(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::SyncWrapper;

    fn shareable<T: Sync>(_: &T) {}

    #[test]
    fn what_is_not_sync_becomes_so() {
        let mut wrapped = SyncWrapper::new(std::cell::Cell::new(1));
        shareable(&wrapped);
        wrapped.get_mut().set(2);
        std::pin::pin!(&mut wrapped).get_mut().get_mut().set(3);
        assert_eq!(wrapped.into_inner().get(), 3);
    }
}
