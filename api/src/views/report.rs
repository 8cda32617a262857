//! What `check` finds, as JSON.

use engine::classic::Note;
use engine::diagnostic::{Diagnostic, Place, Severity};
use engine::span::Sources;
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::Feature;

/// The answer of `check --json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckView {
    /// The node that was compiled for.
    pub node: String,
    /// What is not protected, and why. Empty if the kernel was not asked.
    pub losses: Vec<String>,
    /// Features of the kernel; `null` if it was not asked.
    pub features: Option<Vec<FeatureView>>,
    /// How many diagnostics of each severity.
    pub counts: CountsView,
    /// What was assumed, for want of facts.
    pub remarks: Vec<String>,
    /// What was found.
    pub diagnostics: Vec<DiagnosticView>,
    /// With `--against-classic`: what differs from the classic firewall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against_classic: Option<Vec<NoteView>>,
}

/// How many diagnostics there are.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct CountsView {
    /// Errors.
    pub error: usize,
    /// Warnings.
    pub warning: usize,
    /// Remarks.
    pub info: usize,
}

/// A feature of the kernel.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeatureView {
    /// What it is.
    pub name: String,
    /// Modules and options that bring it.
    pub brought_by: String,
    /// This kernel has it.
    pub present: bool,
}

/// A diagnostic.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DiagnosticView {
    /// Stable code.
    pub code: &'static str,
    /// `info`, `warning`, `error`.
    pub severity: &'static str,
    /// Path; `null` where no file is at fault.
    pub file: Option<String>,
    /// Counted from 1; `null` where a whole file is meant.
    pub line: Option<u32>,
    /// First byte in the line, from 1.
    pub column: Option<u32>,
    /// Behind the last byte.
    pub end_column: Option<u32>,
    /// The source line.
    pub text: Option<String>,
    /// What was found.
    pub message: String,
    /// What follows.
    pub consequence: &'static str,
    /// What helps.
    pub remedy: Option<String>,
}

/// A difference from the classic firewall.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NoteView {
    /// Stable id.
    pub id: &'static str,
    /// `passes more`, `passes less`, `differs`
    pub effect: &'static str,
    /// Path; `null` where the whole node is meant.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<u32>,
    /// The source line.
    pub text: Option<String>,
    /// What the classic firewall does.
    pub classic: &'static str,
    /// What we do.
    pub ours: &'static str,
}

impl NoteView {
    /// The wire form of a note.
    pub fn new(note: &Note, sources: &Sources) -> NoteView {
        let (file, line, text) = match note.place {
            Place::Span(span) => {
                let position = sources.position(span);
                (Some(position.path), Some(position.line), Some(sources.line_text(span)))
            }
            Place::File(file) => (Some(sources.path(file).to_owned()), None, None),
            Place::Host => (None, None, None),
        };
        let effect = note.effect.as_str();
        NoteView { id: note.id, effect, file, line, text, classic: note.classic, ours: note.ours }
    }
}

impl DiagnosticView {
    /// The wire form of a diagnostic.
    pub fn new(diagnostic: &Diagnostic, sources: &Sources) -> DiagnosticView {
        let mut view = DiagnosticView {
            code: diagnostic.code.id(),
            severity: diagnostic.code.severity().as_str(),
            file: None,
            line: None,
            column: None,
            end_column: None,
            text: None,
            message: diagnostic.message.clone(),
            consequence: diagnostic.consequence,
            remedy: diagnostic.remedy.clone(),
        };
        match diagnostic.place {
            Place::Span(span) => {
                let position = sources.position(span);
                view.end_column = Some(position.column + span.end.saturating_sub(span.start));
                view.file = Some(position.path);
                view.line = Some(position.line);
                view.column = Some(position.column);
                view.text = Some(sources.line_text(span));
            }
            Place::File(file) => view.file = Some(sources.path(file).to_owned()),
            Place::Host => {}
        }
        view
    }
}

impl CountsView {
    /// Counts by severity.
    pub fn of(diagnostics: &[Diagnostic]) -> CountsView {
        let count = |severity| diagnostics.iter().filter(|d| d.code.severity() == severity).count();
        CountsView {
            error: count(Severity::Error),
            warning: count(Severity::Warning),
            info: count(Severity::Info),
        }
    }
}

impl FeatureView {
    /// A feature and whether it is there.
    pub fn new(feature: Feature, present: bool) -> FeatureView {
        FeatureView { name: feature.name(), brought_by: feature.brought_by(), present }
    }
}
