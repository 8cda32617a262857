//! Data that the manual prints as tables.

pub mod ct_helpers;
