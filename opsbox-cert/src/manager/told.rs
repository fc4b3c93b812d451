//! What the plan is told of each certificate: what the store has, whose it is, and what was asked for it.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::task::JoinError;

use super::handle::Wish;
use super::progress;
use super::reload::{Found, Loaded, Wanted};
use super::schedule::{Begun, Schedule};
use super::task::{Cert, Done};
use super::worker::{Held as Known, STORE_WAIT};
use crate::budget::{Charge, Ledger, Scope, SharedLedger};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fingerprint;
use crate::observe::Event;
use crate::plan::{CertId, Held, Reason, Saved, Shards};
use crate::store::Condition;

/// A certificate, and what the plan knows of it.
pub(super) struct Entry {
    pub(super) cert: Cert,
    /// What there is, as the plan was told; `None` before it was looked at.
    held: Option<Option<Held>>,
    fingerprint: Option<Fingerprint>,
    /// How often an order has ended: what was looked at before that is old.
    age: u64,
    is_polled: bool,
    /// Another instance has it, and this one was asked for a new one.
    is_taken_over: bool,
    /// What was asked before it was looked at, or could not be done.
    pub(super) wish: Option<Wish>,
    /// The limit that was told to hold it up.
    limit: Option<Scope>,
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
            wish: None,
            limit: None,
        }
    }

    /// The certificate that the plan knows of.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
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
            self.no_ari.forget(self.worker.clock.now());
        }
        is_new
    }

    fn shared_ledgers(&self) -> Vec<(usize, Arc<Mutex<SharedLedger>>)> {
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
                cert: entry.cert.clone(),
            })
        };
        loads.start(&self.worker, self.worker.clock.now(), cert);
        self.loads = loads;
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
        if self.loads.ends_round() {
            let now = self.worker.clock.now();
            let ids: Vec<CertId> = self.by_id.values().copied().collect();
            for id in ids {
                self.tell_limit(id, now);
            }
        }
    }

    fn found(&mut self, found: Vec<(CertId, u64, Found)>) {
        let now = self.worker.clock.now();
        let mut has_told = false;
        for (id, age, found) in found {
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
        entry.held = Some(held);
        (entry.fingerprint, entry.is_polled) = (fingerprint, is_polled);
        let is_done = is_new && !is_first;
        entry.is_taken_over &= !is_done;
        let wish = entry.wish.take();
        self.place(id, now);
        if let Some(wish) = wish {
            self.grant(id, wish);
        }
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

    fn is_mine(&self, id: CertId) -> bool {
        let set = self.planner.set_of(id).unwrap_or(0);
        let members = self.members.as_ref();
        members.is_none_or(|members| members.is_mine(set))
    }

    pub(super) fn wish(&mut self, id: &str, wish: Wish) {
        if let Some(id) = self.by_id.get(id).copied() {
            self.grant(id, wish);
        }
    }

    /// What was asked for and is not done yet.
    pub(super) fn open_wish(&self, id: &str) -> Option<Wish> {
        let id = *self.by_id.get(id)?;
        let status = self.planner.status(id, self.worker.clock.now());
        let planned = status.and_then(|status| match status.reason {
            Reason::Revoked => Some(Wish::Replace),
            Reason::Forced => Some(Wish::Renew),
            _ => None,
        });
        planned.max(self.entry(id)?.wish)
    }

    fn grant(&mut self, id: CertId, wish: Wish) {
        let now = self.worker.clock.now();
        let is_mine = self.is_mine(id);
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if entry.held.is_none() {
            // What would be said of it now is forgotten when the plan is told what there is.
            entry.wish = entry.wish.max(Some(wish));
            return;
        }
        // The instance that has it is not told: its lock keeps the two apart.
        entry.is_taken_over |= !is_mine;
        match wish {
            Wish::Renew => self.planner.force(id, now),
            Wish::Replace => self.planner.set_revoked(id, now),
            Wish::Unpause => self.start_unpause(id),
        }
        self.place(id, now);
    }

    fn start_unpause(&mut self, id: CertId) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        let (subject, name) = (entry.cert.subject.clone(), entry.cert.id.clone());
        let (worker, shared) = (self.worker.clone(), self.shared_ledgers());
        for name in subject.identifiers() {
            for ledger in &mut self.ledgers {
                ledger.unpause(*name);
            }
        }
        let begun = self.tasks.spawn(async move {
            let (mut ledgers, mut error) = (Vec::new(), None);
            for (place, shared) in shared {
                let mut shared = shared.lock().await;
                let updated = shared.update_by(&*worker.clock, |ledger, _| {
                    let names = subject.identifiers().iter();
                    names.for_each(|name| ledger.unpause(*name));
                });
                match updated.await {
                    Ok(()) => ledgers.extend(shared.known().map(|known| (place, known.clone()))),
                    Err(failed) => error = Some(failed),
                }
            }
            // What was saved of its failures would have it wait still.
            if error.is_none()
                && let Ok(record) = progress::of_certificate(&name)
                && let Err(failed) = worker.store.delete(&record, &Condition::Any, None).await
            {
                error = Some(failed);
            }
            Done::Unpaused { ledgers, error }
        });
        self.begun.insert(begun.id(), Begun::Unpause(id));
    }

    pub(super) fn unpaused(
        &mut self,
        id: CertId,
        ledgers: Vec<(usize, Ledger)>,
        error: Option<Error>,
    ) {
        let now = self.worker.clock.now();
        for (place, ledger) in ledgers {
            self.set_ledger(place, ledger);
        }
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        entry.limit = None;
        if let Some(error) = error {
            // The shared ledger would deny it still: it is done when the store is there.
            entry.wish = entry.wish.max(Some(Wish::Unpause));
            self.loads.look_later(id, now + STORE_WAIT);
            self.worker.tell(Event::SourceFailed { error });
            return;
        }
        self.planner.unpause(id, now);
        self.save(id);
    }

    /// Tells once which limit of its own holds up a certificate that is due. Those of the account and the CA hold up
    /// all, and are seen in the metrics.
    pub(super) fn tell_limit(&mut self, id: CertId, now: SystemTime) {
        let (Some(entry), Some(status)) = (self.entry(id), self.planner.status(id, now)) else {
            return;
        };
        let is_due = self.planner.renewal_at(id).is_none_or(|at| at <= now);
        let is_mine = entry.held.is_some() && (entry.is_taken_over || self.is_mine(id));
        let place = usize::from(entry.cert.issuer);
        let mut denied = None;
        if is_due && is_mine && !status.is_ordered {
            let is_early = matches!(
                status.reason,
                Reason::Missing | Reason::Lost | Reason::Revoked
            );
            let charge = Charge::new(&entry.cert.subject)
                .exemption(status.exemption)
                .early(is_early)
                .forced(status.reason == Reason::Forced);
            let ledger = self.ledgers.get(place);
            denied = ledger.and_then(|ledger| ledger.check(&charge, now).err());
        }
        let own = |scope| !matches!(scope, Scope::Account | Scope::Pause | Scope::Requests(_));
        let denied = denied.filter(|denied| own(denied.scope()));
        let limit = denied.as_ref().map(|denied| denied.scope());
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if std::mem::replace(&mut entry.limit, limit) == limit {
            return;
        }
        let id = entry.cert.id.clone();
        if let (Some(denied), Some((issuer, _))) = (denied, self.worker.issuers.get(place)) {
            self.worker.tell_limited(&id, issuer, &denied);
        }
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
