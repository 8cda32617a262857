//! A node: namespaces of the calling thread, `/etc`, `/run` and `/var/lib` of its own, and the service in them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use super::client::Client;
use crate::Failure;
use crate::namespace::run;

/// Where the service listens.
const SOCKET: &str = "/run/proxmox-firewall/api.sock";
/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(120);
/// The line that says which fault is wanted; see `host::fault`.
const FAULT: &str = "/run/fault";

/// The machine, as far as it is the test's own.
#[derive(Debug)]
pub struct Node {
    program: PathBuf,
}

/// Where a cluster file system is hidden.
const HIDDEN: &str = "/etc/away";

fn moved(from: &str, to: &str) -> Result<(), Failure> {
    let nothing: Option<&str> = None;
    Ok(mount(Some(from), to, nothing, MsFlags::MS_MOVE, nothing)?)
}

impl Node {
    /// The calling thread moves into namespaces of its own, for as long as it lives.
    pub fn new() -> Result<Node, Failure> {
        let program = program()?;
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        for path in ["/etc", "/run", "/var/lib"] {
            tmpfs(path, "4m")?;
        }
        nix::unistd::sethostname("n1")?;
        run("ip", &["link", "set", "lo", "up"], "")?;
        let node = Node { program };
        std::fs::create_dir_all("/etc/pve")?;
        node.mount_cluster()?;
        Ok(node)
    }

    /// Mounts a cluster file system without a configuration.
    pub fn mount_cluster(&self) -> Result<(), Failure> {
        tmpfs("/etc/pve", "8m")?;
        std::fs::write("/etc/pve/.version", "{}")?;
        std::fs::write("/etc/pve/.vmlist", r#"{"version": 1, "ids": {}}"#)?;
        std::fs::create_dir_all("/etc/pve/nodes/n1/qemu-server")?;
        std::fs::create_dir_all("/etc/pve/firewall")?;
        Ok(())
    }

    /// Takes it away.
    pub fn unmount_cluster(&self) -> Result<(), Failure> {
        Ok(umount("/etc/pve")?)
    }

    /// Takes it away with what is in it.
    pub fn hide_cluster(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(HIDDEN)?;
        moved("/etc/pve", HIDDEN)
    }

    /// Brings back what was hidden.
    pub fn show_cluster(&self) -> Result<(), Failure> {
        moved(HIDDEN, "/etc/pve")
    }

    /// Writes a file as other programs do: whole.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let (path, beside) = (Path::new(path), format!("{path}.tmp.1"));
        std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        std::fs::write(&beside, text)?;
        Ok(std::fs::rename(beside, path)?)
    }

    /// What the next process that is started, or runs, does wrong. Empty: nothing.
    pub fn fault(&self, line: &str) -> Result<(), Failure> {
        Ok(std::fs::write(FAULT, line)?)
    }

    /// The line as it is now.
    pub fn fault_now(&self) -> String {
        std::fs::read_to_string(FAULT).unwrap_or_default()
    }

    /// Starts the service and waits until it has tried to enforce something.
    pub fn start(&self) -> Result<Running, Failure> {
        let running = self.spawn()?;
        running.until("an answer", |status| status["cause"] != "the service is starting")?;
        Ok(running)
    }

    /// Starts the service.
    pub fn spawn(&self) -> Result<Running, Failure> {
        self.spawn_with(&[])
    }

