//! The C functions of `nftables/libnftables.h` that this crate calls, and no others. Written by hand: ten lines need
//! no generator, and each is in every release since 0.9. (`nft_ctx_input_set_flags` is missing on purpose: 1.0.6
//! does not have it, and a JSON *output* flag makes every release read JSON as well.)

use std::ffi::{c_char, c_int, c_uint};
use std::marker::{PhantomData, PhantomPinned};

/// `struct nft_ctx`: parser state, cache, buffers and a netlink socket; seen by pointer alone.
#[repr(C)]
pub(crate) struct nft_ctx {
    opaque: [u8; 0],
    /// Neither `Send`, `Sync` nor `Unpin`: only the owner of the pointer can promise any of them.
    marker: PhantomData<(*mut u8, PhantomPinned)>,
}

/// Leave out counters and other state.
pub(crate) const NFT_CTX_OUTPUT_STATELESS: c_uint = 1 << 2;
/// Print handles in text.
pub(crate) const NFT_CTX_OUTPUT_HANDLE: c_uint = 1 << 3;
/// Print JSON, and read JSON first.
pub(crate) const NFT_CTX_OUTPUT_JSON: c_uint = 1 << 4;
/// Protocols, priorities, symbols and times as numbers: the union of bits 7 to 10.
pub(crate) const NFT_CTX_OUTPUT_NUMERIC_ALL: c_uint = 0b1111 << 7;
/// Leave out the elements of sets and maps.
pub(crate) const NFT_CTX_OUTPUT_TERSE: c_uint = 1 << 11;

/// The only flag of [`nft_ctx_new`]: open the netlink socket at once.
pub(crate) const NFT_CTX_DEFAULT: u32 = 0;

unsafe extern "C" {
    /// A new context, owned by the caller. Not safe against a second call at the same time (it fills tables of the
    /// process the first time), and it ends the process if no netlink socket can be had.
    pub(crate) fn nft_ctx_new(flags: u32) -> *mut nft_ctx;
    /// Frees a context with its buffers.
    pub(crate) fn nft_ctx_free(ctx: *mut nft_ctx);
    /// With `true`, the kernel validates each batch and then forgets it.
    pub(crate) fn nft_ctx_set_dry_run(ctx: *mut nft_ctx, dry: bool);
    /// Replaces the output flags.
    pub(crate) fn nft_ctx_output_set_flags(ctx: *mut nft_ctx, flags: c_uint);
    /// Collects output in memory instead of printing it; not 0 on failure.
    pub(crate) fn nft_ctx_buffer_output(ctx: *mut nft_ctx) -> c_int;
    /// What was collected since the last call; belongs to the context, and any other call on it ends its life.
    pub(crate) fn nft_ctx_get_output_buffer(ctx: *mut nft_ctx) -> *const c_char;
    /// As [`nft_ctx_buffer_output`], for errors.
    pub(crate) fn nft_ctx_buffer_error(ctx: *mut nft_ctx) -> c_int;
    /// As [`nft_ctx_get_output_buffer`], for errors.
    pub(crate) fn nft_ctx_get_error_buffer(ctx: *mut nft_ctx) -> *const c_char;
    /// Forgets where `include` searches. Since 1.1 each script adds its folder and nothing removes it.
    pub(crate) fn nft_ctx_clear_include_paths(ctx: *mut nft_ctx);
    /// Parses and runs a NUL-terminated script as one transaction; 0 if everything went well.
    pub(crate) fn nft_run_cmd_from_buffer(ctx: *mut nft_ctx, script: *const c_char) -> c_int;
    /// As [`nft_run_cmd_from_buffer`], from a file.
    pub(crate) fn nft_run_cmd_from_filename(ctx: *mut nft_ctx, path: *const c_char) -> c_int;
}
