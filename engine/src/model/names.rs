//! Names of things, each with one parser as its only door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidName {
    /// It does not follow the grammar.
    Grammar,
    /// It is longer than the kind allows.
    TooLong,
}

/// Name of an alias, IPSet or security group: a letter, then letters, digits, `-`, `_`; 1 to 64; folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// The folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut bytes = text.bytes();
        let first = bytes.next().ok_or(InvalidName::Grammar)?;
        let tail_fits = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !first.is_ascii_alphabetic() || !tail_fits {
            return Err(InvalidName::Grammar);
        }
        if text.len() > 64 {
            return Err(InvalidName::TooLong);
        }
        let is_folded = !text.bytes().any(|b| b.is_ascii_uppercase());
        Ok(ObjectName(if is_folded { text.into() } else { text.to_ascii_lowercase().into() }))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a network interface: 1 to 15 bytes, no blank, no `/`, no `*`, no control character, not `.`, `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(Arc<str>);

impl IfName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl FromStr for IfName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad = |b: u8| b <= b' ' || b >= 0x7f || matches!(b, b'/' | b'*' | b'"' | b'\\');
        if text.is_empty() || text == "." || text == ".." || text.bytes().any(bad) {
            return Err(InvalidName::Grammar);
        }
        if text.len() > 15 {
            return Err(InvalidName::TooLong);
        }
        Ok(IfName(text.into()))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bridge name of an SDN VNet, as its firewall file is named: an [`IfName`].
pub type VnetName = IfName;

/// Number of a guest: 100 to 999999999, no leading zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vmid(u32);

impl Vmid {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Vmid {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidName::Grammar);
        }
        let number: u32 = text.parse().map_err(|_| InvalidName::TooLong)?;
        if (100..=999_999_999).contains(&number) { Ok(Vmid(number)) } else { Err(InvalidName::TooLong) }
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
