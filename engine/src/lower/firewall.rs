//! Text of one `.fw` file, or of the node's settings file -> its part of the configuration. Pure functions of the
//! text and the shared [`Names`], so that each can be memoised.

use std::collections::BTreeMap;

use super::names::Names;
use super::options::{self, Known};
use super::rule::{Context, rule};
use super::{aliases, ipset};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::names::ObjectName;
use crate::model::options::{GuestOptions, NodeSettings};
use crate::model::rule::Rule;
use crate::model::{Alias, Datacenter, Group, Host, Ipset, Vnet};
use crate::parse::cursor::{lines, sort_by_line};
use crate::parse::section::{FileKind, Heading, Line, Section, sections};
use crate::span::FileId;

/// `<vmid>.fw`
#[derive(Debug, Clone, Default)]
pub struct GuestFirewall {
    /// `[OPTIONS]`
    pub options: GuestOptions,
    /// `[ALIASES]`, by folded name.
    pub aliases: BTreeMap<ObjectName, Alias>,
    /// `[IPSET name]`, by folded name.
    pub ipsets: BTreeMap<ObjectName, Ipset>,
    /// `[RULES]`
    pub rules: Vec<Rule>,
}

/// Lowers `cluster.fw`.
pub fn datacenter(text: &[u8], file: FileId, names: &Names<'_>) -> (Datacenter, Vec<Diagnostic>) {
    let mut of = Datacenter::default();
    let diagnostics =
        each_section((text, file), names, FileKind::Datacenter, |section, lowering| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::DATACENTER, &section, lowering),
            Heading::Aliases => aliases::lower(&section.lines, &mut of.aliases, &mut lowering.diagnostics),
            Heading::Ipset(name) => define_ipset(&mut of.ipsets, name, &section, lowering),
            Heading::Rules => rules(&mut of.rules, &section, Context::Datacenter, lowering),
            Heading::Group(name) => {
                let mut group = Group { rules: Vec::new(), span: Some(section.span) };
                rules(&mut group.rules, &section, Context::Group, lowering);
                let earlier = of.groups.insert(name.clone(), group).is_some();
                redefined(earlier, name, &section, lowering);
            }
        });
    (of, diagnostics)
}

/// Lowers `host.fw`.
pub fn host(text: &[u8], file: FileId, names: &Names<'_>) -> (Host, Vec<Diagnostic>) {
    let mut of = Host::default();
    let diagnostics =
        each_section((text, file), names, FileKind::Host, |section, lowering| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::HOST, &section, lowering),
            Heading::Rules => rules(&mut of.rules, &section, Context::Host, lowering),
            Heading::Aliases | Heading::Ipset(_) | Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers `<vmid>.fw`.
pub fn guest(text: &[u8], file: FileId, names: &Names<'_>) -> (GuestFirewall, Vec<Diagnostic>) {
    let mut of = GuestFirewall::default();
    let diagnostics =
        each_section((text, file), names, FileKind::Guest, |section, lowering| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::GUEST, &section, lowering),
            Heading::Aliases => aliases::lower(&section.lines, &mut of.aliases, &mut lowering.diagnostics),
            Heading::Ipset(name) => define_ipset(&mut of.ipsets, name, &section, lowering),
            Heading::Rules => rules(&mut of.rules, &section, Context::Guest, lowering),
            Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers `<vnet>.fw`.
pub fn vnet(text: &[u8], file: FileId, names: &Names<'_>) -> (Vnet, Vec<Diagnostic>) {
    let mut of = Vnet::default();
    let diagnostics =
        each_section((text, file), names, FileKind::Vnet, |section, lowering| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::VNET, &section, lowering),
            Heading::Rules => rules(&mut of.rules, &section, Context::Vnet, lowering),
            Heading::Aliases | Heading::Ipset(_) | Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers the node's settings file: options without a section.
pub fn settings(text: &[u8], file: FileId, names: &Names<'_>) -> (NodeSettings, Vec<Diagnostic>) {
    let mut settings = NodeSettings::default();
    let mut lowering = Lowering { names, diagnostics: Vec::new() };
    for line in lines(text, file) {
        let line = line.trimmed();
        if !matches!(line.bytes.first(), None | Some(b'#')) {
            options::lower(&mut settings, options::SETTINGS, line, &mut lowering);
        }
    }
    (settings, lowering.diagnostics)
}

/// What every unit of a file is lowered with.
pub(super) struct Lowering<'n> {
    /// Names that the host defines.
    pub(super) names: &'n Names<'n>,
    /// Remarks so far.
    pub(super) diagnostics: Vec<Diagnostic>,
}

fn each_section<'a>(
    (text, file): (&'a [u8], FileId),
    names: &Names<'_>,
    kind: FileKind,
    mut lower: impl FnMut(Section<'a>, &mut Lowering<'_>),
) -> Vec<Diagnostic> {
    let mut lowering = Lowering { names, diagnostics: Vec::new() };
    for section in sections(text, file, kind, &mut lowering.diagnostics) {
        lower(section, &mut lowering);
    }
    sort_by_line(text, &mut lowering.diagnostics);
    lowering.diagnostics
}

/// [`sections`] refuses a section that the kind of file cannot have.
fn not_here(section: &Section<'_>) {
    debug_assert!(false, "{:?} passed the section reader", section.heading);
}

fn all_options<O>(options: &mut O, known: &[Known<O>], section: &Section<'_>, lowering: &mut Lowering<'_>) {
    for line in &section.lines {
        options::lower(options, known, line.raw, lowering);
    }
}

fn rules(rules: &mut Vec<Rule>, section: &Section<'_>, context: Context, lowering: &mut Lowering<'_>) {
    let lower = |line: &Line<'_>| rule(line, context, lowering);
    rules.extend(section.lines.iter().map(lower));
}

fn define_ipset(
    ipsets: &mut BTreeMap<ObjectName, Ipset>,
    name: &ObjectName,
    section: &Section<'_>,
    lowering: &mut Lowering<'_>,
) {
    let ipset = ipset::lower(section, &mut lowering.diagnostics);
    let earlier = ipsets.insert(name.clone(), ipset).is_some();
    redefined(earlier, name, section, lowering);
}

fn redefined(earlier: bool, name: &ObjectName, section: &Section<'_>, lowering: &mut Lowering<'_>) {
    if earlier {
        lowering.diagnostics.push(
            Diagnostic::new(
                Code::SectionRedefined,
                Place::Span(section.span),
                format!("`{name}` is defined again"),
                "what its earlier section holds is lost",
            )
            .help("put all lines into one section"),
        );
    }
}
