//! Whether an act helped: a state machine that is fed with pods and moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::{
    limits,
    model::{pod::PodState, pod_condition::ConditionStatus},
    text::Escaped,
    time::Timestamp,
};

/// How long each step after an act may take.
///
/// ```
/// use opsbox_heal::act::RecoveryLimits;
/// use std::time::Duration;
///
/// let mut limits = RecoveryLimits::default();
/// limits.ready_within = Duration::from_secs(15 * 60); // images of 20 GB
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryLimits {
    /// From the act until the old pod is gone; two minutes. A grace period longer than that needs more.
    pub gone_within: Duration,
    /// From then until its owner has made another one; one minute.
    pub replaced_within: Duration,
    /// From then until that one is ready; five minutes. An image that takes long to pull needs more.
    pub ready_within: Duration,
    /// How long it must stay ready to count; ten seconds. One that crashes again after five did not recover.
    pub stable_for: Duration,
}

impl Default for RecoveryLimits {
    fn default() -> Self {
        Self {
            gone_within: Duration::from_secs(120),
            replaced_within: Duration::from_secs(60),
            ready_within: Duration::from_secs(300),
            stable_for: Duration::from_secs(10),
        }
    }
}

/// What an act is to bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expect {
    /// Another pod of the same workload that is ready: after an eviction or deletion of a pod that counted.
    Replacement,
    /// The pod no longer exists: of one that had ended, whose replacement is there already.
    Gone,
    /// All pods of the workload are newer than the act and ready: after a restart of the owner.
    Rollout,
}

/// An act that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    namespace: String,
    name: String,
    uid: String,
    at: Timestamp,
    known: BTreeSet<String>,
}

impl Act {
    /// On this pod (for a restart: on its owner, whose uid or name then stands for the pod's), at this moment.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        uid: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
            at,
            known: BTreeSet::new(),
        }
    }

    /// With the uids of the workload's pods at that moment: none of them is a replacement. Without them only
    /// the time of creation tells, which the clocks of two machines may disagree about.
    pub fn knowing<T: Into<String>>(mut self, uids: impl IntoIterator<Item = T>) -> Self {
        self.known.extend(uids.into_iter().map(Into::into));
        self
    }

    /// The uid that [`Verifier::observe`] is asked by.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The moment of the act.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// It helped.
    Recovered {
        /// From the act until what was expected held.
        after: Duration,
        /// Name of the pod that took the place of the old one; `None` unless one was expected.
        replacement: Option<String>,
    },
    /// A replacement was made in time, but did not become ready, or not for long enough.
    NotReady {
        /// Its name; for a restart one of those that are not ready.
        replacement: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The old pod went and none came.
    NotReplaced {
        /// From the act until now.
        after: Duration,
    },
    /// The old pod (after a restart: one of them) is still there: its node does not answer, a finalizer holds
    /// it, or the act was undone.
    NotGone {
        /// From the act until now.
        after: Duration,
    },
}

impl Recovery {
    /// The words of [`as_str`](Self::as_str), for those who must know them in advance.
    pub const NAMES: [&'static str; 4] = ["recovered", "not_ready", "not_replaced", "not_gone"];

    /// A word for it, for metrics and the audit stream.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recovered { .. } => "recovered",
            Self::NotReady { .. } => "not_ready",
            Self::NotReplaced { .. } => "not_replaced",
            Self::NotGone { .. } => "not_gone",
        }
    }

    /// Whether the act helped.
    pub fn is_recovered(&self) -> bool {
        matches!(self, Self::Recovered { .. })
    }

    /// From the act until it was known.
    pub fn after(&self) -> Duration {
        match self {
            Self::Recovered { after, .. }
            | Self::NotReady { after, .. }
            | Self::NotReplaced { after }
            | Self::NotGone { after } => *after,
        }
    }
}

/// One line; unprintable characters are escaped.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.after().as_secs();
        match self {
            Self::Recovered {
                replacement: Some(name),
                ..
            } => write!(f, "recovered after {seconds} s by {}", Escaped(name)),
            Self::Recovered { .. } => write!(f, "recovered after {seconds} s"),
            Self::NotReady { replacement, .. } => {
                let name = Escaped(replacement);
                write!(
                    f,
                    "replaced by {name}, which is not ready after {seconds} s"
                )
            }
            Self::NotReplaced { .. } => write!(f, "not replaced after {seconds} s"),
            Self::NotGone { .. } => write!(f, "not gone after {seconds} s"),
        }
    }
}

