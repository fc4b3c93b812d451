//! What must hold of a run, by the record of the API server and a ledger of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use opsbox_heal::decide::{Action, Budget, Decision, Policy, Reason};
use opsbox_heal::record::EntryKind;
use opsbox_heal::testing::ApiWrite;

use crate::candidate::{Candidate, Log};
use crate::world::{Ill, Pod, World, text};

/// A removal of a pod that the API server has accepted.
struct Act {
    /// Which candidate.
    by: usize,
    uid: String,
    decided: Duration,
    accepted: Duration,
    /// When its Event was there for others to read.
    told: Option<Duration>,
}

/// A run that is over.
pub(crate) struct Run<'a> {
    pub(crate) world: &'a World,
    pub(crate) policy: &'a Policy,
    pub(crate) candidates: &'a [Candidate],
    pub(crate) elects: bool,
    /// Clocks were set, so that times of different machines cannot be compared.
    pub(crate) jumps: bool,
    /// What a controller sees may be old for a while without it knowing.
    pub(crate) old_views: bool,
}

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) acts: usize,
    /// Acts beyond a budget of a leader that could not know of those before, since they had left no Event.
    pub(crate) beyond: usize,
    pub(crate) escalations: usize,
}

impl Run<'_> {
    /// All that happened, to be read by whoever looks for the reason of a failure.
    pub(crate) fn tell(&self) {
        println!("{:#?}", self.policy);
        let mut all: Vec<(Duration, String)> = Vec::new();
        for write in self.world.api.writes() {
            if write.resource != "leases.coordination.k8s.io" {
                let line = format!(
                    "api: {} {} {} {} {:?} {}",
                    write.user_agent, write.verb, write.resource, write.name, write.uid, write.code
                );
                all.push((write.at, line));
            }
        }
        for candidate in self.candidates {
            let (name, log) = (&candidate.wire.name, candidate.wire.log.lock().unwrap());
            for (at, line) in &log.lines {
                let pod = line
                    .target
                    .as_ref()
                    .map(|target| (&target.name, &target.uid));
                let outcome = line.outcome.as_ref().map(|outcome| &outcome.message);
                let recovery = line.recovery.as_ref().map(|recovery| &recovery.result);
                let line = format!(
                    "{name}: {:?} {pod:?} {:?} {} {} {} {outcome:?} {recovery:?}",
                    line.kind, line.condition, line.action, line.reason, line.message
                );
                all.push((*at, line));
            }
            all.extend(
                log.recalled
                    .iter()
                    .map(|(_, read)| (*read, format!("{name}: recalls"))),
            );
            all.extend(log.led.iter().map(|at| (*at, format!("{name}: leads"))));
        }
        all.sort_by_key(|(at, _)| *at);
        for (at, line) in all {
            println!("{at:>10.3?} {line}");
        }
        for pod in &self.world.pods {
            println!("{pod:?}");
        }
    }

    pub(crate) fn check(&self) -> Counts {
        let logs: Vec<_> = self
            .candidates
            .iter()
            .map(|c| c.wire.log.lock().unwrap())
            .collect();
        let logs: Vec<&Log> = logs.iter().map(|log| &**log).collect();
        let writes = self.world.api.writes();
        let acts = self.accepted(&writes, &logs);
        self.recorded(&logs);
        let beyond = self.budgets(&acts, &logs) + self.rate(&acts, &logs);
        Counts {
            acts: acts.len(),
            beyond,
            escalations: self.told_once(&writes, &logs),
        }
    }

    /// By the leader, with a line before it, on the pod that was judged, which was not well.
    fn accepted(&self, writes: &[ApiWrite], logs: &[&Log]) -> Vec<Act> {
        let mut acts: Vec<Act> = Vec::new();
        let mut holder = String::new();
        let on_leases = "leases.coordination.k8s.io";
        for write in writes.iter().filter(|write| write.took_effect()) {
            if write.resource == on_leases {
                holder = text(&write.body, "/spec/holderIdentity");
            }
            if write.resource != "pods" {
                continue;
            }
            assert!(write.removed_pod(), "{write:?}");
            let named = |c: &Candidate| c.wire.name == write.user_agent;
            let by = self.candidates.iter().position(named).unwrap();
            let leads = holder.starts_with(&format!("{}_", write.user_agent));
            assert!(leads || !self.elects, "{holder} leads: {write:?}");
            let uid = write.uid.clone().unwrap();
            let judged = logs[by]
                .acting
                .iter()
                .rev()
                .find(|(at, decision)| *at <= write.at && decision.target.uid == uid);
            let Some((decided, decision)) = judged else {
                panic!("not the pod that was judged: {write:?}")
            };
            assert_eq!(decision.target.name, write.name);
            let version = (uid.clone(), decision.target.resource_version.clone());
            assert!(self.world.unwell.contains(&version), "was well: {decision}");
            self.knew_the_past(logs[by], *decided);
            if acts.iter().any(|act| act.uid == uid && act.by == by) {
                panic!("twice: {write:?}")
            }
            acts.push(Act {
                by,
                told: event_of(writes, decision, &write.user_agent),
                uid,
                decided: *decided,
                accepted: write.at,
            });
        }
        acts
    }

    /// A leader acts when it has learned what was done before it, or when that must be over.
    fn knew_the_past(&self, log: &Log, decided: Duration) {
        let mut led = log.led.iter().rev();
        let since = led.find(|at| **at <= decided).copied();
        let since = since.unwrap_or_default();
        let mut recalls = log.recalled.iter();
        let over = decided >= since + self.policy.recovery_timeout;
        assert!(
            over || recalls.any(|(asked, read)| *asked >= since && *read <= decided),
            "acted at {decided:?} without knowing what was done before {since:?}"
        );
    }

    /// In the audit stream: each act once before its request, and its outcome once after it.
    fn recorded(&self, logs: &[&Log]) {
        for (candidate, log) in self.candidates.iter().zip(logs) {
            let mut by_uid: BTreeMap<&str, (Vec<Duration>, usize)> = BTreeMap::new();
            for (at, line) in &log.lines {
                let Some(act) = &line.act else { continue };
                let (begun, ended) = by_uid.entry(act).or_default();
                match line.kind {
                    EntryKind::Decision if !line.dry_run => {
                        assert_eq!(begun.len(), *ended, "begun twice: {line:?}");
                        begun.push(*at);
                    }
                    EntryKind::Outcome => {
                        *ended += 1;
                        assert_eq!(begun.len(), *ended, "{line:?}");
                    }
                    _ => {}
                }
            }
            for (act, (begun, ended)) in &by_uid {
                let sent = log.sent.iter().filter(|(_, uid)| uid == act);
                let sent: Vec<Duration> = sent.map(|(at, _)| *at).collect();
                assert!(sent.len() <= begun.len(), "{act} without a line before it");
                for (sent, begun) in sent.iter().zip(begun) {
                    assert!(begun <= sent, "{act}");
                }
                let open = begun.len() - ended;
                assert!(open == 0 || !candidate.ends_well, "{act} has no outcome");
            }
            let of_lines: usize = by_uid.values().map(|(begun, _)| begun.len()).sum();
            assert_eq!(of_lines, log.acting.len());
            for (_, uid) in &log.sent {
                assert!(
                    by_uid.contains_key(&**uid),
                    "{uid} is not in the audit stream"
                );
            }
        }
    }

    /// Whether the one who made `later` could know of `earlier`.
    fn knows(&self, earlier: &Act, later: &Act, logs: &[&Log]) -> bool {
        if earlier.by == later.by {
            return true;
        }
        let Some(told) = earlier.told else {
            return false;
        };
        let asked = logs[later.by].asked_between(told, later.decided);
        asked.is_some_and(|asked| {
            logs[earlier.by].clock_was_right(earlier.decided, told)
                && logs[later.by].clock_was_right(asked, later.decided)
        })
    }

    /// How many acts were beyond a budget that another process before has filled unseen.
    fn budgets(&self, acts: &[Act], logs: &[&Log]) -> usize {
        let budgets = &self.policy.budgets;
        let budgets = [
            budgets.workload,
            budgets.namespace,
            budgets.node,
            budgets.cluster,
        ];
        let mut beyond = 0;
        for (index, act) in acts.iter().enumerate() {
            let pod = self.world.by_uid(&act.uid);
            let open = self.open(&acts[..index], act.accepted);
            for (scope, (name, budget)) in self.world.scopes(pod).iter().zip(budgets).enumerate() {
                let allowed = allowed(budget, self.world.most(name, act.accepted));
                let here = open.iter().filter(|(other, certainly)| {
                    // Which of two acts on a workload has ended cannot be told from outside.
                    let counts = scope != 2 || *certainly;
                    let of = self.world.by_uid(&other.uid);
                    counts && other.uid != act.uid && self.world.scopes(of)[scope] == *name
                });
                let known = here
                    .clone()
                    .filter(|(other, _)| self.knows(other, act, logs));
                let known = known.count();
                assert!(
                    known < allowed,
                    "{known} of {allowed} under way in {name}, and then {} at {:?}: {:?}",
                    act.uid,
                    act.accepted,
                    here.map(|(act, _)| (&act.uid, act.by, act.accepted))
                        .collect::<Vec<_>>(),
                );
                beyond += usize::from(here.count() >= allowed);
            }
        }
        beyond
    }

    /// The acts that are under way at a moment, and whether no other act of the workload can be
    /// the one that has ended instead.
    fn open<'r>(&self, acts: &'r [Act], now: Duration) -> Vec<(&'r Act, bool)> {
        let seconds = Duration::from_secs;
        let mut over: BTreeSet<&str> = BTreeSet::new();
        let mut replaced: BTreeSet<usize> = BTreeSet::new();
        for act in acts {
            let pod = self.world.by_uid(&act.uid);
            let limit = self.policy.recovery_timeout;
            let ended_before = pod.ill == Some(Ill::Evicted);
            if ended_before || act.accepted + limit <= now + seconds(2) {
                over.insert(&act.uid);
            }
        }
        // Who has been ready for ten seconds, give or take those that clocks are cut to.
        let stable = if self.jumps {
            Duration::ZERO
        } else {
            seconds(8)
        };
        let ends = |pod: &Pod| {
            // One that was acted on itself stands for both: one pod is missing, not two.
            let acted_on = acts.iter().find(|act| act.uid == pod.uid);
            let acted_on = acted_on.map(|act| act.accepted);
            let stable = match self.old_views {
                // That it ended to be ready before may not be seen: a view may be as old as
                // `stale_after` says.
                true => pod.ready.first().map(|(from, _)| *from + stable),
                false => pod.stable(stable),
            };
            acted_on.into_iter().chain(stable).min()
        };
        let new = self.world.pods.iter();
        let mut new: Vec<_> = new.filter_map(|pod| Some((ends(pod)?, pod))).collect();
        new.retain(|(at, _)| *at <= now);
        new.sort_by_key(|(at, _)| *at);
        for (_, pod) in new {
            let mut fitting = acts.iter().rev().filter(|act| {
                let of = self.world.by_uid(&act.uid);
                of.workload == pod.workload
                    && of.uid != pod.uid
                    && pod.created + seconds(6) >= act.decided
                    && !over.contains(&*act.uid)
            });
            if let Some(act) = fitting.next() {
                over.insert(&act.uid);
                replaced.insert(pod.workload);
            }
        }
        let open = acts.iter().filter(|act| !over.contains(&*act.uid));
        let certainly = |act: &Act| !replaced.contains(&self.world.by_uid(&act.uid).workload);
        open.map(|act| (act, certainly(act))).collect()
    }

    fn rate(&self, acts: &[Act], logs: &[&Log]) -> usize {
        let rate = &self.policy.rate;
        // Moments are whole seconds.
        let period = rate.period.saturating_sub(Duration::from_secs(2));
        let mut beyond = 0;
        for (index, act) in acts.iter().enumerate() {
            let before = acts[..index].iter().filter(|other| {
                other.decided <= act.decided && other.decided + period > act.decided
            });
            let known = before.clone().filter(|other| self.knows(other, act, logs));
            let known = known.count();
            assert!(known < rate.acts as usize, "{known} within {period:?}");
            beyond += usize::from(before.count() >= rate.acts as usize);
        }
        beyond
    }

    fn told_once(&self, writes: &[ApiWrite], logs: &[&Log]) -> usize {
        let mut told: BTreeMap<String, (usize, &Decision)> = BTreeMap::new();
        let mut all: Vec<_> = Vec::new();
        for (by, log) in logs.iter().enumerate() {
            all.extend(
                log.escalated
                    .iter()
                    .map(|(at, decision)| (*at, by, decision)),
            );
        }
        all.sort_by_key(|(at, by, _)| (*at, *by));
        for (at, by, decision) in &all {
            let Some((before, first)) = told.insert(subject(decision), (*by, decision)) else {
                continue;
            };
            assert!(before != *by, "told twice at {at:?}: {decision}");
            let event = event_of(writes, first, &self.candidates[before].wire.name);
            let asked = event.and_then(|told| logs[*by].asked_between(told, *at));
            assert!(asked.is_none(), "told twice at {at:?}: {decision}");
        }
        all.len()
    }

    /// What could be healed is, or a human knows; whether all but the hopeless is well.
    pub(crate) fn healed(&self) -> bool {
        let unknown = unknown(self.world, self.candidates);
        let sick = || self.world.sick().collect::<Vec<_>>();
        assert!(
            unknown.is_empty(),
            "nobody knows of {unknown:?}: {:?}",
            sick()
        );
        let mut workloads = self.world.workloads.iter().enumerate();
        workloads.all(|(index, workload)| workload.broken || self.world.is_well(index))
    }
}

