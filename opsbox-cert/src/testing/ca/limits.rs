//! The limits of a CA as data.

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
    pub(super) fn step(&self) -> u64 {
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

    pub(super) fn index(self) -> usize {
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
