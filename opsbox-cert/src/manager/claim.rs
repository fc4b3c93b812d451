//! What one order takes of the limits of its CA, in the ledger that all instances share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::outcome;
use super::progress;
use super::worker::Worker;
use crate::budget::{
    Charge, Denied, Exemption, Ledger, Limits, Outcome, SharedLedger, Subject, key,
};
use crate::error::{Error, ErrorKind, Result};
use crate::issuer::{Issuer, OrderStage, Permits};
use crate::plan::Saved;
use crate::store::Store;
use crate::text::Escaped;

/// A ledger that all work of this instance uses, if its issuer has limits.
pub(super) type Book = Option<Arc<Mutex<SharedLedger>>>;

/// The ledgers of issuers, each at the place of its own.
pub(super) fn books(
    store: &Arc<dyn Store>,
    issuers: &[(String, Arc<dyn Issuer>)],
    limits: &HashMap<String, Limits>,
) -> Result<Vec<Book>> {
    let book = |(label, issuer): &(String, Arc<dyn Issuer>)| {
        let limits = limits_of(label, &**issuer, limits);
        let Some(limits) = limits else {
            return Ok(None);
        };
        let ledger = SharedLedger::new(store.clone(), &book_id(label, &**issuer), limits)?;
        Ok(Some(Arc::new(Mutex::new(ledger))))
    };
    issuers.iter().map(book).collect()
}

/// What is said of an issuer, or known of it.
pub(super) fn limits_of(
    label: &str,
    issuer: &dyn Issuer,
    limits: &HashMap<String, Limits>,
) -> Option<Limits> {
    let said = limits.get(label).cloned();
    said.or_else(|| published(issuer.name()))
}

/// Under which id an issuer has records that are not about one certificate.
pub(super) fn book_id(label: &str, issuer: &dyn Issuer) -> String {
    let key = key(format!("{label}\n{}", issuer.name()).as_bytes());
    format!("{key:016x}")
}

/// The limits that the CA of this name publishes.
fn published(issuer: &str) -> Option<Limits> {
    #[cfg(any(feature = "acme", feature = "config"))]
    if issuer == crate::inventory::LETS_ENCRYPT {
        return Some(Limits::lets_encrypt());
    }
    let _ = issuer;
    None
}

/// An order as the limits see it, whose names outlive the plan of it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) subject: Arc<Subject>,
    pub(super) exemption: Exemption,
    pub(super) is_early: bool,
    pub(super) is_forced: bool,
}

impl Terms {
    fn charge(&self) -> Charge<'_> {
        Charge::new(&self.subject)
            .exemption(self.exemption)
            .early(self.is_early)
            .forced(self.is_forced)
    }
}

/// The permits of one order: they take it from the ledger when it is placed, and not again while it is gone on
/// with.
pub(super) struct Claim {
    book: Book,
    terms: Terms,
    worker: Worker,
    keep: Option<Keep>,
    state: StdMutex<State>,
}

/// The record in which a failure is saved before its order is forgotten: who is killed in between does not try at
/// once again.
pub(super) struct Keep {
    pub(super) id: Arc<str>,
    /// As the plan knows it.
    pub(super) known: Saved,
}

#[derive(Debug, Clone, Default)]
struct State {
    denied: Option<Denied>,
    /// The ledger could not be written, so the CA was not asked.
    is_unasked: bool,
    /// By this call.
    is_taken: bool,
    is_finalized: bool,
    stage: Option<OrderStage>,
    is_over: bool,
}

/// How the work on an order ended.
pub(super) enum Landed<'a> {
    /// From its first to its last second.
    Issued {
        from: SystemTime,
        until: SystemTime,
    },
    /// The certificate is of no use.
    Useless,
    Failed(&'a Error),
    /// The CA was not asked.
    Unasked,
}

impl Claim {
    pub(super) fn new(book: Book, terms: Terms, worker: Worker, keep: Option<Keep>) -> Self {
        let state = StdMutex::default();
        Self {
            book,
            terms,
            worker,
            keep,
            state,
        }
    }

    /// What the order is to the limits.
    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the ledger did not permit what was to be sent.
    pub(super) fn denied(&self) -> Option<Denied> {
        self.state().denied.clone()
    }

    /// Whether the work ended since the ledger could not be written.
    pub(super) fn is_unasked(&self) -> bool {
        self.state().is_unasked
    }

    /// Whether the issuer keeps an order, with which the next call goes on; `None` if it did not come so far as to
    /// find out.
    pub(super) fn is_placed(&self) -> Option<bool> {
        let state = self.state();
        match (state.stage, state.is_over) {
            (Some(_), is_over) => Some(!is_over),
            (None, false) if !state.is_taken => None,
            (None, _) => Some(false),
        }
    }

