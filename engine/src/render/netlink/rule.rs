//! Rules: statements as expressions, with the conditions that fields imply.
//!
//! nft asks for the protocol of a field unless the rule has asked for it before, and loads two neighbours of a header
//! at once. Listings take both apart again, so a rule that is encoded otherwise lists otherwise.

use super::expression::register;
use super::field::{self, Base, Bytes, IP, IP6, Load, Need, Order, Source, TCP};
use super::message::Writer;
use super::numbers::{CMP_EQ, CMP_NEQ, CT_MARK, REG_FIRST, REG_VERDICT, meta};
use crate::render::mask_of;
use crate::render::value::{address_prefix_len, prefix_len};
use crate::ruleset::{
    Compare, DataType, Field, Interval, Op, RejectWith, Statement, Table, TableFamily, Value, Verdict,
    implied,
};

/// `ETH_P_8021Q`
const VLAN: u16 = 0x8100;
/// `ARPHRD_ETHER`
const ETHERNET: u128 = 1;

/// Writes the expressions of a rule.
pub(super) fn expressions(w: &mut Writer, table: &Table, statements: &[Statement]) {
    let mut rule = Expressions { w, table, known: Known::default() };
    let mut rest = statements;
    if let Some((at, condition)) = implied::condition(table.family, statements) {
        let (before, behind) = statements.split_at(at);
        rule.all(before);
        rule.statement(&condition);
        rest = behind;
    }
    rule.all(rest);
}

/// What the rule has asked so far.
#[derive(Debug, Default)]
struct Known {
    ethernet: bool,
    vlan: bool,
    network: Option<u16>,
    transport: Option<u8>,
}

struct Expressions<'w> {
    w: &'w mut Writer,
    table: &'w Table,
    known: Known,
}

