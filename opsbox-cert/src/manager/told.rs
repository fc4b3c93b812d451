//! What the plan is told of each certificate: what the store has, whose it is, and what was asked for it.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::task::JoinError;

use super::handle::{New, Wish};
use super::reload::{Found, Loaded, Looked, Wanted};
use super::schedule::Schedule;
use super::task::Cert;
use super::worker::{Held as Known, STORE_WAIT};
use crate::budget::{Ledger, Scope, SharedLedger};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fingerprint;
use crate::observe::Event;
use crate::plan::{CertId, Held, Saved, Shards};

/// A certificate, and what the plan knows of it.
pub(super) struct Entry {
    pub(super) cert: Cert,
    /// What there is, as the plan was told; `None` before it was looked at.
    pub(super) held: Option<Option<Held>>,
    pub(super) fingerprint: Option<Fingerprint>,
    /// How often an order has ended: what was looked at before that is old.
    age: u64,
    is_polled: bool,
    /// This one was asked for a new one, and has it until that is there, whoever else comes.
    pub(super) is_taken_over: bool,
    /// What is in service may be of an entry that was before it.
    is_displaced: bool,
    /// What was asked before it was looked at, or could not be done.
    pub(super) wish: Wish,
    /// What was asked while an order was under way, and what was in service then.
    pub(super) asked: Option<(New, Option<Fingerprint>)>,
    /// The limit that was told to hold it up.
    pub(super) limit: Option<Scope>,
}

impl Entry {
    pub(super) fn new(cert: Cert) -> Self {
        Self {
            cert,
            held: None,
            fingerprint: None,
            age: 0,
            is_polled: false,
            is_taken_over: false,
            is_displaced: false,
            wish: Wish::default(),
            asked: None,
            limit: None,
        }
    }

    /// The plan is told that its CA is not asked about it.
    pub(super) fn not_polled(&mut self) -> Option<Held> {
        self.is_polled = false;
        let held = self.held.flatten().map(|held| held.ari(false));
        self.held = self.held.map(|_| held);
        held
    }
}

impl Schedule {
    /// Looks at all certificates in the store and at the ledgers, beside all else; `false` if that is being
    /// done already.
    pub(super) fn begin_round(&mut self) -> bool {
        let ledgers = self.shared_ledgers();
        let names = 0..self.books.len();
        let outages = self.outages.is_none();
        let outages = outages.then(|| names.map(|issuer| self.outage_name(issuer)).collect());
        let all = self.by_id.values().copied();
        let is_new = self.loads.begin_round(&self.worker, ledgers, outages, all);
        if is_new {
            self.newer.fill(false);
        }
        is_new
    }

    pub(super) fn shared_ledgers(&self) -> Vec<(usize, Arc<Mutex<SharedLedger>>)> {
        let books = self.books.iter().enumerate();
        books
            .filter_map(|(place, book)| Some((place, book.clone()?)))
            .collect()
    }

    pub(super) fn start_loads(&mut self) {
        let mut loads = std::mem::take(&mut self.loads);
        let cert = |id| {
            let entry = self.entry(id)?;
            Some(Wanted {
                id,
                age: entry.age,
                is_first: entry.held.is_none(),
                is_displaced: entry.is_displaced,
                cert: entry.cert.clone(),
            })
        };
        loads.start(&self.worker, self.worker.clock.now(), cert);
        self.loads = loads;
        // All that was left may have been removed.
        self.end_round();
    }

    pub(super) fn loaded(&mut self, loaded: Result<Loaded, JoinError>) {
        match loaded {
            Ok(Loaded::Ledgers(read, outages)) => {
                if let Some(outages) = outages {
                    self.restore_outages(outages);
                }
                for (place, ledger) in read {
                    match ledger {
                        Ok(_) if self.newer.get(place) == Some(&true) => {}
                        Ok(ledger) => self.set_ledger(place, ledger),
                        Err(error) => self.worker.tell(Event::SourceFailed { error }),
                    }
                }
            }
            Ok(Loaded::Certs(found)) => self.found(found),
            Err(_) => {
                let reason = "the store panicked; see its message";
                let kind = ErrorKind::Unavailable;
                let error = Error::store(kind, "load", "certificates", reason);
                self.worker.tell(Event::SourceFailed { error });
            }
        }
        self.end_round();
    }

