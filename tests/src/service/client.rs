//! HTTP over the service's socket, one call for each connection.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls a service.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; `null` if it is no JSON.
    pub json: Value,
}

/// The text of a `GET` request that ends its connection.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\n\r\n")
}

impl Client {
    /// Of the service that listens there.
    pub fn new(socket: &Path) -> Client {
        Client { socket: socket.to_owned() }
    }

    /// A connection.
    pub fn connect(&self) -> Result<UnixStream, Failure> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// What a `GET` gives.
    pub fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(get(path).as_bytes())
    }

    /// What a `POST` of JSON gives.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.give("POST", path, body)
    }

    /// What a `PUT` of JSON gives.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.give("PUT", path, body)
    }

    fn give(&self, method: &str, path: &str, body: &Value) -> Result<Answer, Failure> {
        let body = body.to_string();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat())
    }

    fn send(&self, request: &[u8]) -> Result<Answer, Failure> {
        let mut stream = self.connect()?;
        // A service that refuses a body need not read it: then only its answer counts.
        let _unread = stream.write_all(request);
        Answer::read(&mut stream)
    }
}

impl Answer {
    /// Reads to the end of a connection.
    pub fn read(stream: &mut UnixStream) -> Result<Answer, Failure> {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let Some(status) = status else {
            return Err(format!("no answer: {read:?}, {} bytes", bytes.len()).into());
        };
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(Answer { status, json: serde_json::from_str(body).unwrap_or_default() })
    }
}
