//! The planner at work: what it is told of the store and the CAs, and its actions as tasks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::task::{Id, JoinError, JoinSet};

use super::ari::NoAri;
use super::claim::{Book, books, limits_of};
use super::members::Members;
use super::outcome;
use super::progress::Saving;
use super::reload::{Loaded, Loads};
use super::task::{Cert, Done, Ended, Leases, OrderTask, failure};
use super::told::Entry;
use super::worker::{Held as Known, Managed, Worker};
use crate::budget::{Ledger, Limits, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::SPREAD_FROM;
use crate::observe::Event;
use crate::plan::{Action, CertId, End, Order, Outage, Planner, Policy, Poll, Shards};
use crate::store::{Name, Owner};

/// What a task was begun for, in case it panics.
pub(super) enum Begun {
    Order(Order, Cert),
    Poll(Poll),
    Unpause(CertId),
    Save(Name),
}

/// What there is to be [taken in](Schedule::take_in).
pub(super) enum Happened {
    Ended(Result<(Id, Done), JoinError>),
    Loaded(Result<Loaded, JoinError>),
    Met(Result<Shards>),
}

pub(super) struct Schedule {
    pub(super) worker: Worker,
    pub(super) planner: Planner,
    /// No policy was given: certificates are spread if there are many.
    is_spread_by_count: bool,
    pub(super) ledgers: Vec<Ledger>,
    /// Those that are newer than what a look at the store will find that is under way.
    pub(super) newer: Vec<bool>,
    pub(super) books: Vec<Book>,
    pub(super) no_ari: NoAri,
    pub(super) entries: Vec<Option<Entry>>,
    pub(super) by_id: HashMap<Arc<str>, CertId>,
    owner: Option<Owner>,
    leases: Leases,
    pub(super) tasks: JoinSet<Done>,
    pub(super) begun: HashMap<Id, Begun>,
    pub(super) loads: Loads,
    pub(super) members: Option<Members>,
    /// As they were saved last, once that is known.
    pub(super) outages: Option<Vec<Outage>>,
    pub(super) saving: HashMap<Name, Saving>,
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
        let policy = setup.policy.clone().unwrap_or_default();
        let mut schedule = Self {
            planner: Planner::with_capacity(policy, setup.seed, managed.len()),
            is_spread_by_count: setup.policy.is_none(),
            no_ari: NoAri::new(ledgers.len()),
            entries: Vec::with_capacity(managed.len()),
            by_id: HashMap::with_capacity(managed.len()),
            leases: Leases::default(),
            tasks: JoinSet::new(),
            begun: HashMap::new(),
            loads: Loads::default(),
            newer: vec![false; ledgers.len()],
            worker,
            ledgers,
            books,
            owner,
            members,
            outages: None,
            saving: HashMap::new(),
        };
        for managed in managed {
            schedule.insert(managed);
        }
        schedule.spread();
        Ok(schedule)
    }

    /// Plans a certificate, in place of one of the same id, whose names are given back. It is looked at in the store
    /// first.
    pub(super) fn add(&mut self, managed: Managed) -> Option<Arc<[String]>> {
        let wish = self.open_wish(managed.spec.id());
        let (id, before) = self.insert(managed);
        if let Some(entry) = self.entry_mut(id) {
            entry.wish = wish;
        }
        self.spread();
        self.loads.look_at(id);
        before
    }

    fn insert(&mut self, managed: Managed) -> (CertId, Option<Arc<[String]>>) {
        let id: Arc<str> = managed.spec.id().into();
        let before = self.take_out(&id);
        let issuer = self.worker.first_issuer(&managed.spec);
        let issuer = u8::try_from(issuer).unwrap_or(0);
        let subject = Subject::new(managed.spec.identifiers());
        let now = self.worker.clock.now();
        let cert = self.planner.add(&subject, issuer, None, now);
        // Nobody knows yet whether there is one.
        self.planner.set_mine(cert, false, now);
        if self.entries.len() <= cert.index() {
            self.entries.resize_with(cert.index() + 1, || None);
        }
        if let Some(place) = self.entries.get_mut(cert.index()) {
            let cert = Cert {
                names: managed.names(),
                managed: Arc::new(Mutex::new(managed)),
                subject: Arc::new(subject),
                id: id.clone(),
                issuer,
            };
            *place = Some(Entry::new(cert));
        }
        self.by_id.insert(id, cert);
        (cert, before)
    }

    /// Plans a certificate no more, and gives its names back; `None` if there is none.
    pub(super) fn forget(&mut self, id: &str) -> Option<Arc<[String]>> {
        let names = self.take_out(id);
        self.spread();
        names
    }

    fn take_out(&mut self, id: &str) -> Option<Arc<[String]>> {
        let cert = self.by_id.remove(id)?;
        self.planner.remove(cert);
        let entry = self.entries.get_mut(cert.index())?.take()?;
        Some(entry.cert.names)
    }

    /// A few certificates want no spread, and are renewed when it is said that they are.
    fn spread(&mut self) {
        if self.is_spread_by_count {
            let policy = Policy::default().spread(self.by_id.len() >= SPREAD_FROM);
            self.planner.set_policy(policy, self.worker.clock.now());
        }
    }

    /// What is known of a certificate that was not removed since.
    pub(super) fn entry(&self, id: CertId) -> Option<&Entry> {
        let entry = self.entries.get(id.index())?.as_ref()?;
        (self.by_id.get(&entry.cert.id) == Some(&id)).then_some(entry)
    }

    pub(super) fn entry_mut(&mut self, id: CertId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index())?.as_mut()?;
        (self.by_id.get(&entry.cert.id) == Some(&id)).then_some(entry)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(|id| &**id)
    }

    /// Whether the certificate comes from the issuer that will renew it.
    pub(super) fn is_own(&self, cert: &Cert, held: &Known) -> bool {
        let issuer = self.worker.issuers.get(usize::from(cert.issuer));
        issuer.is_some_and(|(_, issuer)| issuer.name() == held.issuer)
    }

    /// How often the other instances are to see this one, if it shares the work.
    pub(super) fn beat_every(&self) -> Option<Duration> {
        self.members.as_ref().map(Members::write_every)
    }

    /// Sees to it that the other instances see this one.
    pub(super) fn beat(&mut self) {
        if let Some(members) = &mut self.members {
            members.beat(&self.worker);
        }
    }

    /// Whether enough is known to order: what the store has, and who else is there.
    fn is_ready(&self) -> bool {
        let has_met = self.members.as_ref().is_none_or(Members::has_looked);
        has_met && self.loads.has_looked()
    }

    /// Begins all that is due and fits.
    pub(super) fn start_due(&mut self) {
        self.start_loads();
        if !self.is_ready() {
            return;
        }
        let now = self.worker.clock.now();
        while let Some(action) = self.planner.next(&mut self.ledgers, now) {
            match action {
                Action::Order(order) => self.start_order(order, now),
                Action::Poll(poll) => self.start_poll(poll),
            }
        }
    }

    fn start_order(&mut self, order: Order, now: SystemTime) {
        let entry = self.entry(order.cert());
        let Some((cert, known)) = entry.map(|entry| (entry.cert.clone(), entry.fingerprint)) else {
            let end = End::Later(now + BUSY);
            self.planner.finish(&order, &end, &mut self.ledgers, now);
            return;
        };
        let task = OrderTask {
            worker: self.worker.clone(),
            books: self.books.clone(),
            saved: self.planner.saved(order.cert()),
            owner: self.owner.clone(),
            leases: self.leases.clone(),
            order: order.clone(),
            known,
            cert: cert.clone(),
        };
        let begun = self.tasks.spawn(task.run());
        self.begun.insert(begun.id(), Begun::Order(order, cert));
    }

    /// Whether there is something to [wait](Self::happened) for.
    pub(super) fn is_working(&self) -> bool {
        !self.tasks.is_empty() || self.loads.is_busy()
    }

    /// Waits until there is something to take in.
    pub(super) async fn happened(&mut self) -> Happened {
        let (tasks, loads, members) = (&mut self.tasks, &mut self.loads, &mut self.members);
        let news = async {
            match members {
                Some(members) => members.news().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => Happened::Ended(ended),
            Some(loaded) = loads.next(), if loads.is_busy() => Happened::Loaded(loaded),
            Some(seen) = news => Happened::Met(seen),
            else => std::future::pending().await,
        }
    }

    pub(super) fn take_in(&mut self, happened: Happened) {
        match happened {
            Happened::Ended(ended) => self.finish(ended),
            Happened::Loaded(loaded) => self.loaded(loaded),
            Happened::Met(seen) => self.met(seen),
        }
    }

    /// Tells the plan how a task ended.
    fn finish(&mut self, ended: Result<(Id, Done), JoinError>) {
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
                self.placed(&order, &end, is_placed);
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
            (Some(Begun::Poll(poll)), Some(Done::Poll { answer })) => {
                self.poll_ended(&poll, answer);
            }
            (Some(Begun::Poll(poll)), _) => self.poll_ended(&poll, Err(panicked())),
            (Some(Begun::Save(name)), _) => self.written(name),
            (Some(Begun::Unpause(id)), Some(Done::Unpaused { ledgers, error })) => {
                self.unpaused(id, ledgers, error);
            }
            (Some(Begun::Unpause(id)), _) => self.unpaused(id, Vec::new(), Some(panicked())),
            (None, _) => {}
        }
    }

    /// Whether the issuer keeps an order, with which the next try goes on, if that is known.
    fn placed(&mut self, order: &Order, end: &Ended, is_placed: Option<bool>) {
        let is_placed = match end {
            Ended::Failed(_) => is_placed,
            Ended::Later(_) => None,
            _ => Some(false),
        };
        if let Some(is_placed) = is_placed {
            let now = self.worker.clock.now();
            self.planner.set_placed(order.cert(), is_placed, now);
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
        if let Some(ledger) = ledger {
            self.set_ledger(place, *ledger);
        }
        let ended = match &end {
            Ended::Denied(denied) => {
                self.planner.put_back(order, denied, now);
                self.tell_limit(order.cert(), now);
                return;
            }
            Ended::Later(until) => End::Later(*until),
            Ended::Waits(saved) => End::Later(saved.waits_until()),
            Ended::Held(held) => End::Issued(self.issued(order.cert(), cert, held)),
            Ended::NotInstalled(fingerprint) => {
                self.not_installed(order.cert(), *fingerprint);
                End::Failed(failure(&end))
            }
            Ended::Failed(_) => End::Failed(failure(&end)),
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
        self.grant_asked(order.cert());
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
                self.tell_limit(order.cert(), now);
            }
        }
    }

    /// When there is something to do again.
    pub(super) fn wake_at(&self, now: SystemTime) -> Option<SystemTime> {
        let planned = self.is_ready().then(|| self.planner.wake_at(now)).flatten();
        planned.into_iter().chain(self.loads.wake_at()).min()
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
        self.save_all().await;
        let leases =
            std::mem::take(&mut *self.leases.lock().unwrap_or_else(PoisonError::into_inner));
        for lease in leases {
            // Otherwise it expires.
            drop(self.worker.store.release(&lease).await);
        }
        if let Some(members) = &mut self.members {
            members.leave(&*self.worker.store).await;
        }
    }
}

const BUSY: Duration = Duration::from_secs(1);
