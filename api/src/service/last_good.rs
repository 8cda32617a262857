//! What `strict` falls back to: of each scope's file the last version in which nothing was opened.

use std::collections::BTreeSet;

use engine::diagnostic::{Code, Place};
use engine::inputs::Files;

use super::state::Generation;

/// The last good versions, and what they were taken from: only what has changed since is looked at.
#[derive(Debug, Default)]
pub(super) struct LastGood {
    files: Files,
    from: Files,
    /// Of `from`, those in which something was opened.
    opened: BTreeSet<String>,
}

impl LastGood {
    /// As an earlier process has left them.
    pub(super) fn new(files: Files) -> LastGood {
        LastGood { from: files.clone(), files, opened: BTreeSet::new() }
    }

    /// The versions, by path.
    pub(super) fn files(&self) -> Files {
        self.files.clone()
    }

    /// Takes over what is good of a generation.
    pub(super) fn remember(&mut self, generation: &Generation) {
        self.take(&generation.files, opened(generation));
    }

    fn take(&mut self, files: &Files, opened: BTreeSet<String>) {
        let changed = files.changed_since(&self.from);
        let closed = self.opened.difference(&opened);
        for path in changed.iter().chain(closed).filter(|path| path.ends_with(".fw")) {
            match files.get(path) {
                Some(content) if !opened.contains(path) => {
                    self.files.insert(path.clone(), content.clone());
                }
                Some(_) => {}
                None => drop(self.files.remove(path)),
            }
        }
        self.opened = opened;
        self.from = files.clone();
    }
}

/// Files in which something was lost that held something back.
fn opened(generation: &Generation) -> BTreeSet<String> {
    let compiled = &generation.compiled;
    let opens = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::Opens);
    let path = opens.filter_map(|diagnostic| match diagnostic.place {
        Place::Span(span) => Some(compiled.sources.path(span.file)),
        Place::File(file) => Some(compiled.sources.path(file)),
        Place::Host => None,
    });
    path.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use engine::inputs::{FileContent, Files};

    use super::LastGood;

    fn files(all: &[(&str, &str)]) -> Files {
        all.iter().map(|(path, text)| ((*path).to_owned(), FileContent::text(text))).collect()
    }

    /// Each step: the files, those in which something was opened, and what is good then.
    #[test]
    fn a_file_that_opens_something_keeps_its_last_good_version() {
        let mut good = LastGood::new(files(&[("/a.fw", "0"), ("/gone.fw", "0")]));
        for (now, opened, expected) in [
            (&[("/a.fw", "1"), ("/b.fw", "1"), ("/c.conf", "1")][..], &["/b.fw"][..], &[("/a.fw", "1")][..]),
            (&[("/a.fw", "2"), ("/b.fw", "1")], &["/a.fw", "/b.fw"], &[("/a.fw", "1")]),
            // What another file lacked is there.
            (&[("/a.fw", "2"), ("/b.fw", "1")], &[], &[("/a.fw", "2"), ("/b.fw", "1")]),
            (&[("/b.fw", "1")], &["/b.fw"], &[("/b.fw", "1")]),
        ] {
            good.take(&files(now), opened.iter().map(|path| (*path).to_owned()).collect());
            assert!(good.files().changed_since(&files(expected)).is_empty(), "{:?}", good.files());
        }
    }
}