impl Expressions<'_> {
    fn all(&mut self, mut rest: &[Statement]) {
        while let [statement, behind @ ..] = rest {
            rest = match behind {
                [next, behind @ ..] if self.pair(statement, next) => behind,
                _ => {
                    self.statement(statement);
                    behind
                }
            };
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Compare(compare) => self.compare(compare),
            Statement::Masked { field, op, bits } => self.masked(*field, (bits.mask(), *op, bits.value())),
            Statement::CtState(states) => self.masked(Field::CtState, (u128::from(*states), Op::Ne, 0)),
            Statement::Lookup { key, set, op } => {
                self.key(key, set);
                self.w.lookup(set, *op == Op::Ne);
            }
            Statement::VerdictMap { key, map } => {
                self.key(key, map);
                self.w.map(map, REG_VERDICT);
            }
            Statement::Limit { limit, over } => self.w.limit(limit, *over),
            Statement::Meter { set, field, prefix, limit } => {
                self.key(&[*field], set);
                let bits = field.data_type().bits();
                if let Some(len) = prefix.filter(|len| *len < bits) {
                    let load = field::load(*field);
                    let mask = Bytes::number(mask_of(len, bits), load.length, load.order);
                    self.w.bitwise(REG_FIRST, mask, zero(load.length));
                }
                self.w.update(set, limit);
            }
            Statement::Log(prefix) => self.w.log(prefix),
            Statement::Counter => self.w.counter(),
            Statement::MarkSet(bits) => self.mark(*bits, *bits),
            Statement::MarkClear(bits) => self.mark(*bits, 0),
            Statement::CtMarkSet { key, map } => {
                self.key(key, map);
                self.w.map(map, REG_FIRST);
                self.w.set_ct(CT_MARK);
            }
            Statement::CtHelper(name) => self.w.ct_helper(name),
            Statement::Notrack => self.w.notrack(),
            Statement::Forward(device) => self.w.forward(device.index),
            Statement::Reject(with) => self.reject(*with),
            Statement::Verdict(verdict) => self.verdict(verdict),
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.w.verdict(verdict);
    }

    /// `meta mark set (meta mark & ~cleared) ^ set`
    fn mark(&mut self, cleared: u32, set: u32) {
        let bytes = |bits: u32| Bytes::number(u128::from(bits), 4, Order::Host);
        self.w.meta(meta::MARK, REG_FIRST);
        self.w.bitwise(REG_FIRST, bytes(!cleared), bytes(set));
        self.w.set_meta_mark();
    }

    fn reject(&mut self, with: RejectWith) {
        match with {
            RejectWith::TcpReset => self.need(Need::Transport(TCP)),
            RejectWith::PortUnreachable => {}
            RejectWith::HostProhibited => self.need(Need::Network(IP)),
            RejectWith::AdminProhibited => self.need(Need::Network(IP6)),
        }
        self.w.reject(with);
    }

    /// Loads the key of a set, each part at a border of four bytes.
    fn key(&mut self, key: &[Field], set: &str) {
        for field in key {
            self.needs(*field);
        }
        let mut offset = 0;
        for field in key {
            let load = field::load(*field);
            self.w.load(load, register(offset));
            if let Some((mask, shift)) = load.part {
                let mask = Bytes::number(u128::from(mask), load.length, load.order);
                self.w.bitwise(register(offset), mask, zero(load.length));
                if shift > 0 {
                    self.w.shift_right(register(offset), load.length, shift);
                }
            }
            // Intervals are compared as bytes. Few fields are in the host's order: a set is rarely looked for.
            if load.order == Order::Host && self.table.set(set).is_some_and(|set| set.interval) {
                self.w.swap_bytes(register(offset), load.length);
            }
            offset += load.length.next_multiple_of(4);
        }
    }

    fn compare(&mut self, compare: &Compare) {
        let Compare { field, op, value } = compare;
        self.needs(*field);
        let load = field::load(*field);
        match value {
            Value::Name(name) => self.compare_name(load, *op, name),
            Value::Number(numbers) => match (numbers.ends(), prefix(*field, numbers)) {
                ((first, last), _) if first == last => {
                    self.w.load(load, REG_FIRST);
                    let (first, _) = self.cut_out(load, first, last);
                    self.w.compare(op_number(*op), first);
                }
                ((first, _), Some(len)) => self.compare_prefix(load, *op, (first, len)),
                (ends, None) => self.compare_range(load, *op, ends),
            },
        }
        self.learn(compare);
    }

    /// `iifname "tap1*"` compares the bytes before the star alone, others all sixteen.
    fn compare_name(&mut self, load: Load, op: Op, name: &str) {
        let value = Value::name(name);
        let (first, _) = field::bounds(&value, load.length, load.order);
        let first = name.strip_suffix('*').map_or(first, |start| first.first(start.len()));
        self.w.load(load, REG_FIRST);
        self.w.compare(op_number(op), first);
    }

    /// A prefix of whole bytes is loaded alone; others are masked.
    fn compare_prefix(&mut self, load: Load, op: Op, (first, len): (u128, u8)) {
        let value = Bytes::number(first, load.length, load.order);
        if len > 0 && len % 8 == 0 && !matches!(load.length, 16 if is_raw(load)) {
            let length = usize::from(len / 8);
            self.w.load(Load { length, ..load }, REG_FIRST);
            self.w.compare(op_number(op), value.first(length));
        } else {
            let bits = u8::try_from(8 * load.length).expect("at most 128");
            let mask = Bytes::number(mask_of(len, bits), load.length, load.order);
            self.w.load(load, REG_FIRST);
            self.w.bitwise(REG_FIRST, mask, zero(load.length));
            self.w.compare(op_number(op), value);
        }
    }

    fn compare_range(&mut self, load: Load, op: Op, (first, last): (u128, u128)) {
        self.w.load(load, REG_FIRST);
        // Bytes compare as big-endian numbers.
        let load = match load.order {
            Order::Big => load,
            Order::Host => {
                self.w.swap_bytes(REG_FIRST, load.length);
                Load { order: Order::Big, ..load }
            }
        };
        let (first, last) = self.cut_out(load, first, last);
        match op {
            Op::Eq => self.w.within(first, last),
            Op::Ne => self.w.not_within(first, last),
        }
    }

    /// Masks what is not the field's, and puts values where the field lies.
    fn cut_out(&mut self, load: Load, first: u128, last: u128) -> (Bytes, Bytes) {
        let shift = load.part.map_or(0, |(_, shift)| shift);
        if let Some((mask, _)) = load.part {
            let mask = Bytes::number(u128::from(mask), load.length, load.order);
            self.w.bitwise(REG_FIRST, mask, zero(load.length));
        }
        let bytes = |number: u128| Bytes::number(number << shift, load.length, load.order);
        (bytes(first), bytes(last))
    }

    fn masked(&mut self, field: Field, (mask, op, value): (u128, Op, u128)) {
        self.needs(field);
        let load = field::load(field);
        let shift = load.part.map_or(0, |(_, shift)| shift);
        let bytes = |number: u128| Bytes::number(number << shift, load.length, load.order);
        self.w.load(load, REG_FIRST);
        self.w.bitwise(REG_FIRST, bytes(mask), zero(load.length));
        self.w.compare(op_number(op), bytes(value));
    }

    /// Two neighbours of a header that must have one value each, in one comparison; `false`: these are not.
    fn pair(&mut self, one: &Statement, other: &Statement) -> bool {
        let (Some(one), Some(other)) = (half(one), half(other)) else { return false };
        let (low, high) = if one.offset < other.offset { (one, other) } else { (other, one) };
        if low.base != high.base || low.offset + low.length() != high.offset {
            return false;
        }
        if low.base == Base::Transport && field::needs(low.field) != field::needs(high.field) {
            return false;
        }
        self.needs(one.field);
        let load = Load { length: low.load.length + high.load.length, ..low.load };
        self.w.load(load, REG_FIRST);
        self.w.compare(CMP_EQ, low.value.then(high.value));
        for half in [one, other] {
            let value = Value::number(half.number);
            self.learn(&Compare { field: half.field, op: Op::Eq, value });
        }
        true
    }

    fn needs(&mut self, field: Field) {
        // Who has asked for ICMP has asked for its family.
        if let [Need::Network(_), Need::Transport(number)] = field::needs(field)
            && self.table.family == TableFamily::Inet
            && self.known.transport == Some(*number)
        {
            return;
        }
        for need in field::needs(field) {
            self.need(*need);
        }
    }

    /// Asks what a field implies, unless it was asked before.
    fn need(&mut self, need: Need) {
        let inet = self.table.family == TableFamily::Inet;
        match need {
            Need::Ethernet if inet && !self.known.ethernet => {
                self.w.meta(meta::IIFTYPE, REG_FIRST);
                self.w.compare(CMP_EQ, Bytes::number(ETHERNET, 2, Order::Host));
                self.known.ethernet = true;
            }
            Need::Vlan if !self.known.vlan => {
                self.w.load(field::load(Field::EtherType), REG_FIRST);
                self.w.compare(CMP_EQ, Bytes::number(u128::from(VLAN), 2, Order::Big));
                self.known.vlan = true;
            }
            Need::Network(number) if self.known.network != Some(number) => {
                let (field, number) = match number {
                    IP if inet => (Field::Nfproto, 2),
                    IP6 if inet => (Field::Nfproto, 10),
                    number => (Field::Protocol, u128::from(number)),
                };
                self.compare(&Compare { field, op: Op::Eq, value: Value::number(number) });
            }
            Need::Transport(number) if self.known.transport != Some(number) => {
                let value = Value::number(u128::from(number));
                self.compare(&Compare { field: Field::L4proto, op: Op::Eq, value });
            }
            Need::Ethernet | Need::Vlan | Need::Network(_) | Need::Transport(_) => {}
        }
    }

    /// What later fields need not ask again.
    fn learn(&mut self, compare: &Compare) {
        let Compare { field, op: Op::Eq, value: Value::Number(numbers) } = compare else { return };
        let Some(number) = numbers.single() else { return };
        // In the family inet `meta protocol` does not tell nft the family of the packet.
        let tells = self.table.family == TableFamily::Bridge;
        let known = &mut self.known;
        match field {
            Field::Nfproto if number == 2 => known.network = Some(IP),
            Field::Nfproto if number == 10 => known.network = Some(IP6),
            Field::Protocol if tells => known.network = u16::try_from(number).ok(),
            Field::EtherType if number == u128::from(VLAN) => known.vlan = true,
            Field::EtherType => known.network = u16::try_from(number).ok(),
            Field::L4proto => known.transport = u8::try_from(number).ok(),
            _ => {}
        }
    }
}