/// Follows acts until it is known whether they helped.
///
/// Pure: pods and moments come in, and the same ones give the same result. A new pod counts for one act only,
/// so that two evictions of a workload need two replacements. No act is followed for longer than the sum of
/// the [`RecoveryLimits`], if it is asked about.
#[derive(Clone, Debug)]
pub struct Verifier {
    limits: RecoveryLimits,
    /// By uid.
    open: BTreeMap<String, Open>,
    /// Which act a new pod counts for, by its uid.
    claimed: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct Open {
    act: Act,
    expect: Expect,
    left_at: Option<Timestamp>,
    /// Uid and name.
    replacement: Option<(String, String)>,
    replaced_at: Option<Timestamp>,
}

impl Verifier {
    /// With these limits.
    pub fn new(limits: RecoveryLimits) -> Self {
        Self {
            limits,
            open: BTreeMap::new(),
            claimed: BTreeMap::new(),
        }
    }

    /// Follows an act from now on; one on the same uid before it is forgotten.
    pub fn begin(&mut self, act: Act, expect: Expect) {
        self.forget(&act.uid.clone());
        let open = Open {
            expect,
            left_at: None,
            replacement: None,
            replaced_at: None,
            act,
        };
        self.open.insert(open.act.uid.clone(), open);
    }

    /// The acts that are followed, by uid.
    pub fn open(&self) -> impl Iterator<Item = &Act> {
        self.open.values().map(|open| &open.act)
    }

    /// The clock was set by so many seconds: what is followed keeps its distance from now.
    pub fn shift(&mut self, seconds: i64) {
        let shift = |moment: &mut Timestamp| {
            let moved = moment.unix_seconds().saturating_add(seconds);
            *moment = Timestamp::from_unix_seconds(moved);
        };
        for open in self.open.values_mut() {
            shift(&mut open.act.at);
            let moments = [&mut open.left_at, &mut open.replaced_at];
            moments.into_iter().flatten().for_each(shift);
        }
    }

    /// Follows it no longer, for instance because its workload was scaled down.
    pub fn forget(&mut self, uid: &str) {
        self.open.remove(uid);
        self.claimed.retain(|_, act| act != uid);
    }

    /// What is known of the act on this uid, given *all* pods of its workload at this moment; `None` while it
    /// is open, or if it is not followed. What is known is told once.
    pub fn observe<'a>(
        &mut self,
        uid: &str,
        pods: impl IntoIterator<Item = &'a PodState>,
        now: Timestamp,
    ) -> Option<Recovery> {
        let mut open = self.open.remove(uid)?;
        let pods: Vec<&PodState> = pods.into_iter().collect();
        let found = match open.expect {
            Expect::Gone => self.gone(&open, &pods, now),
            Expect::Rollout => self.rolled_out(&open, &pods, now),
            Expect::Replacement => self.replaced(&mut open, &pods, now),
        };
        match found {
            Some(_) => self.claimed.retain(|_, act| act != uid),
            None => {
                self.open.insert(uid.to_owned(), open);
            }
        }
        found
    }

    fn gone(&self, open: &Open, pods: &[&PodState], now: Timestamp) -> Option<Recovery> {
        let after = now.since(open.act.at);
        let is_there = pods.iter().any(|pod| pod.uid() == open.act.uid);
        match is_there {
            false => Some(Recovery::Recovered {
                after,
                replacement: None,
            }),
            true => self.overdue(open, now),
        }
    }

    fn overdue(&self, open: &Open, now: Timestamp) -> Option<Recovery> {
        let after = now.since(open.act.at);
        (after >= self.limits.gone_within).then_some(Recovery::NotGone { after })
    }

    fn rolled_out(&self, open: &Open, pods: &[&PodState], now: Timestamp) -> Option<Recovery> {
        let after = now.since(open.act.at);
        // A rollout goes pod by pod, so each of them may take its time.
        let turns = u32::try_from(pods.len().max(1)).unwrap_or(u32::MAX);
        let limit = self.limits.gone_within + self.limits.ready_within.saturating_mul(turns);
        let mut serving = pods.iter().filter(|pod| !pod.phase().is_terminal());
        let old = serving.clone().find(|pod| !open.is_new(pod));
        let not_ready = serving.find(|pod| self.ready_since(pod, now).is_none());
        match (old, not_ready) {
            (None, None) if !pods.is_empty() => Some(Recovery::Recovered {
                after,
                replacement: None,
            }),
            _ if after < limit => None,
            (Some(_), _) => Some(Recovery::NotGone { after }),
            (None, Some(pod)) => Some(Recovery::NotReady {
                replacement: pod.name().to_owned(),
                after,
            }),
            (None, None) => Some(Recovery::NotReplaced { after }),
        }
    }

