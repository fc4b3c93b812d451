//! The work on one certificate, as a task of its own: the lock, a look into the store, room in the shared ledger,
//! the order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::task::Poll as Ready;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::ari::Answer;
use super::claim::{Book, Claim, Keep, Landed, Terms};
use super::outcome;
use super::progress;
use super::worker::{BUSY_WAIT, Held as Known, Managed, STORE_WAIT, Worker};
use crate::budget::{Denied, Ledger, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fingerprint;
use crate::limits::{CERTIFICATE_LEASE, MAX_MANAGER_SLEEP};
use crate::plan::{Failure, Order, Reason, Saved};
use crate::store::{Acquired, Lease, Owner};

/// The locks that are held, to give them back when the manager stops.
pub(super) type Leases = Arc<StdMutex<Vec<Lease>>>;

/// What a certificate is planned by.
#[derive(Clone)]
pub(super) struct Cert {
    pub(super) managed: Arc<Mutex<Managed>>,
    pub(super) subject: Arc<Subject>,
    pub(super) id: Arc<str>,
    /// The place of the issuer.
    pub(super) issuer: u8,
    pub(super) names: Arc<[String]>,
}

/// What a task has done.
pub(super) enum Done {
    Order {
        end: Ended,
        /// The shared ledger as it is now.
        ledger: Option<Box<Ledger>>,
        took: Duration,
        /// Whether the issuer keeps an order, with which the next try goes on, if that is known.
        is_placed: Option<bool>,
        /// What was saved of the failure.
        saved: Option<Saved>,
    },
    /// Something of the plan was saved.
    Saved,
    Poll {
        answer: Result<Answer>,
    },
    Unpaused {
        /// The shared ledgers as they are now.
        ledgers: Vec<(usize, Ledger)>,
        error: Option<Error>,
    },
}

pub(super) enum Ended {
    /// The shared ledger has no room.
    Denied(Denied),
    /// Another instance is at it.
    Later(SystemTime),
    /// It has to wait, by what another instance has saved.
    Waits(Box<Saved>),
    /// Another instance has done it, or it is issued and in service.
    Held(Known),
    /// It is issued, and was not put in service.
    NotInstalled(Option<Fingerprint>),
    Failed(Error),
}

pub(super) struct OrderTask {
    pub(super) worker: Worker,
    pub(super) cert: Cert,
    pub(super) order: Order,
    /// The certificate that the plan knows of.
    pub(super) known: Option<Fingerprint>,
    /// Those of all issuers.
    pub(super) books: Vec<Book>,
    pub(super) owner: Option<Owner>,
    pub(super) leases: Leases,
    /// As the plan knows it.
    pub(super) saved: Option<Saved>,
}

impl OrderTask {
    pub(super) async fn run(self) -> Done {
        let began = self.worker.clock.monotonic();
        let claim = self.claim();
        let (end, saved) = self.work(&claim, began).await;
        let ledger = match self.book() {
            Some(book) => book.lock().await.known().cloned().map(Box::new),
            None => None,
        };
        let took = self.worker.clock.monotonic().saturating_sub(began);
        Done::Order {
            end,
            ledger,
            took,
            is_placed: claim.is_placed(),
            saved,
        }
    }

    /// The ledger of the issuer that is asked first.
    fn book(&self) -> Book {
        let place = usize::from(self.order.issuer());
        self.books.get(place).cloned().flatten()
    }

    fn claim(&self) -> Claim {
        let charge = self.order.charge(&self.cert.subject);
        let terms = Terms {
            exemption: charge.exemption,
            is_early: charge.is_early,
            is_forced: charge.is_forced,
            subject: self.cert.subject.clone(),
        };
        let keep = self.saved.map(|known| Keep {
            id: self.cert.id.clone(),
            known,
        });
        Claim::new(self.book(), terms, self.worker.clone(), keep)
    }

    async fn work(&self, claim: &Claim, began: Duration) -> (Ended, Option<Saved>) {
        let mut managed = self.cert.managed.lock().await;
        match self.under_lock(&mut managed, claim, began).await {
            Ok(done) => done,
            Err(error) => (self.failed(error), None),
        }
    }

    fn failed(&self, error: Error) -> Ended {
        if error.kind() != ErrorKind::Busy {
            return Ended::Failed(error);
        }
        let wait = error.retry_after().unwrap_or(BUSY_WAIT);
        Ended::Later(self.worker.clock.now() + wait.min(MAX_MANAGER_SLEEP))
    }

    /// The store failed before the CA was asked, which is no failure to wait longer and longer after.
    fn not_asked(&self, error: Error) -> Ended {
        if error.kind() == ErrorKind::Busy {
            return self.failed(error);
        }
        self.worker
            .tell(crate::observe::Event::SourceFailed { error });
        Ended::Later(self.worker.clock.now() + STORE_WAIT)
    }

    /// Saves that it failed while the lock is held, so that no other instance tries it in the meantime.
    async fn save(&self, claim: &Claim, end: &Ended) -> Option<Saved> {
        if !matches!(end, Ended::Failed(_) | Ended::NotInstalled(_)) {
            return None;
        }
        let now = self.worker.clock.now();
        let known = self.saved?;
        let is_placed = match end {
            Ended::Failed(_) => claim.is_placed().unwrap_or_else(|| known.is_placed()),
            _ => false,
        };
        let saved = known.failed(&failure(end), is_placed, now);
        let name = progress::of_certificate(&self.cert.id).ok()?;
        progress::save(&self.worker, &name, progress::text(&saved)).await;
        Some(saved)
    }

    /// What another instance, or this one before it was killed, has saved of a failure that the plan does not know.
    async fn has_to_wait(&self) -> Option<Saved> {
        let known = self.saved?;
        let is_wanted = matches!(self.order.reason(), Reason::Forced | Reason::Revoked);
        let stored = progress::load(&self.worker, &self.cert.id).await?;
        let now = self.worker.clock.now();
        (!is_wanted && progress::has_to_wait(&known, &stored, now)).then_some(stored)
    }

    async fn under_lock(
        &self,
        managed: &mut Managed,
        claim: &Claim,
        began: Duration,
    ) -> Result<(Ended, Option<Saved>)> {
        let Some(owner) = &self.owner else {
            let reason = "the system gives no random numbers for the name of a lock; see why";
            return Err(Error::store(
                ErrorKind::Unavailable,
                "order",
                &*self.cert.id,
                reason,
            ));
        };
        let store = &self.worker.store;
        let acquired = store.acquire(&managed.name, owner, CERTIFICATE_LEASE);
        let acquired = match acquired.await {
            Ok(acquired) => acquired,
            Err(error) => return Ok((self.not_asked(error), None)),
        };
        let lease = match acquired {
            Acquired::Granted(lease) => lease,
            Acquired::Held(holder) => {
                let now = self.worker.clock.now();
                let left = holder.until.duration_since(now).unwrap_or(BUSY_WAIT);
                let left = left.clamp(Duration::from_secs(1), BUSY_WAIT);
                return Ok((Ended::Later(now + left), None));
            }
        };
        self.leases().push(lease.clone());
        let done = {
            let mut work = pin!(self.load_or_issue(managed, claim, began));
            let mut lost = pin!(self.hold(&lease));
            poll_fn(|context| match work.as_mut().poll(context) {
                Ready::Pending => lost.as_mut().poll(context).map(Err),
                done => done,
            })
            .await
        };
        // One that stays held until it expires is no reason to lose what was done.
        if let Err(error) = store.release(&lease).await {
            self.worker
                .tell(crate::observe::Event::SourceFailed { error });
        }
        self.leases().retain(|held| held != &lease);
        done
    }

    async fn load_or_issue(
        &self,
        managed: &mut Managed,
        claim: &Claim,
        began: Duration,
    ) -> Result<(Ended, Option<Saved>)> {
        if let Err(error) = self.worker.load(managed).await {
            return Ok((self.not_asked(error), None));
        }
        // Not by what was loaded last, which the plan may not know yet.
        if let Some(held) = &managed.held
            && Some(held.fingerprint) != self.known
        {
            // Another instance was faster. The plan decides anew.
            return Ok((Ended::Held(held.clone()), None));
        }
        if let Some(stored) = self.has_to_wait().await {
            return Ok((Ended::Waits(Box::new(stored)), None));
        }
        // The limits are asked by the issuer, before it places an order: what it goes on with is counted already.
        let end = self.issue(managed, claim, began).await;
        let saved = self.save(claim, &end).await;
        Ok((end, saved))
    }

    async fn issue(&self, managed: &mut Managed, claim: &Claim, began: Duration) -> Ended {
        let others = self.worker.others(managed, &self.books, claim.terms());
        let replaces = self.order.replaces();
        let issued = self.worker.issue(managed, replaces, claim, &others);
        let (triple, by) = match issued.await {
            Ok(issued) => issued,
            Err(error) => {
                return match claim.denied() {
                    Some(denied) => Ended::Denied(denied),
                    // What cannot be counted is no order.
                    None if claim.is_unasked() => self.not_asked(error),
                    None => self.failed(error),
                };
            }
        };
        self.worker.issued(managed, &triple, began);
        let is_in_service = self.worker.certificates.in_service(&self.cert.id).is_some();
        let end = match &managed.held {
            Some(held) if managed.failures == 0 && is_in_service => Ended::Held(held.clone()),
            // Another one would be no more valid than this one, which is put in service when it is.
            Some(held) if held.is_early => Ended::Held(held.clone()),
            held => Ended::NotInstalled(held.as_ref().map(|held| held.fingerprint)),
        };
        let landed = match &end {
            Ended::Held(held) => Landed::Issued {
                from: held.from,
                until: held.until,
            },
            _ => Landed::Useless,
        };
        self.worker.settle(by, landed).await;
        end
    }

    /// Renews the lock for ever; ends when it is lost.
    async fn hold(&self, lease: &Lease) -> Error {
        loop {
            tokio::time::sleep(CERTIFICATE_LEASE / 3).await;
            // Of other failures, the last is the one by which the lock expires.
            if let Err(error) = self.worker.store.renew(lease).await
                && error.kind() == ErrorKind::Fenced
            {
                return error;
            }
        }
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Vec<Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an end is for the plan, if it is no certificate.
pub(super) fn failure(end: &Ended) -> Failure {
    match end {
        Ended::Failed(error) => outcome::failure(error),
        _ => Failure::unknown(),
    }
}
