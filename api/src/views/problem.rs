//! Errors as problem documents (RFC 9457).

use serde::Serialize;
use utoipa::ToSchema;

use super::report::DiagnosticView;

/// Why a call was not carried out; media type `application/problem+json`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ProblemView {
    /// `about:blank`, or `urn:proxmox-firewall:problem:` and a word that stays.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in a few words.
    pub title: String,
    /// The status of HTTP.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The kernel's words, or what would be cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What is wrong with the configuration, where that has to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticView>,
}
