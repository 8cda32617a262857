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
        let opened = opened(generation);
        let changed = generation.files.changed_since(&self.from);
        let closed = self.opened.difference(&opened);
        for path in changed.iter().chain(closed).filter(|path| path.ends_with(".fw")) {
            match generation.files.get(path) {
                Some(content) if !opened.contains(path) => {
                    self.files.insert(path.clone(), content.clone());
                }
                Some(_) => {}
                None => drop(self.files.remove(path)),
            }
        }
        self.opened = opened;
        self.from = generation.files.clone();
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
