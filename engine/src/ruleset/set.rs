//! Named sets and maps.

use std::sync::Arc;

use super::{DataType, Name, Origin, Value, Verdict};

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: Name,
    /// Types of its key; several are a concatenation.
    pub key: Box<[DataType]>,
    /// Set, map, or filled by packets.
    pub kind: SetKind,
    /// `flags interval`: some element is a range or a prefix.
    pub interval: bool,
    /// Its elements, ascending by key, intervals disjoint.
    pub elements: Vec<Element>,
    /// Why it is there.
    pub origin: Origin,
}

/// What a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// Plain set.
    Set,
    /// Key to verdict.
    VerdictMap,
    /// Key to packet or connection mark.
    MarkMap,
    /// Filled by a meter; `flags dynamic,timeout`.
    Dynamic {
        /// Most elements.
        size: u32,
        /// Seconds after which an element is forgotten.
        timeout_s: u32,
    },
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// One value for each part of the key. Shared: an element is copied from where it was planned to its table's set.
    pub key: Arc<[Value]>,
    /// What a map gives.
    pub data: ElementData,
    /// Why it is there.
    pub origin: Origin,
}

/// What an element gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementData {
    /// Nothing: a set.
    None,
    /// A verdict.
    Verdict(Verdict),
    /// A mark.
    Mark(u32),
}
