//! Connections: who is at the other end, how many there may be, and when one is cut off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tower::ServiceExt;

use super::Limits;
use super::error::Problem;

/// The process at the other end, as the kernel saw it when it connected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// Its user.
    pub(super) uid: u32,
    /// Its process; 0: unknown.
    pub(super) pid: i32,
}

/// One socket and what it serves.
pub(super) struct Port {
    pub(super) listener: UnixListener,
    pub(super) routes: Router,
    /// The only user who is served; `None`: whoever the file's mode lets in.
    pub(super) owner: Option<u32>,
}

impl Port {
    /// Accepts until told to stop; then connections may end what they are at, for a moment.
    pub(super) async fn serve(self, limits: Limits, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let mut connections = JoinSet::new();
        loop {
            // Whoever comes when all slots are taken waits in the socket's queue.
            let slot = slots.clone().acquire_owned();
            let accepted = async { (slot.await, self.listener.accept().await) };
            let (slot, accepted) = tokio::select! {
                accepted = accepted => accepted,
                Some(_) = connections.join_next() => continue,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (routes, stop) = (self.routes_for(&stream), stop.clone());
                    connections.spawn(async move {
                        converse(stream, routes, limits, stop).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Too many open files, mostly: they are not closed by asking again at once.
                    tracing::warn!(%error, "could not accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        let _cut_off = tokio::time::timeout(limits.farewell, all).await;
    }

    /// What this peer is served: everything, or the same refusal for all that it asks.
    fn routes_for(&self, stream: &UnixStream) -> (Router, Peer) {
        let peer = stream
            .peer_cred()
            .ok()
            .map(|credentials| Peer { uid: credentials.uid(), pid: credentials.pid().unwrap_or_default() });
        match (peer, self.owner) {
            (Some(peer), None) => (self.routes.clone(), peer),
            (Some(peer), Some(owner)) if peer.uid == owner => (self.routes.clone(), peer),
            (peer, _) => {
                let peer = peer.unwrap_or(Peer { uid: u32::MAX, pid: 0 });
                tracing::warn!(target: "audit", uid = peer.uid, pid = peer.pid, "peer refused");
                (refusal(), peer)
            }
        }
    }
}

/// Ends when the service does.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and the service with it.
    let _stopped = stop.wait_for(|stop| *stop).await.is_ok();
}

fn refusal() -> Router {
    Router::new().fallback(|| async { Problem::forbidden("this socket serves root alone") })
}

/// Answers requests of one connection, one after the other.
async fn converse(
    stream: UnixStream,
    (routes, peer): (Router, Peer),
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let service = routes.map_request(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    let service = TowerToHyperService::new(service.map_response(|response: Response| response));
    let io = TokioIo::new(Patient::new(stream, limits.stall));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX)
        .serve_connection(io, service);
    let mut connection = Pin::new(&mut connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(uid = peer.uid, pid = peer.pid, %error, "connection ended early");
    }
}

/// Longest head of a request, and buffer of a body's parts.
const HEAD_MAX: usize = 64 * 1024;

/// A stream that gives up on a peer that does not read.
struct Patient {
    stream: UnixStream,
    patience: Duration,
    /// Since the first write that had to wait.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: UnixStream, patience: Duration) -> Patient {
        Patient { stream, patience, deadline: None }
    }

    /// Passes what a write came to, unless it has been waiting for too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let patience = self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
