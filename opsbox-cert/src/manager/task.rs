//! The work on one certificate, as a task of its own: the lock, a look into the store, room in the shared ledger,
//! the order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::task::Poll as Ready;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::ari::Answer;
use super::outcome;
use super::worker::{BUSY_WAIT, Held as Known, Managed, STORE_WAIT, Worker};
use crate::budget::{Denied, Ledger, Outcome, SharedLedger, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fingerprint;
use crate::limits::{CERTIFICATE_LEASE, MAX_MANAGER_SLEEP};
use crate::plan::{Failure, Order};
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
    },
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
    pub(super) shared: Option<Arc<Mutex<SharedLedger>>>,
    pub(super) owner: Option<Owner>,
    pub(super) leases: Leases,
}

impl OrderTask {
    pub(super) async fn run(self) -> Done {
        let began = self.worker.clock.monotonic();
        let end = self.work(began).await;
        let ledger = match &self.shared {
            Some(shared) => shared.lock().await.known().cloned().map(Box::new),
            None => None,
        };
        let took = self.worker.clock.monotonic().saturating_sub(began);
        Done::Order { end, ledger, took }
    }

    async fn work(&self, began: Duration) -> Ended {
        let mut managed = self.cert.managed.lock().await;
        match self.under_lock(&mut managed, began).await {
            Ok(end) => end,
            Err(error) => self.failed(error),
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

    async fn take(&self) -> Result<Result<(), Denied>> {
        let Some(shared) = &self.shared else {
            return Ok(Ok(()));
        };
        let now = self.worker.clock.now();
        let charge = self.order.charge(&self.cert.subject);
        let mut shared = shared.lock().await;
        shared.update(now, |ledger| ledger.take(&charge, now)).await
    }

    /// A ledger that cannot be written counts what was held as issued, after a while.
    async fn settle(&self, end: &Ended) {
        let Some(shared) = &self.shared else {
            return;
        };
        let now = self.worker.clock.now();
        let charge = self.order.charge(&self.cert.subject);
        let mut shared = shared.lock().await;
        let settled = shared.update(now, |ledger| {
            if let Ended::Failed(error) = end {
                outcome::block(ledger, error, self.cert.subject.set(), now);
            }
            ledger.settle(&charge, &settlement(end), now);
        });
        if let Err(error) = settled.await {
            self.worker
                .tell(crate::observe::Event::SourceFailed { error });
        }
    }

    async fn under_lock(&self, managed: &mut Managed, began: Duration) -> Result<Ended> {
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
            Err(error) => return Ok(self.not_asked(error)),
        };
        let lease = match acquired {
            Acquired::Granted(lease) => lease,
            Acquired::Held(holder) => {
                let now = self.worker.clock.now();
                let left = holder.until.duration_since(now).unwrap_or(BUSY_WAIT);
                return Ok(Ended::Later(
                    now + left.clamp(Duration::from_secs(1), BUSY_WAIT),
                ));
            }
        };
        self.leases().push(lease.clone());
        let done = {
            let mut work = pin!(self.load_or_issue(managed, began));
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

    async fn load_or_issue(&self, managed: &mut Managed, began: Duration) -> Result<Ended> {
        if let Err(error) = self.worker.load(managed).await {
            return Ok(self.not_asked(error));
        }
        // Not by what was loaded last, which the plan may not know yet.
        if let Some(held) = &managed.held
            && Some(held.fingerprint) != self.known
        {
            // Another instance was faster. The plan decides anew.
            return Ok(Ended::Held(held.clone()));
        }
        // Only now, since what another instance has done is no order. What cannot be counted is none either.
        match self.take().await {
            Ok(Ok(())) => {}
            Ok(Err(denied)) => return Ok(Ended::Denied(denied)),
            Err(error) => return Ok(self.not_asked(error)),
        }
        let end = self.issue(managed, began).await;
        self.settle(&end).await;
        Ok(end)
    }

    async fn issue(&self, managed: &mut Managed, began: Duration) -> Ended {
        let triple = match self.worker.issue(managed, self.order.replaces()).await {
            Ok(triple) => triple,
            Err(error) => return self.failed(error),
        };
        self.worker.issued(managed, &triple, began);
        let is_in_service = self.worker.certificates.in_service(&self.cert.id).is_some();
        match &managed.held {
            Some(held) if managed.failures == 0 && is_in_service => Ended::Held(held.clone()),
            // Another one would be no more valid than this one, which is put in service when it is.
            Some(held) if held.is_early => Ended::Held(held.clone()),
            held => Ended::NotInstalled(held.as_ref().map(|held| held.fingerprint)),
        }
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

/// What an end is for a ledger.
fn settlement(end: &Ended) -> Outcome {
    match end {
        Ended::Held(held) => Outcome::IssuedAt {
            from: held.from,
            lifetime: held.until.duration_since(held.from).unwrap_or_default(),
        },
        Ended::NotInstalled(_) => Outcome::Unknown,
        Ended::Failed(error) => outcome::failure(error).outcome().clone(),
        Ended::Denied(_) | Ended::Later(_) => Outcome::Refused,
    }
}

/// What an end is for the plan, if it is no certificate.
pub(super) fn failure(end: &Ended) -> Failure {
    match end {
        Ended::Failed(error) => outcome::failure(error),
        _ => Failure::unknown(),
    }
}
