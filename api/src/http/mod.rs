//! The API: HTTP over unix sockets, on top of a [`Handle`].
//!
//! Reading order: this page (every route on a line, every layer on a line), `listener` and `connection` (sockets,
//! peers, limits), `error` (problem documents), `extract` (preconditions, who asks), then one file for each resource.
//! A handler extracts, makes one call, and converts to one of [`crate::views`].

mod applying;
mod catalog;
mod compile;
mod connection;
mod error;
mod events;
mod extract;
mod generations;
mod guests;
mod listener;
mod metrics;
mod openapi;
mod reject_mode;
mod rpc;
mod ruleset;
mod simulate;
mod status;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::host::judge::Judge;
use crate::service::Handle;
use crate::service::handle::Overlay;
use crate::service::preview::Preview;
use connection::Port;
use error::Problem;
pub use listener::{API_SOCKET, ListenError, Listeners, READ_SOCKET};
pub use openapi::document;

/// What is too much. A client that keeps to the description of the API never meets these.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections of a socket; more wait in its queue.
    pub connections: usize,
    /// Calls under way at a socket; more are turned away.
    pub calls: usize,
    /// Event streams of a socket; more are turned away.
    pub streams: usize,
    /// Bytes of a body: a file below /etc/pve has a MiB at most, and a preview has few.
    pub body: usize,
    /// From the first byte of a request's head, or the end of the answer before it, to the head's last.
    pub head: Duration,
    /// From a request's head to its answer.
    pub call: Duration,
    /// How long a peer may leave an answer unread.
    pub stall: Duration,
    /// How long connections may take to end when the service stops.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 2048,
            calls: 256,
            streams: 64,
            body: 8 * 1024 * 1024,
            head: Duration::from_secs(10),
            call: Duration::from_secs(25),
            stall: Duration::from_secs(10),
            farewell: Duration::from_secs(3),
        }
    }
}

/// What every handler works on.
#[derive(Clone)]
struct Service {
    handle: Handle,
    judge: Arc<dyn Judge>,
    tally: Arc<metrics::Tally>,
    /// Compiling and listing take processor and memory: so many at once.
    heavy: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Service {
    fn new(handle: Handle, judge: Arc<dyn Judge>, limits: Limits) -> Service {
        Service {
            tally: Arc::new(metrics::Tally::new(&handle.published())),
            heavy: Arc::new(Semaphore::new(2)),
            streams: Arc::new(Semaphore::new(limits.streams)),
            handle,
            judge,
        }
    }

    /// The same for readers, whose calls keep nobody waiting who changes something.
    fn for_readers(&self, limits: Limits) -> Service {
        Service {
            heavy: Arc::new(Semaphore::new(1)),
            streams: Arc::new(Semaphore::new(limits.streams)),
            ..self.clone()
        }
    }

    /// Runs something that takes long on a thread where it keeps nobody waiting.
    async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(Service) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let closed = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping");
        let permit = self.heavy.clone().acquire_owned().await.map_err(closed)?;
        let service = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Kept until the work has ended, even if nobody waits for it any more.
            let _permit = permit;
            work(service)
        });
        done.await.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }

    /// What saved files with `overlay` on top would mean.
    async fn preview(&self, overlay: Overlay) -> Result<Preview, Problem> {
        Ok(self.heavy(move |service| service.handle.preview(&overlay)).await??)
    }
}

/// Every route. Each is described in `openapi`.
fn routes() -> Router<Service> {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/health", get(status::health))
        .route("/v1/compile", post(compile::compile))
        .route("/v1/ruleset", get(ruleset::ruleset))
        .route("/v1/apply", post(applying::apply))
        .route("/v1/apply/confirm", post(applying::confirm))
        .route("/v1/apply/rollback", post(applying::rollback))
        .route("/v1/hold", post(applying::hold))
        .route("/v1/release", post(applying::release))
        .route("/v1/generations", get(generations::generations))
        .route("/v1/reject-mode", get(reject_mode::reject_mode).put(reject_mode::set_reject_mode))
        .route("/v1/guests", get(guests::guests))
        .route("/v1/guests/{vmid}", get(guests::guest))
        .route("/v1/guests/{vmid}/events", post(guests::guest_event))
        .route("/v1/simulate", post(simulate::simulate))
        .route("/v1/events", get(events::events))
        .route("/v1/catalog", get(catalog::catalog))
        .route("/v1/openapi.json", get(openapi::openapi))
        .route("/metrics", get(metrics::metrics))
}

/// The routes with all that stands before them, the outermost first.
fn router(service: Service, limits: Limits) -> Router {
    let operations =
        routes().with_state(service).layer(CatchPanicLayer::new()).layer(from_fn(error::problems));
    let calls =
        Router::new().route("/v1/rpc", post(rpc::rpc)).with_state(rpc::Operations::new(operations.clone()));
    operations.merge(calls).layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(Numbered::default()))
            .layer(TraceLayer::new_for_http().make_span_with(span))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn(error::problems))
            .layer(CatchPanicLayer::new())
            .layer(from_fn(extract::audit))
            .layer(HandleErrorLayer::new(error::overloaded))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::new(limits.calls))
            .layer(RequestBodyLimitLayer::new(limits.body))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limits.call)),
    )
}

/// Serves until `stop` comes, then lets connections end.
///
/// # Errors
/// When a socket cannot be watched.
pub async fn serve(
    handle: Handle,
    listeners: Listeners,
    judge: Arc<dyn Judge>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_within(Limits::default(), handle, listeners, judge, stop).await
}

async fn serve_within(
    limits: Limits,
    handle: Handle,
    listeners: Listeners,
    judge: Arc<dyn Judge>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = Service::new(handle, judge, limits);
    let tallying = tokio::spawn(metrics::count(service.handle.events(), service.tally.clone()));
    let reading = router(service.for_readers(limits), limits).layer(from_fn(only_reading));
    let routes = router(service, limits);
    let watched = |listener: std::os::unix::net::UnixListener| {
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener)
    };
    let owner = Some(listeners.owner);
    let api = Port { listener: watched(listeners.api)?, routes, owner };
    let read = match listeners.read {
        Some(listener) => Some(Port { listener: watched(listener)?, routes: reading, owner: None }),
        None => None,
    };
    let (stopping, stopped) = watch::channel(false);
    let read = async {
        if let Some(port) = read {
            port.serve(limits, stopped.clone()).await;
        }
    };
    let stop = async {
        stop.await;
        stopping.send_replace(true);
    };
    tokio::join!(api.serve(limits, stopped.clone()), read, stop);
    tallying.abort();
    Ok(())
}

/// The reader's socket: nothing that changes, and nothing that costs more than looking.
async fn only_reading(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        _ => Problem::forbidden("this socket only serves GET").into_response(),
    }
}

/// Request ids: counted from 1. One that the client gave is kept.
#[derive(Debug, Clone, Default)]
struct Numbered {
    last: Arc<AtomicU64>,
}

impl MakeRequestId for Numbered {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        Some(RequestId::new(HeaderValue::from(number)))
    }
}

fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::debug_span!("call", id, method = %request.method(), path = request.uri().path())
}
