//! Leader election without a clock and without a network.
//!
//! Moments are durations since any start, of a clock that does not jump. What is safe about it:
//!
//! * Who leads, leads until `sent + renew_deadline`, where `sent` is a moment *before* the write that the API server
//!   accepted was sent.
//! * Who wants to lead waits `lease_duration` from when it *saw* the record change, which is after that write. The
//!   times in the record are for people: clocks of two machines are never compared.
//! * Each write has the resource version that was seen as a condition. So one that succeeds proves that nobody else
//!   wrote in between.
//!
//! Since `renew_deadline < lease_duration`, the old leader ends before a new one begins, as long as the two
//! clocks run at speeds that differ by less than the ratio of the two.

use std::time::Duration;

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) lease_duration: Duration,
    pub(crate) renew_deadline: Duration,
    pub(crate) retry_period: Duration,
}

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Empty if nobody holds it.
    pub(crate) holder: String,
    pub(crate) lease_duration: Duration,
    /// As it is written: only whether it changes counts.
    pub(crate) renewed: String,
    /// How often the holder changed.
    pub(crate) transitions: u64,
}

/// A record as it was read, with the version that a write must name.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) record: Record,
    pub(crate) version: String,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the Lease, then tell [`Core::read`].
    Read,
    /// Make the Lease, held by this candidate, then tell [`Core::wrote`] or [`Core::failed`].
    Create,
    /// Write the Lease of this version, held by this candidate, then tell the same.
    Write { version: String, transitions: u64 },
    /// Nothing for so long.
    Wait(Duration),
}

#[derive(Debug)]
pub(crate) struct Core {
    me: String,
    terms: Terms,
    /// What was read or written last; `Some(None)` if there is no Lease.
    seen: Option<Option<Seen>>,
    /// The record and when it was first seen like this.
    observed: Option<(Record, Duration)>,
    /// Until when this candidate leads.
    leads_until: Option<Duration>,
    /// When to do something again.
    due: Duration,
}

impl Core {
    pub(crate) fn new(me: String, terms: Terms) -> Self {
        Self {
            me,
            terms,
            seen: None,
            observed: None,
            leads_until: None,
            due: Duration::ZERO,
        }
    }

    /// Until when it leads, if it does now.
    pub(crate) fn leads_until(&self, now: Duration) -> Option<Duration> {
        self.leads_until.filter(|until| now < *until)
    }

    /// How often the holder had changed when it began to lead.
    pub(crate) fn transitions(&self) -> u64 {
        self.record().map_or(0, |record| record.transitions)
    }

    /// Who holds the Lease, as far as is known.
    pub(crate) fn holder(&self) -> &str {
        self.record().map_or("", |record| &record.holder)
    }

    fn record(&self) -> Option<&Record> {
        self.observed.as_ref().map(|(record, _)| record)
    }

    /// `jitter`, from 0 to 1, lengthens the wait of a candidate by up to a fifth, so that not all come at once.
    pub(crate) fn next(&mut self, now: Duration, jitter: f64) -> Next {
        if self.leads_until.is_some_and(|until| now >= until) {
            // The record may say otherwise, but nobody may rely on it.
            self.leads_until = None;
            self.seen = None;
        }
        if now < self.due {
            let wait = self.due - now;
            return Next::Wait(match self.leads_until {
                // To notice the end in time.
                Some(until) => wait.min(until - now),
                None => wait.mul_f64(1.0 + jitter / 5.0),
            });
        }
        match &self.seen {
            None => Next::Read,
            Some(None) => Next::Create,
            Some(Some(seen)) => {
                let mine = seen.record.holder == self.me;
                Next::Write {
                    version: seen.version.clone(),
                    transitions: seen.record.transitions + u64::from(!mine),
                }
            }
        }
    }

