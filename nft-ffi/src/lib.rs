//! Safe bindings to libnftables.
