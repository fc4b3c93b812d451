//! The limits of a CA as data, and the buckets that enforce them.
//!
//! On purpose this knows nothing of the planner's ledger: each is the other's oracle.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Nanoseconds since 1970: what the buckets count in.
pub(crate) type Moment = u64;

pub(crate) fn moment(time: SystemTime) -> Moment {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    nanos(since)
}

pub(crate) fn time(moment: Moment) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(moment)
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A token bucket: it holds `burst` tokens, and `count` of them come back within each `period`.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::testing::ca::Rate;
///
/// let orders = Rate::new(300, Duration::from_secs(3 * 60 * 60));
/// assert_eq!(orders.interval(), Duration::from_secs(36));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
    burst: u32,
}

impl Rate {
    /// As many as this within a period, all of them at once if need be. At least one.
    pub fn new(count: u32, period: Duration) -> Self {
        let count = count.max(1);
        Self {
            count,
            period,
            burst: count,
        }
    }

    /// The same with room for this many at once, at least one.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = burst.max(1);
        self
    }

    /// How many come back within a period.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The time within which they come back.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many there are at most.
    pub fn capacity(&self) -> u32 {
        self.burst
    }

    /// The time until one comes back.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.step())
    }

    /// Rounded to the nearest nanosecond, and never zero.
    fn step(&self) -> u64 {
        let count = u64::from(self.count);
        ((nanos(self.period).saturating_add(count / 2)) / count).max(1)
    }
}

/// The kinds of requests that are counted by the address of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RequestClass {
    /// `newNonce`.
    Nonce,
    /// `newOrder`.
    Order,
    /// `renewalInfo` (RFC 9773).
    RenewalInfo,
    /// The directory.
    Directory,
    /// Everything else.
    Other,
}

impl RequestClass {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Nonce,
        Self::Order,
        Self::RenewalInfo,
        Self::Directory,
        Self::Other,
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// What a CA limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// New orders of one account.
    OrdersPerAccount,
    /// Certificates of one registered domain, of one IPv4 address, or of one IPv6 network of 64 bits.
    CertificatesPerDomain,
    /// Certificates of one exact set of names.
    CertificatesPerSet,
    /// Failed authorizations of one identifier of an account.
    FailedAuthorizations,
    /// Failed authorizations in a row, after which an identifier of an account is paused.
    Paused,
    /// New accounts from one address.
    AccountsPerAddress,
    /// New accounts from one IPv6 network of 48 bits.
    AccountsPerNetwork,
    /// Requests from one address.
    Requests(RequestClass),
}

/// How much a CA takes, as data. `None` stands for no limit.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::testing::ca::{CaLimits, Rate};
///
/// // Let's Encrypt's, but for a test that wants to meet the limit of the exact set at once.
/// let limits = CaLimits::lets_encrypt()
///     .certificates_per_set(Some(Rate::new(1, Duration::from_secs(7 * 24 * 60 * 60))));
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaLimits {
    pub(crate) orders_per_account: Option<Rate>,
    pub(crate) certificates_per_domain: Option<Rate>,
    pub(crate) certificates_per_set: Option<Rate>,
    pub(crate) failed_authorizations: Option<Rate>,
    pub(crate) paused: Option<Rate>,
    pub(crate) accounts_per_address: Option<Rate>,
    pub(crate) accounts_per_network: Option<Rate>,
    pub(crate) requests: [Option<Rate>; 5],
    pub(crate) renewal_within: Duration,
}

impl CaLimits {
    /// What Let's Encrypt publishes: 300 orders of an account in 3 hours, 50 certificates of a registered
    /// domain and 5 of an exact set in 7 days, 5 failed authorizations of an identifier in an hour, a pause
    /// after 1,152 in a row of which one is forgiven each day, 10 accounts of an address and 500 of an IPv6
    /// network of 48 bits in 3 hours; and per second and address (at once) 20 (10) nonces, 300 (200) orders,
    /// 1,000 (100) questions about renewals, 40 (40) directories and 250 (125) others.
    ///
    /// Source: <https://letsencrypt.org/docs/rate-limits/>, read in November 2026.
    pub fn lets_encrypt() -> Self {
        let a_second = |count, burst| Some(Rate::new(count, SECOND).burst(burst));
        Self {
            orders_per_account: Some(Rate::new(300, 3 * HOUR)),
            certificates_per_domain: Some(Rate::new(50, 7 * DAY)),
            certificates_per_set: Some(Rate::new(5, 7 * DAY)),
            failed_authorizations: Some(Rate::new(5, HOUR)),
            paused: Some(Rate::new(1, DAY).burst(1_152)),
            accounts_per_address: Some(Rate::new(10, 3 * HOUR)),
            accounts_per_network: Some(Rate::new(500, 3 * HOUR)),
            requests: [
                a_second(20, 10),
                a_second(300, 200),
                a_second(1_000, 100),
                a_second(40, 40),
                a_second(250, 125),
            ],
            renewal_within: 120 * DAY,
        }
    }

