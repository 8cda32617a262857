//! The packet's way from hook to hook, and that of the answer if it is rejected.

use super::answer::answer;
use super::eval::{End, Rules, Walk};
use super::packet::{Fragment, Packet, Sender, State};
use super::path::{self, Pass, Route};
use super::trace::{Assumption, Deciding, Outcome, RuleStep, Step, Trace, Verdict};
use super::tracking::{self, Tracking};
use super::view::Meta;
use super::world::{Place, World};
use crate::ruleset::{Device, Hook, Origin, RejectWith, TableFamily};

/// Where conntrack stands in its hooks (NF_IP_PRI_CONNTRACK, in the bridge family too). Chains of the same
/// priority come behind it.
const CONNTRACK: i32 = -200;

/// How a way ends.
enum Ending<'r> {
    Arrived,
    Dropped(Deciding<'r>),
    /// Sent out of another device behind the pass of this index.
    Diverted(Deciding<'r>, &'r Device, usize),
    /// At the pass of this index.
    Rejected(Deciding<'r>, RejectWith, usize),
}

/// Runs a packet along a route, with rate limits exceeded or not.
pub(super) fn run<'r>(
    rules: &Rules<'r>,
    world: &World,
    packet: &Packet,
    (route, exceeded): (&Route, bool),
) -> Trace<'r> {
    let mut walk = walk(rules, world, packet, exceeded);
    let mut accepted = None;
    let (verdict, deciding) = match walk.way(&route.passes, &mut accepted) {
        Ending::Arrived => (Verdict::Accept, accepted),
        Ending::Dropped(by) => (Verdict::Drop, Some(by)),
        Ending::Diverted(by, device, at) => walk.diverted(route, (by, device), at),
        Ending::Rejected(by, with, at) => {
            let is_answered = walk.answer(route, at, with);
            (if is_answered { Verdict::Reject(with) } else { Verdict::Drop }, Some(by))
        }
    };
    let mut assumptions = Vec::new();
    let below_tracking = route.ends.0 == Place::Host && packet.sender == Sender::PacketSocket;
    if packet.is_ip() && !below_tracking {
        assumptions.push(Assumption::State(tracking::state(packet)));
    }
    if walk.met_limit {
        assumptions.push(if exceeded { Assumption::RatesExceeded } else { Assumption::RatesKept });
    }
    Trace { steps: walk.steps, verdict, deciding, assumptions }
}

fn walk<'s, 'r>(rules: &'s Rules<'r>, world: &'s World, packet: &'s Packet, exceeded: bool) -> Walk<'s, 'r> {
    let meta = Meta {
        mark: packet.mark,
        ct_mark: packet.ct_mark,
        tracking: Tracking::Nothing,
        fragment: packet.l3.fragment(),
    };
    Walk { rules, world, packet, exceeded, met_limit: false, meta, steps: Vec::new() }
}

