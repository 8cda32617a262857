//! Faults that tests inject. Programs that are built for release have none of it.
//!
//! `PROXMOX_FIREWALL_FAULT` names a file with one line: `stop POINT`, and the process stops for good when it comes to that
//! point, which the file then tells (`stopped POINT`): whoever waits for that can kill it there. `wait POINT`: it goes on
//! when the file no longer says `waiting POINT`. Or `refuse TEXT`: the kernel is given something that it refuses with every
//! transaction that has the text in it.

/// The points: each phase of an attempt, and each write to disk.
pub const POINTS: [&str; 9] = [
    "compiled",
    "asked",
    "sending",
    "committed",
    "settled",
    "generation-saved",
    "state-written",
    "state-saved",
    "rolled-back",
];

/// The process may stop here.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    let Some((path, text)) = line() else { return };
    if text.strip_prefix("stop ") == Some(name) {
        let _told = std::fs::write(path, format!("stopped {name}"));
        loop {
            std::thread::park();
        }
    }
    if text.strip_prefix("wait ") == Some(name) {
        let waiting = format!("waiting {name}");
        let _told = std::fs::write(path, &waiting);
        while line().is_some_and(|(_, text)| text == waiting) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Whether a transaction is to be refused.
#[cfg(debug_assertions)]
pub fn is_refused(transaction: &[u8]) -> bool {
    let Some((_, line)) = line() else { return false };
    let Some(text) = line.strip_prefix("refuse ").filter(|text| !text.is_empty()) else { return false };
    transaction.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(debug_assertions)]
fn line() -> Option<(&'static std::path::Path, String)> {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let path =
        FILE.get_or_init(|| std::env::var_os("PROXMOX_FIREWALL_FAULT").map(PathBuf::from)).as_deref()?;
    let text = std::fs::read_to_string(path).ok()?;
    Some((path, text.trim().to_owned()))
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub const fn point(_name: &str) {}

/// Never.
#[cfg(not(debug_assertions))]
pub const fn is_refused(_transaction: &[u8]) -> bool {
    false
}