    /// Starts the service with options.
    pub fn spawn_with(&self, options: &[&str]) -> Result<Running, Failure> {
        // The socket of one that was killed is in nobody's way, but would be taken for this one's.
        let _absent = std::fs::remove_file(SOCKET);
        let mut command = Command::new(&self.program);
        command.arg("serve").args(options).env("PROXMOX_FIREWALL_FAULT", FAULT).env("RUST_LOG", "info");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create("/run/log")?);
        Ok(Running { child: Some(command.spawn()?), client: Client::new(Path::new(SOCKET)) })
    }

    /// What `nft` prints.
    pub fn nft(&self, line: &str) -> Result<String, Failure> {
        run("nft", &line.split(' ').collect::<Vec<_>>(), "")
    }

    /// The program.
    pub fn path(&self) -> &Path {
        &self.program
    }

    /// What a command of the program prints.
    pub fn program(&self, line: &str) -> Result<String, Failure> {
        let program = self.program.to_str().ok_or("not UTF-8")?;
        run(program, &line.split(' ').collect::<Vec<_>>(), "")
    }
}

/// A service that runs.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    /// A way to it.
    pub client: Client,
}

impl Running {
    /// `GET /v1/status`
    pub fn status(&self) -> Result<Value, Failure> {
        Ok(self.client.get("/v1/status")?.json)
    }

    /// Waits until the status is as it should be.
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Result<Value, Failure> {
        let began = Instant::now();
        loop {
            let status = self.status().unwrap_or_default();
            if !status.is_null() && is_so(&status) {
                return Ok(status);
            }
            if began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string("/run/log").unwrap_or_default();
                return Err(format!("waited for {what}: {status:#}\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for a newer generation than this one.
    pub fn until_newer(&self, number: u64) -> Result<u64, Failure> {
        let status = self.until("a new generation", |status| generation(status) > number)?;
        Ok(generation(&status))
    }

    /// `POST /v1/apply` that must go well.
    pub fn apply(&self, body: &Value) -> Result<Value, Failure> {
        let answer = self.client.post("/v1/apply", body)?;
        if answer.status == 200 { Ok(answer.json) } else { Err(format!("apply: {answer:?}").into()) }
    }

    /// `POST` without a body.
    pub fn ask(&self, path: &str) -> Result<u16, Failure> {
        Ok(self.client.post(path, &json!({}))?.status)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Waits until it stands still at the point that was wanted, then kills it: nothing is written any more.
    pub fn kill_at(mut self, node: &Node, point: &str) -> Result<(), Failure> {
        let began = Instant::now();
        while node.fault_now() != format!("stopped {point}") {
            if began.elapsed() > PATIENCE {
                return Err(format!("it never came to {point}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill();
        node.fault("")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }

    /// SIGTERM, and its status.
    pub fn stop(mut self) -> Result<Option<i32>, Failure> {
        self.terminate()
    }

    /// Has it read everything again: SIGHUP.
    pub fn hang_up(&self) -> Result<(), Failure> {
        run("kill", &["-HUP", &self.pid().to_string()], "").map(drop)
    }

    /// The same for one that stays.
    pub fn terminate(&mut self) -> Result<Option<i32>, Failure> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        run("kill", &[&child.id().to_string()], "")?;
        Ok(child.wait()?.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The number of the generation that is enforced; 0: none.
pub fn generation(status: &Value) -> u64 {
    status["generation"]["number"].as_u64().unwrap_or(0)
}

fn tmpfs(path: &str, size: &str) -> Result<(), Failure> {
    let options = format!("size={size},mode=755");
    Ok(mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?)
}

/// The program of this workspace: in the virtual machine the one in `PATH`, else what cargo builds now.
fn program() -> Result<PathBuf, Failure> {
    static BUILT: Once = Once::new();

    let Some(cargo) = std::env::var_os("CARGO") else {
        let found = run("sh", &["-c", "command -v proxmox-firewall"], "")?;
        return Ok(PathBuf::from(found.trim()));
    };
    let mut built = true;
    BUILT.call_once(|| {
        let words = ["build", "--quiet", "--locked", "--workspace", "--bins"];
        built = Command::new(cargo).args(words).status().is_ok_and(|status| status.success());
    });
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).ok_or("tests lie in target/debug/deps")?;
    let program = folder.join("proxmox-firewall");
    if built && program.exists() { Ok(program) } else { Err("the program could not be built".into()) }
}
