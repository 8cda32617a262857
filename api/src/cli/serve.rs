//! `serve`: the daemon of a node.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use nix::unistd::Gid;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use crate::host::aside;
use crate::host::facts::Wanted;
use crate::host::judge::Libnftables;
use crate::http::{self, Listeners};
use crate::service::{self, Handle, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Serve reading calls and /metrics to this group, on a second socket
    #[arg(long, value_name = "GROUP")]
    read_group: Option<String>,
    /// Where that socket is, instead of /run/proxmox-firewall/read.sock
    #[arg(long, value_name = "PATH", requires = "read_group")]
    read_socket: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
SIGHUP reads everything again; SIGTERM and SIGINT end the service and leave the tables in the kernel (see `flush`).";

pub(super) fn run(args: &Args, wanted: &Wanted, socket: &Path) -> anyhow::Result<Outcome> {
    // Huge pages make a single run faster; in one that stays, most of each would lie idle. Refused: it takes more memory.
    let _refused = nix::sys::prctl::set_thp_disable(true);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    // This very program, even if another has taken its place on disk.
    aside::by(Path::new("/proc/self/exe"));
    let options = Options { wanted: wanted.clone() };
    let (handle, reconciler) = service::start(options)?;
    let served = runtime.block_on(serve(args, socket, &handle));
    handle.stop();
    if reconciler.join().is_err() {
        anyhow::bail!("the reconciler has ended with a panic; what the kernel holds stays");
    }
    served.map(|()| Outcome::Clean)
}

async fn serve(args: &Args, socket: &Path, handle: &Handle) -> anyhow::Result<()> {
    let read_group = args.read_group.as_deref().map(group).transpose()?;
    let read_socket = args.read_socket.as_deref().unwrap_or(Path::new(http::READ_SOCKET));
    let listeners = Listeners::open(socket, read_group.map(|group| (read_socket, group)))?;
    let mut hangup = signal(SignalKind::hangup()).context("could not wait for SIGHUP")?;
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not wait for SIGINT")?;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let judge = Arc::new(Libnftables::default());
    let server = tokio::spawn(http::serve(handle.clone(), listeners, judge, async move {
        let _gone = stopped.wait_for(|stopped| *stopped).await;
    }));
    handle.ready().await;
    // Without systemd nobody listens.
    let _nobody = sd_notify::notify(false, &[NotifyState::Ready]);
    let mut watchdog = tokio::time::interval(watchdog_interval());
    while !server.is_finished() {
        tokio::select! {
            _ = hangup.recv() => handle.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Without it nobody enforces anything: whoever supervises us starts another one.
            () = handle.ended() => break,
            _ = watchdog.tick() => {
                // Only a reconciler that answers is alive.
                if handle.is_alive().await {
                    let _nobody = sd_notify::notify(false, &[NotifyState::Watchdog]);
                }
            }
        }
    }
    let _nobody = sd_notify::notify(false, &[NotifyState::Stopping]);
    stop.send_replace(true);
    server.await.context("the HTTP server has ended with a panic")?.context("could not serve")
}

fn group(name: &str) -> anyhow::Result<Gid> {
    let known = nix::unistd::Group::from_name(name).context("could not look for the group")?;
    known.map(|group| group.gid).with_context(|| format!("there is no group `{name}`"))
}

/// Half of what systemd allows; without a watchdog, now and then.
fn watchdog_interval() -> Duration {
    let mut allowed_us = 0;
    match sd_notify::watchdog_enabled(false, &mut allowed_us) {
        true => Duration::from_micros(allowed_us) / 2,
        false => Duration::from_secs(60),
    }
}
