//! Netlink messages and attributes as bytes, both ways. Whatever the kernel sends, reading it does not panic: what
//! breaks off has ended.

// linux/netlink.h
pub(super) const REQUEST: u16 = 1;
pub(super) const ACK: u16 = 4;
pub(super) const DUMP: u16 = 0x300;
/// On an answer: what is dumped has changed meanwhile.
pub(super) const DUMP_INTR: u16 = 0x10;
pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
// On an answer of kind ERROR: the request is not repeated behind its header; attributes follow.
pub(super) const CAPPED: u16 = 0x100;
pub(super) const ACK_TLVS: u16 = 0x200;
/// NLMSGERR_ATTR_MSG
pub(super) const ERROR_TEXT: u16 = 1;

// linux/netfilter/nfnetlink.h
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;
pub(super) const BATCH_GENID: u16 = 1;
pub(super) const SUBSYS_NFTABLES: u16 = 10;

// linux/netfilter/nf_tables.h
pub(super) const NEWTABLE: u16 = SUBSYS_NFTABLES << 8;
pub(super) const GETTABLE: u16 = SUBSYS_NFTABLES << 8 | 1;
pub(super) const NEWCHAIN: u16 = SUBSYS_NFTABLES << 8 | 3;
pub(super) const GETCHAIN: u16 = SUBSYS_NFTABLES << 8 | 4;
pub(super) const NEWRULE: u16 = SUBSYS_NFTABLES << 8 | 6;
pub(super) const GETRULE: u16 = SUBSYS_NFTABLES << 8 | 7;
pub(super) const NEWGEN: u16 = SUBSYS_NFTABLES << 8 | 15;
pub(super) const GETGEN: u16 = SUBSYS_NFTABLES << 8 | 16;

/// `struct nlmsghdr`
pub(super) const HEADER: usize = 16;
/// `struct nfgenmsg`
const NFGENMSG: usize = 4;
const ALIGN: usize = 4;
/// Of an attribute's type: flags are not.
const TYPE_MASK: u16 = 0x3fff;

/// A message to be sent, without those of its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) family: u8,
    /// `res_id`
    pub(super) resource: u16,
}

/// A message of these attributes.
pub(super) fn message(head: Head, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(head.kind.to_ne_bytes());
    bytes.extend(head.flags.to_ne_bytes());
    bytes.extend(head.sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([head.family, 0]);
    bytes.extend(head.resource.to_be_bytes());
    for (kind, value) in attributes {
        let length = u16::try_from(4 + value.len()).expect("names are short");
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
    }
    let length = u32::try_from(bytes.len()).expect("a few short attributes");
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'b> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// Of the socket that asked or, in a notice, that changed something.
    pub(super) port: u32,
    pub(super) body: &'b [u8],
}

impl<'b> Message<'b> {
    /// Family and attributes of a message of nf_tables.
    pub(super) fn payload(&self) -> Option<(u8, Attributes<'b>)> {
        let (head, rest) = self.body.split_at_checked(NFGENMSG)?;
        Some((head[0], Attributes(rest)))
    }

    /// The error that a message of kind ERROR or DONE reports (0: none), positive, and the kernel's words.
    pub(super) fn error(&self) -> Option<(i32, Option<String>)> {
        let code = i32::from_ne_bytes(self.body.first_chunk().copied()?);
        let rest = &self.body[4..];
        let head = u32::from_ne_bytes(rest.first_chunk().copied().unwrap_or_default());
        let quoted = if self.kind == DONE {
            0
        } else if self.flags & CAPPED != 0 {
            HEADER
        } else {
            usize::try_from(head).unwrap_or(usize::MAX).checked_next_multiple_of(ALIGN).unwrap_or(usize::MAX)
        };
        let attributes = (self.flags & ACK_TLVS != 0).then(|| rest.get(quoted..)).flatten();
        let text = attributes.and_then(|rest| Attributes(rest).find(|(kind, _)| *kind == ERROR_TEXT));
        Some((code.saturating_neg(), text.map(|(_, text)| string(text))))
    }
}

/// The messages of a datagram, up to one that breaks off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Messages<'b>(pub(super) &'b [u8]);

impl<'b> Iterator for Messages<'b> {
    type Item = Message<'b>;

    fn next(&mut self) -> Option<Message<'b>> {
        let head: &[u8; HEADER] = self.0.first_chunk()?;
        let u16_at = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let u32_at = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = usize::try_from(u32_at(0)).ok()?;
        let body = self.0.get(HEADER..length)?;
        let (kind, flags, sequence, port) = (u16_at(4), u16_at(6), u32_at(8), u32_at(12));
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some(Message { kind, flags, sequence, port, body })
    }
}

/// Attributes as type and value, up to one that breaks off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'b>(pub(super) &'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<(u16, &'b [u8])> {
        let head: &[u8; 4] = self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A text up to its NUL.
pub(super) fn string(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A big-endian number.
pub(super) fn u32_of(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// A big-endian number.
pub(super) fn u64_of(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Attributes, DONE, ERROR, Head, Message, Messages, message};

    const HEAD: Head = Head { kind: 7, flags: 1, sequence: 9, family: 1, resource: 10 };

    #[test]
    fn what_is_written_reads_back() {
        let bytes = message(HEAD, &[(1, b"name\0"), (3, &[1, 2])]);
        let read: Vec<_> = Messages(&bytes).collect();
        assert_eq!(read.len(), 1);
        let (family, attributes) = read[0].payload().expect("complete");
        assert_eq!((read[0].kind, read[0].sequence, family), (7, 9, 1));
        assert_eq!(attributes.collect::<Vec<_>>(), [(1, &b"name\0"[..]), (3, &[1, 2])]);
    }

    #[test]
    fn what_breaks_off_has_ended() {
        let bytes = message(HEAD, &[(1, b"name\0"), (3, &[1, 2])]);
        for end in 0..bytes.len() {
            assert_eq!(Messages(&bytes[..end]).count(), 0);
            let n_attributes = Attributes(bytes.get(20..end).unwrap_or_default()).count();
            assert!(n_attributes < 2 || end >= bytes.len() - 2);
        }
    }

    #[test]
    fn no_bytes_panic() {
        // A small generator of its own: this crate has no other use for random numbers.
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::try_from(state >> 60).expect("four bits")
        };
        for length in 0..2000 {
            let bytes: Vec<u8> = (0..length % 67).map(|_| random() * (1 + random() % 16)).collect();
            for kind in [ERROR, DONE] {
                let message = Message { kind, flags: 0x300, sequence: 0, port: 0, body: &bytes };
                let _ = message.error();
            }
            assert!(Messages(&bytes).count() + Attributes(&bytes).count() <= bytes.len());
        }
    }
}