    fn end_round(&mut self) {
        if self.loads.ends_round() {
            let now = self.worker.clock.now();
            let ids: Vec<CertId> = self.by_id.values().copied().collect();
            for id in ids {
                self.tell_limit(id, now);
            }
        }
    }

    fn found(&mut self, looked: Vec<Looked>) {
        let now = self.worker.clock.now();
        let mut has_told = false;
        for looked in looked {
            let Looked {
                id,
                name,
                age,
                found,
            } = looked;
            if self.entry(id).is_none() {
                self.left_behind(&name);
            }
            let is_old = self.entry(id).is_none_or(|entry| entry.age != age);
            match found {
                Found::Busy => {}
                _ if is_old => {}
                Found::There(known, saved) => {
                    self.tell_held(id, known.as_ref(), saved.as_deref());
                }
                Found::Failed(error) => {
                    // What cannot be stored is not ordered: it would be lost. No CA was asked, so this is no
                    // failure to wait longer and longer after.
                    self.planner.postpone(id, now + STORE_WAIT, now);
                    self.loads.look_later(id, now + STORE_WAIT);
                    // A store that is away is one event, and not one of each certificate.
                    let is_away = error.kind() == ErrorKind::Unavailable;
                    if !(is_away && has_told) {
                        self.worker.tell(Event::SourceFailed { error });
                    }
                    has_told |= is_away;
                }
            }
        }
    }

    /// A certificate was removed while it was looked at, which may have put it in service again.
    fn left_behind(&mut self, gone: &str) {
        match self.by_id.get(gone).copied() {
            None => {
                self.worker.certificates.remove(gone);
            }
            // In place of what the one that is given now has put there.
            Some(id) => {
                if let Some(entry) = self.entry_mut(id) {
                    entry.is_displaced = true;
                }
                self.loads.look_at(id);
            }
        }
    }

    pub(super) fn set_ledger(&mut self, place: usize, ledger: Ledger) {
        if let (Some(known), Some(newer)) = (self.ledgers.get_mut(place), self.newer.get_mut(place))
        {
            (*known, *newer) = (ledger, true);
        }
    }

    /// Tells the plan what the store has, if that is something new.
    fn tell_held(&mut self, id: CertId, known: Option<&Known>, saved: Option<&Saved>) {
        let now = self.worker.clock.now();
        let Some(entry) = self.entry(id) else {
            return;
        };
        let held = known.map(|known| self.held(&entry.cert, known));
        let is_polled = known.is_some_and(|known| self.is_polled(&entry.cert, known));
        let fingerprint = known.map(|known| known.fingerprint);
        let (before, was_polled) = (entry.held, entry.is_polled);
        let is_first = before.is_none();
        let is_new = entry.fingerprint != fingerprint;
        let held = match before {
            // What was not put in service is not told: it would end the wait after the failure.
            Some(before) if !is_new => before.map(|before| before.ari(is_polled)),
            _ => held,
        };
        if before != Some(held) {
            self.planner.set_held(id, held.as_ref(), now);
        } else if is_new {
            // Of the same times to the second, which the plan would take for the same.
            self.planner.set_held(id, None, now);
            self.planner.set_held(id, held.as_ref(), now);
        }
        if let Some(saved) = saved.filter(|_| is_first) {
            // It goes on where an earlier life, or another instance, has stopped.
            self.planner.restore_saved(id, saved, now);
        }
        if is_polled && !was_polled && !is_first && !is_new {
            // It is asked about again though it is the same, since its CA may have ARI now.
            self.planner.set_mine(id, false, now);
        }
        if let Some(known) = known.filter(|known| known.is_early) {
            self.loads.look_later(id, known.from);
        }
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        (entry.held, entry.is_displaced) = (Some(held), false);
        (entry.fingerprint, entry.is_polled) = (fingerprint, is_polled);
        let is_done = is_new && !is_first;
        entry.is_taken_over &= !is_done;
        let wish = std::mem::take(&mut entry.wish);
        self.place(id, now);
        self.grant(id, wish);
    }

