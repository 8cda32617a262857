//! The service's client: HTTP over its socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use nix::unistd::geteuid;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::http::{API_SOCKET, READ_SOCKET};

/// Longer than the service takes for anything.
const PATIENCE: Duration = Duration::from_secs(40);

/// Largest answer that is read: the ruleset of a large node has tens of megabytes.
const ANSWER_MAX: usize = 512 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no socket, or nobody listens on it.
    #[error(
        "the service is not running (no answer on {0}); start it with `systemctl start proxmox-firewall`"
    )]
    NotRunning(PathBuf),
    /// The socket is somebody else's.
    #[error("could not open {0}: only root may; readers of the group of {READ_SOCKET} may use that one")]
    Denied(PathBuf),
    /// Whoever listens is neither root nor we.
    #[error("{path} is served by user {uid}, not by root")]
    Impostor {
        /// The socket.
        path: PathBuf,
        /// Who serves it.
        uid: u32,
    },
    /// The socket failed.
    #[error("could not talk to the service")]
    World(#[source] io::Error),
    /// The conversation broke off.
    #[error("the service broke the connection off")]
    Broken(#[source] hyper::Error),
    /// It takes too long.
    #[error("the service does not answer")]
    Silent,
    /// The answer is too long.
    #[error("the answer has more than {ANSWER_MAX} bytes")]
    TooLong,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    #[cfg(test)]
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Where the service is to be found if nobody says otherwise.
pub(crate) fn default_socket() -> PathBuf {
    PathBuf::from(if geteuid().is_root() { API_SOCKET } else { READ_SOCKET })
}

/// A request with a JSON body, or without one.
pub(crate) fn request(method: Method, path: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.map_or_else(Bytes::new, |body| body.to_string().into())));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("paths are written here and hold numbers alone");
    let headers = request.headers_mut();
    headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    }
    request
}

/// Sends a request, and reads the answer's head.
pub(crate) async fn send(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, CallError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            CallError::NotRunning(socket.to_owned())
        }
        io::ErrorKind::PermissionDenied => CallError::Denied(socket.to_owned()),
        _ => CallError::World(error),
    })?;
    let uid = stream.peer_cred().map_err(CallError::World)?.uid();
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(CallError::Impostor { path: socket.to_owned(), uid });
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(CallError::Broken)?;
    // It ends with the answer; its errors are the answer's.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(CallError::Broken)
}

/// Sends a request, and reads the whole answer.
pub(crate) async fn call(socket: &Path, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
    let whole = async {
        let (head, body) = send(socket, request).await?.into_parts();
        let body = http_body_util::Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(broken) => CallError::Broken(*broken),
            Err(_) => CallError::TooLong,
        })?;
        Ok(Answer {
            status: head.status,
            #[cfg(test)]
            headers: head.headers,
            body: body.to_bytes(),
        })
    };
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or(Err(CallError::Silent))
}