/// The workloads that are not well, and of which no human was told, nor of a common cause.
pub(crate) fn unknown(world: &World, candidates: &[Candidate]) -> Vec<String> {
    let mut known = BTreeSet::new();
    for candidate in candidates {
        for (_, decision) in &candidate.wire.log.lock().unwrap().escalated {
            if matches!(decision.reason, Reason::CommonCause { .. }) {
                return Vec::new();
            }
            known.insert(decision.target.workload.name.clone());
        }
    }
    let names = world.workloads.iter().map(|workload| workload.name.clone());
    let names = names
        .enumerate()
        .filter(|(index, _)| !world.is_well(*index));
    names
        .map(|(_, name)| name)
        .filter(|name| !known.contains(name))
        .collect()
}

fn allowed(budget: Budget, pods: usize) -> usize {
    let percent = usize::from(budget.max_share.as_percent());
    let share = (pods * percent / 100).max(1);
    share.min(budget.max_count as usize)
}

fn subject(decision: &Decision) -> String {
    match &decision.reason {
        Reason::CommonCause { cause, .. } => cause.to_string(),
        _ => format!("{} {}", decision.target.workload, decision.condition),
    }
}

/// When the Event of this act or escalation of a process was accepted.
fn event_of(writes: &[ApiWrite], of: &Decision, by: &str) -> Option<Duration> {
    let action = match of.action {
        Action::Evict => "Evict",
        Action::Delete => "Delete",
        _ => "Escalate",
    };
    let is = |body, path: &str, value: &str| text(body, path) == value;
    let mut writes = writes.iter().filter(|write| {
        write.resource == "events.events.k8s.io"
            && write.verb == "create"
            && write.took_effect()
            && write.user_agent == by
            && is(&write.body, "/regarding/uid", &of.target.uid)
            && is(&write.body, "/action", action)
            && is(&write.body, "/reason", of.condition.as_str())
    });
    writes.next().map(|write| write.at)
}
