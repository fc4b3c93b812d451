//! One order at an ACME CA, kept in the store so that it survives a kill at any step.
//!
//! ```text
//!   key stored ─▶ order placed ─▶ URL stored ─▶ answers stored ─▶ presented ─▶ proved
//!        ▲              │ cut off here: found in the CA's list, if it has one    │
//!        └── abandoned: invalid, unknown to the CA, other profile                ▼
//!   confirmed ◀── chain stored ◀── downloaded ◀── finalized ◀── answers taken away
//! ```
//!
//! The record is written under the lock of the name set only, so at most one instance is at it, and a
//! former owner of the lock cannot write any more.

mod chains;
mod find;
mod persist;
mod prove;
mod record;

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use instant_acme::{
    CertificateIdentifier, Identifier as AcmeIdentifier, NewOrder, Order, OrderStatus,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::time::Instant;

use self::record::Kept;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::Identifier;
use crate::issuer::{
    CertRequest, Failure, NEXT_LOOK, Opened, OrderStage, Permits, Shared, Step, own,
};
use crate::limits::{CLEANUP_TIME_LIMIT, ISSUED_KEPT, ORDER_POLL};
use crate::store::{Acquired, Condition, Lease, Metadata, Name, Triple, Version};

/// Gets the certificate of this request: kept, gone on with, or ordered.
pub(crate) async fn issue(
    shared: &Shared,
    request: &CertRequest,
    permits: &dyn Permits,
) -> Result<Triple> {
    let name = record::record_name(&shared.directory_url, request)?;
    let acquired = shared
        .store
        .acquire(&name, &shared.owner, shared.lease_time);
    let lease = match acquired.await? {
        Acquired::Granted(lease) => lease,
        Acquired::Held(holder) => {
            let reason = format!(
                "{} is at work on an order for the same names; wait for it",
                holder.owner
            );
            let left = holder.until.duration_since(shared.clock.now());
            let left = left.unwrap_or(Duration::ZERO).max(ORDER_POLL.0);
            return Err(Failure::new(ErrorKind::Busy, Step::Order, reason)
                .retry_after(Some(left.min(shared.lease_time)))
                .of(&shared.directory_url, request)
                .into());
        }
    };
    let mut work = Work {
        shared,
        request,
        permits,
        name: &name,
        lease: &lease,
        before: None,
        version: None,
        deadline: Instant::now() + shared.time_limit,
        pause: ORDER_POLL.0,
    };
    let done = {
        let mut work = pin!(NEXT_LOOK.scope(Cell::new(None), work.run()));
        let mut lost = pin!(hold(shared, &lease));
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Pending => lost.as_mut().poll(context).map(Err),
            done => done,
        })
        .await
    };
    let released = shared.store.release(&lease).await;
    let triple = done?;
    // The certificate is there: a lock that stays held until it expires is no reason to lose it.
    if let Err(error) = released {
        tracing::warn!(order = %name, %error, "the lock of an order was not released");
    }
    Ok(triple)
}

/// Forgets the order of a certificate that is kept elsewhere.
pub(crate) async fn confirm(shared: &Shared, request: &CertRequest) -> Result<()> {
    let name = record::record_name(&shared.directory_url, request)?;
    let Some(stored) = shared.store.load(&name).await? else {
        return Ok(());
    };
    let mut kept = Kept::from_record(&name, &stored.record)?;
    if kept.chain.is_none() {
        return Ok(());
    }
    cleanup(shared, &mut kept).await;
    let condition = Condition::Version(stored.version);
    match shared.store.delete(&name, &condition, None).await {
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
        // Someone else has confirmed it, or begun the next one.
        _ => Ok(()),
    }
}

/// Renews the lock for ever; ends when it is lost.
async fn hold(shared: &Shared, lease: &Lease) -> Error {
    loop {
        tokio::time::sleep(shared.lease_time / 3).await;
        match shared.store.renew(lease).await {
            Err(error) if error.kind() == ErrorKind::Fenced => return error,
            Err(error) => tracing::warn!(lock = %lease.lock(), %error, "a lock was not renewed"),
            Ok(_) => {}
        }
    }
}

/// Takes away what may be published. What could not be stays in the record.
async fn cleanup(shared: &Shared, kept: &mut Kept) {
    let mut left = Vec::new();
    for answer in std::mem::take(&mut kept.state.answers) {
        let Some(whole) = answer.answer() else {
            continue;
        };
        let Some(solver) = shared.solvers.iter().find(|s| s.kind() == whole.kind()) else {
            continue;
        };
        let taken = tokio::time::timeout(CLEANUP_TIME_LIMIT, solver.cleanup(&whole)).await;
        let problem = match taken {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the solver did not end in time".to_owned(),
        };
        tracing::warn!(identifier = %whole.identifier(), problem, "an answer was not taken away");
        left.push(answer);
    }
    kept.state.answers = left;
}

