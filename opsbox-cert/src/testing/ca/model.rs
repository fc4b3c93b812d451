//! The CA without sockets and keys: accounts, orders and certificates as numbers, names and times.

mod certificates;
mod rules;
mod types;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::buckets::{Asked, Buckets, Standing};
use super::faults::{Chances, Fault};
use super::hash::NumberMap;
use super::limits::{Limit, Moment, RequestClass, moment, nanos};
use super::names::Names;
use super::options::CaOptions;
use super::refusal::Refusal;
use super::report::{CaReport, SetReport, count};
use super::slab::Slab;

pub use self::types::{
    AccountId, AuthorizationId, AuthorizationState, CertificateId, OrderId, OrderState, OrderTerms,
    RenewalInfo, SetId,
};
pub(crate) use self::types::{Authorization, Certificate, Order, status};

/// An ACME CA as a state machine: each method is a function of the state, what is asked, and the time, with
/// chance from the seed of its [faults](super::Faults).
///
/// It is what [`TestCa`](super::TestCa) puts on a socket, and what a simulation drives by the million. Times
/// come from the caller, and may go back.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::testing::ca::{CaModel, CaOptions, OrderState, OrderTerms, RenewalInfo};
///
/// let mut now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let mut ca = CaModel::new(CaOptions::new());
/// let account = ca.open_account("192.0.2.1".parse().unwrap(), now)?;
/// let set = ca.set(&["www.example.com", "example.com"])?;
///
/// let order = ca.order(account, set, OrderTerms::new(), now)?;
/// for authorization in ca.authorizations(order)? {
///     ca.authorize(authorization, true, now)?;
/// }
/// let OrderState::Valid(first) = ca.finalize(order, now)? else { panic!() };
///
/// // 90 days: renew with a third left, within 1 % on either side.
/// let RenewalInfo::Window { start, end, .. } = ca.renewal_info(first, now)? else { panic!() };
/// assert_eq!(end.duration_since(start).unwrap(), Duration::from_secs(90 * 86_400 / 50));
///
/// now = start;
/// let next = ca.order(account, set, OrderTerms::new().replaces(first), now)?;
/// assert_eq!(ca.report().ari_renewals(), 1);
/// assert_eq!(ca.report().duplicate_orders(), 0);
///
/// // The same again is refused, and would have been a duplicate.
/// let refusal = ca.order(account, set, OrderTerms::new().replaces(first), now).unwrap_err();
/// assert_eq!((refusal.status(), refusal.kind()), (409, "alreadyReplaced"));
/// # let _ = next;
/// # Ok::<(), opsbox_cert::testing::ca::Refusal>(())
/// ```
#[derive(Debug, Clone)]
pub struct CaModel {
    pub(crate) options: CaOptions,
    pub(crate) names: Names,
    buckets: Buckets,
    chances: Chances,
    accounts: u32,
    pub(crate) orders: Slab<Order>,
    pub(crate) proofs: Slab<Authorization>,
    pub(crate) certificates: Slab<Certificate>,
    /// Open orders by account and set.
    open: NumberMap<(u32, u32), u64>,
    /// Valid authorizations by account, name and wildcard, if they are used again.
    reusable: NumberMap<(u32, u32, bool), u64>,
    windows: NumberMap<u64, (Moment, Moment)>,
    report: CaReport,
}

impl CaModel {
    /// A CA without accounts.
    pub fn new(options: CaOptions) -> Self {
        Self {
            names: Names::new(options.registered_domain.clone()),
            options,
            buckets: Buckets::default(),
            chances: Chances::default(),
            accounts: 0,
            orders: Slab::default(),
            proofs: Slab::default(),
            certificates: Slab::default(),
            open: NumberMap::default(),
            reusable: NumberMap::default(),
            windows: NumberMap::default(),
            report: CaReport::default(),
        }
    }

