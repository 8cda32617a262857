//! What a host looks like, as JSON: for compiling on another machine, and for tests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use engine::inputs::{HostFacts, Link, LinkKind};
use engine::model::address::{Cidr, Mac};
use serde::{Deserialize, Serialize};

/// `{"node": "node1", "links": [{"name": "vmbr0", "kind": "bridge", …}], …}`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FactsView {
    /// Node name.
    pub node: String,
    /// Unix time in seconds.
    #[serde(default)]
    pub now_s: u64,
    /// Network interfaces.
    #[serde(default)]
    pub links: Vec<LinkView>,
    /// Addresses that names resolve to.
    #[serde(default)]
    pub resolved: BTreeMap<String, Vec<IpAddr>>,
    /// Directly connected networks of the routing tables.
    #[serde(default)]
    pub connected: Vec<String>,
    /// Bridged frames run the inet hooks, and that could not be switched off.
    #[serde(default)]
    pub bridge_nf_stuck: bool,
}

/// A network interface.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkView {
    /// Kernel name.
    pub name: String,
    /// Its number; without one, its place in the list.
    #[serde(default)]
    pub index: Option<u32>,
    /// What it is.
    #[serde(default)]
    pub kind: KindView,
    /// `vlan_filtering` of a bridge.
    #[serde(default)]
    pub vlan_aware: bool,
    /// Hardware address.
    #[serde(default)]
    pub mac: Option<String>,
    /// Administratively up.
    #[serde(default = "yes")]
    pub up: bool,
    /// Nobody is at its other end: a tap without a running VM, a cable that is not plugged in.
    #[serde(default)]
    pub no_carrier: bool,
    /// Bridge port that exchanges no frames with other isolated ones.
    #[serde(default)]
    pub isolated: bool,
    /// Hardware addresses of guests' devices elsewhere that the bridge has learned at this port.
    #[serde(default)]
    pub learned: Vec<String>,
    /// Addresses with their prefix length.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Alternative names.
    #[serde(default)]
    pub altnames: Vec<String>,
    /// The bridge or bond it is a port of.
    #[serde(default)]
    pub master: Option<String>,
    /// The interface below it.
    #[serde(default)]
    pub parent: Option<String>,
}

/// Kinds of interfaces.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KindView {
    /// A Linux bridge.
    Bridge,
    /// A VLAN sub-interface.
    Vlan,
    /// Anything else.
    #[default]
    Other,
}

/// A value of a facts file that is not what its field needs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidFacts {
    /// Not `<address>/<prefix>`.
    #[error("{place}: `{text}` is not an address with prefix length")]
    Address {
        /// Where it stands.
        place: String,
        /// As written.
        text: String,
    },
    /// Not six pairs of hexadecimal digits.
    #[error("link {link}: `{text}` is not a hardware address")]
    Mac {
        /// The link.
        link: String,
        /// As written.
        text: String,
    },
    /// Only bridges filter VLANs.
    #[error("link {0}: only a bridge can be vlan_aware")]
    VlanAware(String),
}

fn yes() -> bool {
    true
}

impl TryFrom<FactsView> for HostFacts {
    type Error = InvalidFacts;

    fn try_from(view: FactsView) -> Result<HostFacts, InvalidFacts> {
        let link = |(nth, link): (u32, LinkView)| {
            Link::try_from(LinkView { index: link.index.or(Some(nth)), ..link })
        };
        let connected = view.connected.iter().map(|text| network(text, || "connected".to_owned()));
        Ok(HostFacts {
            connected: connected.collect::<Result<_, _>>()?,
            links: (1..).zip(view.links).map(link).collect::<Result<_, _>>()?,
            divert_assumed: true,
            node: view.node,
            resolved: view.resolved,
            now_s: view.now_s,
            bridge_nf_stuck: view.bridge_nf_stuck,
            announced_bridges: Default::default(),
        })
    }
}

impl TryFrom<LinkView> for Link {
    type Error = InvalidFacts;

    fn try_from(view: LinkView) -> Result<Link, InvalidFacts> {
        let kind = match view.kind {
            KindView::Bridge => LinkKind::Bridge { vlan_aware: view.vlan_aware },
            KindView::Vlan | KindView::Other if view.vlan_aware => {
                return Err(InvalidFacts::VlanAware(view.name));
            }
            KindView::Vlan => LinkKind::Vlan,
            KindView::Other => LinkKind::Other,
        };
        let mut addresses = Vec::with_capacity(view.addresses.len());
        for text in &view.addresses {
            addresses.push(text.parse().map_err(|_| InvalidFacts::Address {
                place: format!("link {}", view.name),
                text: text.clone(),
            })?);
        }
        let invalid_mac = |text: String| InvalidFacts::Mac { link: view.name.clone(), text };
        let learned =
            view.learned.iter().map(|text| text.parse::<Mac>().map_err(|_| invalid_mac(text.clone())));
        let learned = learned.collect::<Result<_, _>>()?;
        let mac = view.mac.map(|text| text.parse::<Mac>().map_err(|_| invalid_mac(text))).transpose()?;
        Ok(Link {
            kind,
            mac,
            addresses,
            index: view.index.unwrap_or_default(),
            name: view.name,
            altnames: view.altnames,
            master: view.master,
            parent: view.parent,
            up: view.up,
            no_carrier: view.no_carrier,
            isolated: view.isolated,
            learned,
        })
    }
}

fn network(text: &str, place: impl Fn() -> String) -> Result<Cidr, InvalidFacts> {
    text.parse().map_err(|_| InvalidFacts::Address { place: place(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{FactsView, InvalidFacts};
    use engine::inputs::HostFacts;

    fn read(text: &str) -> Result<HostFacts, String> {
        let view: FactsView = serde_json::from_str(text).map_err(|e| e.to_string())?;
        HostFacts::try_from(view).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_what_it_needs_and_no_more() {
        let facts = read(
            r#"{"node": "n", "links": [{"name": "vmbr0", "kind": "bridge", "addresses": ["192.0.2.1/24"]},
                {"name": "tap100i0", "master": "vmbr0", "no_carrier": true, "isolated": true}]}"#,
        );
        let facts = facts.expect("valid");
        assert!(facts.links[0].up && !facts.links[0].no_carrier && !facts.links[0].isolated);
        assert!(facts.links[1].up && facts.links[1].no_carrier && facts.links[1].isolated);
        assert!(
            facts.links[0]
                .addresses
                .iter()
                .any(|a| a.address().to_string() == "192.0.2.1" && a.prefix() == 24)
        );
    }

    #[test]
    fn names_what_is_wrong() {
        assert!(read(r#"{"node": "n", "link": []}"#).expect_err("unknown field").contains("`link`"));
        let bad = read(r#"{"node": "n", "links": [{"name": "a", "mac": "xx"}]}"#);
        let expected = InvalidFacts::Mac { link: "a".to_owned(), text: "xx".to_owned() };
        assert_eq!(bad.expect_err("no MAC"), expected.to_string());
    }
}
