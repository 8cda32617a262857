//! Values as nft(8) writes them, by data type.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names::symbols;
use crate::ruleset::{DataType, Value};

/// `10.0.0.0/8`, `22-25`, `"tap100i0"`
pub(super) fn push_value(out: &mut String, data_type: DataType, value: &Value) {
    match value {
        Value::Name(name) => push_quoted(out, name),
        Value::Number(numbers) => push_numbers(out, data_type, numbers.ends()),
    }
}

fn push_numbers(out: &mut String, data_type: DataType, (first, last): (u128, u128)) {
    if first == last {
        return push_number(out, data_type, first);
    }
    push_plain(out, data_type, first);
    match address_prefix_len(data_type, first, last) {
        Some(len) => {
            out.push('/');
            push_decimal(out, u128::from(len));
        }
        None => {
            out.push('-');
            push_plain(out, data_type, last);
        }
    }
}

/// A single number, by name where it has one.
pub(super) fn push_number(out: &mut String, data_type: DataType, number: u128) {
    match symbols(data_type).iter().find(|(n, _)| *n == number) {
        Some((_, name)) => out.push_str(name),
        None => push_plain(out, data_type, number),
    }
}

/// A single number without names: what ranges and masks consist of.
pub(super) fn push_plain(out: &mut String, data_type: DataType, number: u128) {
    match data_type {
        DataType::Ipv4Addr => push_ipv4(out, number),
        DataType::Ipv6Addr => push_ipv6(out, number),
        DataType::EtherAddr => push_mac(out, number),
        DataType::Mark => push_hex(out, number, 8),
        DataType::EtherType => push_hex(out, number, 4),
        DataType::Integer128 => push_hex(out, number, 32),
        DataType::CtState | DataType::TcpFlag => push_hex(out, number, 1),
        DataType::Ifname
        | DataType::Ifindex
        | DataType::InetService
        | DataType::InetProto
        | DataType::Nfproto
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::FibAddrType
        | DataType::Integer8
        | DataType::Integer12
        | DataType::Integer13
        | DataType::Integer16 => push_decimal(out, number),
    }
}

/// A mask or what remains behind it: addresses as addresses, all else hexadecimal.
pub(super) fn push_bits(out: &mut String, data_type: DataType, bits: u128) {
    match data_type {
        DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::Integer128
        | DataType::Mark => {
            push_plain(out, data_type, bits);
        }
        _ => push_hex(out, bits, 1),
    }
}

/// Flags by name, joined; a number if a bit has no name or none is set.
pub(super) fn push_flags(out: &mut String, data_type: DataType, bits: u128, separator: char) {
    let names = symbols(data_type);
    let named = names.iter().fold(0, |all, (bit, _)| all | bit);
    if bits == 0 || bits & !named != 0 {
        return push_hex(out, bits, 1);
    }
    let mut first = true;
    for (_, name) in names.iter().filter(|(bit, _)| bits & bit != 0) {
        if !first {
            out.push(separator);
        }
        first = false;
        out.push_str(name);
    }
}

pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// Length of the prefix that an interval of addresses is.
pub(super) fn address_prefix_len(data_type: DataType, first: u128, last: u128) -> Option<u8> {
    match data_type {
        DataType::Ipv4Addr | DataType::Ipv6Addr => prefix_len(first, last, data_type.bits()),
        _ => None,
    }
}

/// Leading bits that all numbers from `first` to `last` share, if the interval is exactly a prefix.
pub(crate) fn prefix_len(first: u128, last: u128, bits: u8) -> Option<u8> {
    let differing = first ^ last;
    let is_prefix = differing & differing.wrapping_add(1) == 0 && first & differing == 0;
    let free = 128 - differing.leading_zeros();
    is_prefix.then(|| bits - u8::try_from(free).expect("at most 128"))
}