    /// The Lease was read; `None` if there is none.
    pub(crate) fn read(&mut self, now: Duration, found: Option<Seen>) {
        let Some(seen) = found else {
            self.observed = None;
            self.leads_until = None;
            self.seen = Some(None);
            return;
        };
        if self.record() != Some(&seen.record) {
            self.observed = Some((seen.record.clone(), now));
        }
        let since = self.observed.as_ref().map_or(now, |(_, since)| *since);
        let holder = seen.record.holder.as_str();
        if holder.is_empty() || holder == self.me {
            self.seen = Some(Some(seen));
            return;
        }
        self.leads_until = None;
        // The longer of both: the holder may have been told to wait longer than we were.
        let expires = since + self.terms.lease_duration.max(seen.record.lease_duration);
        if now >= expires {
            self.seen = Some(Some(seen));
        } else {
            self.seen = None;
            self.due = expires.min(now + self.terms.retry_period);
        }
    }

    /// The write that was begun at `sent` was accepted.
    pub(crate) fn wrote(&mut self, sent: Duration, now: Duration, seen: Seen) {
        self.observed = Some((seen.record.clone(), now));
        self.seen = Some(Some(seen));
        self.leads_until = Some(sent + self.terms.renew_deadline);
        self.due = sent + self.terms.retry_period;
    }

    /// Somebody else wrote since it was read, so it is read anew: by a leader at once, by others after a breath, so that
    /// a server whose reads and writes disagree is not asked without end.
    pub(crate) fn conflicted(&mut self, now: Duration) {
        self.seen = None;
        if self.leads_until.is_none() {
            self.due = now + self.terms.retry_period / 10;
        }
    }

    /// No answer, or a refusal: what was written may be there or not, so it is read anew after a pause.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.seen = None;
        self.due = now + self.terms.retry_period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        lease_duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn held_by(holder: &str, renewed: &str, version: &str) -> Seen {
        let record = Record {
            holder: holder.into(),
            lease_duration: second(15),
            renewed: renewed.into(),
            transitions: 4,
        };
        let version = version.into();
        Seen { record, version }
    }

    #[test]
    fn a_lease_of_others_is_taken_when_it_was_seen_unchanged_for_long_enough() {
        let mut core = Core::new("me".into(), TERMS);
        assert_eq!(core.next(second(100), 0.0), Next::Read);
        // Its own time may be years ago or ahead.
        core.read(
            second(100),
            Some(held_by("other", "1999-01-01T00:00:00.000000Z", "1")),
        );
        assert_eq!(core.next(second(100), 0.0), Next::Wait(second(2)));
        core.read(
            second(114),
            Some(held_by("other", "1999-01-01T00:00:00.000000Z", "2")),
        );
        // Another version of the same record is no sign of life, and the wait ends when it expires.
        assert_eq!(core.next(second(114), 0.0), Next::Wait(second(1)));
        assert_eq!(core.next(second(115), 0.0), Next::Read);
        core.read(
            second(115),
            Some(held_by("other", "1999-01-01T00:00:00.000000Z", "2")),
        );
        let taken = Next::Write {
            version: "2".into(),
            transitions: 5,
        };
        assert_eq!(core.next(second(115), 0.0), taken);
        assert_eq!(core.leads_until(second(115)), None);
        core.wrote(second(115), second(117), held_by("me", "x", "3"));
        // From when it was sent.
        assert_eq!(core.leads_until(second(117)), Some(second(125)));
        assert_eq!(core.leads_until(second(125)), None);
    }

    #[test]
    fn a_renewed_lease_is_waited_for_anew() {
        let mut core = Core::new("me".into(), TERMS);
        core.read(second(0), Some(held_by("other", "a", "1")));
        core.read(second(14), Some(held_by("other", "b", "2")));
        core.read(second(28), Some(held_by("other", "b", "2")));
        assert_eq!(core.next(second(28), 0.0), Next::Wait(second(1)));
    }

