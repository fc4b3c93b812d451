//! The work on one name: ask, look into the store, issue under the lock of the name; and later renew.

use std::cmp::Ordering;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Denial, Entry, Inner, Outcome};
use crate::budget::Subject;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::Identifier;
use crate::inventory::CertSpec;
use crate::limits::{MAX_MANAGER_SLEEP, ON_DEMAND_LEASE, ON_DEMAND_MAX_RETRY};
use crate::manager::claim::{Claim, Landed, Terms};
use crate::manager::worker::Managed;
use crate::store::{Acquired, Lease, Triple};
use crate::text::Escaped;

/// How often to look whether another instance is done.
const BUSY_POLL: Duration = Duration::from_millis(500);

/// When an entry is looked at again, and when its certificate is to be renewed.
pub(in crate::manager) struct Next {
    pub(in crate::manager) look_at: SystemTime,
    pub(in crate::manager) due_at: Option<SystemTime>,
}

impl Inner {
    /// Gets the certificate of a name into service.
    pub(super) async fn fly(&self, name: &Identifier, key: &Arc<str>) -> Outcome {
        let began = self.worker.clock.monotonic();
        let known = self.entries().get(key).cloned();
        let entry = match known {
            Some(entry) => entry,
            None => Arc::new(self.entry(name, key)?),
        };
        let mut managed = entry.managed.lock().await;
        let done = self.get(&entry, &mut managed, began).await;
        if let Err(denial) = &done {
            return Err(self.deny(&entry, &mut managed, denial.clone(), began));
        }
        self.state().failed.remove(key);
        self.keep(&entry, managed.due_at());
        Ok(())
    }

    fn entry(&self, name: &Identifier, key: &Arc<str>) -> Result<Entry, Denial> {
        let spec = CertSpec::new([name.clone()])?;
        let changed = (self.options.spec)(spec.clone())?;
        if changed.id() != spec.id() || changed.identifiers() != spec.identifiers() {
            let reason = "the options give it another id or other names; let them as they are";
            return Err(Error::store(ErrorKind::Invalid, "order", key, reason).into());
        }
        let mut managed = Managed::new(changed)?;
        managed.longest_wait = ON_DEMAND_MAX_RETRY;
        if let Some((_, failures)) = self.state().failed.last(key) {
            managed.failures = *failures;
        }
        Ok(Entry {
            name: name.clone(),
            key: key.clone(),
            asked_at: AtomicU64::new(0),
            managed: tokio::sync::Mutex::new(managed),
        })
    }

    async fn get(&self, entry: &Entry, managed: &mut Managed, began: Duration) -> Outcome {
        {
            // The store is looked at for those names only that may have a certificate, and for as many
            // at once as are asked about.
            let _asking = self.asks.acquire().await;
            if !self.ask(&entry.name).await? {
                return Err(Denial::Refused);
            }
            // It may have been taken out of service since it was loaded last.
            managed.seen = None;
            self.worker.load(managed).await?;
        }
        if self.serves(&entry.key) {
            return Ok(());
        }
        let turn = tokio::time::timeout(self.options.wait, self.turns.acquire());
        let Ok(_turn) = turn.await else {
            return Err(Denial::TooMany);
        };
        let deadline = Instant::now() + self.worker.time_limit;
        let mut is_counted = false;
        let triple = loop {
            let until = Until::Served(&entry.key);
            match self.under_lock(managed, until, &mut is_counted).await {
                Err(Denial::Failed { error })
                    if error.kind() == ErrorKind::Busy && Instant::now() + BUSY_POLL < deadline =>
                {
                    tokio::time::sleep(BUSY_POLL).await;
                }
                done => break done?,
            }
        };
        if let Some(triple) = triple {
            self.worker.issued(managed, &triple, began);
        }
        if self.serves(&entry.key) {
            return Ok(());
        }
        let reason = "the new certificate was not put in service; see the event that says why";
        Err(Error::store(ErrorKind::Invalid, "serve", &entry.key, reason).into())
    }