    /// Lets a request in, or not: the CA is down, the address asks too often, or a fault strikes. Every
    /// request of a client passes here first.
    ///
    /// # Errors
    ///
    /// What the client is told in place of an answer.
    pub fn admit(
        &mut self,
        from: IpAddr,
        class: RequestClass,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        count(&mut self.report.requests, class);
        if self.is_down(now) {
            let refusal = Refusal::new(503, "serverInternal", "the CA is down");
            return Err(refusal.of_fault(Fault::Outage));
        }
        let now = moment(now);
        let asked = self.buckets.request(&self.options.limits, from, class, now);
        asked.map_err(|full| self.refused(full, now))?;
        for (fault, status, kind, detail) in [
            (
                Fault::TooManyRequests,
                429,
                "rateLimited",
                "too many requests, retry later",
            ),
            (
                Fault::Unavailable,
                503,
                "rateLimited",
                "Service busy; retry later.",
            ),
            (
                Fault::ServerInternal,
                500,
                "serverInternal",
                "an internal error, as injected",
            ),
            (
                Fault::Html,
                502,
                "serverInternal",
                "a page of a proxy, as injected",
            ),
        ] {
            if self.strikes(fault) {
                let waits = matches!(status, 429 | 503);
                let wait = waits.then(|| self.options.faults.wait());
                let wait = self.said(wait);
                return Err(Refusal::new(status, kind, detail)
                    .after(wait)
                    .of_fault(fault));
            }
        }
        Ok(())
    }

    /// Whether the CA is down, so that no connection is taken; counted.
    pub fn is_down(&mut self, now: SystemTime) -> bool {
        let down = self.options.faults.is_down(moment(now));
        if down {
            count(&mut self.report.faults, Fault::Outage);
        }
        down
    }

    /// Opens an account.
    ///
    /// # Errors
    ///
    /// `rateLimited` if the address, or its network, has opened too many.
    pub fn open_account(&mut self, from: IpAddr, now: SystemTime) -> Result<AccountId, Refusal> {
        let now = moment(now);
        let opened = self.buckets.account(&self.options.limits, from, now);
        opened.map_err(|full| self.refused(full, now))?;
        let account = self.accounts;
        self.accounts += 1;
        self.report.accounts += 1;
        Ok(AccountId(account))
    }

    /// The exact set of these DNS names and IP addresses, in any order.
    ///
    /// # Errors
    ///
    /// `malformed` if one of them is neither, or there are none or too many.
    pub fn set<T: AsRef<str>>(&mut self, names: &[T]) -> Result<SetId, Refusal> {
        self.names.set(names).map(SetId)
    }

    /// Places an order.
    ///
    /// # Errors
    ///
    /// `rateLimited` at a limit or if a name is paused, `alreadyReplaced`, `invalidProfile`,
    /// `rejectedIdentifier` for an IP address under a profile without, and `malformed` or `unauthorized` for a
    /// predecessor that is none.
    pub fn order(
        &mut self,
        account: AccountId,
        set: SetId,
        terms: OrderTerms<'_>,
        now: SystemTime,
    ) -> Result<OrderId, Refusal> {
        let now = moment(now);
        self.forget(now);
        let (account, number) = (account.0, set.0);
        let profile = self.profile(terms.profile)?;
        let set = self.set_of(number)?;
        if set.has_addresses && !self.options.profiles[profile].addresses {
            let detail = format!(
                "the profile {:?} does not take IP addresses",
                self.options.profiles[profile].name
            );
            return Err(Refusal::new(400, "rejectedIdentifier", detail));
        }
        if let Some(name) = self.buckets.paused(account, &set.names) {
            count(&mut self.report.refused, Limit::Paused);
            let detail = format!(
                "Your account is temporarily prevented from requesting certificates for {} and possibly others. Please visit: https://ca.test/unpause",
                self.names.name(name)
            );
            return Err(Refusal::new(429, "rateLimited", detail).of_limit(Limit::Paused));
        }
        let inside = match terms.replaces {
            Some(replaced) => self.replaceable(account, number, replaced.0, now)?,
            None => false,
        };
        let open = self.open_order(account, number, now);
        if let Some(open) = open
            && self.options.order_reuse
            && self
                .orders
                .get(open)
                .is_some_and(|order| usize::from(order.profile) == profile)
        {
            return Ok(OrderId(open));
        }
        let standing = match (inside, self.is_renewal(number, now)) {
            (true, _) => Standing::AriRenewal,
            (false, true) => Standing::Renewal,
            (false, false) => Standing::New,
        };
        let missing = || Refusal::malformed("there is no such set of names");
        let set = self.names.get(number).ok_or_else(missing)?;
        let asked = Asked {
            account,
            set: number,
            names: &set.names,
            domains: &set.domains,
        };
        let taken = self
            .buckets
            .order(&self.options.limits, asked, standing, now);
        taken.map_err(|full| self.refused(full, now))?;

        let duplicate = open.is_some()
            || (standing != Standing::AriRenewal && self.is_duplicate(account, number, now));
        match standing {
            Standing::New => {}
            Standing::Renewal => self.report.renewals += 1,
            Standing::AriRenewal => self.report.ari_renewals += 1,
        }
        self.report.orders += 1;
        self.report.duplicate_orders += u64::from(duplicate);
        if let Some(set) = self.names.get_mut(number) {
            set.orders += 1;
            set.duplicates += u32::from(duplicate);
        }

        let order = self.orders.next();
        let authorizations = self.authorizations_for(account, number, order, now);
        let pending = |id: &u64| {
            let proof = self.proofs.get(*id);
            proof.is_some_and(|proof| proof.state == AuthorizationState::Pending)
        };
        let state = match authorizations.iter().any(pending) {
            true => OrderState::Pending,
            false => OrderState::Ready,
        };
        self.orders.push(Order {
            account,
            set: number,
            profile: u16::try_from(profile).unwrap_or(0),
            profile_named: terms.profile.is_some(),
            state,
            expires: now.saturating_add(nanos(self.options.order_life)),
            standing,
            replaces: terms.replaces.map(|certificate| certificate.0),
            authorizations,
            issued: None,
        });
        self.open.insert((account, number), order);
        if let Some(replaced) = terms.replaces
            && let Some(certificate) = self.certificates.get_mut(replaced.0)
        {
            certificate.replacement = Some(order);
        }
        Ok(OrderId(order))
    }

