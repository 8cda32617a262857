//! The expressions of nf_tables, each as nft writes it.

use super::field::{Base, Bytes, Load, Source};
use super::message::Writer;
use super::numbers::{
    CMP_GTE, CMP_LTE, NF_ACCEPT, NF_DROP, NFT_GOTO, NFT_JUMP, NFT_RETURN, REG_FIRST, REG_VERDICT, element,
    meta, object, rule,
};
use crate::model::options::RateUnit;
use crate::ruleset::{Limit, RejectWith, Verdict};

/// The register of four bytes that lies this many bytes behind the first.
pub(super) fn register(offset: usize) -> u32 {
    REG_FIRST + u32::try_from(offset / 4).expect("keys have 64 bytes at most")
}

impl Writer {
    /// One expression of a rule.
    fn expression(&mut self, name: &str, attributes: impl FnOnce(&mut Writer)) {
        self.nest(rule::ELEMENT, |w| w.named(name, attributes));
    }

    fn named(&mut self, name: &str, attributes: impl FnOnce(&mut Writer)) {
        self.text(rule::NAME, name);
        self.nest(rule::DATA, attributes);
    }

    /// Loads into a register.
    pub(super) fn load(&mut self, load: Load, register: u32) {
        let length = u32::try_from(load.length).expect("at most 16");
        match load.source {
            Source::Meta(key) => self.meta(key, register),
            Source::Ct(key) => self.expression("ct", |w| {
                w.u32(2, key);
                w.u32(1, register);
            }),
            Source::Payload(base, offset) => self.expression("payload", |w| {
                w.u32(1, register);
                w.u32(2, base_number(base));
                w.u32(3, offset);
                w.u32(4, length);
            }),
            Source::Fragment(offset) => self.expression("exthdr", |w| {
                w.u32(1, register);
                w.u8(2, 44);
                w.u32(3, offset);
                w.u32(4, length);
                // IPv6, and no flags.
                w.u32(6, 0);
                w.u32(5, 0);
            }),
            Source::Fib(flags) => self.expression("fib", |w| {
                w.u32(3, flags);
                // NFT_FIB_RESULT_ADDRTYPE
                w.u32(2, 3);
                w.u32(1, register);
            }),
        }
    }

    pub(super) fn meta(&mut self, key: u32, register: u32) {
        self.expression("meta", |w| {
            w.u32(2, key);
            w.u32(1, register);
        });
    }

    pub(super) fn set_meta_mark(&mut self) {
        self.expression("meta", |w| {
            w.u32(2, meta::MARK);
            w.u32(3, REG_FIRST);
        });
    }

    pub(super) fn set_ct(&mut self, key: u32) {
        self.expression("ct", |w| {
            w.u32(2, key);
            w.u32(4, REG_FIRST);
        });
    }

    /// `register = (register & mask) ^ xor`
    pub(super) fn bitwise(&mut self, register: u32, mask: Bytes, xor: Bytes) {
        self.expression("bitwise", |w| {
            w.u32(1, register);
            w.u32(2, register);
            w.u32(6, 0);
            w.u32(3, u32::try_from(mask.as_slice().len()).expect("at most 16"));
            w.nest(4, |w| w.bytes(element::DATA_VALUE, mask.as_slice()));
            w.nest(5, |w| w.bytes(element::DATA_VALUE, xor.as_slice()));
        });
    }

    /// `register >>= bits`
    pub(super) fn shift_right(&mut self, register: u32, length: usize, bits: u32) {
        self.expression("bitwise", |w| {
            w.u32(1, register);
            w.u32(2, register);
            // NFT_BITWISE_RSHIFT
            w.u32(6, 2);
            w.u32(3, u32::try_from(length).expect("at most 16"));
            w.nest(7, |w| w.bytes(element::DATA_VALUE, &bits.to_ne_bytes()));
        });
    }

    /// From one byte order to the other: `hton` and `ntoh` are the same thing, and nft says `hton` before it compares
    /// an order.
    pub(super) fn swap_bytes(&mut self, register: u32, length: usize) {
        let length = u32::try_from(length).expect("at most 16");
        self.expression("byteorder", |w| {
            w.u32(1, register);
            w.u32(2, register);
            // NFT_BYTEORDER_HTON
            w.u32(3, 1);
            w.u32(4, length);
            w.u32(5, length);
        });
    }

    pub(super) fn compare(&mut self, op: u32, value: Bytes) {
        self.expression("cmp", |w| {
            w.u32(1, REG_FIRST);
            w.u32(2, op);
            w.nest(3, |w| w.bytes(element::DATA_VALUE, value.as_slice()));
        });
    }

    pub(super) fn within(&mut self, first: Bytes, last: Bytes) {
        self.compare(CMP_GTE, first);
        self.compare(CMP_LTE, last);
    }