    /// No limit at all.
    pub fn unlimited() -> Self {
        Self {
            orders_per_account: None,
            certificates_per_domain: None,
            certificates_per_set: None,
            failed_authorizations: None,
            paused: None,
            accounts_per_address: None,
            accounts_per_network: None,
            requests: [None; 5],
            renewal_within: 120 * DAY,
        }
    }

    /// New orders of one account.
    #[must_use]
    pub fn orders_per_account(mut self, rate: Option<Rate>) -> Self {
        self.orders_per_account = rate;
        self
    }

    /// Certificates of one registered domain.
    #[must_use]
    pub fn certificates_per_domain(mut self, rate: Option<Rate>) -> Self {
        self.certificates_per_domain = rate;
        self
    }

    /// Certificates of one exact set of names.
    #[must_use]
    pub fn certificates_per_set(mut self, rate: Option<Rate>) -> Self {
        self.certificates_per_set = rate;
        self
    }

    /// Failed authorizations of one identifier of an account.
    #[must_use]
    pub fn failed_authorizations(mut self, rate: Option<Rate>) -> Self {
        self.failed_authorizations = rate;
        self
    }

    /// Failed authorizations in a row until a pause: the capacity says how many, the count how many of
    /// them are forgiven within a period.
    #[must_use]
    pub fn paused(mut self, rate: Option<Rate>) -> Self {
        self.paused = rate;
        self
    }

    /// New accounts of one address.
    #[must_use]
    pub fn accounts_per_address(mut self, rate: Option<Rate>) -> Self {
        self.accounts_per_address = rate;
        self
    }

    /// New accounts of one IPv6 network of 48 bits.
    #[must_use]
    pub fn accounts_per_network(mut self, rate: Option<Rate>) -> Self {
        self.accounts_per_network = rate;
        self
    }

    /// Requests of one class and address.
    #[must_use]
    pub fn requests(mut self, class: RequestClass, rate: Option<Rate>) -> Self {
        if let Some(kept) = self.requests.get_mut(class.index()) {
            *kept = rate;
        }
        self
    }

    /// The same without limits on requests: for a clock that stands still, under which no bucket fills.
    #[must_use]
    pub fn without_request_limits(mut self) -> Self {
        self.requests = [None; 5];
        self
    }

    /// How long after a certificate another one of the same set is a renewal, which the limits of accounts
    /// and domains do not apply to: 120 days at Let's Encrypt.
    #[must_use]
    pub fn renewal_within(mut self, time: Duration) -> Self {
        self.renewal_within = time;
        self
    }

    /// The bucket of a limit.
    pub fn rate(&self, limit: Limit) -> Option<Rate> {
        match limit {
            Limit::OrdersPerAccount => self.orders_per_account,
            Limit::CertificatesPerDomain => self.certificates_per_domain,
            Limit::CertificatesPerSet => self.certificates_per_set,
            Limit::FailedAuthorizations => self.failed_authorizations,
            Limit::Paused => self.paused,
            Limit::AccountsPerAddress => self.accounts_per_address,
            Limit::AccountsPerNetwork => self.accounts_per_network,
            Limit::Requests(class) => self.requests.get(class.index()).copied().flatten(),
        }
    }
}

/// Those of Let's Encrypt.
impl Default for CaLimits {
    fn default() -> Self {
        Self::lets_encrypt()
    }
}

/// One bucket: the moment at which it is full again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket(Moment);