    #[test]
    fn a_leader_renews_and_steps_down_in_time() {
        let mut core = Core::new("me".into(), TERMS);
        core.read(second(0), None);
        assert_eq!(core.next(second(0), 0.0), Next::Create);
        core.wrote(second(0), second(0), held_by("me", "a", "1"));
        assert_eq!(core.next(second(1), 0.0), Next::Wait(second(1)));
        let renewed = Next::Write {
            version: "1".into(),
            transitions: 4,
        };
        assert_eq!(core.next(second(2), 0.0), renewed);
        core.failed(second(3));
        assert!(core.leads_until(second(3)).is_some());
        assert_eq!(core.next(second(5), 0.0), Next::Read);
        core.failed(second(9));
        // Not past the deadline.
        assert_eq!(core.next(second(9), 0.0), Next::Wait(second(1)));
        assert_eq!(core.leads_until(second(10)), None);
        assert_eq!(core.next(second(11), 0.0), Next::Read);
        // Still in the record: taken again, which counts from a new write only.
        core.read(second(11), Some(held_by("me", "a", "1")));
        assert!(core.leads_until(second(11)).is_none());
        assert_eq!(core.next(second(11), 0.0), renewed);
    }

    #[test]
    fn who_sees_another_holder_leads_no_longer() {
        let mut core = Core::new("me".into(), TERMS);
        core.wrote(second(0), second(0), held_by("me", "a", "1"));
        core.conflicted(second(3));
        core.read(second(3), Some(held_by("other", "b", "2")));
        assert_eq!(core.leads_until(second(3)), None);
    }

    #[test]
    fn a_released_lease_is_free_at_once() {
        let mut core = Core::new("me".into(), TERMS);
        core.read(second(0), Some(held_by("", "a", "1")));
        assert!(matches!(
            core.next(second(0), 0.0),
            Next::Write { transitions: 5, .. }
        ));
    }

    /// A Lease as the API server keeps it.
    #[derive(Default)]
    struct Server {
        stored: Option<Seen>,
        writes: u64,
        /// Writes that are still on their way: when, by whom, over which version, with how many transitions.
        late: Vec<(u64, String, Option<String>, u64)>,
    }

    impl Server {
        fn write(&mut self, holder: &str, version: Option<&str>, transitions: u64) -> Option<Seen> {
            let current = self.stored.as_ref().map(|seen| seen.version.as_str());
            if current != version {
                return None;
            }
            self.writes += 1;
            let record = Record {
                holder: holder.into(),
                lease_duration: TERMS.lease_duration,
                // Candidates' clocks differ by days, and one is stuck: nothing may depend on it but change.
                renewed: self.writes.to_string(),
                transitions,
            };
            let version = self.writes.to_string();
            self.stored = Some(Seen { record, version });
            self.stored.clone()
        }
    }

    /// A request on its way to the server, or its answer on the way back.
    enum Flight {
        None,
        There {
            at: u64,
            next: Next,
            sent: Duration,
        },
        Back {
            at: u64,
            next: Next,
            sent: Duration,
            answer: Option<Option<Seen>>,
        },
    }

    struct Candidate {
        core: Core,
        name: String,
        /// Its clock runs at this speed, and began anywhere.
        speed: f64,
        offset: Duration,
        flight: Flight,
        /// Stopped until then, as by a garbage collector or a suspended machine whose clock goes on.
        stopped: u64,
    }

    impl Candidate {
        fn clock(&self, millisecond: u64) -> Duration {
            Duration::from_millis(millisecond).mul_f64(self.speed) + self.offset
        }
    }