    pub(super) fn not_within(&mut self, first: Bytes, last: Bytes) {
        self.expression("range", |w| {
            w.u32(1, REG_FIRST);
            // NFT_RANGE_NEQ
            w.u32(2, 1);
            w.nest(3, |w| w.bytes(element::DATA_VALUE, first.as_slice()));
            w.nest(4, |w| w.bytes(element::DATA_VALUE, last.as_slice()));
        });
    }

    /// Holds if the key is in the set, or if it is not.
    pub(super) fn lookup(&mut self, set: &str, inverted: bool) {
        self.expression("lookup", |w| {
            w.u32(2, REG_FIRST);
            w.text(1, set);
            if inverted {
                w.u32(5, 1);
            }
        });
    }

    /// Looks a key up and puts what the map gives into a register.
    pub(super) fn map(&mut self, map: &str, register: u32) {
        self.expression("lookup", |w| {
            w.u32(2, REG_FIRST);
            w.u32(3, register);
            w.text(1, map);
        });
    }

    /// `update @<set> { <register> limit … }`
    pub(super) fn update(&mut self, set: &str, limit: &Limit) {
        self.expression("dynset", |w| {
            w.u32(4, REG_FIRST);
            // NFT_DYNSET_OP_UPDATE
            w.u32(3, 1);
            w.text(1, set);
            w.nest(7, |w| w.named("limit", |w| w.limit_attributes(limit, true)));
        });
    }

    pub(super) fn limit(&mut self, limit: &Limit, over: bool) {
        self.expression("limit", |w| w.limit_attributes(limit, over));
    }

    fn limit_attributes(&mut self, limit: &Limit, over: bool) {
        self.u64(1, limit.rate);
        self.u64(2, seconds(limit.unit));
        self.u32(3, limit.burst);
        // NFT_LIMIT_PKTS
        self.u32(4, 0);
        self.u32(5, u32::from(over));
    }

    /// `log prefix "…" group 0`
    pub(super) fn log(&mut self, prefix: &str) {
        self.expression("log", |w| {
            w.text(2, prefix);
            w.u16(1, 0);
        });
    }

    pub(super) fn counter(&mut self) {
        self.expression("counter", |w| {
            w.u64(1, 0);
            w.u64(2, 0);
        });
    }

    pub(super) fn ct_helper(&mut self, name: &str) {
        self.expression("objref", |w| {
            w.u32(1, object::CT_HELPER);
            w.text(2, name);
        });
    }

    /// An expression without attributes.
    pub(super) fn notrack(&mut self) {
        self.nest(rule::ELEMENT, |w| w.text(rule::NAME, "notrack"));
    }

    pub(super) fn reject(&mut self, with: RejectWith) {
        // NFT_REJECT_ and the ICMP code
        let (kind, code) = match with {
            RejectWith::TcpReset => (1, 0),
            RejectWith::PortUnreachable => (2, 1),
            RejectWith::HostProhibited => (0, 10),
            RejectWith::AdminProhibited => (0, 1),
        };
        self.expression("reject", |w| {
            w.u32(1, kind);
            w.u8(2, code);
        });
    }

    /// `fwd to <index>`
    pub(super) fn forward(&mut self, index: u32) {
        self.expression("immediate", |w| {
            w.u32(1, REG_FIRST);
            w.nest(2, |w| w.bytes(element::DATA_VALUE, &index.to_ne_bytes()));
        });
        self.expression("fwd", |w| w.u32(1, REG_FIRST));
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        self.expression("immediate", |w| {
            w.u32(1, REG_VERDICT);
            w.nest(2, |w| w.verdict_data(verdict));
        });
    }

    /// `NFTA_DATA_VERDICT`
    pub(super) fn verdict_data(&mut self, verdict: &Verdict) {
        let (code, chain) = match verdict {
            Verdict::Accept => (NF_ACCEPT, None),
            Verdict::Drop => (NF_DROP, None),
            Verdict::Return => (NFT_RETURN, None),
            Verdict::Jump(chain) => (NFT_JUMP, Some(chain)),
            Verdict::Goto(chain) => (NFT_GOTO, Some(chain)),
        };
        self.nest(element::DATA_VERDICT, |w| {
            w.bytes(element::VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                w.text(element::VERDICT_CHAIN, chain);
            }
        });
    }
}

fn base_number(base: Base) -> u32 {
    match base {
        Base::Link => 0,
        Base::Network => 1,
        Base::Transport => 2,
    }
}

fn seconds(unit: RateUnit) -> u64 {
    match unit {
        RateUnit::Second => 1,
        RateUnit::Minute => 60,
        RateUnit::Hour => 3600,
        RateUnit::Day => 86400,
    }
}
