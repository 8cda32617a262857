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
        each_section(text, file, FileKind::Datacenter, |section, diagnostics| match &section.heading {
            Heading::Options => {
                all_options(&mut of.options, options::DATACENTER, &section, names, diagnostics)
            }
            Heading::Aliases => aliases::lower(&section.lines, &mut of.aliases, diagnostics),
            Heading::Ipset(name) => define_ipset(&mut of.ipsets, name, &section, diagnostics),
            Heading::Rules => rules(&mut of.rules, &section, Context::Datacenter, names, diagnostics),
            Heading::Group(name) => {
                let mut group = Group { rules: Vec::new(), span: Some(section.span) };
                rules(&mut group.rules, &section, Context::Group, names, diagnostics);
                let earlier = of.groups.insert(name.clone(), group).is_some();
                redefined(earlier, name, &section, diagnostics);
            }
        });
    (of, diagnostics)
}

/// Lowers `host.fw`.
pub fn host(text: &[u8], file: FileId, names: &Names<'_>) -> (Host, Vec<Diagnostic>) {
    let mut of = Host::default();
    let diagnostics =
        each_section(text, file, FileKind::Host, |section, diagnostics| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::HOST, &section, names, diagnostics),
            Heading::Rules => rules(&mut of.rules, &section, Context::Host, names, diagnostics),
            Heading::Aliases | Heading::Ipset(_) | Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers `<vmid>.fw`.
pub fn guest(text: &[u8], file: FileId, names: &Names<'_>) -> (GuestFirewall, Vec<Diagnostic>) {
    let mut of = GuestFirewall::default();
    let diagnostics =
        each_section(text, file, FileKind::Guest, |section, diagnostics| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::GUEST, &section, names, diagnostics),
            Heading::Aliases => aliases::lower(&section.lines, &mut of.aliases, diagnostics),
            Heading::Ipset(name) => define_ipset(&mut of.ipsets, name, &section, diagnostics),
            Heading::Rules => rules(&mut of.rules, &section, Context::Guest, names, diagnostics),
            Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers `<vnet>.fw`.
pub fn vnet(text: &[u8], file: FileId, names: &Names<'_>) -> (Vnet, Vec<Diagnostic>) {
    let mut of = Vnet::default();
    let diagnostics =
        each_section(text, file, FileKind::Vnet, |section, diagnostics| match &section.heading {
            Heading::Options => all_options(&mut of.options, options::VNET, &section, names, diagnostics),
            Heading::Rules => rules(&mut of.rules, &section, Context::Vnet, names, diagnostics),
            Heading::Aliases | Heading::Ipset(_) | Heading::Group(_) => not_here(&section),
        });
    (of, diagnostics)
}

/// Lowers the node's settings file: options without a section.
pub fn settings(text: &[u8], file: FileId, names: &Names<'_>) -> (NodeSettings, Vec<Diagnostic>) {
    let mut settings = NodeSettings::default();
    let mut diagnostics = Vec::new();
    for line in lines(text, file) {
        let line = line.trimmed();
        if !matches!(line.bytes.first(), None | Some(b'#')) {
            options::lower(&mut settings, options::SETTINGS, line, names, &mut diagnostics);
        }
    }
    (settings, diagnostics)
}

fn each_section<'a>(
    text: &'a [u8],
    file: FileId,
    kind: FileKind,
    mut lower: impl FnMut(Section<'a>, &mut Vec<Diagnostic>),
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for section in sections(text, file, kind, &mut diagnostics) {
        lower(section, &mut diagnostics);
    }
    sort_by_line(text, &mut diagnostics);
    diagnostics
}

/// [`sections`] refuses a section that the kind of file cannot have.
fn not_here(section: &Section<'_>) {
    debug_assert!(false, "{:?} passed the section reader", section.heading);
}

fn all_options<O>(
    options: &mut O,
    known: &[Known<O>],
    section: &Section<'_>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for line in &section.lines {
        options::lower(options, known, line.raw, names, diagnostics);
    }
}

fn rules(
    rules: &mut Vec<Rule>,
    section: &Section<'_>,
    context: Context,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let lower = |line: &Line<'_>| rule(line, context, names, diagnostics);
    rules.extend(section.lines.iter().map(lower));
}

fn define_ipset(
    ipsets: &mut BTreeMap<ObjectName, Ipset>,
    name: &ObjectName,
    section: &Section<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let ipset = ipset::lower(section, diagnostics);
    let earlier = ipsets.insert(name.clone(), ipset).is_some();
    redefined(earlier, name, section, diagnostics);
}

fn redefined(earlier: bool, name: &ObjectName, section: &Section<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if earlier {
        diagnostics.push(
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
