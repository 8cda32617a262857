//! `proxmox-firewall serve` as a node runs it: below `/`, with the kernel's own interfaces. `/etc/pve`, `/run` and
//! `/var/lib` are of its own, in a mount namespace, so that no machine notices.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::case::{CaseFiles, path_of};

/// Emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service, in the network namespace that its maker was in.
#[derive(Debug)]
pub struct Service {
    folder: PathBuf,
    running: Option<Child>,
}

impl Service {
    /// With these files, not started yet.
    pub fn new(name: &str, files: &CaseFiles) -> Result<Service, Failure> {
        let folder = std::env::temp_dir().join(format!("proxmox-firewall-{name}-{}", std::process::id()));
        for part in ["pve", "lib", "run"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let service = Service { folder, running: None };
        service.write("/etc/pve/.version", b"{}")?;
        for (name, bytes) in files {
            service.write(&path_of(name), bytes)?;
        }
        Ok(service)
    }

    /// A file below `/etc/pve`, as a person saves it.
    pub fn save(&self, name: &str, text: &str) -> Result<(), Failure> {
        self.write(&path_of(name), text.as_bytes())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let below = path.strip_prefix("/etc/pve/").ok_or_else(|| format!("{path} is not below /etc/pve"))?;
        let path = self.folder.join("pve").join(below);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(std::fs::write(path, bytes)?)
    }

    /// Starts it and does not wait.
    pub fn start(&mut self) -> Result<(), Failure> {
        let folder = self.folder.display();
        let script = format!(
            "set -e
            mount -t tmpfs tmpfs /mnt
            mkdir /mnt/etc /mnt/work
            mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
            mkdir -p /etc/pve
            mount --bind {folder}/pve /etc/pve
            mount --bind {folder}/run /run
            mount --bind {folder}/lib /var/lib
            exec proxmox-firewall --node node1 --socket /run/api.sock serve"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).stdin(Stdio::null());
        let log = std::fs::File::create(self.folder.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log).env("RUST_LOG", "info");
        self.running = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until the service says that it enforces what is saved, looking meanwhile at what `look` sees.
    pub fn ready(&mut self, mut look: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            look()?;
            let health = self.client(&["status", "--json"])?;
            let status: serde_json::Value = serde_json::from_str(&health).unwrap_or_default();
            if matches!(status["state"].as_str(), Some("active" | "degraded")) {
                return Ok(());
            }
            let ended = self.running.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.join("log"))?;
                return Err(format!("the service is not ready ({ended:?}): {health}\n{log}").into());
            }
        }
    }

    /// What the program says to a command that it hands to the service.
    pub fn client(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut client = Command::new("proxmox-firewall");
        client.arg("--socket").arg(self.folder.join("run/api.sock")).args(arguments).env_remove("RUST_LOG");
        let output = client.output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok(format!("{out}{err}"))
    }

    /// Ends it with a signal (`TERM`, `KILL`) and waits.
    pub fn end(&mut self, signal: &str) -> Result<(), Failure> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        Command::new("kill").args(["-s", signal, &running.id().to_string()]).status()?;
        running.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.end("KILL");
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
