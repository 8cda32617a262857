//! Where files lie: below `/`, or below another root for tests, containers and copies of a node.

use std::path::PathBuf;

/// A place that stands for `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Paths { root: PathBuf::from("/") }
    }
}

impl Paths {
    /// Everything lies below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Paths {
        Paths { root: root.into() }
    }

    /// Where a path of the node is to be found; `absolute` begins with `/`.
    pub fn at(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// This is the running system.
    pub fn is_live(&self) -> bool {
        self.root == std::path::Path::new("/")
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn stays_below_the_root() {
        assert_eq!(Paths::default().at("/etc/hosts").to_str(), Some("/etc/hosts"));
        assert_eq!(Paths::below("/srv/copy").at("/etc/hosts").to_str(), Some("/srv/copy/etc/hosts"));
    }
}
