//! What may be written in the configuration, as JSON: the engine's own tables.

use engine::lower::{Described, catalog};
use engine::model::address::Family;
use engine::model::icmp::IcmpMatch;
use engine::model::options::LogLevel;
use engine::model::port::PortRange;
use engine::tables::ct_helpers::CT_HELPERS;
use engine::tables::icmp;
use engine::tables::macros::{MACROS, Macro, MacroComponent, MacroTransport};
use serde::Serialize;
use utoipa::ToSchema;

/// The answer of `GET /v1/catalog`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CatalogView {
    /// Macros by name.
    pub macros: Vec<MacroView>,
    /// Names of ICMP types.
    pub icmp_types: Vec<IcmpTypeView>,
    /// Names of ICMPv6 types.
    pub icmpv6_types: Vec<IcmpTypeView>,
    /// Options of each kind of file.
    pub files: Vec<FileOptionsView>,
    /// Words for log levels, besides `nolog`.
    pub log_levels: Vec<&'static str>,
    /// Helpers that `nf_conntrack_helpers` may name.
    pub ct_helpers: Vec<&'static str>,
}

/// A macro.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MacroView {
    /// Preferred spelling; a rule may write it in any case.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it stands for: one of these holds.
    pub components: Vec<ComponentView>,
}

/// One of the things that a macro stands for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ComponentView {
    /// `ipv4`, `ipv6`; `null`: both.
    pub family: Option<&'static str>,
    /// `tcp`, `icmp`, or a number.
    pub protocol: String,
    /// Destination ports, `80` or `67:68`; `null`: any, or it has none.
    pub dport: Option<String>,
    /// Source ports.
    pub sport: Option<String>,
    /// Type of ICMP.
    pub icmp_type: Option<u8>,
    /// Code of ICMP.
    pub icmp_code: Option<u8>,
}

/// The name of a type of ICMP.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IcmpTypeView {
    /// The name.
    pub name: &'static str,
    /// Type; `null`: any.
    #[serde(rename = "type")]
    pub kind: Option<u8>,
    /// Code; `null`: any.
    pub code: Option<u8>,
}

/// Options of a kind of file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FileOptionsView {
    /// `cluster.fw`, `host.fw`, `<vmid>.fw`, `<vnet>.fw`, `proxmox-firewall.cfg`
    pub file: &'static str,
    /// Its options.
    pub options: Vec<OptionView>,
}

/// An option.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OptionView {
    /// Its name.
    pub name: &'static str,
    /// What holds if no line sets it, as it would be written.
    pub default: Option<String>,
    /// What may be written, for people.
    pub takes: Option<&'static str>,
    /// It is known, and does nothing.
    pub no_effect: bool,
}

impl CatalogView {
    /// The engine's tables.
    pub fn new() -> CatalogView {
        let types = |family| icmp::types(family).iter().map(|(name, of)| icmp_type(name, *of)).collect();
        let file = |(file, options): (&'static str, Vec<Described>)| FileOptionsView {
            file,
            options: options.into_iter().map(OptionView::from).collect(),
        };
        CatalogView {
            macros: MACROS.iter().map(MacroView::from).collect(),
            icmp_types: types(Family::V4),
            icmpv6_types: types(Family::V6),
            files: catalog().into_iter().map(file).collect(),
            log_levels: LogLevel::WORDS.iter().map(|(word, _)| *word).collect(),
            ct_helpers: CT_HELPERS.iter().map(|helper| helper.name).collect(),
        }
    }
}

impl Default for CatalogView {
    fn default() -> CatalogView {
        CatalogView::new()
    }
}

fn icmp_type(name: &'static str, of: IcmpMatch) -> IcmpTypeView {
    let (kind, code) = type_and_code(of);
    IcmpTypeView { name, kind, code }
}

fn type_and_code(of: IcmpMatch) -> (Option<u8>, Option<u8>) {
    match of {
        IcmpMatch::Any => (None, None),
        IcmpMatch::Type(kind) => (Some(kind), None),
        IcmpMatch::TypeCode(kind, code) => (Some(kind), Some(code)),
    }
}

impl From<Described> for OptionView {
    fn from(described: Described) -> OptionView {
        let Described { name, default, takes, no_effect } = described;
        OptionView { name, default, takes, no_effect }
    }
}

impl From<&Macro> for MacroView {
    fn from(of: &Macro) -> MacroView {
        MacroView {
            name: of.name,
            description: of.description,
            components: of.components.iter().map(ComponentView::from).collect(),
        }
    }
}

impl From<&MacroComponent> for ComponentView {
    fn from(component: &MacroComponent) -> ComponentView {
        let family = component.family.map(|family| match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        });
        let (protocol, dport, sport, of) = match &component.transport {
            MacroTransport::Ports { protocol, dport, sport } => {
                (protocol.as_str().to_owned(), ports(dport), ports(sport), IcmpMatch::Any)
            }
            MacroTransport::Icmp(of) => ("icmp".to_owned(), None, None, *of),
            MacroTransport::Icmpv6(of) => ("icmpv6".to_owned(), None, None, *of),
            MacroTransport::Other(number) => (number.to_string(), None, None, IcmpMatch::Any),
        };
        let (icmp_type, icmp_code) = type_and_code(of);
        ComponentView { family, protocol, dport, sport, icmp_type, icmp_code }
    }
}

fn ports(ranges: &[PortRange]) -> Option<String> {
    let range = |range: &PortRange| {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}:{}", range.first, range.last)
        }
    };
    let all: Vec<String> = ranges.iter().map(range).collect();
    (!all.is_empty()).then(|| all.join(","))
}
