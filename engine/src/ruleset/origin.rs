//! Why an object exists, and in words for people.

use crate::span::{Sources, Span};

/// Why an object exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration.
    Line(Span),
    /// An option; `at` is its line, `None` if the default decided.
    Option {
        /// The option's name.
        name: &'static str,
        /// Where it was set.
        at: Option<Span>,
    },
    /// Ours; names the paragraph of ARCHITECTURE.md that explains it.
    Skeleton(&'static str),
}

impl Origin {
    /// `/etc/pve/firewall/100.fw:12`, `option policy_in, default`, `built in: management`.
    pub fn text(self, sources: &Sources) -> String {
        let place = |span: Span| {
            let position = sources.position(span);
            format!("{}:{}", position.path, position.line)
        };
        match self {
            Origin::Line(span) => place(span),
            Origin::Option { name, at: Some(span) } => format!("{}: option {name}", place(span)),
            Origin::Option { name, at: None } => format!("option {name}, default"),
            Origin::Skeleton(paragraph) => format!("built in: {paragraph}"),
        }
    }
}
