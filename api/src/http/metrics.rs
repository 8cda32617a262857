//! `GET /metrics`: OpenMetrics text.

mod met;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use engine::ruleset::Ruleset;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Service;
use super::error::Problem;
use crate::service::handle::Event;
use crate::service::state::{Generation, Phases, Published, State as Standing};
use met::Met;

/// Upper bounds of the buckets, microseconds: from one element of a set to a cold load.
const BUCKETS_US: [u64; 9] = [500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// What is counted while the service runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counted: Mutex<Counted>,
    met: Mutex<Met>,
}

#[derive(Debug, Default, Clone)]
struct Counted {
    /// The generation that was counted last.
    last: Option<u64>,
    n_applies: BTreeMap<&'static str, u64>,
    n_guest_events: u64,
    n_repairs: u64,
    /// Of events: counts are lower bounds then.
    n_missed: u64,
    phases: BTreeMap<&'static str, Histogram>,
}

#[derive(Debug, Default, Clone)]
struct Histogram {
    /// One for each bucket, and one for what is above all.
    buckets: [u64; BUCKETS_US.len() + 1],
    sum_us: u64,
}

impl Tally {
    pub(super) fn new(published: &Published) -> Tally {
        let tally = Tally::default();
        tally.count(|counted| {
            published.generation.iter().for_each(|generation| counted.generation(generation))
        });
        tally
    }

    fn count(&self, with: impl FnOnce(&mut Counted)) {
        with(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn counted(&self) -> Counted {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counted {
    fn generation(&mut self, generation: &Generation) {
        if self.last.replace(generation.number) == Some(generation.number) {
            return;
        }
        *self.n_applies.entry(generation.cause.as_str()).or_default() += 1;
        let Phases { gather_us, compile_us, preflight_us, diff_us, commit_us } = generation.phases;
        for (name, us) in [
            ("gather", gather_us),
            ("compile", compile_us),
            ("preflight", preflight_us),
            ("diff", diff_us),
            ("commit", commit_us),
        ] {
            let histogram = self.phases.entry(name).or_default();
            let bucket = BUCKETS_US.iter().position(|bound| us <= *bound).unwrap_or(BUCKETS_US.len());
            histogram.buckets[bucket] += 1;
            histogram.sum_us += us;
        }
    }
}

/// Counts what happens, until the service is gone.
pub(super) async fn count(mut events: Receiver<Event>, tally: Arc<Tally>) {
    loop {
        match events.recv().await {
            Ok(Event::Published(published, _)) => tally.count(|counted| {
                published.generation.iter().for_each(|generation| counted.generation(generation));
            }),
            Ok(Event::Guest(..)) => tally.count(|counted| counted.n_guest_events += 1),
            Ok(Event::Drift(_)) => tally.count(|counted| counted.n_repairs += 1),
            Err(RecvError::Lagged(missed)) => tally.count(|counted| counted.n_missed += missed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Measurements in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "reading",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(service): State<Service>) -> Result<Response, Problem> {
    let text = service.heavy(|service| {
        let published = service.handle.published();
        let mut met = service.tally.met.lock().unwrap_or_else(PoisonError::into_inner);
        let hits = service.judge.hits();
        let met = published.generation.as_ref().zip(hits.ok()).map(|(generation, hits)| {
            met.add(&generation.enforced, hits);
            &*met
        });
        text(&published, &service.tally.counted(), met, service.judge.connections())
    });
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text.await?).into_response())
}

/// OpenMetrics text in the making.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# TYPE proxmox_firewall_{name} {kind}"));
        self.line(format_args!("# HELP proxmox_firewall_{name} {help}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels: Vec<String> = labels.iter().map(label).collect();
        if labels.is_empty() {
            self.line(format_args!("proxmox_firewall_{name} {value}"));
        } else {
            self.line(format_args!("proxmox_firewall_{name}{{{}}} {value}", labels.join(",")));
        }
    }

    /// A family of one sample without labels.
    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a String takes everything");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text(
    published: &Published,
    counted: &Counted,
    met: Option<&Met>,
    connections: Option<(u64, u64)>,
) -> String {
    let mut page = Page::default();
    standing(&mut page, published);
    applies(&mut page, counted);
    if let Some(generation) = &published.generation {
        set_sizes(&mut page, &generation.enforced);
    }
    if let Some(met) = met {
        met.write(&mut page);
    }
    if let Some((used, max)) = connections {
        page.gauge("conntrack_entries", "Tracked connections.", used);
        page.gauge("conntrack_entries_max", "Connections that can be tracked.", max);
    }
    page.text.push_str("# EOF\n");
    page.text
}

fn standing(page: &mut Page, published: &Published) {
    page.family("state", "stateset", "How enforcement stands.");
    for state in [Standing::Active, Standing::Disabled, Standing::Degraded, Standing::Held, Standing::Failed]
    {
        let is_it = u8::from(state == published.state);
        page.sample("state", &[("proxmox_firewall_state", state.as_str())], is_it);
    }
    page.gauge("hold", "Automatic applying is switched off.", u8::from(published.hold));
    page.gauge(
        "confirm_pending",
        "A change waits for its confirmation.",
        u8::from(published.confirm.is_some()),
    );
    page.gauge("refused_guests", "Guests that keep older chains.", published.refused_guests.len());
    if let Some(generation) = &published.generation {
        page.gauge("generation", "Number of the enforced generation.", generation.number);
        page.gauge("losses", "Things that the kernel cannot do.", generation.losses.len());
        let committed_s = crate::views::generation::unix_s(generation.committed_at);
        page.gauge("generation_committed_seconds", "Unix time at which it was committed.", committed_s);
    }
}

fn applies(page: &mut Page, counted: &Counted) {
    page.family("applies", "counter", "Generations committed since the start, by cause.");
    for (cause, number) in &counted.n_applies {
        page.sample("applies_total", &[("cause", cause)], number);
    }
    page.family("guest_events", "counter", "Guest events dealt with.");
    page.sample("guest_events_total", &[], counted.n_guest_events);
    page.family("repairs", "counter", "Repairs of the kernel's tables.");
    page.sample("repairs_total", &[], counted.n_repairs);
    page.family(
        "events_missed",
        "counter",
        "Events that were not counted: what is counted here is too low by these.",
    );
    page.sample("events_missed_total", &[], counted.n_missed);
    page.family("apply_phase_seconds", "histogram", "How long the parts of an apply took.");
    for (phase, histogram) in &counted.phases {
        let mut n_below = 0;
        for (at, number) in histogram.buckets.iter().enumerate() {
            n_below += number;
            let bound = BUCKETS_US.get(at).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us));
            page.sample("apply_phase_seconds_bucket", &[("phase", phase), ("le", &bound)], n_below);
        }
        page.sample("apply_phase_seconds_count", &[("phase", phase)], n_below);
        page.sample("apply_phase_seconds_sum", &[("phase", phase)], seconds(histogram.sum_us));
    }
}

fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

fn set_sizes(page: &mut Page, enforced: &Ruleset) {
    page.family("set_elements", "gauge", "Elements of sets and maps.");
    for table in &enforced.tables {
        for set in &table.sets {
            let labels = [("family", table.family.as_str()), ("set", &*set.name)];
            page.sample("set_elements", &labels, set.elements.len());
        }
    }
}
