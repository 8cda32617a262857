//! Whatever is asked for, in whatever order, and whenever the service is killed: a model of a few lines knows what is
//! enforced.

use std::time::{Duration, Instant};

use firewall_tests::Failure;
use firewall_tests::generate::Draw;
use firewall_tests::service::{Node, Running};
use serde_json::{Map, Value, json};

use super::{HOST_FW, clean, node, probe, rule};

const SEEDS: u64 = 4;
const STEPS: usize = 60;
/// Ports of rules; the last one's file closes the way in as well.
const PORTS: [u16; 4] = [4000, 4001, 4002, 4003];
const CUTS: u16 = 4003;

/// What should be so.
#[derive(Debug, Default)]
struct Model {
    saved: u16,
    enforced: u16,
    hold: bool,
    refused: Option<u16>,
    back_to: Option<u16>,
}

#[derive(Debug, Clone)]
enum Step {
    Save(u16),
    Apply {
        unsaved: Option<u16>,
        confirm: Confirm,
        force: bool,
    },
    Confirm,
    Rollback,
    Hold(bool),
    Restart,
    Kill,
    /// It is killed, and started again before the cluster file system is there.
    Absent,
    /// Back to a generation that there is not.
    Nowhere,
    /// Set anew to what it may be already: takes nothing along.
    RejectMode,
}

/// Whether an apply waits for a confirmation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Confirm {
    No,
    Later,
    /// Nobody will confirm in time.
    TooLate,
}

impl Model {
    fn cuts(&self, port: u16) -> bool {
        port == CUTS && self.enforced != CUTS
    }

    fn automatic(&mut self) {
        let waits = self.back_to.is_some() || self.refused == Some(self.saved) || self.hold;
        if !waits && !self.cuts(self.saved) {
            self.enforced = self.saved;
        }
    }

    fn roll_back(&mut self) -> bool {
        let Some(port) = self.back_to.take() else { return false };
        self.enforced = port;
        self.refused = Some(self.saved);
        true
    }

    /// `false`: it is refused.
    fn step(&mut self, step: &Step) -> bool {
        match *step {
            Step::Save(port) => {
                self.saved = port;
                self.refused = self.refused.filter(|refused| *refused == port);
                self.automatic();
            }
            Step::Apply { unsaved, confirm, force } => {
                let port = unsaved.unwrap_or(self.saved);
                if self.cuts(port) && !force {
                    return false;
                }
                if confirm != Confirm::No {
                    self.back_to = self.back_to.or(Some(self.enforced));
                }
                self.enforced = port;
                self.refused = (port != self.saved).then_some(self.saved);
            }
            Step::Confirm => {
                if self.back_to.take().is_none() {
                    return false;
                }
                self.automatic();
            }
            Step::Rollback => return self.roll_back(),
            Step::Hold(hold) => {
                self.hold = hold;
                self.automatic();
            }
            Step::Restart | Step::Kill | Step::Absent => self.automatic(),
            Step::Nowhere => return false,
            Step::RejectMode => {}
        }
        true
    }
}

fn draw_step(draw: &mut Draw) -> Step {
    let port = |draw: &mut Draw| draw.pick(&PORTS);
    match draw.below(18) {
        0..=4 => Step::Save(port(draw)),
        5..=7 => Step::Apply {
            unsaved: draw.chance(33).then(|| port(draw)),
            confirm: draw.weighted(&[(3, Confirm::No), (3, Confirm::Later), (1, Confirm::TooLate)]),
            force: draw.chance(50),
        },
        8 => Step::Confirm,
        9 => Step::Rollback,
        10 => Step::Hold(true),
        11 => Step::Hold(false),
        12 => Step::Restart,
        13 => Step::Absent,
        14 => Step::Nowhere,
        15 | 16 => Step::RejectMode,
        _ => Step::Kill,
    }
}

fn text(port: u16) -> String {
    let closed = if port == CUTS { "IN DROP -p tcp -dport 8006\n" } else { "" };
    rule(port) + closed
}