    /// What an order has to prove.
    ///
    /// # Errors
    ///
    /// 404 if there is no such order any more.
    pub fn authorizations(&self, order: OrderId) -> Result<Vec<AuthorizationId>, Refusal> {
        let order = self.orders.get(order.0).ok_or_else(no_order)?;
        let ids = order.authorizations.iter();
        Ok(ids.copied().map(AuthorizationId).collect())
    }

    /// How an authorization stands.
    ///
    /// # Errors
    ///
    /// 404 if there is no such authorization any more.
    pub fn authorization(&self, id: AuthorizationId) -> Result<AuthorizationState, Refusal> {
        let proof = self.proofs.get(id.0).ok_or_else(no_authorization)?;
        Ok(proof.state)
    }

    /// The CA has looked whether the name is controlled by the client, and it is if `proved`. A fault may make
    /// it fail all the same; what counts is returned.
    ///
    /// # Errors
    ///
    /// 404 if there is no such authorization any more, `malformed` if it is not pending.
    pub fn authorize(
        &mut self,
        id: AuthorizationId,
        proved: bool,
        now: SystemTime,
    ) -> Result<bool, Refusal> {
        let proof = self.proofs.get(id.0).ok_or_else(no_authorization)?;
        if proof.state != AuthorizationState::Pending {
            let detail = "the authorization is not pending any more";
            return Err(Refusal::malformed(detail));
        }
        let (account, name, wildcard, order) =
            (proof.account, proof.name, proof.wildcard, proof.order);
        let proved = proved && !self.strikes(Fault::RefusedChallenge);
        let now = moment(now);
        let reuse = nanos(self.options.authorization_reuse);
        if let Some(proof) = self.proofs.get_mut(id.0) {
            if proved {
                proof.state = AuthorizationState::Valid;
                proof.expires = proof.expires.max(now.saturating_add(reuse));
            } else {
                proof.state = AuthorizationState::Invalid;
            }
        }
        if proved {
            self.buckets.succeeded(account, name);
            if reuse > 0 {
                self.reusable.insert((account, name, wildcard), id.0);
            }
        } else {
            self.report.failed_authorizations += 1;
            self.buckets
                .failed(&self.options.limits, account, name, now);
        }
        self.settle(order);
        Ok(proved)
    }

