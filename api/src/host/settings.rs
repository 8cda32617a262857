//! The node's own settings file, `/etc/pve/nodes/<node>/proxmox-firewall.cfg`: one setting changed, the rest kept.

use std::fs;
use std::io;
use std::path::Path;

use engine::inputs::RejectMode;

/// Sets the REJECT mode in a settings file, which need not be there; one that cannot be read stays as it is.
pub fn set_reject_mode(path: &Path, mode: RejectMode) -> io::Result<()> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    write(path, &with_reject_mode(&text, mode))
}

/// The text with `reject_mode` set to `mode`: in its line if it has one, else in front.
fn with_reject_mode(text: &str, mode: RejectMode) -> String {
    let line = format!("reject_mode: {}", mode.as_str());
    let is_setting = |line: &str| line.split_once(':').is_some_and(|(name, _)| name.trim() == "reject_mode");
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().rposition(|line| is_setting(line)) {
        Some(at) => lines[at] = &line,
        None => lines.insert(0, &line),
    }
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

/// Replaces a file: readers see the old one or the new one. In the cluster file system, which knows no fsync(2), the
/// rename is what other nodes get.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("tmp.{}", std::process::id()));
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, path).inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

#[cfg(test)]
mod tests {
    use super::with_reject_mode;
    use engine::inputs::RejectMode;

    #[test]
    fn everything_else_stays() {
        let text = "# ours\nstrict: 1\nreject_mode: drop\n";
        assert_eq!(
            with_reject_mode(text, RejectMode::Prerouting),
            "# ours\nstrict: 1\nreject_mode: prerouting\n"
        );
        assert_eq!(with_reject_mode("strict: 1", RejectMode::Drop), "reject_mode: drop\nstrict: 1\n");
    }
}
