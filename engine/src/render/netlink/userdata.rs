//! What nft keeps in the kernel for its listings alone: the comment of a rule, the types of a set as they were written.
//!
//! The form is libnftnl's (`udata.h`, since 2016): a byte for the kind, a byte for the length, the value. Numbers are
//! in the host's order.

use super::field::{Order, Source, load, order};
use crate::ruleset::{DataType, Field, RuleId, Set, SetKind};

/// A rule's comment: `NFTNL_UDATA_RULE_COMMENT`, its id in hexadecimal.
pub(super) fn comment(id: RuleId) -> [u8; 19] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut data = [0; 19];
    data[1] = 17;
    for (idx, byte) in id.0.to_be_bytes().into_iter().enumerate() {
        data[2 + 2 * idx] = DIGITS[usize::from(byte >> 4)];
        data[3 + 2 * idx] = DIGITS[usize::from(byte & 0xf)];
    }
    data
}

// NFTNL_UDATA_SET_
const KEY_ORDER: u8 = 0;
const DATA_ORDER: u8 = 1;
const KEY_TYPEOF: u8 = 3;
const DATA_TYPEOF: u8 = 4;
const DATA_INTERVAL: u8 = 6;

// `enum byteorder` of nft
const NO_ORDER: u32 = 0;
const HOST_ORDER: u32 = 1;
const BIG_ENDIAN: u32 = 2;

// `enum expr_types` of nft, whose numbers do not change
const VERDICT: u32 = 1;
const PAYLOAD: u32 = 7;
const EXTHDR: u32 = 8;
const META: u32 = 9;
const CT: u32 = 12;
const CONCAT: u32 = 13;
const FIB: u32 = 26;

/// Types of a set.
pub(super) fn set(set: &Set) -> Vec<u8> {
    let mut data = Vec::new();
    number(&mut data, KEY_ORDER, key_order(&set.key));
    let data_order = match set.kind {
        SetKind::Set | SetKind::Dynamic { .. } => None,
        SetKind::VerdictMap => Some(NO_ORDER),
        SetKind::MarkMap => Some(HOST_ORDER),
    };
    if let Some(order) = data_order {
        number(&mut data, DATA_ORDER, order);
    }
    let by_field = set.key.iter().any(|data_type| data_type.is_integer());
    if by_field || set.key.len() > 1 {
        nest(&mut data, KEY_TYPEOF, &key_typeof(&set.key, by_field));
    }
    match set.kind {
        SetKind::MarkMap if by_field => nest(&mut data, DATA_TYPEOF, &field_typeof(Field::Mark)),
        SetKind::VerdictMap if by_field => nest(&mut data, DATA_TYPEOF, &expression(VERDICT, &[])),
        SetKind::Set | SetKind::MarkMap | SetKind::VerdictMap | SetKind::Dynamic { .. } => {}
    }
    if data_order.is_some() {
        number(&mut data, DATA_INTERVAL, 0);
    }
    data
}

fn key_order(key: &[DataType]) -> u32 {
    match key {
        [DataType::InetProto | DataType::Nfproto] => NO_ORDER,
        [DataType::Ifname] => HOST_ORDER,
        [data_type] => match order(*data_type) {
            Order::Host => HOST_ORDER,
            Order::Big => BIG_ENDIAN,
        },
        _ => NO_ORDER,
    }
}

/// The fields of `typeof`; a concatenation by types has none.
fn key_typeof(key: &[DataType], by_field: bool) -> Vec<u8> {
    if let [data_type] = key {
        return field_typeof(data_type.typical_field());
    }
    let mut parts = Vec::new();
    if by_field {
        for (idx, data_type) in (0..).zip(key) {
            nest(&mut parts, idx, &field_typeof(data_type.typical_field()));
        }
    }
    expression(CONCAT, &parts)
}

fn field_typeof(field: Field) -> Vec<u8> {
    let mut inner = Vec::new();
    let kind = match load(field).source {
        Source::Meta(key) => {
            number(&mut inner, 0, key);
            META
        }
        Source::Ct(key) => {
            number(&mut inner, 0, key);
            // No direction.
            number(&mut inner, 1, u32::MAX);
            CT
        }
        Source::Fib(flags) => {
            number(&mut inner, 0, 3);
            number(&mut inner, 1, flags);
            FIB
        }
        Source::Fragment(_) => {
            number(&mut inner, 1, 3);
            number(&mut inner, 0, 6);
            EXTHDR
        }
        Source::Payload(..) => {
            payload_typeof(&mut inner, field);
            PAYLOAD
        }
    };
    expression(kind, &inner)
}

/// `enum proto_desc_id` and the place of a field in nft's table of its header.
fn payload_typeof(inner: &mut Vec<u8>, field: Field) {
    let (header, idx) = match field {
        Field::IpSaddr => (12, 11),
        Field::Ip6Length => (13, 5),
        Field::Ip6Hoplimit => (13, 7),
        Field::Ip6Saddr => (13, 8),
        Field::IcmpType => (4, 1),
        Field::Icmpv6Type => (14, 1),
        Field::TcpFlags => (8, 7),
        Field::Port(..) => (8, 2),
        Field::VlanId => (16, 4),
        Field::EtherSaddr => (17, 2),
        Field::EtherType => (17, 3),
        // Raw: `@th,64,128`. No other field stands for a type (`DataType::typical_field`).
        _ => {
            number(inner, 0, 0);
            number(inner, 1, 0);
            number(inner, 2, 3);
            number(inner, 3, 64);
            return number(inner, 4, 128);
        }
    };
    number(inner, 0, header);
    number(inner, 1, idx);
    if field.data_type().is_integer() {
        number(inner, 4, u32::from(field.data_type().bits()));
    }
}

fn expression(kind: u32, inner: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    number(&mut data, 0, kind);
    nest(&mut data, 1, inner);
    data
}

fn number(data: &mut Vec<u8>, kind: u8, number: u32) {
    nest(data, kind, &number.to_ne_bytes());
}

fn nest(data: &mut Vec<u8>, kind: u8, inner: &[u8]) {
    data.push(kind);
    data.push(u8::try_from(inner.len()).expect("keys have few parts"));
    data.extend_from_slice(inner);
}