/// The work of one call.
struct Work<'a> {
    shared: &'a Shared,
    request: &'a CertRequest,
    permits: &'a dyn Permits,
    name: &'a Name,
    lease: &'a Lease,
    /// Why the order cannot be gone on with that an earlier call was cut off from.
    before: Option<Error>,
    /// Of the record as this work knows it.
    version: Option<Version>,
    deadline: Instant,
    pause: Duration,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Triple> {
        let mut kept = None;
        if let Some(stored) = self.shared.store.load(self.name).await? {
            self.version = Some(stored.version);
            kept = Some(Kept::from_record(self.name, &stored.record)?);
        }
        if let Some(kept) = &kept
            && let Some(triple) = self.issued(kept)
        {
            self.permits.reached(OrderStage::Finalized);
            return Ok(triple);
        }
        let opened = self.shared.account(self.permits).await?;
        let resumed = match kept {
            Some(kept) => self.resume(kept, &opened).await?,
            None => None,
        };
        let (mut kept, mut order) = match resumed {
            Some((kept, Some(mut order))) => {
                self.permits.reached(match order.state().status {
                    OrderStatus::Pending | OrderStatus::Ready => OrderStage::Resumed,
                    _ => OrderStage::Finalized,
                });
                (kept, order)
            }
            Some((kept, None)) => {
                self.permits.new_order(self.before.take()).await?;
                self.place(kept, &opened).await?
            }
            None => {
                self.permits.new_order(self.before.take()).await?;
                let mut kept = Kept::new(&self.shared.directory_url, self.request)?;
                self.save(&mut kept).await?;
                self.place(kept, &opened).await?
            }
        };
        tracing::info!(names = %self.request, order = order.url(), "order under way");
        let proved = match order.state().status {
            OrderStatus::Pending => self.prove(&mut kept, &mut order, &opened).await,
            _ => Ok(()),
        };
        if !kept.state.answers.is_empty() {
            cleanup(self.shared, &mut kept).await;
            self.save(&mut kept).await?;
        }
        let finished = match proved {
            Ok(()) => self.finish(&kept, &mut order, &opened).await,
            Err(error) => Err(error),
        };
        let chain = match finished {
            Ok(chain) => chain,
            Err(error) => {
                // The CA does not take up an order again that it has judged.
                if error.kind() == ErrorKind::Refused {
                    self.permits.over(Some(&error)).await;
                    if kept.state.answers.is_empty() {
                        self.forget().await?;
                    } else {
                        kept.state.is_told = true;
                        self.save(&mut kept).await?;
                    }
                }
                return Err(error);
            }
        };
        let now = self.shared.clock.now();
        let triple = self.triple(&kept, chain.as_bytes(), now)?;
        kept.state.issued_at = Some(seconds(now));
        kept.chain = Some(chain.into_bytes());
        self.save(&mut kept).await?;
        tracing::info!(names = %self.request, order = order.url(), "certificate issued");
        Ok(triple)
    }

    /// The certificate of an order that is done and was not confirmed.
    fn issued(&self, kept: &Kept) -> Option<Triple> {
        let (chain, issued) = (kept.chain.as_ref()?, kept.state.issued_at?);
        let age = seconds(self.shared.clock.now()).abs_diff(issued);
        let same = kept.state.key == self.request.key_algorithm()
            && kept.state.profile.as_deref() == self.request.profile_name();
        if age > ISSUED_KEPT.as_secs() || !same {
            return None;
        }
        let issued = UNIX_EPOCH.checked_add(Duration::from_secs(issued))?;
        let triple = self.triple(kept, chain, issued).ok()?;
        // Who wants to replace it has it.
        let replaced = self.request.replaced();
        (replaced.is_none() || replaced != triple.metadata().ari_id()).then_some(triple)
    }

    fn triple(&self, kept: &Kept, chain: &[u8], issued: SystemTime) -> Result<Triple> {
        let metadata = Metadata::new(self.shared.directory_url.as_str(), issued);
        Triple::new(&kept.key, chain, metadata, &self.shared.provider)
    }

    /// The order of the record at the CA, or `None` where a new one is needed.
    async fn resume(
        &mut self,
        mut kept: Kept,
        opened: &Opened,
    ) -> Result<Option<(Kept, Option<Order>)>> {
        let same = kept.state.profile.as_deref() == self.request.profile_name();
        if kept.chain.is_some() || !same {
            return self.abandon(kept, None).await;
        }
        if kept.state.url.is_none() {
            // Cut off while it was placed: the CA may have it or not.
            match find::pending(opened, &kept.state).await {
                Ok(Some(url)) => {
                    kept.state.url = Some(url);
                    self.save(&mut kept).await?;
                }
                Ok(None) => {}
                Err(failure) if failure.is_retryable() => return Err(self.error(failure)),
                Err(_) => {}
            }
        }
        let Some(url) = kept.state.url.clone() else {
            self.renew_key(&mut kept).await?;
            return Ok(Some((kept, None)));
        };
        let mut order = match opened.account.order(url).await {
            Ok(order) => order,
            Err(error) => {
                let failure = Failure::acme(Step::Order, error);
                if failure.kind == ErrorKind::Refused {
                    // It has expired, which says nothing against its names.
                    return self.abandon(kept, None).await;
                }
                return Err(self.error(failure));
            }
        };
        let key_differs = kept.state.key != self.request.key_algorithm();
        match order.state().status {
            OrderStatus::Invalid => {
                let problem = order.state().error.clone();
                let error = self.error(invalid(Step::Validate, problem));
                self.abandon(kept, Some(error)).await
            }
            OrderStatus::Pending | OrderStatus::Ready => {
                self.renew_key(&mut kept).await?;
                Ok(Some((kept, Some(order))))
            }
            _ if key_differs => self.abandon(kept, None).await,
            _ => Ok(Some((kept, Some(order)))),
        }
    }

    /// Another kind of key, if the request wants one and the CA has not seen the first.
    async fn renew_key(&mut self, kept: &mut Kept) -> Result<()> {
        let wanted = self.request.key_algorithm();
        if kept.state.key != wanted {
            kept.key = Kept::new(&self.shared.directory_url, self.request)?.key;
            kept.state.key = wanted;
            self.save(kept).await?;
        }
        Ok(())
    }

    async fn abandon<T>(&mut self, mut kept: Kept, why: Option<Error>) -> Result<Option<T>> {
        cleanup(self.shared, &mut kept).await;
        let is_told = kept.state.is_told;
        self.before = why.filter(|_| !is_told);
        self.permits.over(self.before.as_ref()).await;
        self.forget().await?;
        Ok(None)
    }

    /// Places the order, and stores its URL.
    async fn place(&mut self, mut kept: Kept, opened: &Opened) -> Result<(Kept, Order)> {
        let identifiers: Vec<AcmeIdentifier> = self
            .request
            .identifiers()
            .iter()
            .map(|identifier| match identifier {
                Identifier::Dns(name) => AcmeIdentifier::Dns(name.as_str().to_owned()),
                Identifier::Ip(ip) => AcmeIdentifier::Ip(*ip),
            })
            .collect();
        if opened.directory.renewal_info.is_none() {
            kept.state.replaces = None;
        }
        let mut account = opened.account.clone();
        let mut reopened = false;
        loop {
            let mut new = NewOrder::new(&identifiers);
            if let Some(profile) = &kept.state.profile {
                new = new.profile(profile);
            }
            let replaces = kept
                .state
                .replaces
                .as_deref()
                .and_then(|id| id.split_once('.'));
            if let Some((authority, serial)) = replaces {
                new = new.replaces(CertificateIdentifier {
                    authority_key_identifier: authority.into(),
                    serial: serial.into(),
                });
            }
            let failure = match account.new_order(&new).await {
                Ok(order) => {
                    self.permits.reached(OrderStage::Placed);
                    kept.state.url = Some(order.url().to_owned());
                    self.save(&mut kept).await?;
                    return Ok((kept, order));
                }
                Err(error) => Failure::acme(Step::Order, error),
            };
            let kind = failure
                .problem
                .as_ref()
                .and_then(|problem| problem.acme_type());
            if kind == Some("accountDoesNotExist") && !reopened {
                account = self.shared.reopen(self.permits).await?.account.clone();
                reopened = true;
            } else if replaces.is_some()
                && matches!(failure.kind, ErrorKind::Refused | ErrorKind::Protocol)
            {
                // `alreadyReplaced` and the like: a certificate that costs more of the CA's limits is
                // better than none.
                tracing::warn!(names = %self.request, problem = %failure, "ordered without `replaces`");
                kept.state.replaces = None;
                self.save(&mut kept).await?;
            } else {
                if failure.kind == ErrorKind::Refused {
                    self.forget().await?;
                } else if may_be_placed(&failure) {
                    self.permits.reached(OrderStage::Placed);
                }
                if kind == Some("serverInternal") && replaces.is_some() {
                    // A CA may break at a certificate that it does not find, again and again. The order may be
                    // placed all the same, so the next call looks for it before it orders without.
                    tracing::warn!(names = %self.request, problem = %failure, "`replaces` is left out from now on");
                    kept.state.replaces = None;
                    self.save(&mut kept).await?;
                }
                return Err(self.error(failure));
            }
        }
    }

    /// From an order whose names are proved to its chain.
    async fn finish(&mut self, kept: &Kept, order: &mut Order, opened: &Opened) -> Result<String> {
        self.pause = ORDER_POLL.0;
        let mut finalized = false;
        loop {
            let (status, problem) = {
                let state = order.state();
                (state.status, state.error.clone())
            };
            match status {
                OrderStatus::Valid => {
                    return chains::download(self.shared.preferred_chain.as_deref(), order, opened)
                        .await
                        .map_err(|failure| self.error(failure));
                }
                OrderStatus::Ready if !finalized => {
                    let csr = self.signing_request(kept)?;
                    self.permits.finalize().await?;
                    order
                        .finalize_csr(&csr)
                        .await
                        .map_err(|error| self.error(Failure::acme(Step::Finalize, error)))?;
                    finalized = true;
                    continue;
                }
                OrderStatus::Invalid => {
                    return Err(self.error(invalid(Step::Finalize, problem)));
                }
                _ => {}
            }
            self.wait(Step::Finalize).await?;
            order
                .refresh()
                .await
                .map_err(|error| self.error(Failure::acme(Step::Finalize, error)))?;
        }
    }

    fn signing_request(&self, kept: &Kept) -> Result<Vec<u8>> {
        let fail =
            |reason: &str| self.error(Failure::new(ErrorKind::Corrupt, Step::Finalize, reason));
        let key = std::str::from_utf8(&kept.key)
            .ok()
            .and_then(|pem| KeyPair::from_pem(pem).ok())
            .ok_or_else(|| fail("the stored key is damaged; delete the order's record, and a new order is placed"))?;
        let csr = CertificateParams::new(self.request.names()).and_then(|mut params| {
            params.distinguished_name = DistinguishedName::new();
            params.serialize_request(&key)
        });
        let csr = csr.map_err(|_| fail("the signing request cannot be made; check the names"))?;
        Ok(csr.der().to_vec())
    }

    /// Waits until the next look at the CA is due.
    async fn wait(&mut self, step: Step) -> Result<()> {
        let (shortest, longest) = ORDER_POLL;
        let said = NEXT_LOOK.with(Cell::take);
        let pause = said.unwrap_or(self.pause).clamp(shortest, longest);
        if Instant::now() + pause > self.deadline {
            let reason = format!(
                "the CA is not ready after {} s; ask again, the order is kept and gone on with",
                self.shared.time_limit.as_secs()
            );
            let failure = Failure::new(ErrorKind::Unavailable, step, reason);
            return Err(self.error(failure.retry_after(said)));
        }
        tokio::time::sleep(pause).await;
        self.pause = self.pause.mul_f32(1.5);
        Ok(())
    }

    async fn save(&mut self, kept: &mut Kept) -> Result<()> {
        let condition = match self.version.take() {
            Some(version) => Condition::Version(version),
            None => Condition::Absent,
        };
        let record = kept.to_record()?;
        let saved = self
            .shared
            .store
            .save(self.name, &record, &condition, Some(self.lease));
        self.version = Some(saved.await?);
        Ok(())
    }

    async fn forget(&mut self) -> Result<()> {
        let Some(version) = self.version.take() else {
            return Ok(());
        };
        let condition = Condition::Version(version);
        self.shared
            .store
            .delete(self.name, &condition, Some(self.lease))
            .await?;
        Ok(())
    }

    fn error(&self, failure: Failure) -> Error {
        failure.of(&self.shared.directory_url, self.request).into()
    }
}

/// An order that the CA made invalid.
fn invalid(step: Step, problem: Option<instant_acme::Problem>) -> Failure {
    match problem {
        Some(problem) => Failure {
            kind: ErrorKind::Refused,
            ..Failure::refused(step, own(problem))
        },
        None => Failure::new(
            ErrorKind::Refused,
            step,
            "the CA made the order invalid and does not say why; ask the CA",
        ),
    }
}

/// Whether a new order that failed may have been placed all the same: the answer was lost, or is none.
fn may_be_placed(failure: &Failure) -> bool {
    matches!(failure.kind, ErrorKind::Unavailable | ErrorKind::Protocol)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
