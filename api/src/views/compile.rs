//! Dry runs, as JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::ChangeView;
use super::report::{CountsView, DiagnosticView};
use super::scalar::{FilesView, Flag, address};
use super::trace::TraceView;

/// `POST /v1/compile`
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompileRequest {
    /// Unsaved files over those that are saved, by path; `null`: the file is taken to be absent.
    #[serde(default)]
    pub overlay: FilesView,
    /// Answer the ruleset too, in this form.
    #[serde(default)]
    pub ruleset: Option<FormatView>,
    /// Let the kernel judge the ruleset, without loading it.
    #[serde(default)]
    pub check: Flag,
    /// Address of the person on whose behalf somebody calls: what that person is connected by is a way in.
    #[serde(default)]
    #[schema(schema_with = address)]
    pub caller: Option<IpAddr>,
}

/// Forms of a ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatView {
    /// Text, as nft(8) reads it.
    Nft,
    /// libnftables-json(5).
    Json,
}

/// What a configuration would mean.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CompileView {
    /// SHA-256 of the configuration.
    pub digest: String,
    /// The datacenter's firewall is on.
    pub enabled: bool,
    /// A file that everything hangs on cannot be read: this would not be enforced.
    pub unreadable: bool,
    /// How many diagnostics of each severity.
    pub n_diagnostics: CountsView,
    /// What was found.
    pub diagnostics: Vec<DiagnosticView>,
    /// What the kernel cannot do, and what that means: this would not be protected.
    pub losses: Vec<String>,
    /// The generation that `change` is seen from.
    pub enforced: Option<u64>,
    /// What it would change.
    pub change: ChangeView,
    /// What can be reached now and could not any more, as a new connection; the most serious first.
    pub cuts: Vec<String>,
    /// One of them is a way in: an apply would need `force`.
    pub cuts_the_way_in: bool,
    /// With `ruleset: nft`, the text; with `json`, the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub ruleset: Option<serde_json::Value>,
    /// With `check`: what the kernel says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelView>,
}

/// What the kernel says of a ruleset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KernelView {
    /// It would take it.
    pub accepted: bool,
    /// Why not.
    pub faults: Vec<FaultView>,
}

/// One reason of a refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FaultView {
    /// The line of the script.
    pub command: String,
    /// The kernel's or libnftables' words.
    pub message: String,
    /// Where the line comes from.
    pub origin: Option<super::trace::OriginView>,
}

/// `POST /v1/simulate`
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateRequest {
    /// The packet: `FROM TO PROTO SRC[:PORT] > DST[:PORT] [KEY=VALUE…]`.
    #[schema(example = "outside vm100 tcp 203.0.113.9:40000 > 192.0.2.100:22")]
    pub packet: String,
    /// Unsaved files over those that are saved. Without it: what is enforced.
    #[serde(default)]
    pub overlay: Option<FilesView>,
    /// Rules that did not match, too.
    #[serde(default)]
    pub all: Flag,
}

/// What happens to a packet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SimulatedView {
    /// The generation that it meets; `null`: one that is not enforced.
    pub generation: Option<u64>,
    /// Its way.
    #[serde(flatten)]
    pub trace: TraceView,
}