impl<'r> Walk<'_, 'r> {
    /// All hooks; behind the host's stack once for each piece of a large datagram, of which none may be lost.
    fn way(&mut self, passes: &[Pass], accepted: &mut Option<Deciding<'r>>) -> Ending<'r> {
        let mut from = 0;
        while from < passes.len() {
            let in_pieces = passes[from].in_pieces;
            let len = passes[from..].iter().take_while(|pass| pass.in_pieces == in_pieces).count();
            let cut = in_pieces && self.packet.is_ip() && self.packet.l3.exceeds_mtu();
            let pieces: &[Fragment] = match (in_pieces, cut) {
                (true, true) => &[Fragment::First, Fragment::Later],
                (true, false) => &[self.packet.l3.fragment()],
                (false, _) => &[self.meta.fragment],
            };
            let before = self.meta;
            let mut after_first = None;
            for &fragment in pieces {
                self.meta = Meta { fragment, ..before };
                for (at, pass) in passes.iter().enumerate().skip(from).take(len) {
                    match self.hook(pass, accepted) {
                        End::Drop(by) => return Ending::Dropped(by),
                        End::Forward(by, device) => return Ending::Diverted(by, device, at),
                        End::Reject(by, with) => return Ending::Rejected(by, with, at),
                        End::Accept(_) | End::Policy => {}
                    }
                }
                after_first.get_or_insert(self.meta);
            }
            self.meta = after_first.unwrap_or(before);
            from += len;
        }
        Ending::Arrived
    }

    /// All base chains of one hook, by priority; conntrack among them.
    fn hook(&mut self, pass: &Pass, accepted: &mut Option<Deciding<'r>>) -> End<'r> {
        if pass.arrives {
            self.meta.tracking = Tracking::Nothing;
            self.meta.fragment = self.packet.l3.fragment();
        }
        if pass.family == TableFamily::Inet {
            self.meta.fragment = Fragment::None;
        }
        let rules = self.rules;
        let chains = rules.base_chains(pass.family, pass.hook);
        self.steps.push(Step::Hook { pass: Box::new(pass.clone()), fragment: self.meta.fragment });
        let n_before_tracking = chains.partition_point(|base| base.priority < CONNTRACK);
        for (nth, base) in chains.iter().enumerate() {
            if nth == n_before_tracking {
                self.track(pass);
            }
            match self.base_chain(pass, *base) {
                End::Accept(by) => remember(accepted, by),
                End::Policy => {}
                end @ (End::Drop(_) | End::Forward(..) | End::Reject(..)) => return end,
            }
        }
        if n_before_tracking == chains.len() {
            self.track(pass);
        }
        self.egress(pass)
    }

    /// The chains at the device that a frame leaves a bridge by.
    fn egress(&mut self, left: &Pass) -> End<'r> {
        let (TableFamily::Bridge, Hook::Postrouting, Some(device)) = (left.family, left.hook, &left.oifname)
        else {
            return End::Policy;
        };
        let rules = self.rules;
        let chains = rules.egress_chains(device);
        if chains.is_empty() {
            return End::Policy;
        }
        let pass = Pass { family: TableFamily::Netdev, hook: Hook::Egress, ..left.clone() };
        self.steps.push(Step::Hook { pass: Box::new(pass.clone()), fragment: self.meta.fragment });
        for base in chains {
            match self.base_chain(&pass, *base) {
                End::Accept(_) | End::Policy => {}
                end @ (End::Drop(_) | End::Forward(..) | End::Reject(..)) => return end,
            }
        }
        End::Policy
    }

    /// Conntrack reassembles what it tracks.
    fn track(&mut self, pass: &Pass) {
        let tracks = match (pass.family, pass.hook) {
            (TableFamily::Bridge | TableFamily::Inet, Hook::Prerouting) => true,
            (TableFamily::Inet, Hook::Output) => true,
            (TableFamily::Bridge, Hook::Output) => false,
            (TableFamily::Bridge | TableFamily::Inet, Hook::Input | Hook::Forward | Hook::Postrouting) => {
                false
            }
            (TableFamily::Netdev, _) | (TableFamily::Bridge | TableFamily::Inet, Hook::Egress) => false,
        };
        if tracks && self.meta.tracking == Tracking::Nothing {
            self.meta.tracking = self.meta.tracking.track(self.packet);
            self.meta.fragment = Fragment::None;
        }
    }

    /// What becomes of a frame that was sent to the bridge that answers, and by which rule.
    fn diverted(
        &mut self,
        route: &Route,
        (by, device): (Deciding<'r>, &'r Device),
        at: usize,
    ) -> (Verdict, Option<Deciding<'r>>) {
        let left = &route.passes[at];
        let by = self.accepted_at(left).unwrap_or(by);
        let lost = (Verdict::Drop, Some(by));
        let Some(pass) = path::diverted(left, &device.name) else { return lost };
        let had_entry = self.meta.tracking.has_entry();
        self.meta.tracking = Tracking::Nothing;
        let with = match self.hook(&pass, &mut None) {
            End::Reject(_, with) => with,
            End::Drop(_) | End::Accept(_) | End::Policy | End::Forward(..) => return lost,
        };
        // The first piece of a datagram has a checksum of the whole: the kernel takes it for damaged.
        if self.meta.fragment != Fragment::None {
            return lost;
        }
        let answered = answer(self.world, self.packet, &pass, &self.meta, with);
        let Some(mut answer) = answered else { return lost };
        answer.state = had_entry.then_some(State::Related);
        let way = (left, &device.name);
        let Some(passes) = path::diverted_route(self.world, &mut answer, way, route.ends.0) else {
            return lost;
        };
        let verdict = if self.arrives(answer, with, &passes) { Verdict::Reject(with) } else { Verdict::Drop };
        (verdict, Some(by))
    }

    /// The rule that let a frame go at the last hook of its bridge: of what is diverted, the one that wants it rejected.
    fn accepted_at(&self, left: &Pass) -> Option<Deciding<'r>> {
        let is_at = |step: &&Step<'r>| !matches!(step, Step::Hook { pass, .. } if **pass == *left);
        self.steps.iter().rev().take_while(is_at).find_map(|step| match step {
            Step::Rule(RuleStep { place, outcome: Outcome::Accepted, .. }) => Some(*place),
            _ => None,
        })
    }

    /// Whether the sender of a rejected packet hears of it.
    fn answer(&mut self, route: &Route, at: usize, with: RejectWith) -> bool {
        let pass = &route.passes[at];
        let answered = answer(self.world, self.packet, pass, &self.meta, with);
        let Some(mut answer) = answered else { return false };
        let passes = match (pass.family, route.ends.0) {
            // A local socket is told at once.
            (TableFamily::Inet, Place::Host) => return true,
            (TableFamily::Netdev, _) => return false,
            (TableFamily::Inet, Place::Port(sender)) => path::host_route(self.world, &answer, sender),
            (TableFamily::Bridge, sender) => {
                // Where the packet has left the host's IP stack before, its connection is known.
                let leaves = |pass: &Pass| (pass.family, pass.hook) == (TableFamily::Inet, Hook::Postrouting);
                let is_known = route.passes[..at].iter().any(leaves);
                if is_known && self.meta.tracking.has_entry() {
                    answer.state = Some(State::Related);
                }
                match path::answer_route(self.world, &mut answer, pass, sender) {
                    Some(passes) => passes,
                    None => return false,
                }
            }
        };
        self.arrives(answer, with, &passes)
    }

    /// Whether an answer gets through.
    fn arrives(&mut self, answer: Packet, with: RejectWith, passes: &[Pass]) -> bool {
        self.steps.push(Step::Answer { with, packet: Box::new(answer.clone()) });
        let mut way = walk(self.rules, self.world, &answer, self.exceeded);
        let ending = way.way(passes, &mut None);
        self.met_limit |= way.met_limit;
        self.steps.append(&mut way.steps);
        matches!(ending, Ending::Arrived)
    }
}

/// Of several rules that accept on the way, a configured one says more than one of ours; else the last.
fn remember<'r>(accepted: &mut Option<Deciding<'r>>, by: Deciding<'r>) {
    let is_ours = |by: &Deciding<'_>| matches!(by.origin(), Origin::Skeleton(_));
    if accepted.as_ref().is_none_or(|known| is_ours(known) || !is_ours(&by)) {
        *accepted = Some(by);
    }
}
