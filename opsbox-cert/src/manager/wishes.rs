//! What was asked of a certificate, and what holds it up.

use std::time::SystemTime;

use super::handle::{New, Wish};
use super::progress;
use super::schedule::{Begun, Schedule};
use super::task::Done;
use super::worker::STORE_WAIT;
use crate::budget::{Ledger, Scope};
use crate::error::Error;
use crate::observe::Event;
use crate::plan::{CertId, Reason};
use crate::store::Condition;

impl Schedule {
    pub(super) fn wish(&mut self, id: &str, wish: Wish) {
        if let Some(id) = self.by_id.get(id).copied() {
            self.grant(id, wish);
        }
    }

    /// What was asked for and is not done yet.
    pub(super) fn open_wish(&self, id: &str) -> Wish {
        let id = self.by_id.get(id).copied();
        let Some((id, entry)) = id.and_then(|id| Some((id, self.entry(id)?))) else {
            return Wish::default();
        };
        let status = self.planner.status(id, self.worker.clock.now());
        let planned = status.and_then(|status| match status.reason {
            Reason::Revoked => Some(New::Replace),
            Reason::Forced => Some(New::Renew),
            _ => None,
        });
        let is_unpaused = self
            .begun
            .values()
            .any(|begun| matches!(begun, Begun::Unpause(unpaused) if *unpaused == id));
        entry.wish.and(Wish {
            new: planned.max(entry.asked.map(|(new, _)| new)),
            is_unpaused,
        })
    }

    pub(super) fn grant(&mut self, id: CertId, wish: Wish) {
        if wish.is_none() {
            return;
        }
        let now = self.worker.clock.now();
        let is_ordered = self
            .planner
            .status(id, now)
            .is_some_and(|status| status.is_ordered);
        let certificates = self.worker.certificates.clone();
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if entry.held.is_none() {
            // What would be said of it now is forgotten when the plan is told what there is.
            entry.wish = entry.wish.and(wish);
            return;
        }
        // The instance that has it is not told: its lock keeps the two apart. Which of them that is may be known better
        // before the order is placed.
        entry.is_taken_over = true;
        if let (Some(new), true) = (wish.new, is_ordered) {
            // It may be the new one already that is meant.
            let in_service = certificates.in_service(&entry.cert.id);
            let in_service = in_service.map(|it| it.fingerprint());
            let before = entry.asked.map(|(new, _)| new);
            entry.asked = Some((new.max(before.unwrap_or(new)), in_service));
        }
        if wish.is_unpaused {
            self.start_unpause(id);
        }
        match wish.new {
            Some(New::Renew) => self.planner.force(id, now),
            Some(New::Replace) => self.planner.set_revoked(id, now),
            None => {}
        }
        self.place(id, now);
    }

    /// The plan was told how an order ended: what was asked meanwhile of the certificate that it led to is done.
    pub(super) fn grant_asked(&mut self, id: CertId) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if let Some((new, asked_of)) = entry.asked.take()
            && asked_of.is_some()
            && asked_of == entry.fingerprint
        {
            self.grant(id, Wish::new(new));
        }
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
            entry.wish = entry.wish.and(Wish::UNPAUSE);
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
        let is_waiting = is_due && is_mine && !status.is_ordered;
        if !is_waiting && entry.limit == Some(Scope::ConsecutiveFailures) {
            // It waits for ever in the plan: whether that is over is seen when it is its turn.
            return;
        }
        if is_waiting {
            let ledger = self.ledgers.get(place);
            denied = ledger.and_then(|ledger| self.planner.check(id, ledger, now).err());
        }
        let own = |scope| !matches!(scope, Scope::Account | Scope::Pause | Scope::Requests(_));
        let denied = denied.filter(|denied| own(denied.scope()));
        let limit = denied.as_ref().map(|denied| denied.scope());
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.limit, limit);
        if before == limit {
            return;
        }
        if before == Some(Scope::ConsecutiveFailures) {
            // Unpaused at another instance, or for another certificate: it would wait for ever.
            self.planner.unpause(id, now);
        }
        let Some(entry) = self.entry(id) else {
            return;
        };
        let id = entry.cert.id.clone();
        if let (Some(denied), Some((issuer, _))) = (denied, self.worker.issuers.get(place)) {
            self.worker.tell_limited(&id, issuer, &denied);
        }
    }
}