    async fn ask(&self, name: &Identifier) -> Result<bool> {
        let asked = tokio::time::timeout(self.options.ask_time, (self.options.ask)(name.clone()));
        let reason = match asked.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => format!(
                "the ask function failed ({}); it is asked again later",
                Escaped(&error.to_string())
            ),
            Err(_) => format!(
                "the ask function did not answer within {} s; see what it waits for",
                self.options.ask_time.as_secs_f32()
            ),
        };
        let attempt = "ask whether to issue for";
        Err(Error::store(ErrorKind::Unavailable, attempt, name, reason))
    }

    /// Remembers why there is none, and tells it.
    fn deny(
        &self,
        entry: &Entry,
        managed: &mut Managed,
        denial: Denial,
        began: Duration,
    ) -> Denial {
        let clock = &self.worker.clock;
        let wait = match &denial {
            Denial::Refused => {
                self.refuse(entry);
                return denial;
            }
            Denial::Failed { error } => {
                let at = self.worker.failed(managed, error.clone(), began);
                at.duration_since(clock.now()).unwrap_or_default()
            }
            Denial::Limited { wait } => {
                self.tell(&entry.key, &denial);
                *wait.min(&self.options.refused_for)
            }
            _ => return denial,
        };
        let until = clock.monotonic().saturating_add(wait);
        let remembered = (denial.clone(), managed.failures);
        let key = entry.key.clone();
        self.state().failed.put(key, until, remembered);
        denial
    }

    /// The name may not have a certificate, or no longer.
    fn refuse(&self, entry: &Entry) {
        let now = self.worker.clock.monotonic();
        let until = now.saturating_add(self.options.refused_for);
        self.state().refused.put(entry.key.clone(), until, ());
        self.forget(&entry.key);
        self.tell(&entry.key, &Denial::Refused);
    }

    /// What a manager does for a certificate at each pass; `None` if it is out of service now.
    pub(in crate::manager) async fn look(&self, entry: &Entry) -> Option<Next> {
        let mut managed = entry.managed.lock().await;
        let looked = match self.is_taken_over(&entry.key) {
            true => None,
            false => self.look_at(entry, &mut managed).await,
        };
        if self.is_taken_over(&entry.key) {
            self.forget(&entry.key);
            return None;
        }
        if !self.entries().contains_key(&entry.key) {
            // Taken out meanwhile, since too many are kept: what was renewed after that is too.
            self.worker.certificates.remove(&entry.key);
            return None;
        }
        let look_at = looked?;
        let due_at = managed.held.as_ref().map(|held| held.due_at());
        Some(Next { look_at, due_at })
    }

    async fn look_at(&self, entry: &Entry, managed: &mut Managed) -> Option<SystemTime> {
        let worker = &self.worker;
        let began = worker.clock.monotonic();
        if let Some(at) = worker.wait(managed).await {
            return Some(at);
        }
        let asked_at = Duration::from_secs(entry.asked_at.load(Memory::Relaxed));
        if began.saturating_sub(asked_at) > self.options.idle {
            let now = worker.clock.now();
            if managed.held.as_ref().is_none_or(|held| held.until < now) {
                self.forget(&entry.key);
                return None;
            }
            return Some(now + MAX_MANAGER_SLEEP);
        }
        match self.ask(&entry.name).await {
            Ok(true) => {}
            Ok(false) => {
                self.refuse(entry);
                return None;
            }
            Err(error) => return Some(worker.failed(managed, error, began)),
        }
        // Renewals are no new names: they do not count in the window.
        match self.under_lock(managed, Until::NotDue, &mut true).await {
            Ok(Some(triple)) => Some(worker.issued(managed, &triple, began)),
            Ok(None) => Some(managed.due_at().unwrap_or_else(|| worker.clock.now())),
            Err(Denial::Failed { error }) => Some(worker.failed(managed, error, began)),
            Err(_) => Some(worker.clock.now() + MAX_MANAGER_SLEEP),
        }
    }

    /// Under the lock of the name takes what another instance has stored meanwhile, or gets a new one
    /// from the issuers.
    async fn under_lock(
        &self,
        managed: &mut Managed,
        until: Until<'_>,
        is_counted: &mut bool,
    ) -> Result<Option<Triple>, Denial> {
        let store = &self.worker.store;
        let lock = managed.name.clone();
        let acquired = store.acquire(&lock, &self.owner, ON_DEMAND_LEASE).await?;
        let lease = match acquired {
            Acquired::Granted(lease) => lease,
            Acquired::Held(holder) => {
                let reason = format!(
                    "{} is at work on a certificate for it; wait for that",
                    holder.owner
                );
                return Err(Error::store(ErrorKind::Busy, "order", &lock, reason).into());
            }
        };
        let done = {
            let mut work = pin!(self.load_or_issue(managed, until, is_counted));
            let mut lost = pin!(self.hold(&lease));
            poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Pending => lost
                    .as_mut()
                    .poll(context)
                    .map(|error| Err(Denial::from(error))),
                done => done,
            })
            .await
        };
        // One that stays held until it expires is no reason to lose what was done.
        if let Err(error) = store.release(&lease).await {
            self.worker
                .tell(crate::observe::Event::SourceFailed { error });
        }
        done
    }

    async fn load_or_issue(
        &self,
        managed: &mut Managed,
        until: Until<'_>,
        is_counted: &mut bool,
    ) -> Result<Option<Triple>, Denial> {
        self.worker.load(managed).await?;
        let is_done = match until {
            Until::Served(key) => self.serves(key),
            Until::NotDue => {
                let now = self.worker.clock.now();
                managed.due_at().map(|due| due.cmp(&now)) == Some(Ordering::Greater)
            }
        };
        if is_done {
            return Ok(None);
        }
        if !*is_counted {
            let now = self.worker.clock.monotonic();
            let taken = self.state().window.take(now);
            taken.map_err(|wait| Denial::Limited { wait })?;
            *is_counted = true;
        }
        let claim = self.claim(managed);
        let others = self.worker.others(managed, &self.books, claim.terms());
        let issued = self.worker.issue(managed, true, &claim, &others).await;
        if let Some(denied) = claim.denied() {
            let wait = denied.until().duration_since(self.worker.clock.now());
            let wait = wait.unwrap_or_default();
            return Err(Denial::Limited { wait });
        }
        let (triple, by) = issued?;
        let landed = match triple.facts() {
            Ok(facts) => Landed::Issued {
                from: facts.not_before(),
                until: facts.not_after(),
            },
            Err(_) => Landed::Useless,
        };
        self.worker.settle(by, landed).await;
        Ok(Some(triple))
    }

    /// What an order for it takes of the limits of its issuer.
    fn claim(&self, managed: &Managed) -> Claim {
        let place = self.worker.first_issuer(&managed.spec);
        let issuer = self.worker.issuers.get(place).map(|(_, it)| it.name());
        let terms = Terms {
            subject: Arc::new(Subject::new(managed.spec.identifiers())),
            exemption: managed.exemption(issuer, self.worker.clock.now()),
            is_early: managed.held.is_none(),
            is_forced: false,
        };
        let book = self.books.get(place).cloned().flatten();
        Claim::new(book, terms, self.worker.clone(), None)
    }

    /// Renews the lock for ever; ends when it is lost.
    async fn hold(&self, lease: &Lease) -> Error {
        loop {
            tokio::time::sleep(ON_DEMAND_LEASE / 3).await;
            // Of other failures, the last is the one by which the lock expires.
            if let Err(error) = self.worker.store.renew(lease).await
                && error.kind() == ErrorKind::Fenced
            {
                return error;
            }
        }
    }
}

/// What is enough for the store to have.
#[derive(Clone, Copy)]
enum Until<'a> {
    Served(&'a str),
    NotDue,
}

impl From<Error> for Denial {
    fn from(error: Error) -> Self {
        Self::Failed { error }
    }
}