/// A mask of `len` leading bits out of `bits`.
pub(crate) fn mask_of(len: u8, bits: u8) -> u128 {
    let all = u128::MAX >> (128 - u32::from(bits));
    let free = u32::from(bits - len);
    all & u128::MAX.checked_shl(free).unwrap_or(0)
}

fn push_ipv4(out: &mut String, number: u128) {
    let octets = Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).octets();
    for (idx, octet) in octets.into_iter().enumerate() {
        if idx > 0 {
            out.push('.');
        }
        push_below_1000(out, usize::from(octet));
    }
}

/// RFC 5952, but mapped addresses (`::ffff:a00:1`) without a dotted part, which older scanners refuse.
fn push_ipv6(out: &mut String, number: u128) {
    use std::fmt::Write;
    let address = Ipv6Addr::from(number);
    let written = match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => write!(out, "::ffff:{high:x}:{low:x}"),
        _ => write!(out, "{address}"),
    };
    written.expect("writing to a String does not fail");
}

fn push_mac(out: &mut String, number: u128) {
    for octet in (0..6).rev() {
        let value = (number >> (8 * octet)) & 0xff;
        push_hex_digits(out, value, 2);
        if octet > 0 {
            out.push(':');
        }
    }
}

/// `0x` and at least `digits` digits.
pub(super) fn push_hex(out: &mut String, number: u128, digits: u32) {
    out.push_str("0x");
    push_hex_digits(out, number, digits);
}

pub(super) fn push_hex_digits(out: &mut String, number: u128, digits: u32) {
    let needed = (128 - number.leading_zeros()).div_ceil(4);
    let length = usize::try_from(needed.max(digits).min(32)).expect("at most 32");
    let mut buffer = [0u8; 32];
    // Most numbers have 64 bits, and their arithmetic is much cheaper.
    let halves = [(number >> 64) as u64, number as u64];
    let first = if length <= 16 { 1 } else { 0 };
    for (half, sixteen) in halves.iter().zip(buffer.chunks_exact_mut(16)).skip(first) {
        for (byte, pair) in half.to_be_bytes().into_iter().zip(sixteen.chunks_exact_mut(2)) {
            pair.copy_from_slice(&HEX_PAIRS[usize::from(byte)]);
        }
    }
    out.push_str(std::str::from_utf8(&buffer[32 - length..]).expect("digits are ASCII"));
}

/// `00` to `ff`: each rule has an id.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut n = 0;
    while n < 256 {
        pairs[n] = [DIGITS[n / 16], DIGITS[n % 16]];
        n += 1;
    }
    pairs
};

pub(super) fn push_decimal(out: &mut String, number: u128) {
    match usize::try_from(number) {
        Ok(small) if small < 1000 => push_below_1000(out, small),
        Ok(number) => {
            push_decimal(out, (number / 1000) as u128);
            out.push_str(three_digits(number % 1000));
        }
        Err(_) => {
            push_decimal(out, number / 1000);
            out.push_str(three_digits((number % 1000) as usize));
        }
    }
}

fn push_below_1000(out: &mut String, number: usize) {
    let n_zeros = usize::from(number < 100) + usize::from(number < 10);
    out.push_str(&three_digits(number)[n_zeros..]);
}

/// `007` for 7: a table, for rulesets are made of numbers.
fn three_digits(number: usize) -> &'static str {
    const BYTES: [u8; 3000] = {
        let mut bytes = [0; 3000];
        let mut n = 0;
        while n < 1000 {
            bytes[3 * n] = b'0' + (n / 100) as u8;
            bytes[3 * n + 1] = b'0' + (n / 10 % 10) as u8;
            bytes[3 * n + 2] = b'0' + (n % 10) as u8;
            n += 1;
        }
        bytes
    };
    const TABLE: &str = match std::str::from_utf8(&BYTES) {
        Ok(digits) => digits,
        Err(_) => panic!("digits are ASCII"),
    };
    &TABLE[3 * number..3 * number + 3]
}