    /// Tells the ledger how it ended. What is kept stays held back from the limits until that is over, or counts
    /// as issued after a while; so does all that a ledger was not told which cannot be written.
    pub(super) async fn settle(&self, landed: Landed<'_>) -> Result<()> {
        let Some(book) = &self.book else {
            return Ok(());
        };
        let (charge, state) = (self.terms.charge(), self.state().clone());
        let is_kept = self.is_placed() == Some(true);
        let mut book = book.lock().await;
        book.update_by(&*self.worker.clock, |ledger, now| {
            let is_held = state.is_taken || ledger.is_taken(&charge, now);
            match &landed {
                Landed::Issued { from, until } => {
                    let (from, lifetime) = (*from, until.duration_since(*from).unwrap_or_default());
                    if is_held || state.is_finalized {
                        ledger.settle(&charge, &Outcome::IssuedAt { from, lifetime }, now);
                    } else {
                        ledger.settle_counted(&charge, from, lifetime, now);
                    }
                }
                Landed::Useless if is_held || state.is_finalized => {
                    ledger.settle(&charge, &Outcome::Unknown, now);
                }
                Landed::Useless => {}
                Landed::Unasked if state.is_taken && !is_kept => {
                    ledger.settle(&charge, &Outcome::Refused, now);
                }
                Landed::Unasked => {}
                Landed::Failed(error) => {
                    outcome::block(ledger, error, charge.set, now);
                    let outcome = outcome::failure(error).outcome().clone();
                    // Names that failed count, whatever else was counted before.
                    let has_failed = matches!(outcome, Outcome::Invalid { .. });
                    let is_over = state.is_over && (is_held || has_failed);
                    if !is_kept && (state.is_taken || is_over) {
                        ledger.settle(&charge, &outcome, now);
                    }
                }
            }
        })
        .await
    }

    /// Writes what is taken, unless it does not fit.
    async fn take(
        &self,
        take: impl Fn(&mut Ledger, SystemTime) -> Result<(), Denied>,
    ) -> Result<()> {
        let Some(book) = &self.book else {
            return Ok(());
        };
        let mut book = book.lock().await;
        let taken = book.update_by(&*self.worker.clock, take).await;
        drop(book);
        let denied = match taken {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(denied)) => denied,
            Err(error) => {
                self.state().is_unasked = true;
                return Err(error);
            }
        };
        let error = Error::store(
            ErrorKind::Busy,
            "order",
            Escaped("within the limits of the CA"),
            denied.to_string(),
        );
        self.state().denied = Some(denied);
        Err(error)
    }
}

#[async_trait]
impl Permits for Claim {
    async fn new_account(&self) -> Result<()> {
        self.take(Ledger::take_account).await
    }

    async fn new_order(&self, before: Option<Error>) -> Result<()> {
        if let Some(before) = before {
            // The failure of the call that was cut off, after which there is a wait.
            return Err(before);
        }
        let charge = self.terms.charge();
        self.take(|ledger, now| {
            if ledger.is_taken(&charge, now) {
                // One that was not placed after all.
                ledger.settle(&charge, &Outcome::Refused, now);
            }
            ledger.take(&charge, now)
        })
        .await?;
        self.state().is_taken = true;
        Ok(())
    }

    async fn finalize(&self) -> Result<()> {
        let charge = self.terms.charge();
        let is_taken = self.state().is_taken;
        if !is_taken {
            // It was held for too long, and counts as issued. What comes now counts once more.
            self.take(|ledger, now| match ledger.is_taken(&charge, now) {
                true => Ok(()),
                false => ledger.take(&charge, now),
            })
            .await?;
        }
        let mut state = self.state();
        (state.is_taken, state.is_finalized) = (true, true);
        Ok(())
    }

    async fn over(&self, why: Option<&Error>) {
        self.state().is_over = true;
        let (Some(keep), Some(why)) = (&self.keep, why) else {
            return;
        };
        let (failure, now) = (outcome::failure(why), self.worker.clock.now());
        let saved = keep.known.failed(&failure, false, now);
        if let Ok(name) = progress::of_certificate(&keep.id) {
            progress::save(&self.worker, &name, progress::text(&saved)).await;
        }
    }

    fn reached(&self, stage: OrderStage) {
        let mut state = self.state();
        (state.stage, state.is_over) = (Some(stage), false);
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("terms", &self.terms)
            .field("state", &*self.state())
            .finish_non_exhaustive()
    }
}