/// Carries a step out; `false`: it was refused.
fn carry_out(step: &Step, node: &Node, service: &mut Running) -> Result<bool, Failure> {
    let accepted = |status: u16| match status {
        200 => Ok(true),
        409 => Ok(false),
        other => Err(format!("{step:?}: {other}").into()),
    };
    match *step {
        Step::Save(port) => {
            node.write(HOST_FW, &text(port))?;
            // Where one change after the other waits, nothing else tells that each has been seen.
            accepted(service.client.post("/v1/apply", &json!({"automatic": true}))?.status)?;
            Ok(true)
        }
        Step::Apply { unsaved, confirm, force } => {
            let mut body = Map::new();
            body.insert("force".to_owned(), force.into());
            if let Some(port) = unsaved {
                body.insert("overlay".to_owned(), json!({HOST_FW: text(port)}));
            }
            match confirm {
                Confirm::No => {}
                Confirm::Later => drop(body.insert("confirm_within".to_owned(), 3_600.into())),
                Confirm::TooLate => drop(body.insert("confirm_within".to_owned(), 1.into())),
            }
            accepted(service.client.post("/v1/apply", &Value::Object(body))?.status)
        }
        Step::Confirm => accepted(service.ask("/v1/apply/confirm")?),
        Step::Rollback => accepted(service.ask("/v1/apply/rollback")?),
        Step::Nowhere => {
            accepted(service.client.post("/v1/apply/rollback", &json!({"generation": 999_999}))?.status)
        }
        Step::RejectMode => accepted(service.client.put("/v1/reject-mode", &json!({"mode": "drop"}))?.status),
        Step::Absent => {
            service.kill();
            node.hide_cluster()?;
            *service = node.start()?;
            node.show_cluster()?;
            // It looks for that several times a second. Until it has, calls are refused.
            std::thread::sleep(Duration::from_millis(600));
            Ok(true)
        }
        Step::Hold(true) => accepted(service.ask("/v1/hold")?),
        Step::Hold(false) => accepted(service.ask("/v1/release")?),
        Step::Restart | Step::Kill => {
            if let Step::Kill = step {
                service.kill();
            } else {
                service.terminate()?;
            }
            *service = node.start()?;
            Ok(true)
        }
    }
}

/// Waits until the kernel and the status are as the model says.
fn agrees(model: &Model, node: &Node, service: &Running, steps: &[Step]) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let listing = node.nft("list table inet proxmox-firewall")?;
        let status = service.status()?;
        let is_there = |port: u16| listing.contains(&format!("tcp dport {port} "));
        let is_enforced = PORTS.iter().all(|port| is_there(*port) == (*port == model.enforced));
        let is_told = status["confirm"].is_object() == model.back_to.is_some()
            && status["candidate"].is_object() == (model.saved != model.enforced)
            && status["hold"] == model.hold;
        if is_enforced && is_told {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(15) {
            return Err(format!("{model:?} after {steps:?}: {listing}\n{status:#}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_model_knows_what_is_enforced() -> Result<(), Failure> {
    let node = node()?;
    for seed in 0..SEEDS {
        let _left = std::fs::remove_dir_all("/var/lib/proxmox-firewall");
        node.write(HOST_FW, &text(PORTS[0]))?;
        let mut service = node.start()?;
        let mut model = Model { saved: PORTS[0], enforced: PORTS[0], ..Model::default() };
        let mut draw = Draw::new(seed, "model", 0);
        let mut steps = Vec::new();
        let mut n_refused = 0;
        for _ in 0..STEPS {
            // A mode that is set while a change is unconfirmed goes with it.
            let step = match draw_step(&mut draw) {
                Step::RejectMode if model.back_to.is_some() => Step::Nowhere,
                step => step,
            };
            steps.push(step.clone());
            let is_taken = model.step(&step);
            n_refused += usize::from(!is_taken);
            assert_eq!(carry_out(&step, &node, &mut service)?, is_taken, "{model:?} after {steps:?}");
            if let (Step::Apply { confirm: Confirm::TooLate, .. }, true) = (&step, is_taken) {
                // The time is over before anything else is asked for.
                service.until("the end of the time", |status| status["confirm"].is_null())?;
                model.roll_back();
            }
            agrees(&model, &node, &service, &steps)?;
        }
        println!("seed {seed}: {STEPS} steps, {n_refused} refused, as the model says");
        drop(service);
        node.nft("flush ruleset")?;
    }
    // Packets of its own, so that the last state is seen to filter.
    node.write(HOST_FW, &text(PORTS[0]))?;
    let _left = std::fs::remove_dir_all("/var/lib/proxmox-firewall");
    let service = node.start()?;
    clean(probe()?.look(), "after all of that");
    drop(service);
    Ok(())
}
