//! Sets, maps and their elements.
//!
//! An interval of a set with one key is two elements: its first key, and the key behind its last one, marked as an
//! end. In a concatenation it is one element with two keys.

use std::borrow::Borrow;

use super::field::{Bytes, Order, bounds, length, order};
use super::message::{Request, Writer};
use super::numbers::{CREATE, DELSET, DELSETELEM, NEWSET, NEWSETELEM, REQUEST, element, set};
use super::userdata;
use crate::ruleset::{DataType, Element, ElementData, Set, SetKind, Table};

/// Elements of one message: with two keys of 64 bytes and a chain's name each they stay below 64 KiB.
const ELEMENTS_MAX: usize = 100;

/// Declares a set. `id` numbers the sets of a batch.
pub(super) fn declare(w: &mut Writer, table: &Table, declared: &Set, id: u32) {
    let request = Request { kind: NEWSET, flags: REQUEST | CREATE };
    w.message(request, table.family, |w| {
        w.text(set::TABLE, &table.name);
        w.text(set::NAME, &declared.name);
        w.u32(set::FLAGS, flags(declared));
        w.u32(set::KEY_TYPE, key_type(&declared.key));
        w.u32(set::KEY_LEN, number(key_length(&declared.key)));
        match declared.kind {
            SetKind::Set | SetKind::Dynamic { .. } => {}
            SetKind::VerdictMap => {
                w.u32(set::DATA_TYPE, element::TYPE_VERDICT);
                w.u32(set::DATA_LEN, element::LEN_VERDICT);
            }
            SetKind::MarkMap => {
                w.u32(set::DATA_TYPE, type_number(DataType::Mark));
                w.u32(set::DATA_LEN, 4);
            }
        }
        w.u32(set::ID, id);
        describe(w, declared);
        w.bytes(set::USERDATA, &userdata::set(declared));
    });
}

/// Size, timeout, and how the key of an interval set is put together.
fn describe(w: &mut Writer, declared: &Set) {
    if let SetKind::Dynamic { size, timeout_s } = declared.kind {
        w.u64(set::TIMEOUT, u64::from(timeout_s) * 1000);
        w.nest(set::DESC, |w| w.u32(set::DESC_SIZE, size));
    } else if is_concatenated_interval(declared) {
        let lengths = declared.key.iter().map(|data_type| number(length(*data_type)));
        w.nest(set::DESC, |w| {
            w.nest(set::DESC_CONCAT, |w| {
                for length in lengths {
                    w.nest(set::DESC_FIELD, |w| w.u32(set::FIELD_LEN, length));
                }
            });
        });
    }
}

pub(super) fn delete(w: &mut Writer, table: &Table, deleted: &Set) {
    w.message(Request { kind: DELSET, flags: REQUEST }, table.family, |w| {
        w.text(set::TABLE, &table.name);
        w.text(set::NAME, &deleted.name);
    });
}

/// Takes all elements out of a set.
pub(super) fn flush(w: &mut Writer, table: &Table, flushed: &Set) {
    w.message(Request { kind: DELSETELEM, flags: REQUEST }, table.family, |w| {
        w.text(element::TABLE, &table.name);
        w.text(element::SET, &flushed.name);
    });
}

/// Fills a set that is empty.
pub(super) fn fill(w: &mut Writer, table: &Table, filled: &Set) {
    add_elements(w, table, filled, (&filled.elements, has_start(filled)));
}

/// Elements that come, and whether the end before the first interval comes as well.
pub(super) fn add_elements<E: Borrow<Element>>(
    w: &mut Writer,
    table: &Table,
    changed: &Set,
    (elements, start): (&[E], bool),
) {
    let request = Request { kind: NEWSETELEM, flags: REQUEST | CREATE };
    write_elements(w, request, (table, changed), (elements, start));
}

/// Elements that leave, and whether the end before the first interval leaves as well.
pub(super) fn delete_elements<E: Borrow<Element>>(
    w: &mut Writer,
    table: &Table,
    changed: &Set,
    (elements, start): (&[E], bool),
) {
    let request = Request { kind: DELSETELEM, flags: REQUEST };
    write_elements(w, request, (table, changed), (elements, start));
}

fn write_elements<E: Borrow<Element>>(
    w: &mut Writer,
    request: Request,
    (table, changed): (&Table, &Set),
    (elements, start): (&[E], bool),
) {
    let chunk = |w: &mut Writer, start: bool, elements: &[E]| {
        w.message(request, table.family, |w| {
            w.text(element::TABLE, &table.name);
            w.text(element::SET, &changed.name);
            w.nest(element::ELEMENTS, |w| {
                if start {
                    push_end(w, Bytes::number(0, length(changed.key[0]), Order::Big));
                }
                for element in elements {
                    push_element(w, changed, element.borrow(), request.kind == NEWSETELEM);
                }
            });
        });
    };
    if start && elements.is_empty() {
        chunk(w, true, &[]);
    }
    for (idx, elements) in elements.chunks(ELEMENTS_MAX).enumerate() {
        chunk(w, start && idx == 0, elements);
    }
}

