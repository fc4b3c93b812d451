//! The issuers of a certificate, asked one after the other, each within the limits of its own CA.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::claim::{Book, Claim, Landed, Terms};
use super::worker::{Managed, Worker};
use crate::budget::{Denied, Scope};
use crate::error::{Error, ErrorKind, Reason, Result};
use crate::inventory::CertSpec;
use crate::issuer::{CertRequest, Issuer, refused};
use crate::observe::Event;
use crate::store::{Condition, Triple};

impl Worker {
    /// The places of the issuers of a certificate, in the order in which they are asked.
    fn places(&self, spec: &CertSpec) -> Vec<usize> {
        let names = spec.issuer_names();
        let place = |name: &String| self.issuers.iter().position(|(known, _)| known == name);
        match names.is_empty() {
            true => (0..self.issuers.len()).collect(),
            false => names.iter().filter_map(place).collect(),
        }
    }

    /// The place of the issuer that is asked first.
    pub(super) fn first_issuer(&self, spec: &CertSpec) -> usize {
        self.places(spec).first().copied().unwrap_or(0)
    }

    /// What an order takes of the limits of those that are asked after the first one, whose terms are given.
    pub(super) fn others(&self, managed: &Managed, books: &[Book], first: &Terms) -> Vec<Claim> {
        let others = self.places(&managed.spec).into_iter().skip(1);
        others
            .map(|place| {
                let issuer = self.issuers.get(place).map(|(_, issuer)| issuer.name());
                let exemption = managed.exemption(issuer, self.clock.now());
                let terms = Terms {
                    exemption,
                    ..first.clone()
                };
                let book = books.get(place).cloned().flatten();
                Claim::new(book, terms, self.clone(), None)
            })
            .collect()
    }

    /// Gets a new one from the issuers, says what it replaces if it may, and stores it. With it is given whose limits
    /// are to be told of it; those who failed are told here.
    ///
    /// If the first one has no room for it, it is waited for. One of the others that has none is not asked.
    pub(super) async fn issue<'a>(
        &self,
        managed: &Managed,
        replaces: bool,
        first: &'a Claim,
        others: &'a [Claim],
    ) -> Result<(Triple, &'a Claim)> {
        let deadline = Instant::now() + self.time_limit;
        let request = managed.spec.request()?;
        let claims = std::iter::once(first).chain(others);
        let (mut asked, mut refusals) = (Vec::new(), Vec::new());
        for (place, claim) in self.places(&managed.spec).into_iter().zip(claims) {
            let Some((label, issuer)) = self.issuers.get(place) else {
                continue;
            };
            // A CA knows its own certificates only.
            let own = managed.held.as_ref();
            let own = own.filter(|held| replaces && held.issuer == issuer.name());
            let own = own.and_then(|held| held.ari_id.clone());
            let request = match own {
                Some(ari_id) => request.clone().replaces(ari_id),
                None => request.clone(),
            };
            let issue = self.issue_at(managed, &**issuer, &request, claim);
            let error = match timeout_at(deadline, issue).await {
                Ok(Ok(triple)) => {
                    self.confirm(&asked, &request).await;
                    return Ok((triple, claim));
                }
                Ok(Err(error)) => error,
                Err(_) => Error::from(Reason::TooSlow {
                    id: managed.id(),
                    limit: self.time_limit,
                }),
            };
            let is_unasked = claim.denied().is_some() || claim.is_unasked();
            if is_unasked && !std::ptr::eq(claim, first) {
                match claim.denied() {
                    Some(denied) => self.tell_limited(&managed.id().into(), label, &denied),
                    None => self.tell(Event::SourceFailed { error }),
                }
                continue;
            }
            if is_unasked || error.kind() == ErrorKind::Busy {
                self.settle(claim, Landed::Unasked).await;
                return Err(error);
            }
            self.settle(claim, Landed::Failed(&error)).await;
            if error.step().is_none() {
                // The next issuer would meet it too.
                return Err(error);
            }
            asked.push(issuer);
            refusals.push(error);
        }
        if refusals.is_empty() {
            return Err(Error::from(Reason::Spec {
                id: managed.id(),
                why: "there is no issuer for it; add one".into(),
            }));
        }
        let names: Vec<&str> = asked.iter().map(|issuer| issuer.name()).collect();
        Err(refused(&names.join(", then "), &request, refusals))
    }

    async fn issue_at(
        &self,
        managed: &Managed,
        issuer: &dyn Issuer,
        request: &CertRequest,
        claim: &Claim,
    ) -> Result<Triple> {
        let triple = issuer.issue_within(request, claim).await?;
        let (record, condition) = (triple.to_record()?, Condition::Any);
        let saved = self.store.save(&managed.name, &record, &condition, None);
        saved.await?;
        issuer.confirm(request).await?;
        Ok(triple)
    }

    /// Those who were asked before keep nothing of the request: the next one is a new one to them.
    async fn confirm(&self, asked: &[&Arc<dyn Issuer>], request: &CertRequest) {
        for issuer in asked {
            if let Err(error) = issuer.confirm(request).await {
                self.tell(Event::SourceFailed { error });
            }
        }
    }

    /// A ledger that cannot be written counts what was held as issued, after a while.
    pub(super) async fn settle(&self, claim: &Claim, landed: Landed<'_>) {
        if let Err(error) = claim.settle(landed).await {
            self.tell(Event::SourceFailed { error });
        }
    }

    pub(super) fn tell_limited(&self, id: &Arc<str>, issuer: &str, denied: &Denied) {
        let is_for_ever = denied.scope() == Scope::ConsecutiveFailures;
        self.tell(Event::Limited {
            id: id.clone(),
            issuer: issuer.to_owned(),
            limit: denied.scope(),
            until: (!is_for_ever).then(|| denied.until()),
        });
    }
}
