//! The planner at work: what it is told of the store and the CAs, and its actions as tasks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::task::{Id, JoinError, JoinSet};

use super::claim::{Book, book_id, books, limits_of};
use super::members::Members;
use super::outcome;
use super::progress;
use super::task::{Cert, Done, Ended, Leases, OrderTask, failure};
use super::worker::{Held as Known, Managed, STORE_WAIT, Worker};
use crate::budget::{Ledger, Limits, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::issuer::RenewalInfo;
use crate::limits::{MAX_MANAGER_SLEEP, SPREAD_FROM};
use crate::observe::Event;
use crate::plan::{
    Action, CertId, End, Held, Order, Outage, Planner, Policy, Poll, Reason, Saved, Window,
};
use crate::store::{Folder, Name, Owner};

/// What a task was begun for, in case it panics.
enum Begun {
    Order(Order, Cert),
    Poll(Poll),
    Save(Name),
}

/// What of the plan is on its way into the store.
struct Saving {
    text: Vec<u8>,
    /// It is newer than what is being written.
    is_newer: bool,
}

pub(super) struct Schedule {
    pub(super) worker: Worker,
    planner: Planner,
    ledgers: Vec<Ledger>,
    books: Vec<Book>,
    /// Whether an issuer has no ARI.
    no_ari: Vec<bool>,
    certs: Vec<Option<Cert>>,
    by_id: HashMap<Arc<str>, CertId>,
    owner: Option<Owner>,
    leases: Leases,
    tasks: JoinSet<Done>,
    begun: HashMap<Id, Begun>,
    members: Option<Members>,
    /// Those of which it was not looked up yet what was saved.
    fresh: Vec<CertId>,
    /// As they were saved last, once that is known.
    outages: Option<Vec<Outage>>,
    saving: HashMap<Name, Saving>,
}

/// What the planner is given.
pub(super) struct Setup {
    pub(super) policy: Option<Policy>,
    pub(super) seed: u64,
    pub(super) limits: HashMap<String, Limits>,
    pub(super) shares_work: bool,
    pub(super) member_time: Duration,
    /// Those that other work uses already.
    pub(super) books: Option<Vec<Book>>,
}

impl Schedule {
    pub(super) fn new(worker: Worker, managed: Vec<Managed>, setup: &Setup) -> Result<Self> {
        // A few certificates want no spread, and are renewed when it is said that they are.
        let policy = setup.policy.clone();
        let policy =
            policy.unwrap_or_else(|| Policy::default().spread(managed.len() >= SPREAD_FROM));
        let ledger = |(label, issuer): &(String, Arc<dyn crate::issuer::Issuer>)| {
            let limits = limits_of(label, &**issuer, &setup.limits);
            Ledger::new(limits.unwrap_or_else(Limits::none))
        };
        let ledgers: Vec<Ledger> = worker.issuers.iter().map(ledger).collect();
        let books = match &setup.books {
            Some(books) => books.clone(),
            None => books(&worker.store, &worker.issuers, &setup.limits)?,
        };
        let owner = Owner::random("manager").ok();
        let members = match setup.shares_work {
            true => owner.clone().map(|me| Members::new(me, setup.member_time)),
            false => None,
        };
        let mut schedule = Self {
            planner: Planner::with_capacity(policy, setup.seed, managed.len()),
            no_ari: vec![false; ledgers.len()],
            certs: Vec::with_capacity(managed.len()),
            by_id: HashMap::with_capacity(managed.len()),
            leases: Leases::default(),
            tasks: JoinSet::new(),
            begun: HashMap::new(),
            worker,
            ledgers,
            books,
            owner,
            members,
            fresh: Vec::new(),
            outages: None,
            saving: HashMap::new(),
        };
        for managed in managed {
            schedule.add(managed);
        }
        Ok(schedule)
    }

    /// Plans a certificate, in place of one of the same id.
    pub(super) fn add(&mut self, managed: Managed) {
        let id: Arc<str> = managed.spec.id().into();
        self.forget(&id);
        let issuer = self.worker.first_issuer(&managed.spec);
        let issuer = u8::try_from(issuer).unwrap_or(0);
        let subject = Subject::new(managed.spec.identifiers());
        let now = self.worker.clock.now();
        let cert = self.planner.add(&subject, issuer, None, now);
        let identifiers = managed.spec.identifiers().iter();
        let names = identifiers.map(ToString::to_string).chain([id.to_string()]);
        if self.certs.len() <= cert.index() {
            self.certs.resize(cert.index() + 1, None);
        }
        if let Some(place) = self.certs.get_mut(cert.index()) {
            *place = Some(Cert {
                names: names.collect(),
                managed: Arc::new(Mutex::new(managed)),
                subject: Arc::new(subject),
                id: id.clone(),
                issuer,
            });
        }
        self.by_id.insert(id, cert);
        self.fresh.push(cert);
    }

    /// Plans a certificate no more; `false` if there is none.
    pub(super) fn forget(&mut self, id: &str) -> bool {
        let Some(cert) = self.by_id.remove(id) else {
            return false;
        };
        self.planner.remove(cert);
        if let Some(place) = self.certs.get_mut(cert.index()) {
            *place = None;
        }
        true
    }

    pub(super) fn renew(&mut self, id: &str) {
        if let Some(cert) = self.by_id.get(id) {
            self.planner.force(*cert, self.worker.clock.now());
        }
    }

    pub(super) fn revoked(&mut self, id: &str) {
        if let Some(cert) = self.by_id.get(id) {
            self.planner.set_revoked(*cert, self.worker.clock.now());
        }
    }

    /// The ids and names of all certificates.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.certs
            .iter()
            .flatten()
            .flat_map(|cert| cert.names.iter())
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.certs.iter().flatten().map(|cert| &*cert.id)
    }

    /// Takes what the store has: certificates of other instances, the ledgers, and who is there.
    pub(super) async fn reload(&mut self) {
        let now = self.worker.clock.now();
        for (ledger, shared) in self.ledgers.iter_mut().zip(&self.books) {
            if let Some(shared) = shared {
                match shared.lock().await.read(now).await {
                    Ok(read) => *ledger = read.clone(),
                    Err(error) => self.worker.tell(Event::SourceFailed { error }),
                }
            }
        }
        let certs: Vec<(CertId, Cert)> = self
            .by_id
            .values()
            .filter_map(|id| Some((*id, self.certs.get(id.index())?.clone()?)))
            .collect();
        for (id, cert) in certs {
            // One that is worked at is looked at there.
            let Ok(mut managed) = cert.managed.try_lock() else {
                continue;
            };
            let loaded = self.worker.load(&mut managed).await;
            let now = self.worker.clock.now();
            match loaded {
                Ok(()) => {
                    let held = managed.held.as_ref().map(|held| self.held(&cert, held));
                    self.planner.set_held(id, held.as_ref(), now);
                }
                Err(error) => {
                    // What cannot be stored is not ordered: it would be lost. No CA was asked, so this is no
                    // failure to wait longer and longer after.
                    self.worker.tell(Event::SourceFailed { error });
                    self.planner.postpone(id, now + STORE_WAIT, now);
                }
            }
        }
        self.restore().await;
    }

    /// Goes on where an earlier life, or another instance, has stopped: after failures, and with what CAs said.
    async fn restore(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        let mut names: Vec<(CertId, Name)> = Vec::with_capacity(fresh.len());
        for cert in fresh {
            let known = self.certs.get(cert.index()).and_then(Option::as_ref);
            let name = known.and_then(|known| progress::of_certificate(&known.id).ok());
            names.extend(name.map(|name| (cert, name)));
        }
        if names.len() > LISTED_FROM
            && let Ok(folder) = Folder::new(progress::FOLDER)
            && let Ok(listed) = self.worker.store.list(&folder).await
        {
            let listed: std::collections::HashSet<Name> = listed.into_iter().collect();
            names.retain(|(_, name)| listed.contains(name));
        }
        let (certs, names): (Vec<CertId>, Vec<Name>) = names.into_iter().unzip();
        let loaded: Vec<Option<Saved>> = progress::load_all(&self.worker, &names).await;
        let now = self.worker.clock.now();
        for (cert, saved) in certs.into_iter().zip(loaded) {
            let status = self.planner.status(cert, now);
            // What somebody wants now does not wait for what failed before.
            let is_wanted = status.is_some_and(|it| it.reason == Reason::Forced);
            if let Some(saved) = saved.filter(|_| !is_wanted) {
                self.planner.restore_saved(cert, &saved, now);
            }
        }
        if self.outages.is_none() {
            let names: Vec<Name> = (0..self.books.len())
                .filter_map(|issuer| self.outage_name(issuer))
                .collect();
            let loaded: Vec<Option<Outage>> = progress::load_all(&self.worker, &names).await;
            let loaded = loaded.into_iter().map(Option::unwrap_or_default);
            let loaded: Vec<Outage> = loaded.collect();
            for (issuer, outage) in (0..).zip(&loaded) {
                self.planner.restore_outage(issuer, outage);
            }
            self.outages = Some(loaded);
        }
    }

    fn outage_name(&self, issuer: usize) -> Option<Name> {
        let (label, issuer) = self.worker.issuers.get(issuer)?;
        progress::of_issuer(&book_id(label, &**issuer)).ok()
    }

    /// Saves what a certificate waits for, and what its CA said.
    fn save(&mut self, cert: CertId) {
        let known = self.certs.get(cert.index()).and_then(Option::as_ref);
        let name = known.and_then(|known| progress::of_certificate(&known.id).ok());
        if let (Some(name), Some(saved)) = (name, self.planner.saved(cert)) {
            self.write(name, progress::text(&saved));
        }
    }

    /// Saves how often a CA could not be reached, if that is another number now.
    fn save_outage(&mut self, issuer: u8) {
        let outage = self.planner.outage(issuer);
        let place = usize::from(issuer);
        let known = self.outages.as_mut().and_then(|it| it.get_mut(place));
        let Some(known) = known.filter(|known| **known != outage) else {
            return;
        };
        *known = outage;
        if let Some(name) = self.outage_name(place) {
            self.write(name, progress::text(&outage));
        }
    }

    /// Writes a record, after what is being written to it.
    fn write(&mut self, name: Name, text: Vec<u8>) {
        if let Some(saving) = self.saving.get_mut(&name) {
            (saving.text, saving.is_newer) = (text, true);
            return;
        }
        let (worker, record, written) = (self.worker.clone(), name.clone(), text.clone());
        let is_newer = false;
        self.saving.insert(name.clone(), Saving { text, is_newer });
        let begun = self.tasks.spawn(async move {
            progress::save(&worker, &record, written).await;
            Done::Saved
        });
        self.begun.insert(begun.id(), Begun::Save(name));
    }

    fn written(&mut self, name: Name) {
        let newer = self.saving.remove(&name).filter(|saving| saving.is_newer);
        if let Some(newer) = newer {
            self.write(name, newer.text);
        }
    }

    /// Says which instances there are, where they share the work.
    pub(super) async fn meet(&mut self) {
        let Some(members) = &mut self.members else {
            return;
        };
        let now = self.worker.clock.now();
        match members.meet(&*self.worker.store, now).await {
            Ok(Some(shards)) => {
                let me = members.me().to_owned();
                let ids: Vec<CertId> = self.planner.ids().collect();
                for id in ids {
                    let set = self.planner.set_of(id).unwrap_or(0);
                    let is_mine = shards.owner(set).is_none_or(|owner| owner == me);
                    self.planner.set_mine(id, is_mine, now);
                }
            }
            Ok(None) => {}
            Err(error) => self.worker.tell(Event::SourceFailed { error }),
        }
    }

    fn held(&self, cert: &Cert, held: &Known) -> Held {
        let place = usize::from(cert.issuer);
        let issuer = self
            .worker
            .issuers
            .get(place)
            .map(|(_, issuer)| issuer.name());
        let is_own = issuer == Some(&held.issuer);
        let has_ari = held.ari_id.is_some() && self.no_ari.get(place) == Some(&false);
        Held::new(held.from, held.until)
            .covers(held.covers_all)
            .same_set(held.is_same_set && is_own)
            .ari(is_own && has_ari)
    }

    /// Begins all that is due and fits.
    pub(super) fn start_due(&mut self) {
        let now = self.worker.clock.now();
        while let Some(action) = self.planner.next(&mut self.ledgers, now) {
            match action {
                Action::Order(order) => self.start_order(order, now),
                Action::Poll(poll) => self.start_poll(poll),
            }
        }
    }

    fn start_order(&mut self, order: Order, now: SystemTime) {
        let Some(cert) = self.certs.get(order.cert().index()).cloned().flatten() else {
            let end = End::Later(now + BUSY);
            self.planner.finish(&order, &end, &mut self.ledgers, now);
            return;
        };
        let task = OrderTask {
            worker: self.worker.clone(),
            book: self
                .books
                .get(usize::from(order.issuer()))
                .cloned()
                .flatten(),
            saved: self.planner.saved(order.cert()),
            owner: self.owner.clone(),
            leases: self.leases.clone(),
            order: order.clone(),
            cert: cert.clone(),
        };
        let begun = self.tasks.spawn(task.run());
        self.begun.insert(begun.id(), Begun::Order(order, cert));
    }

    fn start_poll(&mut self, poll: Poll) {
        let cert = self.certs.get(poll.cert().index()).cloned().flatten();
        let worker = self.worker.clone();
        let begun = self.tasks.spawn(async move {
            let answer = ask(&worker, cert).await;
            Done::Poll { answer }
        });
        self.begun.insert(begun.id(), Begun::Poll(poll));
    }

    pub(super) fn is_working(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Waits for one task to end; `None` if there is none.
    pub(super) async fn ended(&mut self) -> Option<Result<(Id, Done), JoinError>> {
        self.tasks.join_next_with_id().await
    }

    /// Tells the plan how a task ended.
    pub(super) fn finish(&mut self, ended: Result<(Id, Done), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let panicked = || {
            let reason = "the issuer panicked; see its message";
            Error::store(ErrorKind::Unavailable, "order", "a certificate", reason)
        };
        match (self.begun.remove(&id), ended.ok().map(|(_, done)| done)) {
            (
                Some(Begun::Order(order, cert)),
                Some(Done::Order {
                    end,
                    ledger,
                    took,
                    is_placed,
                    saved,
                }),
            ) => {
                let is_placed = match end {
                    Ended::Failed(_) => is_placed,
                    Ended::Later(_) => None,
                    _ => Some(false),
                };
                if let Some(is_placed) = is_placed {
                    let now = self.worker.clock.now();
                    self.planner.set_placed(order.cert(), is_placed, now);
                }
                self.order_ended(&order, &cert, end, ledger, took);
                if saved.is_some() && self.planner.saved(order.cert()) != saved {
                    self.save(order.cert());
                }
                self.save_outage(order.issuer());
            }
            (Some(Begun::Order(order, cert)), _) => {
                let end = Ended::Failed(panicked());
                self.order_ended(&order, &cert, end, None, Duration::ZERO);
            }
            (Some(Begun::Save(name)), _) => self.written(name),
            (Some(Begun::Poll(poll)), Some(Done::Poll { answer })) => {
                self.poll_ended(&poll, answer);
            }
            (Some(Begun::Poll(poll)), _) => self.poll_ended(&poll, Err(panicked())),
            (None, _) => {}
        }
    }

    fn order_ended(
        &mut self,
        order: &Order,
        cert: &Cert,
        end: Ended,
        ledger: Option<Box<Ledger>>,
        took: Duration,
    ) {
        let now = self.worker.clock.now();
        let place = usize::from(order.issuer());
        let is_shared = ledger.is_some();
        if let (Some(ledger), Some(known)) = (ledger, self.ledgers.get_mut(place)) {
            *known = *ledger;
        }
        let ended = match &end {
            Ended::Denied(denied) => {
                self.planner.put_back(order, denied, now);
                return;
            }
            Ended::Later(until) => End::Later(*until),
            Ended::Waits(saved) => End::Later(saved.waits_until()),
            Ended::Held(held) => End::Issued(self.held(cert, held)),
            Ended::NotInstalled | Ended::Failed(_) => End::Failed(failure(&end)),
        };
        if is_shared {
            self.planner.finished(order, &ended, now);
        } else {
            if let (Ended::Failed(error), Some(ledger)) = (&end, self.ledgers.get_mut(place)) {
                outcome::block(ledger, error, cert.subject.set(), now);
            }
            self.planner.finish(order, &ended, &mut self.ledgers, now);
        }
        if let Ended::Waits(saved) = &end {
            self.planner.restore_saved(order.cert(), saved, now);
        }
        match self.by_id.get(&cert.id) {
            // It was removed while it was ordered.
            None => {
                self.worker.certificates.remove(&cert.id);
            }
            // Another one has its id now, or the end is no failure.
            Some(known) if *known != order.cert() => {}
            Some(_) => {
                let Ended::Failed(error) = end else {
                    return;
                };
                let status = self.planner.status(order.cert(), now);
                self.worker.tell(Event::IssuanceFailed {
                    id: cert.id.clone(),
                    error,
                    failures: status.map_or(1, |status| status.failures),
                    retry_at: status.map_or(now, |status| status.due_at),
                    took,
                });
            }
        }
    }

    fn poll_ended(&mut self, poll: &Poll, answer: Result<Option<RenewalInfo>>) {
        let now = self.worker.clock.now();
        match answer {
            Ok(Some(info)) => {
                let window = Window::new(info.start(), info.end());
                self.planner
                    .polled(poll, Some(window), info.retry_after(), now);
            }
            Ok(None) => {
                let cert = self.certs.get(poll.cert().index()).and_then(Option::as_ref);
                if let Some(no_ari) =
                    cert.and_then(|cert| self.no_ari.get_mut(usize::from(cert.issuer)))
                {
                    *no_ari = true;
                }
                self.planner.no_ari(poll, now);
            }
            // The share of the lifetime counts, and the window that was known.
            Err(error) => self.planner.polled(poll, None, error.retry_after(), now),
        }
        self.save(poll.cert());
    }

    /// When there is something to do again.
    pub(super) fn wake_at(&self, now: SystemTime) -> Option<SystemTime> {
        self.planner.wake_at(now)
    }

    /// When the first certificate is renewed. What is tried again is overdue still.
    pub(super) fn due_at(&self) -> Option<SystemTime> {
        self.planner
            .ids()
            .filter_map(|id| self.planner.renewal_at(id))
            .min()
    }

    /// Tells the metrics how much of the limits is left.
    pub(super) fn tell_headroom(&self) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.worker.metrics {
            let now = self.worker.clock.now();
            for ((label, _), ledger) in self.worker.issuers.iter().zip(&self.ledgers) {
                metrics.set_headroom(label, &ledger.headroom(now));
            }
        }
    }

    /// Ends what is under way, which is gone on with at the next start, and gives the locks back.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
        let saving = std::mem::take(&mut self.saving);
        for (name, Saving { text, .. }) in saving {
            progress::save(&self.worker, &name, text).await;
        }
        let leases =
            std::mem::take(&mut *self.leases.lock().unwrap_or_else(PoisonError::into_inner));
        for lease in leases {
            // Otherwise it expires.
            drop(self.worker.store.release(&lease).await);
        }
        if let Some(members) = &self.members {
            members.leave(&*self.worker.store).await;
        }
    }
}

const BUSY: Duration = Duration::from_secs(1);

/// From how many certificates on it is looked up first of which something was saved.
const LISTED_FROM: usize = 16;

/// Asks the CA of a certificate for its window.
async fn ask(worker: &Worker, cert: Option<Cert>) -> Result<Option<RenewalInfo>> {
    let Some(cert) = cert else {
        return Ok(None);
    };
    let ari_id = {
        let managed = cert.managed.lock().await;
        managed.held.as_ref().and_then(|held| held.ari_id.clone())
    };
    let issuer = worker.issuers.get(usize::from(cert.issuer));
    match (ari_id, issuer) {
        (Some(ari_id), Some((_, issuer))) => {
            let asked = tokio::time::timeout(MAX_MANAGER_SLEEP, issuer.renewal_info(&ari_id));
            asked.await.unwrap_or_else(|_| {
                let reason = "the issuer did not answer; it is asked again later";
                Err(Error::store(
                    ErrorKind::Unavailable,
                    "ask for the renewal of",
                    &*cert.id,
                    reason,
                ))
            })
        }
        _ => Ok(None),
    }
}
