//! Sections and lines -> [`Config`]: every value typed, every default filled in, names not yet looked up. Each
//! file is read by a pure function of its text; [`config`] finds the files and keeps their order.

mod aliases;
pub mod firewall;
pub mod guest_conf;
mod ipset;
pub mod names;
mod options;
mod rule;
mod value;