    /// Requests are lost, late or answered late, candidates stop and go on, clocks run at speeds that differ by
    /// a tenth: never two leaders, and mostly one.
    #[test]
    fn never_two_leaders() {
        let mut led = 0_u64;
        let mut changes = 0;
        let seeds = 300;
        let end = 200_000;
        let step = 20;
        for seed in 0..seeds {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut server = Server::default();
            let count = random.usize(2..7);
            let mut all: Vec<Candidate> = (0..count)
                .map(|index| Candidate {
                    core: Core::new(format!("c{index}"), TERMS),
                    name: format!("c{index}"),
                    speed: 0.95 + 0.1 * random.f64(),
                    offset: second(random.u64(0..1_000_000)),
                    flight: Flight::None,
                    stopped: 0,
                })
                .collect();
            let loss = random.f64() * 0.4;
            let mut last = None;
            for now in (0..end).step_by(step) {
                let late = server.late.extract_if(.., |(at, ..)| *at <= now);
                for (_, name, version, transitions) in late.collect::<Vec<_>>() {
                    drop(server.write(&name, version.as_deref(), transitions));
                }
                for candidate in &mut all {
                    if now < candidate.stopped {
                        continue;
                    }
                    if random.f64() < 0.0005 {
                        candidate.stopped = now + random.u64(0..40_000);
                    }
                    fly(candidate, &mut server, now, &mut random, loss);
                }
                // A stopped candidate acts on nothing, but its deadline must hold for when it goes on.
                let leaders: Vec<&Candidate> = all
                    .iter()
                    .filter(|c| c.core.leads_until(c.clock(now)).is_some())
                    .collect();
                assert!(leaders.len() < 2, "seed {seed} at {now} ms");
                if let [leader] = leaders.as_slice() {
                    led += step as u64;
                    if last.as_ref() != Some(&leader.name) {
                        changes += 1;
                        last = Some(leader.name.clone());
                    }
                }
            }
        }
        let share = led as f64 / (seeds * end) as f64;
        assert!(share > 0.5, "somebody led {share:.3} of the time");
        assert!(changes > 2 * seeds, "the leader changed {changes} times");
    }

    fn fly(
        candidate: &mut Candidate,
        server: &mut Server,
        now: u64,
        random: &mut fastrand::Rng,
        loss: f64,
    ) {
        let clock = candidate.clock(now);
        // Most are quick, some take very long.
        let delay = |random: &mut fastrand::Rng| match random.u8(0..20) {
            0 => random.u64(0..20_000),
            _ => random.u64(0..200),
        };
        match std::mem::replace(&mut candidate.flight, Flight::None) {
            Flight::None => match candidate.core.next(clock, random.f64()) {
                Next::Wait(_) => {}
                next => {
                    let at = now + delay(random);
                    let sent = clock;
                    candidate.flight = Flight::There { at, next, sent };
                }
            },
            Flight::There { at, next, sent } if now >= at => {
                let name = candidate.name.as_str();
                let is_lost = random.f64() < loss;
                let is_late = is_lost && random.bool();
                let write = match &next {
                    Next::Create => Some((None, 0)),
                    Next::Write {
                        version,
                        transitions,
                    } => Some((Some(version.clone()), *transitions)),
                    _ => None,
                };
                let found = match write {
                    // The candidate gives up, and it arrives all the same.
                    Some((version, transitions)) if is_late => {
                        let at = now + random.u64(0..60_000);
                        server
                            .late
                            .push((at, name.to_owned(), version, transitions));
                        None
                    }
                    Some((version, transitions)) => {
                        server.write(name, version.as_deref(), transitions)
                    }
                    None => server.stored.clone(),
                };
                let answer = (!is_lost).then_some(found);
                let at = now + delay(random);
                candidate.flight = Flight::Back {
                    at,
                    next,
                    sent,
                    answer,
                };
            }
            Flight::Back {
                at,
                next,
                sent,
                answer,
            } if now >= at => match (next, answer) {
                (_, None) => candidate.core.failed(clock),
                (Next::Read, Some(found)) => candidate.core.read(clock, found),
                (_, Some(Some(seen))) => candidate.core.wrote(sent, clock, seen),
                (_, Some(None)) => candidate.core.conflicted(clock),
            },
            waiting => candidate.flight = waiting,
        }
    }
}
