//! Positions: which bytes of which file something was read from, and back to line and column.
//!
//! Stages carry [`Span`]s (bytes); only what is shown to a person becomes `file:line:column`.

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

/// The files of a compilation, kept to turn [`Span`]s into [`Position`]s and source lines.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Debug, Clone)]
struct Source {
    path: String,
    text: std::sync::Arc<[u8]>,
}

impl Sources {
    /// Adds a file and returns its id; ids count up from 0 in the order of addition.
    pub fn add(&mut self, path: &str, text: std::sync::Arc<[u8]>) -> FileId {
        self.files.push(Source { path: path.to_owned(), text });
        FileId(u32::try_from(self.files.len() - 1).expect("fewer than 2^32 files"))
    }

    /// The path of a file.
    pub fn path(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].path
    }

    /// The bytes of a file.
    pub fn text(&self, file: FileId) -> &[u8] {
        &self.files[file.0 as usize].text
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
        let text = self.text(span.file);
        let before = &text[..(span.start as usize).min(text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        (u32::try_from(line).unwrap_or(u32::MAX), start)
    }
}
