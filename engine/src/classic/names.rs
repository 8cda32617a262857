//! `/etc/services` and `/etc/protocols` -> what the classic firewall knows of them: the first column alone.

use std::collections::BTreeSet;

use crate::inputs::Files;
use crate::lower::names::{entries, texts};

/// Names without their aliases.
#[derive(Debug)]
pub(super) struct FirstColumns<'a> {
    services: BTreeSet<&'a str>,
    protocols: BTreeSet<&'a str>,
    numbers: BTreeSet<&'a str>,
}

impl<'a> FirstColumns<'a> {
    pub(super) fn new(files: &'a Files) -> FirstColumns<'a> {
        let [services, protocols, _] = texts(files);
        let of_transport = |number: &str| {
            let protocol = number.split_once('/').map_or("", |(_, protocol)| protocol);
            matches!(protocol, "tcp" | "udp" | "sctp")
        };
        let services = entries(services).filter(|(_, number, _)| of_transport(number));
        FirstColumns {
            services: services.map(|(name, _, _)| name).collect(),
            protocols: entries(protocols).map(|(name, _, _)| name).chain(["icmpv6"]).collect(),
            numbers: entries(protocols).map(|(_, number, _)| number).collect(),
        }
    }

    /// Case matters.
    pub(super) fn has_service(&self, name: &str) -> bool {
        self.services.contains(name)
    }

    /// Case matters.
    pub(super) fn has_protocol(&self, name: &str) -> bool {
        self.protocols.contains(name)
    }

    /// Whether a line has this protocol number.
    pub(super) fn has_number(&self, number: &str) -> bool {
        self.numbers.contains(number)
    }
}