/// A comparison of whole bytes of a header with one value.
#[derive(Debug, Clone, Copy)]
struct Half {
    field: Field,
    load: Load,
    base: Base,
    offset: u32,
    number: u128,
    value: Bytes,
}

impl Half {
    fn length(&self) -> u32 {
        u32::try_from(self.load.length).expect("at most 16")
    }
}

fn half(statement: &Statement) -> Option<Half> {
    let Statement::Compare(Compare { field, op: Op::Eq, value: Value::Number(numbers) }) = statement else {
        return None;
    };
    let number = numbers.single()?;
    let load = field::load(*field);
    match load.source {
        // nft merges neither addresses of IP nor what it has no name for.
        Source::Payload(base @ (Base::Link | Base::Transport), offset)
            if load.part.is_none() && !is_raw_field(*field) =>
        {
            let value = Bytes::number(number, load.length, load.order);
            Some(Half { field: *field, load, base, offset, number, value })
        }
        _ => None,
    }
}

fn is_raw_field(field: Field) -> bool {
    matches!(field, Field::NdTarget | Field::NdOption)
}

fn is_raw(load: Load) -> bool {
    matches!(load.source, Source::Payload(Base::Transport, _))
}

/// Length of the prefix that a range is, where nft compares prefixes.
fn prefix(field: Field, numbers: &Interval) -> Option<u8> {
    let (first, last) = numbers.ends();
    let data_type = field.data_type();
    match data_type {
        // Written as a mask: see `render::text`.
        DataType::Integer128 => prefix_len(first, last, 128),
        _ => address_prefix_len(data_type, first, last),
    }
}

fn op_number(op: Op) -> u32 {
    match op {
        Op::Eq => CMP_EQ,
        Op::Ne => CMP_NEQ,
    }
}

fn zero(length: usize) -> Bytes {
    Bytes::number(0, length, Order::Big)
}