impl Bucket {
    /// How the bucket is after one more token is taken, or how long it takes until there is one.
    fn after(&mut self, rate: &Rate, now: Moment) -> Result<Self, u64> {
        let step = rate.step();
        let room = step.saturating_mul(u64::from(rate.burst));
        let latest = now.saturating_add(room);
        // Of a clock that was set back: no bucket is emptier than empty, and it fills from now on.
        self.0 = self.0.min(latest);
        let next = self.0.max(now).saturating_add(step);
        match next.checked_sub(latest) {
            None | Some(0) => Ok(Self(next)),
            Some(wait) => Err(wait),
        }
    }

    /// How long until there is a token; none is taken.
    pub(crate) fn check(&mut self, rate: &Rate, now: Moment) -> Result<(), u64> {
        self.after(rate, now).map(drop)
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(crate) fn take(&mut self, rate: &Rate, now: Moment) -> Result<(), u64> {
        *self = self.after(rate, now)?;
        Ok(())
    }
}

/// How one identifier of an account fails.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Failing {
    recent: Bucket,
    in_a_row: Bucket,
    paused: bool,
}

/// All buckets, and whom they are of. Keys are the model's small numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Buckets {
    orders: Vec<Bucket>,
    domains: Vec<Bucket>,
    sets: Vec<Bucket>,
    failing: HashMap<(u32, u32), Failing>,
    accounts: HashMap<IpAddr, Bucket>,
    /// By the first 48 bits.
    networks: HashMap<u128, Bucket>,
    requests: HashMap<IpAddr, [Bucket; 5]>,
}

/// A limit that has no room, and the nanoseconds until it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: Limit,
    pub(crate) wait: u64,
    /// The number of the name or domain that it is about.
    pub(crate) about: Option<u32>,
}

fn at(buckets: &mut Vec<Bucket>, index: u32) -> &mut Bucket {
    let index = index as usize;
    if index >= buckets.len() {
        buckets.resize(index + 1, Bucket::default());
    }
    &mut buckets[index]
}

/// What an order is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    /// The same set was issued lately.
    Renewal,
    /// It replaces a certificate inside of its window.
    AriRenewal,
}

/// Who orders what, in the model's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) account: u32,
    pub(crate) set: u32,
    /// The names of its authorizations.
    pub(crate) names: &'a [u32],
    pub(crate) domains: &'a [u32],
}

impl Buckets {
    /// A request from an address.
    pub(crate) fn request(
        &mut self,
        limits: &CaLimits,
        from: IpAddr,
        class: RequestClass,
        now: Moment,
    ) -> Result<(), Full> {
        let limit = Limit::Requests(class);
        let Some(rate) = limits.rate(limit) else {
            return Ok(());
        };
        let buckets = self.requests.entry(from).or_default();
        buckets[class.index()]
            .take(&rate, now)
            .map_err(|wait| Full {
                limit,
                wait,
                about: None,
            })
    }

    /// A new account from an address: both of its limits have room, or neither is touched.
    pub(crate) fn account(
        &mut self,
        limits: &CaLimits,
        from: IpAddr,
        now: Moment,
    ) -> Result<(), Full> {
        let network = match from {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(u128::from(v6) >> 80),
        };
        let full = |limit| {
            move |wait| Full {
                limit,
                wait,
                about: None,
            }
        };
        let own = limits.accounts_per_address;
        if let Some(rate) = own {
            let bucket = self.accounts.entry(from).or_default();
            bucket
                .check(&rate, now)
                .map_err(full(Limit::AccountsPerAddress))?;
        }
        if let Some((network, rate)) = network.zip(limits.accounts_per_network) {
            let bucket = self.networks.entry(network).or_default();
            bucket
                .take(&rate, now)
                .map_err(full(Limit::AccountsPerNetwork))?;
        }
        if let Some(rate) = own {
            let bucket = self.accounts.entry(from).or_default();
            bucket
                .take(&rate, now)
                .map_err(full(Limit::AccountsPerAddress))?;
        }
        Ok(())
    }