    /// The plan is about to be told that an order has led to this.
    pub(super) fn issued(&mut self, id: CertId, cert: &Cert, known: &Known) -> Held {
        let (held, is_polled) = (self.held(cert, known), self.is_polled(cert, known));
        if known.is_early {
            self.loads.look_later(id, known.from);
        }
        if let Some(entry) = self.entry_mut(id) {
            entry.held = Some(Some(held));
            (entry.fingerprint, entry.is_polled) = (Some(known.fingerprint), is_polled);
            (entry.is_taken_over, entry.limit) = (false, None);
            entry.age += 1;
        }
        held
    }

    /// An order has led to a certificate that is of no use.
    pub(super) fn not_installed(&mut self, id: CertId, fingerprint: Option<Fingerprint>) {
        if let Some(entry) = self.entry_mut(id) {
            entry.fingerprint = fingerprint;
            entry.age += 1;
        }
    }

    fn held(&self, cert: &Cert, known: &Known) -> Held {
        Held::new(known.from, known.until)
            .covers(known.covers_all)
            .same_set(known.is_same_set && self.is_own(cert, known))
            .ari(self.is_polled(cert, known))
    }

    /// Learns which instances there are.
    pub(super) fn met(&mut self, seen: Result<Shards>) {
        let members = self.members.as_mut();
        if members.is_some_and(|members| members.learn(&self.worker, seen)) {
            self.place_all();
        }
    }

    /// The same without a task of its own, for one pass.
    pub(super) async fn meet(&mut self) {
        let Some(members) = self.members.as_mut() else {
            return;
        };
        if members.meet(&self.worker).await {
            self.place_all();
        }
    }

    fn place_all(&mut self) {
        let now = self.worker.clock.now();
        let ids: Vec<CertId> = self.by_id.values().copied().collect();
        for id in ids {
            self.place(id, now);
        }
    }

    /// Tells the plan whether a certificate is for this instance: not before the store was looked at.
    pub(super) fn place(&mut self, id: CertId, now: SystemTime) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        let is_mine = entry.held.is_some() && (entry.is_taken_over || self.is_mine(id));
        self.planner.set_mine(id, is_mine, now);
    }

    pub(super) fn is_mine(&self, id: CertId) -> bool {
        let set = self.planner.set_of(id).unwrap_or(0);
        let members = self.members.as_ref();
        members.is_none_or(|members| members.is_mine(set))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ManualClock;
    use crate::budget::{Limits, Rate};
    use crate::install::Certificates;
    use crate::inventory::CertSpec;
    use crate::issuer::{CertRequest, Issuer, Step};
    use crate::manager::Manager;
    use crate::store::{MemoryStore, Triple};

    #[derive(Debug)]
    struct Closed;

    #[async_trait::async_trait]
    impl Issuer for Closed {
        fn name(&self) -> &'static str {
            "closed"
        }

        async fn issue(&self, request: &CertRequest) -> Result<Triple> {
            let (kind, reason) = (ErrorKind::Refused, "it is closed");
            Err(Error::issuance(
                kind,
                Step::Order,
                "closed",
                request,
                reason,
            ))
        }
    }

    #[tokio::test]
    async fn a_look_that_finds_nothing_new_costs_the_plan_nothing() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clock = Arc::new(ManualClock::new(now));
        let store = Arc::new(MemoryStore::new());
        // One order a day: the others wait.
        let limits = Limits::none().account(Rate::new(1, Duration::from_secs(24 * 60 * 60)));
        let manager = Manager::new(store, Certificates::with_clock(clock.clone()), provider)
            .clock(clock)
            .issuer("closed", Closed)
            .limits("closed", limits);
        let mut manager = (0..200).fold(manager, |manager, n| {
            let name = format!("n{n}.test").parse().unwrap();
            manager.certificate(CertSpec::new([name]).unwrap()).unwrap()
        });
        let bytes = |manager: &Manager| manager.schedule.as_ref().unwrap().planner.bytes();
        manager.pass().await;
        let before = bytes(&manager);
        for _ in 0..50 {
            manager.pass().await;
        }
        assert_eq!(bytes(&manager), before);
    }
}
