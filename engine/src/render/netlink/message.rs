//! Framing: messages of nf_tables and their attributes, into bytes.
//!
//! Forty lines of our own instead of the crate `netlink-packet-core`: it knows no nf_tables, wants each attribute as a
//! value whose length is computed before it is written, and so walks every rule twice.

use super::numbers::{FAMILY_BRIDGE, FAMILY_INET, FAMILY_NETDEV, SUBSYS_NFTABLES};
use crate::ruleset::TableFamily;

/// Length of `struct nlmsghdr` and `struct nfgenmsg`.
const HEADER: usize = 16 + 4;
/// Attributes lie on borders of this many bytes.
const ALIGN: usize = 4;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// As many as may be missing to a border.
const ZEROS: [u8; ALIGN] = [0; ALIGN];

/// Messages, one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    /// How many messages have been written; the next one bears this number plus one.
    n_messages: u32,
}

/// What a message asks for: its type within nf_tables, and `NLM_F_` flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) flags: u16,
}

impl Writer {
    /// How many messages have been written.
    pub(super) fn n_messages(&self) -> usize {
        usize::try_from(self.n_messages).expect("at least 32 bits")
    }

    /// A message with the attributes that `attributes` writes.
    pub(super) fn message(
        &mut self,
        request: Request,
        family: TableFamily,
        attributes: impl FnOnce(&mut Writer),
    ) {
        let start = self.bytes.len();
        self.n_messages += 1;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&(SUBSYS_NFTABLES << 8 | request.kind).to_ne_bytes());
        self.bytes.extend_from_slice(&request.flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.n_messages.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        let family = match family {
            TableFamily::Inet => FAMILY_INET,
            TableFamily::Bridge => FAMILY_BRIDGE,
            TableFamily::Netdev => FAMILY_NETDEV,
        };
        self.bytes.extend_from_slice(&[family, 0, 0, 0]);
        debug_assert_eq!(self.bytes.len() - start, HEADER);
        attributes(self);
        let length = u32::try_from(self.bytes.len() - start).expect("attributes are 64 KiB at most");
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// An attribute whose value is attributes.
    pub(super) fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Writer)) {
        let start = self.bytes.len();
        self.head(0, kind | NESTED);
        attributes(self);
        let length = self.bytes.len() - start;
        // Callers that nest what may be longer split it: see `set::ELEMENTS_MAX`.
        let length = u16::try_from(length).expect("nested attributes stay below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// An attribute of these bytes.
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.head(value.len(), kind);
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// A text, which ends with NUL.
    pub(super) fn text(&mut self, kind: u16, text: &str) {
        self.head(text.len() + 1, kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.align();
    }

    /// Numbers are big-endian in nf_tables.
    pub(super) fn u64(&mut self, kind: u16, number: u64) {
        self.bytes(kind, &number.to_be_bytes());
    }

    pub(super) fn u32(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_be_bytes());
    }

    pub(super) fn u16(&mut self, kind: u16, number: u16) {
        self.bytes(kind, &number.to_be_bytes());
    }

    pub(super) fn u8(&mut self, kind: u16, number: u8) {
        self.bytes(kind, &[number]);
    }

    fn head(&mut self, length: usize, kind: u16) {
        let length = u16::try_from(ALIGN + length).expect("values are short: names, keys, comments");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
    }

    fn align(&mut self) {
        let missing = self.bytes.len().next_multiple_of(ALIGN) - self.bytes.len();
        self.bytes.extend_from_slice(&ZEROS[..missing]);
    }
}
