//! `GET /v1/events`: what happens, as server-sent events.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event as Sent, KeepAlive};
use engine::Compiled;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::Service;
use super::error::Problem;
use crate::service::handle::Event;
use crate::service::state::Published;
use crate::views::event::{
    DiagnosticsEventView, DriftEventView, GapEventView, GuestHappenedView, StateEventView,
};
use crate::views::report::DiagnosticView;
use crate::views::status::latest;

/// After so long without an event a comment is sent: dead listeners are noticed by it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// No more new diagnostics than this in one event.
const DIAGNOSTICS_MAX: usize = 100;

/// What happens, from now on: server-sent events.
///
/// `state` first, as it stands, and whenever a generation was committed or the state has changed; `diagnostics`: what
/// is new among them; `guest`, `drift`; `gap` with the number of events that a slow listener missed. The id of an event
/// is the number of the generation.
#[utoipa::path(get, path = "/v1/events", tag = "reading",
    responses((status = 200, body = StateEventView, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(service): State<Service>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let too_many = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many event streams are open");
    let slot = service.streams.clone().try_acquire_owned().map_err(too_many)?;
    // Listen first, look then: what happens in between comes twice, not never.
    let happening = BroadcastStream::new(service.handle.events());
    let published = service.handle.published();
    let mut known = Known::new(&published);
    let first = state(&published, StateEventView::new(&published, None));
    let rest = happening.flat_map(move |happened| {
        let _slot = &slot;
        stream::iter(known.told(happened))
    });
    let all = stream::once(std::future::ready(first)).chain(rest).map(Ok);
    Ok(Sse::new(all).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Diagnostics that a listener has been told about.
struct Known {
    lines: BTreeSet<String>,
}

impl Known {
    fn new(published: &Published) -> Known {
        Known { lines: latest(published).map_or_else(BTreeSet::new, lines) }
    }

    fn told(&mut self, happened: Result<Event, BroadcastStreamRecvError>) -> Vec<Sent> {
        match happened {
            Err(BroadcastStreamRecvError::Lagged(missed)) => vec![sent("gap", &GapEventView { missed })],
            Ok(Event::Guest(event, at)) => vec![sent("guest", &GuestHappenedView::new(&event, at))],
            Ok(Event::Drift(what)) => vec![sent("drift", &DriftEventView { what })],
            Ok(Event::Published(published, cause)) => {
                let mut all = vec![state(&published, StateEventView::new(&published, Some(cause)))];
                all.extend(latest(&published).and_then(|compiled| self.diagnostics(compiled)));
                all
            }
        }
    }

    fn diagnostics(&mut self, compiled: &Compiled) -> Option<Sent> {
        let now = lines(compiled);
        let before = std::mem::replace(&mut self.lines, now);
        let is_new = |line: &String| !before.contains(line);
        let new = compiled.diagnostics.iter().filter(|one| is_new(&one.line(&compiled.sources)));
        let view = DiagnosticsEventView {
            added: new.take(DIAGNOSTICS_MAX).map(|one| DiagnosticView::new(one, &compiled.sources)).collect(),
            n_added: self.lines.difference(&before).count(),
            n_removed: before.difference(&self.lines).count(),
        };
        (view.n_added + view.n_removed > 0).then(|| sent("diagnostics", &view))
    }
}

fn lines(compiled: &Compiled) -> BTreeSet<String> {
    compiled.diagnostics.iter().map(|one| one.line(&compiled.sources)).collect()
}

fn state(published: &Published, view: StateEventView) -> Sent {
    let event = sent("state", &view);
    match &published.generation {
        Some(generation) => event.id(generation.number.to_string()),
        None => event,
    }
}

fn sent(name: &'static str, data: &impl Serialize) -> Sent {
    let text = serde_json::to_string(data).expect("views are made of strings and numbers");
    Sent::default().event(name).data(text)
}
