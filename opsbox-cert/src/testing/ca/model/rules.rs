//! The rules behind the calls of the model.

use std::time::Duration;

use super::{Authorization, AuthorizationState, CaModel, OrderState};
use crate::testing::ca::buckets::Full;
use crate::testing::ca::faults::Fault;
use crate::testing::ca::limits::{Limit, Moment, nanos};
use crate::testing::ca::names::Set;
use crate::testing::ca::refusal::Refusal;
use crate::testing::ca::report::count;

impl CaModel {
    /// Whether a fault strikes here, counted.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.chances.strikes(&self.options.faults, fault);
        if strikes {
            count(&mut self.report.faults, fault);
        }
        strikes
    }

    /// A `Retry-After`, unless the fault that leaves it out strikes.
    pub(crate) fn said(&mut self, wait: Option<Duration>) -> Option<Duration> {
        let wait = wait?;
        (!self.strikes(Fault::NoRetryAfter)).then_some(wait)
    }

    pub(super) fn profile(&self, name: Option<&str>) -> Result<usize, Refusal> {
        let Some(name) = name else { return Ok(0) };
        let found = self.options.profiles.iter().position(|p| p.name == name);
        found.ok_or_else(|| {
            let detail = format!("profile name {name:?} not recognized");
            Refusal::new(400, "invalidProfile", detail)
        })
    }

    pub(super) fn set_of(&self, number: u32) -> Result<&Set, Refusal> {
        let missing = || Refusal::malformed("there is no such set of names");
        self.names.get(number).ok_or_else(missing)
    }

    /// Whether an order may replace this certificate, and if so whether it is inside of its window.
    pub(super) fn replaceable(
        &self,
        account: u32,
        set: u32,
        replaced: u64,
        now: Moment,
    ) -> Result<bool, Refusal> {
        let certificate = self.certificates.get(replaced);
        let certificate = certificate.filter(|c| c.expires > now).ok_or_else(|| {
            let detail = "there is no current certificate as `replaces` names it";
            Refusal::not_found(detail)
        })?;
        let pending = certificate
            .replacement
            .and_then(|order| self.orders.get(order));
        let pending =
            pending.is_some_and(|order| order.state != OrderState::Invalid && order.expires > now);
        if certificate.replaced || pending {
            let detail = "the certificate that `replaces` names has a replacement order already";
            return Err(Refusal::new(409, "alreadyReplaced", detail));
        }
        if certificate.account != account {
            let detail = "the certificate that `replaces` names is of another account";
            return Err(Refusal::new(403, "unauthorized", detail));
        }
        let (old, new) = (self.set_of(certificate.set)?, self.set_of(set)?);
        let mut kept = old.identifiers();
        if !kept.any(|name| new.identifiers().any(|other| other == name)) {
            let detail = "the certificate that `replaces` names has no identifier of this order";
            return Err(Refusal::malformed(detail));
        }
        let window = self.window(replaced, now).filter(|_| self.options.ari);
        Ok(window.is_some_and(|(start, end)| (start..end).contains(&now)))
    }

    pub(super) fn window(&self, id: u64, now: Moment) -> Option<(Moment, Moment)> {
        let certificate = self.certificates.get(id).filter(|c| c.expires > now)?;
        const HALF_AN_HOUR: u64 = 30 * 60 * 1_000_000_000;
        if certificate.revoked.is_some() {
            let end = now.saturating_sub(HALF_AN_HOUR);
            return Some((end.saturating_sub(HALF_AN_HOUR), end));
        }
        if let Some(moved) = self.windows.get(&id) {
            return Some(*moved);
        }
        let life = certificate.expires - certificate.issued;
        let left = match life < nanos(crate::renewal::SHORT_LIVED) {
            true => life / 2,
            false => life / 3,
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of it between 0 and a half"
        )]
        let half = (life as f64 * self.options.ari_width / 2.0) as u64;
        let ideal = certificate.expires - left;
        Some((ideal.saturating_sub(half), ideal.saturating_add(half)))
    }

    pub(super) fn is_renewal(&self, set: u32, now: Moment) -> bool {
        let within = nanos(self.options.limits.renewal_within);
        let set = self.names.get(set).filter(|set| set.last.is_some());
        set.is_some_and(|set| now.saturating_sub(set.last_issued) < within)
    }

    /// Whether an order for this set comes too soon after its last certificate.
    pub(super) fn is_duplicate(&self, account: u32, set: u32, now: Moment) -> bool {
        let last = self.names.get(set).and_then(|set| set.last);
        let Some((id, last)) = last.and_then(|id| Some((id, self.certificates.get(id)?))) else {
            return false;
        };
        let called = self
            .windows
            .get(&id)
            .is_some_and(|(start, _)| *start <= now);
        if last.account != account || last.revoked.is_some() || called {
            return false;
        }
        let fifth = (last.expires - last.issued) / 5;
        let within = nanos(self.options.duplicate_within).min(fifth);
        now.saturating_sub(last.issued) < within
    }

    pub(super) fn open_order(&self, account: u32, set: u32, now: Moment) -> Option<u64> {
        let open = *self.open.get(&(account, set))?;
        let order = self.orders.get(open)?;
        let is_open = matches!(order.state, OrderState::Pending | OrderState::Ready);
        (is_open && order.expires > now).then_some(open)
    }

    pub(super) fn close(&mut self, account: u32, set: u32, order: u64) {
        if self.open.get(&(account, set)) == Some(&order) {
            self.open.remove(&(account, set));
        }
    }

    pub(super) fn authorizations_for(
        &mut self,
        account: u32,
        set: u32,
        order: u64,
        now: Moment,
    ) -> Box<[u64]> {
        let Some(set) = self.names.get(set) else {
            return Box::default();
        };
        let expires = now.saturating_add(nanos(self.options.authorization_life));
        let mut out = Vec::with_capacity(set.names.len());
        for (name, identifier) in set.names.iter().zip(set.identifiers()) {
            let wildcard = identifier.starts_with("*.");
            let known = self.reusable.get(&(account, *name, wildcard));
            let known = known.copied().filter(|id| {
                let proof = self.proofs.get(*id);
                proof.is_some_and(|proof| {
                    proof.state == AuthorizationState::Valid && proof.expires > now
                })
            });
            out.push(known.unwrap_or_else(|| {
                self.proofs.push(Authorization {
                    account,
                    name: *name,
                    wildcard,
                    state: AuthorizationState::Pending,
                    expires,
                    order,
                })
            }));
        }
        out.into()
    }

    /// Brings an order up to its authorizations.
    pub(super) fn settle(&mut self, id: u64) {
        let Some(order) = self.orders.get(id) else {
            return;
        };
        if !matches!(order.state, OrderState::Pending | OrderState::Ready) {
            return;
        }
        let state_of = |id: &u64| self.proofs.get(*id).map(|proof| proof.state);
        let (mut pending, mut broken) = (false, false);
        for state in order.authorizations.iter().map(state_of) {
            match state {
                Some(AuthorizationState::Valid) => {}
                Some(AuthorizationState::Pending) => pending = true,
                _ => broken = true,
            }
        }
        let (account, set) = (order.account, order.set);
        let state = match (broken, pending) {
            (true, _) => OrderState::Invalid,
            (false, true) => OrderState::Pending,
            (false, false) => OrderState::Ready,
        };
        if let Some(order) = self.orders.get_mut(id) {
            order.state = state;
        }
        if state == OrderState::Invalid {
            self.close(account, set, id);
        }
    }

    /// Forgets what has expired.
    pub(super) fn forget(&mut self, now: Moment) {
        while let Some((id, order)) = self.orders.forget(|order| order.expires <= now) {
            self.close(order.account, order.set, id);
        }
        while let Some((id, proof)) = self.proofs.forget(|proof| proof.expires <= now) {
            let key = (proof.account, proof.name, proof.wildcard);
            if self.reusable.get(&key) == Some(&id) {
                self.reusable.remove(&key);
            }
        }
        while let Some((id, _)) = self
            .certificates
            .forget(|certificate| certificate.expires <= now)
        {
            self.windows.remove(&id);
        }
    }

    /// What a full limit is told as, counted.
    pub(super) fn refused(&mut self, full: Full, now: Moment) -> Refusal {
        let Full { limit, wait, about } = full;
        count(&mut self.report.refused, limit);
        // Header and text have whole seconds, and a client that comes then must not be early.
        let wait = Duration::from_secs(wait.div_ceil(1_000_000_000));
        let said = self.said(Some(wait));
        let until = now.saturating_add(nanos(wait));
        let rate = self.options.limits.rate(limit);
        let capacity = rate.map_or(0, |rate| rate.capacity());
        let period = rate.map_or(Duration::ZERO, |rate| rate.period());
        let about = about.unwrap_or(0);
        let (what, anchor) = match limit {
            Limit::Requests(_) => {
                let refusal = Refusal::new(503, "rateLimited", "Service busy; retry later.");
                return refusal.after(said).of_limit(limit);
            }
            Limit::AccountsPerAddress => (
                format!("too many new registrations ({capacity}) from this IP address"),
                "new-registrations-per-ip-address",
            ),
            Limit::AccountsPerNetwork => (
                format!(
                    "too many new registrations ({capacity}) from this /48 subnet of IPv6 addresses"
                ),
                "new-registrations-per-ipv6-range",
            ),
            Limit::OrdersPerAccount => (
                format!("too many new orders ({capacity}) from this account"),
                "new-orders-per-account",
            ),
            Limit::CertificatesPerDomain => (
                format!(
                    "too many certificates ({capacity}) already issued for {:?}",
                    self.names.domain(about)
                ),
                "new-certificates-per-registered-domain",
            ),
            Limit::CertificatesPerSet => (
                format!(
                    "too many certificates ({capacity}) already issued for this exact set of identifiers"
                ),
                "new-certificates-per-exact-set-of-identifiers",
            ),
            Limit::FailedAuthorizations | Limit::Paused => (
                format!(
                    "too many failed authorizations ({capacity}) for {:?}",
                    self.names.name(about)
                ),
                "authorization-failures-per-identifier-per-account",
            ),
        };
        let seconds = period.as_secs();
        let period = format!(
            "{}h{}m{}s",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        );
        let until = i64::try_from(until / 1_000_000_000).unwrap_or(i64::MAX);
        let until = crate::facts::rfc3339(until)
            .replace('T', " ")
            .replace('Z', " UTC");
        let detail = format!(
            "{what} in the last {period}, retry after {until}: see https://letsencrypt.org/docs/rate-limits/#{anchor}"
        );
        Refusal::new(429, "rateLimited", detail)
            .after(said)
            .of_limit(limit)
    }
}