/// nft marks an end before the first interval, unless that begins with the lowest key.
pub(super) fn has_start(set: &Set) -> bool {
    match (&*set.key, set.elements.first()) {
        ([data_type], Some(first)) if set.interval => {
            // Elements ascend.
            let (low, _) = bounds(&first.key[0], length(*data_type), Order::Big);
            !low.is_zero()
        }
        _ => false,
    }
}

/// One interval is two elements, unless it ends with the highest key. What leaves is named by its key alone.
fn push_element(w: &mut Writer, changed: &Set, pushed: &Element, with_data: bool) {
    let push_data = |w: &mut Writer| {
        if with_data {
            push_data(w, &pushed.data);
        }
    };
    if let ([data_type], true) = (&*changed.key, changed.interval) {
        // Intervals are compared: numbers must be big-endian whatever the type.
        let (low, high) = bounds(&pushed.key[0], length(*data_type), Order::Big);
        w.nest(element::ELEMENT, |w| {
            w.nest(element::KEY, |w| w.bytes(element::DATA_VALUE, low.as_slice()));
            push_data(w);
        });
        if let Some(end) = high.successor() {
            push_end(w, end);
        }
    } else {
        w.nest(element::ELEMENT, |w| {
            push_key(w, element::KEY, changed, pushed, |(low, _)| low);
            push_data(w);
            if changed.interval {
                push_key(w, element::KEY_END, changed, pushed, |(_, high)| high);
            }
        });
    }
}

fn push_end(w: &mut Writer, key: Bytes) {
    w.nest(element::ELEMENT, |w| {
        w.u32(element::FLAGS, element::INTERVAL_END);
        w.nest(element::KEY, |w| w.bytes(element::DATA_VALUE, key.as_slice()));
    });
}

fn push_key(w: &mut Writer, kind: u16, filled: &Set, added: &Element, bound: fn((Bytes, Bytes)) -> Bytes) {
    let mut key = [0; 64];
    let mut end = 0;
    for (value, data_type) in added.key.iter().zip(&filled.key) {
        let order = if filled.interval { Order::Big } else { order(*data_type) };
        let bytes = bound(bounds(value, length(*data_type), order));
        let bytes = bytes.as_slice();
        key[end..end + bytes.len()].copy_from_slice(bytes);
        end += if filled.key.len() > 1 { bytes.len().next_multiple_of(4) } else { bytes.len() };
    }
    w.nest(kind, |w| w.bytes(element::DATA_VALUE, &key[..end]));
}

fn push_data(w: &mut Writer, data: &ElementData) {
    match data {
        ElementData::None => {}
        ElementData::Verdict(verdict) => w.nest(element::DATA, |w| w.verdict_data(verdict)),
        ElementData::Mark(mark) => {
            w.nest(element::DATA, |w| w.bytes(element::DATA_VALUE, &mark.to_ne_bytes()));
        }
    }
}

fn flags(declared: &Set) -> u32 {
    let kind = match declared.kind {
        SetKind::Set => 0,
        SetKind::VerdictMap | SetKind::MarkMap => set::MAP,
        SetKind::Dynamic { .. } => set::HAS_TIMEOUT | set::EVAL,
    };
    let interval = if declared.interval { set::INTERVAL } else { 0 };
    let concat = if is_concatenated_interval(declared) { set::CONCAT } else { 0 };
    kind | interval | concat
}

fn is_concatenated_interval(declared: &Set) -> bool {
    declared.interval && declared.key.len() > 1
}

/// The numbers of the parts' types, six bits each.
fn key_type(key: &[DataType]) -> u32 {
    key.iter().fold(0, |all, data_type| all << 6 | type_number(*data_type))
}

/// Parts of a concatenation begin at borders of four bytes.
fn key_length(key: &[DataType]) -> usize {
    match key {
        [data_type] => length(*data_type),
        parts => parts.iter().map(|part| length(*part).next_multiple_of(4)).sum(),
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("keys have 64 bytes at most")
}

/// `enum datatypes` of nft: the kernel keeps the number, listings read it.
fn type_number(data_type: DataType) -> u32 {
    match data_type {
        DataType::Nfproto => 2,
        DataType::Integer8
        | DataType::Integer12
        | DataType::Integer13
        | DataType::Integer16
        | DataType::Integer128 => 4,
        DataType::Ipv4Addr => 7,
        DataType::Ipv6Addr => 8,
        DataType::EtherAddr => 9,
        DataType::EtherType => 10,
        DataType::InetProto => 12,
        DataType::InetService => 13,
        DataType::IcmpType => 14,
        DataType::TcpFlag => 15,
        DataType::Mark => 19,
        DataType::Ifindex => 20,
        DataType::CtState => 26,
        DataType::Icmpv6Type => 29,
        DataType::FibAddrType => 38,
        DataType::Ifname => 41,
    }
}
