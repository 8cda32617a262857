//! Positions: which bytes of which file something was read from, and back to line and column.
//!
//! Stages carry [`Span`]s (bytes); only what is shown to a person becomes `file:line:column`.

use std::sync::{Arc, OnceLock};

/// One file among [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A place as people write it; lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Path of the file, as a node sees it (`/etc/pve/firewall/cluster.fw`).
    pub path: String,
    /// Physical line, blank lines and comments counted.
    pub line: u32,
    /// Byte in the line.
    pub column: u32,
}

/// The files of a compilation, kept to turn [`Span`]s into [`Position`]s and source lines. A clone shares them: it
/// costs next to nothing and keeps the texts that it was made with.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Full but for the last one: a file's id is its place.
    chunks: Vec<Arc<Vec<Source>>>,
}

/// Files of a chunk: what is copied when a text changes while a clone is alive.
const CHUNK: usize = 128;

#[derive(Debug, Clone)]
struct Source {
    path: Arc<str>,
    text: Arc<[u8]>,
    /// Where lines begin; found when the first position is asked for, for most files are never shown.
    line_starts: OnceLock<Vec<usize>>,
}

impl Sources {
    /// Adds a file and returns its id; ids count up from 0 in the order of addition.
    pub fn add(&mut self, path: &str, text: Arc<[u8]>) -> FileId {
        let source = Source { path: path.into(), text, line_starts: OnceLock::new() };
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(source),
            Some(_) | None => self.chunks.push(Arc::new(vec![source])),
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let last = before + self.chunks.last().map_or(0, |chunk| chunk.len()) - 1;
        FileId(u32::try_from(last).expect("fewer than 2^32 files"))
    }

    /// Gives a file another text; its id stays.
    pub fn replace(&mut self, file: FileId, text: Arc<[u8]>) {
        let (chunk, at) = (file.0 as usize / CHUNK, file.0 as usize % CHUNK);
        if !Arc::ptr_eq(&self.chunks[chunk][at].text, &text) {
            let source = &mut Arc::make_mut(&mut self.chunks[chunk])[at];
            *source = Source { path: source.path.clone(), text, line_starts: OnceLock::new() };
        }
    }

    /// The path of a file.
    pub fn path(&self, file: FileId) -> &str {
        &self.source(file).path
    }

    /// The bytes of a file.
    pub fn text(&self, file: FileId) -> &[u8] {
        &self.source(file).text
    }

    fn source(&self, file: FileId) -> &Source {
        &self.chunks[file.0 as usize / CHUNK][file.0 as usize % CHUNK]
    }

    /// Line and column of the first byte of `span`.
    pub fn position(&self, span: Span) -> Position {
        let (line, line_start) = self.line_of(span);
        let column = span.start - u32::try_from(line_start).unwrap_or(span.start) + 1;
        Position { path: self.path(span.file).to_owned(), line, column }
    }

    /// The text of the line in which `span` begins, without its line break, lossily decoded.
    pub fn line_text(&self, span: Span) -> String {
        let (_, start) = self.line_of(span);
        let rest = &self.text(span.file)[start..];
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned()
    }

    fn line_of(&self, span: Span) -> (u32, usize) {
        let source = self.source(span.file);
        let starts = source.line_starts.get_or_init(|| {
            let breaks = source.text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= span.start as usize);
        (u32::try_from(line).unwrap_or(u32::MAX), starts[line - 1])
    }
}