    /// A new order. The orders of the account are spent now; certificates and failures only looked at, which
    /// are spent when there are any. Of several limits without room the one that lasts longest is told.
    pub(crate) fn order(
        &mut self,
        limits: &CaLimits,
        asked: Asked<'_>,
        standing: Standing,
        now: Moment,
    ) -> Result<(), Full> {
        if standing == Standing::AriRenewal {
            return Ok(());
        }
        let mut longest: Option<Full> = None;
        let mut look = |room: Result<(), u64>, limit, about| {
            if let Err(wait) = room
                && longest.is_none_or(|full| full.wait < wait)
            {
                longest = Some(Full { limit, wait, about });
            }
        };
        if let Some(rate) = limits.failed_authorizations {
            for name in asked.names {
                if let Some(failing) = self.failing.get_mut(&(asked.account, *name)) {
                    let room = failing.recent.check(&rate, now);
                    look(room, Limit::FailedAuthorizations, Some(*name));
                }
            }
        }
        if let Some(rate) = limits.certificates_per_set {
            let room = at(&mut self.sets, asked.set).check(&rate, now);
            look(room, Limit::CertificatesPerSet, None);
        }
        if standing == Standing::Renewal {
            return longest.map_or(Ok(()), Err);
        }
        if let Some(rate) = limits.certificates_per_domain {
            for domain in asked.domains {
                let room = at(&mut self.domains, *domain).check(&rate, now);
                look(room, Limit::CertificatesPerDomain, Some(*domain));
            }
        }
        let Some(rate) = limits.orders_per_account else {
            return longest.map_or(Ok(()), Err);
        };
        let own = at(&mut self.orders, asked.account);
        look(own.check(&rate, now), Limit::OrdersPerAccount, None);
        match longest {
            Some(full) => Err(full),
            None => own.take(&rate, now).map_err(|wait| Full {
                limit: Limit::OrdersPerAccount,
                wait,
                about: None,
            }),
        }
    }

    /// Counts a certificate that was issued, and tells which limits had no room for it any more: other orders
    /// were let in while this one was open.
    pub(crate) fn issued(
        &mut self,
        limits: &CaLimits,
        asked: Asked<'_>,
        standing: Standing,
        same_set: bool,
        now: Moment,
    ) -> Vec<Limit> {
        let mut over = Vec::new();
        // A renewal inside its window takes what is there, and is never held against the client.
        let counts = standing != Standing::AriRenewal;
        if let Some(rate) = limits.certificates_per_set
            && at(&mut self.sets, asked.set).take(&rate, now).is_err()
            && counts
        {
            over.push(Limit::CertificatesPerSet);
        }
        if let Some(rate) = limits.certificates_per_domain
            && !same_set
        {
            for domain in asked.domains {
                if at(&mut self.domains, *domain).take(&rate, now).is_err() && counts {
                    over.push(Limit::CertificatesPerDomain);
                }
            }
        }
        over
    }

    /// Counts a failed authorization; true if it is the one that pauses the identifier.
    pub(crate) fn failed(
        &mut self,
        limits: &CaLimits,
        account: u32,
        name: u32,
        now: Moment,
    ) -> bool {
        let failing = self.failing.entry((account, name)).or_default();
        if let Some(rate) = limits.failed_authorizations {
            // At the limit the bucket stays empty: as much as can be held against the client is.
            failing.recent.take(&rate, now).ok();
        }
        let Some(rate) = limits.paused else {
            return false;
        };
        failing.in_a_row.take(&rate, now).ok();
        let pauses = failing.in_a_row.check(&rate, now).is_err() && !failing.paused;
        failing.paused |= pauses;
        pauses
    }

    /// A valid authorization ends the row of failures.
    pub(crate) fn succeeded(&mut self, account: u32, name: u32) {
        if let Some(failing) = self.failing.get_mut(&(account, name)) {
            failing.in_a_row = Bucket::default();
        }
    }

    /// The first of these names that is paused.
    pub(crate) fn paused(&self, account: u32, names: &[u32]) -> Option<u32> {
        if self.failing.is_empty() {
            return None;
        }
        let paused = |name: &u32| {
            let failing = self.failing.get(&(account, *name));
            failing.is_some_and(|failing| failing.paused)
        };
        names.iter().copied().find(paused)
    }

    /// What a human does on the CA's web site; tells how many names were paused.
    pub(crate) fn unpause(&mut self, account: u32) -> usize {
        let mut count = 0;
        for ((of, _), failing) in &mut self.failing {
            if *of == account && failing.paused {
                *failing = Failing::default();
                count += 1;
            }
        }
        count
    }
}