    /// The client takes an authorization back.
    ///
    /// # Errors
    ///
    /// 404 if there is no such authorization any more.
    pub fn deactivate(&mut self, id: AuthorizationId) -> Result<(), Refusal> {
        let proof = self.proofs.get_mut(id.0).ok_or_else(no_authorization)?;
        proof.state = AuthorizationState::Deactivated;
        let order = proof.order;
        self.reusable.retain(|_, kept| *kept != id.0);
        self.settle(order);
        Ok(())
    }

    /// How an order stands. One that is processing is done at this look.
    ///
    /// # Errors
    ///
    /// 404 if there is no such order any more.
    pub fn look(&mut self, order: OrderId, now: SystemTime) -> Result<OrderState, Refusal> {
        self.forget(moment(now));
        let order = self.orders.get_mut(order.0).ok_or_else(no_order)?;
        if let Some(certificate) = order.issued.take() {
            order.state = OrderState::Valid(CertificateId(certificate));
        }
        Ok(order.state)
    }

    /// Issues the certificate of an order that is ready.
    ///
    /// # Errors
    ///
    /// `orderNotReady` if it is not, 404 if there is no such order any more.
    pub fn finalize(&mut self, id: OrderId, now: SystemTime) -> Result<OrderState, Refusal> {
        let now = moment(now);
        self.forget(now);
        let order = self.orders.get(id.0).ok_or_else(no_order)?;
        if order.state != OrderState::Ready {
            let detail = format!(
                "the order is {:?} and cannot be finalized",
                status(order.state)
            );
            return Err(Refusal::new(403, "orderNotReady", detail));
        }
        let (account, number, standing) = (order.account, order.set, order.standing);
        let (profile, replaces) = (usize::from(order.profile), order.replaces);
        let same_set = self.is_renewal(number, now);
        let missing = || Refusal::malformed("there is no such set of names");
        let set = self.names.get(number).ok_or_else(missing)?;
        let asked = Asked {
            account,
            set: number,
            names: &set.names,
            domains: &set.domains,
        };
        let over = self
            .buckets
            .issued(&self.options.limits, asked, standing, same_set, now);
        for limit in over {
            count(&mut self.report.over, limit);
        }
        let lifetime = self.options.profiles.get(profile);
        let lifetime = lifetime.map_or(Duration::ZERO, |profile| profile.lifetime);
        // Certificates have whole seconds.
        let issued = now - now % 1_000_000_000;
        let certificate = self.certificates.push(Certificate {
            account,
            set: number,
            issued,
            expires: issued.saturating_add(nanos(lifetime)),
            revoked: None,
            replacement: None,
            replaced: false,
        });
        self.report.certificates += 1;
        if let Some(set) = self.names.get_mut(number) {
            set.certificates += 1;
            set.last = Some(certificate);
            set.last_issued = now;
        }
        if let Some(replaced) = replaces.and_then(|id| self.certificates.get_mut(id)) {
            replaced.replaced = true;
        }
        self.close(account, number, id.0);
        let slow = self.strikes(Fault::Processing);
        let order = self.orders.get_mut(id.0).ok_or_else(no_order)?;
        if slow {
            order.state = OrderState::Processing;
            order.issued = Some(certificate);
        } else {
            order.state = OrderState::Valid(CertificateId(certificate));
        }
        Ok(order.state)
    }

    /// Ends the pause of all identifiers of an account, as its owner does on the CA's web site; tells how many
    /// there were.
    pub fn unpause(&mut self, account: AccountId) -> usize {
        self.buckets.unpause(account.0)
    }

    /// Other faults from now on; the chances go on where they were.
    pub fn set_faults(&mut self, faults: super::Faults) {
        self.options.faults = faults;
    }

    /// The counts so far.
    pub fn report(&self) -> &CaReport {
        &self.report
    }

    /// The counts of each exact set that was named so far.
    pub fn sets(&self) -> impl Iterator<Item = SetReport> {
        self.names.all().iter().map(|set| SetReport {
            names: set.key.to_string(),
            orders: set.orders.into(),
            certificates: set.certificates.into(),
            duplicate_orders: set.duplicates.into(),
        })
    }
}

fn no_order() -> Refusal {
    Refusal::not_found("there is no such order, or it has expired")
}

fn no_authorization() -> Refusal {
    Refusal::not_found("there is no such authorization, or it has expired")
}

pub(crate) fn no_certificate() -> Refusal {
    Refusal::not_found("there is no such certificate, or it has expired")
}