    fn replaced(
        &mut self,
        open: &mut Open,
        pods: &[&PodState],
        now: Timestamp,
    ) -> Option<Recovery> {
        let after = now.since(open.act.at);
        // One on its way out is replaced already, and its own stay is another matter.
        let stays = |pod: &&&PodState| pod.uid() == open.act.uid && pod.deletion().is_none();
        if pods.iter().any(|pod| stays(&pod)) {
            return self.overdue(open, now);
        }
        open.left_at.get_or_insert(now);
        self.claim(open, pods, now);
        let left_at = open.left_at.unwrap_or(now);
        let replacement = open.replacement.as_ref().and_then(|(uid, _)| {
            let mut pods = pods.iter();
            pods.find(|pod| pod.uid() == uid)
        });
        let Some(pod) = replacement else {
            open.replaced_at = None;
            let waited = now.since(left_at) >= self.limits.replaced_within;
            let waited = waited || after >= self.longest();
            return waited.then_some(Recovery::NotReplaced { after });
        };
        let replaced_at = *open.replaced_at.get_or_insert(now);
        if let Some(since) = self.ready_since(pod, now) {
            return Some(Recovery::Recovered {
                after: since.since(open.act.at),
                replacement: Some(pod.name().to_owned()),
            });
        }
        // Time to be stable does not count against the time to become ready.
        let limit = match is_ready(pod) {
            true => self.limits.ready_within + self.limits.stable_for,
            false => self.limits.ready_within,
        };
        // The second holds for replacements that die one after the other.
        let is_over = now.since(replaced_at) >= limit || after >= self.longest();
        is_over.then(|| Recovery::NotReady {
            replacement: pod.name().to_owned(),
            after,
        })
    }

    fn longest(&self) -> Duration {
        let limits = &self.limits;
        limits.gone_within + limits.replaced_within + limits.ready_within + limits.stable_for
    }

    /// Finds the pod that takes the place of the old one, and keeps it for this act.
    fn claim(&mut self, open: &mut Open, pods: &[&PodState], now: Timestamp) {
        if let Some((uid, _)) = &open.replacement {
            let lives = |pod: &&PodState| pod.uid() == uid && !is_over(pod);
            if pods.iter().any(lives) {
                return;
            }
            self.claimed.remove(uid);
            open.replacement = None;
            open.replaced_at = None;
            // The owner needs its time anew to make another one.
            open.left_at = Some(now);
        }
        let mut new: Vec<&&PodState> = pods
            .iter()
            .filter(|pod| open.is_new(pod) && !is_over(pod))
            .filter(|pod| !self.claimed.contains_key(pod.uid()))
            .collect();
        // A StatefulSet makes it under the same name; else the first that was made.
        new.sort_by_key(|pod| (pod.name() != open.act.name, pod.created(), pod.uid()));
        if let Some(pod) = new.first() {
            open.replacement = Some((pod.uid().to_owned(), pod.name().to_owned()));
            let (new, old) = (pod.uid().to_owned(), open.act.uid.clone());
            self.claimed.insert(new, old);
        }
    }

    /// Since when it has been ready, if that is for long enough.
    fn ready_since(&self, pod: &PodState, now: Timestamp) -> Option<Timestamp> {
        if !is_ready(pod) {
            return None;
        }
        let since = pod.condition("Ready").and_then(|ready| ready.since());
        let since = since.or_else(|| pod.created())?;
        (now.since(since) >= self.limits.stable_for).then_some(since)
    }
}

impl Open {
    fn is_new(&self, pod: &PodState) -> bool {
        let tolerance = limits::CLOCK_TOLERANCE;
        pod.uid() != self.act.uid
            && !self.act.known.contains(pod.uid())
            && pod
                .created()
                .is_some_and(|created| created.saturating_add(tolerance) >= self.act.at)
    }
}

fn is_ready(pod: &PodState) -> bool {
    let ready = pod.condition("Ready");
    pod.deletion().is_none() && ready.is_some_and(|c| c.status() == ConditionStatus::True)
}

fn is_over(pod: &PodState) -> bool {
    pod.deletion().is_some() || pod.phase().is_terminal()
}

#[cfg(test)]
mod tests;
