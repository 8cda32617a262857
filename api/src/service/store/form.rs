//! What stands in the JSON files, and back. Each is sealed: it bears the hash of its own content, so that a torn or
//! edited file is known.

use std::collections::BTreeMap;

use engine::inputs::RejectMode;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};

use super::{Confirm, Digest, Head, State};
use crate::service::state::Committed;

/// Counted up whenever a reader of before would misread what is written now.
const FORMAT: u32 = 1;

/// One generation.
#[derive(Debug, Serialize)]
pub(super) struct Manifest<'a> {
    #[serde(flatten)]
    head: HeadForm<'a>,
    files: &'a Named<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HeadForm<'a> {
    number: u64,
    digest: String,
    #[serde(default)]
    written: Option<String>,
    committed_at_s: u64,
    cause: std::borrow::Cow<'a, str>,
    node: std::borrow::Cow<'a, str>,
    enabled: bool,
    reject_mode: String,
    #[serde(default)]
    committed: Committed,
}

/// Paths, ascending, each with what names its content.
#[derive(Debug)]
pub(super) struct Named<'f>(pub(super) Vec<(&'f str, ContentOut<'f>)>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, content)| (path, content)))
    }
}

/// As [`Content`], to be written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ContentOut<'f> {
    Object(Digest),
    Unreadable { unreadable: &'f str },
}

/// The content of a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    /// The object of this hash.
    Object(String),
    /// It could not be read.
    Unreadable {
        /// Why.
        unreadable: String,
    },
}

#[derive(Deserialize)]
struct ManifestIn {
    #[serde(flatten)]
    head: HeadForm<'static>,
    files: BTreeMap<String, Content>,
}

/// A manifest whose files nobody asks for.
#[derive(Deserialize)]
struct HeadIn {
    #[serde(flatten)]
    head: HeadForm<'static>,
    #[serde(rename = "files")]
    _files: IgnoredAny,
}

/// The state; `last_good` names objects.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StateForm<L> {
    /// Not used again, even if all generations are deleted.
    pub(super) last_number: u64,
    enforced: Option<u64>,
    hold: bool,
    refused: Option<String>,
    confirm: Option<ConfirmForm>,
    pub(super) last_good: L,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ConfirmForm {
    deadline_s: u64,
    within_s: u64,
    back_to: u64,
}

/// The bytes of a manifest.
pub(super) fn manifest(head: &Head, files: &Named<'_>) -> Vec<u8> {
    let head = HeadForm {
        number: head.number,
        digest: head.digest.to_string(),
        written: Some(head.written.to_string()),
        committed_at_s: head.committed_at_s,
        cause: head.cause.as_str().into(),
        node: head.node.as_str().into(),
        enabled: head.enabled,
        reject_mode: head.reject_mode.as_str().to_owned(),
        committed: head.committed.clone(),
    };
    seal(&Manifest { head, files })
}

/// A manifest's head and files.
pub(super) fn read_manifest(number: u64, bytes: &[u8]) -> Result<(Head, BTreeMap<String, Content>), String> {
    let ManifestIn { head, files } = open(bytes)?;
    Ok((head_of(number, head)?, files))
}

/// A manifest's head alone.
pub(super) fn read_head(name: u64, bytes: &[u8]) -> Result<Head, String> {
    let HeadIn { head, .. } = open(bytes)?;
    head_of(name, head)
}

/// The head of the file of this name.
fn head_of(name: u64, form: HeadForm<'_>) -> Result<Head, String> {
    if form.number != name {
        return Err(format!("is generation {}", form.number));
    }
    Ok(Head {
        number: form.number,
        digest: digest(&form.digest)?,
        written: digest(form.written.as_deref().unwrap_or(&form.digest))?,
        committed_at_s: form.committed_at_s,
        cause: form.cause.into_owned(),
        node: form.node.into_owned(),
        enabled: form.enabled,
        reject_mode: reject_mode(&form.reject_mode)?,
        committed: form.committed,
    })
}

/// The bytes of a state whose last good versions are these objects.
pub(super) fn state(state: &State, last_number: u64, last_good: &Named<'_>) -> Vec<u8> {
    seal(&StateForm {
        last_number,
        enforced: state.enforced,
        hold: state.hold,
        refused: state.refused.map(|digest| digest.to_string()),
        confirm: state.confirm.map(|Confirm { deadline_s, within_s, back_to }| ConfirmForm {
            deadline_s,
            within_s,
            back_to,
        }),
        last_good,
        left: state.left.clone(),
    })
}

/// A state without its last good versions, which the form names.
pub(super) fn read_state(bytes: &[u8]) -> Result<(State, StateForm<BTreeMap<String, Content>>), String> {
    let form: StateForm<_> = open(bytes)?;
    let of = |form: &ConfirmForm| Confirm {
        deadline_s: form.deadline_s,
        within_s: form.within_s,
        back_to: form.back_to,
    };
    let refused = form.refused.as_deref().map(digest).transpose()?;
    let confirm = form.confirm.as_ref().map(of);
    let left = form.left.clone();
    Ok((State { enforced: form.enforced, hold: form.hold, refused, confirm, left, ..State::default() }, form))
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn reject_mode(text: &str) -> Result<RejectMode, String> {
    RejectMode::ALL
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| format!("no reject mode `{text}`"))
}

/// `{"format":1,"sum":"<64 digits>","body":…}`: the sum is that of the body's bytes as they stand there.
fn seal<T: Serialize>(body: &T) -> Vec<u8> {
    let body = serde_json::to_vec(body).expect("maps with text as keys");
    let mut bytes = opening(Digest::of(&body)).into_bytes();
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(CLOSING);
    bytes
}

const CLOSING: &[u8] = b"}\n";

fn opening(sum: Digest) -> String {
    format!("{{\"format\":{FORMAT},\"sum\":\"{sum}\",\"body\":")
}

fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let n_opening = opening(Digest::of(b"")).len();
    let (head, rest) = bytes.split_at_checked(n_opening).ok_or("is cut off")?;
    let body = rest.strip_suffix(CLOSING).ok_or("is cut off")?;
    if head != opening(Digest::of(body)).as_bytes() {
        return Err("is not what was written, or of another version".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| format!("is of another version: {error}"))
}
