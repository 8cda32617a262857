//! Bytes of a file -> physical lines -> words, each with its place. The one module that advances through text.

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::span::{FileId, Span};

/// A physical line without its line break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawLine<'a> {
    /// Its bytes, whatever they are.
    pub(crate) bytes: &'a [u8],
    start: u32,
    file: FileId,
}

/// The lines of a text; one CR before each LF belongs to the line break.
pub(crate) fn lines(text: &[u8], file: FileId) -> impl Iterator<Item = RawLine<'_>> {
    let mut start = 0;
    text.split(|&b| b == b'\n').map(move |line| {
        let at = offset(start);
        start += line.len() + 1;
        RawLine { bytes: line.strip_suffix(b"\r").unwrap_or(line), start: at, file }
    })
}

/// An offset as spans hold it. Files of the cluster file system have at most 1 MiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> RawLine<'a> {
    /// Without `n` bytes at the front.
    pub(crate) fn skip(self, n: usize) -> RawLine<'a> {
        RawLine { bytes: &self.bytes[n..], start: self.start.saturating_add(offset(n)), ..self }
    }

    /// Without spaces and tabs on both ends.
    pub(crate) fn trimmed(self) -> RawLine<'a> {
        let blank = self.bytes.iter().take_while(|b| is_blank(**b)).count();
        let mut line = self.skip(blank);
        let kept = line.bytes.iter().rposition(|b| !is_blank(*b)).map_or(0, |last| last + 1);
        line.bytes = &line.bytes[..kept];
        line
    }

    /// What stands before the first `byte`, and what follows it.
    pub(crate) fn split_at(self, byte: u8) -> (RawLine<'a>, Option<RawLine<'a>>) {
        match self.bytes.iter().position(|&b| b == byte) {
            None => (self, None),
            Some(at) => (RawLine { bytes: &self.bytes[..at], ..self }, Some(self.skip(at + 1))),
        }
    }

    /// As text, if it is nothing but printable ASCII, spaces and tabs.
    pub(crate) fn text(self) -> Option<Text<'a>> {
        let printable = self.bytes.iter().all(|&b| (b' '..0x7f).contains(&b) || b == b'\t');
        let str = if printable { std::str::from_utf8(self.bytes).ok()? } else { return None };
        Some(Text { str, start: self.start, file: self.file })
    }

    /// Where it stands.
    pub(crate) fn span(self) -> Span {
        let end = self.start.saturating_add(offset(self.bytes.len()));
        Span { file: self.file, start: self.start, end }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A stretch of printable ASCII and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The characters.
    pub(crate) str: &'a str,
    start: u32,
    file: FileId,
}

impl<'a> Text<'a> {
    /// Where it stands.
    pub(crate) fn span(self) -> Span {
        let end = self.start.saturating_add(offset(self.str.len()));
        Span { file: self.file, start: self.start, end }
    }

    /// Without `n` characters at the front.
    pub(crate) fn skip(self, n: usize) -> Text<'a> {
        Text { str: &self.str[n..], start: self.start.saturating_add(offset(n)), ..self }
    }

    /// The first `n` characters.
    pub(crate) fn head(self, n: usize) -> Text<'a> {
        Text { str: &self.str[..n], ..self }
    }

    /// Without spaces and tabs on both ends.
    pub(crate) fn trimmed(self) -> Text<'a> {
        let text = self.skip(self.str.len() - self.str.trim_ascii_start().len());
        text.head(text.str.trim_ascii_end().len())
    }

    /// Takes the next word, up to a blank; `None` at the end.
    pub(crate) fn next_word(&mut self) -> Option<Text<'a>> {
        let text = self.skip(self.str.bytes().take_while(|b| is_blank(*b)).count());
        let end = text.str.bytes().position(is_blank).unwrap_or(text.str.len());
        *self = text.skip(end);
        (end > 0).then(|| text.head(end))
    }

    /// What stands before and behind the first `byte`.
    pub(crate) fn split_once(self, byte: u8) -> Option<(Text<'a>, Text<'a>)> {
        let at = self.str.bytes().position(|b| b == byte)?;
        Some((self.head(at), self.skip(at + 1)))
    }

    /// The parts between commas; at least one, perhaps empty.
    pub(crate) fn list(self) -> impl Iterator<Item = Text<'a>> {
        let mut at = 0;
        self.str.split(',').map(move |part| {
            let element = self.skip(at).head(part.len());
            at += part.len() + 1;
            element
        })
    }

    /// Equal but for the case of letters.
    pub(crate) fn is(self, word: &str) -> bool {
        self.str.eq_ignore_ascii_case(word)
    }

    /// A remark that points here.
    pub(crate) fn remark(
        self,
        code: Code,
        message: impl Into<String>,
        consequence: &'static str,
    ) -> Diagnostic {
        Diagnostic::new(code, Place::Span(self.span()), message, consequence)
    }
}

/// Text for a message: in backquotes, shortened, nothing in it that a terminal could take as a command.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = &bytes[..bytes.len().min(LONGEST)];
    let mut text = String::with_capacity(shown.len() + 5);
    text.push('`');
    for char in String::from_utf8_lossy(shown).chars() {
        text.push(if char.is_control() { char::REPLACEMENT_CHARACTER } else { char });
    }
    if bytes.len() > LONGEST {
        text.push('…');
    }
    text.push('`');
    text
}

/// Sorts the remarks about one file by line; those of one line keep their order.
pub(crate) fn sort_by_line(text: &[u8], diagnostics: &mut [Diagnostic]) {
    if diagnostics.len() < 2 {
        return;
    }
    let breaks: Vec<u32> =
        text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| offset(at)).collect();
    diagnostics.sort_by_cached_key(|diagnostic| match diagnostic.place {
        Place::Span(span) => breaks.partition_point(|&at| at < span.start) + 1,
        Place::File(_) | Place::Host => 0,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_place() {
        let line = lines(b"x\r\n  IN\tACCEPT  \n", FileId(3)).nth(1).expect("two lines");
        let mut text = line.trimmed().text().expect("ASCII");
        let first = text.next_word().expect("a word");
        let second = text.next_word().expect("a word");
        assert_eq!((first.str, second.str), ("IN", "ACCEPT"));
        assert_eq!(second.span(), Span { file: FileId(3), start: 8, end: 14 });
        assert!(text.next_word().is_none());
    }

    #[test]
    fn what_is_not_printable_is_no_text() {
        for bad in [&b"a\0b"[..], b"caf\xe9", b"a\x1bb", b"\x7f", "\u{a0}".as_bytes()] {
            assert!(lines(bad, FileId(0)).next().expect("a line").text().is_none(), "{bad:?}");
        }
        assert_eq!(quoted(b"a\x1b[1m\xff"), "`a\u{fffd}[1m\u{fffd}`");
    }
}
