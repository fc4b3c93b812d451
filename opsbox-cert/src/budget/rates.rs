//! The limits of a CA, as data.

use std::fmt;
use std::time::Duration;

use super::gcra::Rate;

const HOUR: Duration = Duration::from_secs(60 * 60);
const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// New orders of one account.
    Account,
    /// Certificates for one registered domain.
    Domain,
    /// Certificates for one exact set of names.
    ExactSet,
    /// Failed validations of one name.
    Failures,
    /// Validations of one name that failed in a row, over any time.
    ConsecutiveFailures,
    /// New accounts from one address.
    NewAccounts,
    /// Requests of one kind from one address.
    Requests(RequestClass),
    /// The whole CA, which asked to be left alone for a while.
    Pause,
    /// The rule of this crate that a set is not ordered again while its certificate is new.
    Duplicate,
}

impl Scope {
    /// The limit as one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Domain => "domain",
            Self::ExactSet => "exact_set",
            Self::Failures => "failures",
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::NewAccounts => "new_accounts",
            Self::Requests(class) => class.label(),
            Self::Pause => "pause",
            Self::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "new orders of the account",
            Self::Domain => "certificates of the registered domain",
            Self::ExactSet => "certificates of the exact set of names",
            Self::Failures => "failed validations of the name",
            Self::ConsecutiveFailures => "failed validations of the name in a row",
            Self::NewAccounts => "new accounts of the address",
            Self::Requests(_) => "requests of the address",
            Self::Pause => "the pause that the CA asked for",
            Self::Duplicate => "the certificate of the same names that is new still",
        })
    }
}

/// The kinds of requests that a CA counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RequestClass {
    /// The directory.
    Directory,
    /// A nonce.
    Nonce,
    /// A new order.
    NewOrder,
    /// ARI.
    RenewalInfo,
    /// All others.
    Other,
}

impl RequestClass {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Directory,
        Self::Nonce,
        Self::NewOrder,
        Self::RenewalInfo,
        Self::Other,
    ];

    /// As one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Directory => "requests_directory",
            Self::Nonce => "requests_nonce",
            Self::NewOrder => "requests_new_order",
            Self::RenewalInfo => "requests_renewal_info",
            Self::Other => "requests_other",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// The limits of a CA. What has none is not limited.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::budget::{Limits, Rate};
///
/// // A CA of one's own that takes 10 orders a minute.
/// let limits = Limits::none().account(Rate::new(10, Duration::from_secs(60)));
/// assert_eq!(limits.account_rate().map(|rate| rate.burst()), Some(10));
/// assert_eq!(limits.domain_rate(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub(super) account: Option<Rate>,
    pub(super) domain: Option<Rate>,
    pub(super) exact_set: Option<Rate>,
    pub(super) failures: Option<Rate>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) new_accounts: Option<Rate>,
    pub(super) requests: [Option<Rate>; 5],
    pub(super) renewals_exempt: bool,
    pub(super) ari_exempt: bool,
    pub(super) duplicates: bool,
    pub(super) margin: Duration,
}

impl Limits {
    /// No limits, such as those of a CA of one's own. Duplicates are refused all the same.
    pub fn none() -> Self {
        Self {
            account: None,
            domain: None,
            exact_set: None,
            failures: None,
            consecutive_failures: None,
            new_accounts: None,
            requests: [None; 5],
            renewals_exempt: false,
            ari_exempt: false,
            duplicates: true,
            margin: Duration::ZERO,
        }
    }

    /// What Let's Encrypt publishes for production (<https://letsencrypt.org/docs/rate-limits/>, read in
    /// November 2026).
    pub fn lets_encrypt() -> Self {
        Self {
            account: Some(Rate::new(300, 3 * HOUR)),
            domain: Some(Rate::new(50, WEEK)),
            exact_set: Some(Rate::new(5, WEEK)),
            failures: Some(Rate::new(5, HOUR)),
            consecutive_failures: Some(1_152),
            new_accounts: Some(Rate::new(10, 3 * HOUR)),
            requests: [
                Some(Rate::new(40, SECOND).with_burst(40)),
                Some(Rate::new(20, SECOND).with_burst(10)),
                Some(Rate::new(300, SECOND).with_burst(200)),
                Some(Rate::new(1_000, SECOND).with_burst(100)),
                Some(Rate::new(250, SECOND).with_burst(125)),
            ],
            renewals_exempt: true,
            ari_exempt: true,
            duplicates: true,
            margin: Duration::from_secs(20),
        }
    }

    /// New orders of one account.
    #[must_use]
    pub fn account(mut self, rate: Rate) -> Self {
        self.account = Some(rate);
        self
    }

    /// Certificates of one registered domain.
    #[must_use]
    pub fn domain(mut self, rate: Rate) -> Self {
        self.domain = Some(rate);
        self
    }

    /// Certificates of one exact set of names.
    #[must_use]
    pub fn exact_set(mut self, rate: Rate) -> Self {
        self.exact_set = Some(rate);
        self
    }

    /// Failed validations of one name.
    #[must_use]
    pub fn failures(mut self, rate: Rate) -> Self {
        self.failures = Some(rate);
        self
    }

    /// Validations of one name that fail in a row before the CA wants to hear no more of it.
    #[must_use]
    pub fn consecutive_failures(mut self, most: u32) -> Self {
        self.consecutive_failures = Some(most);
        self
    }

    /// New accounts from one address.
    #[must_use]
    pub fn new_accounts(mut self, rate: Rate) -> Self {
        self.new_accounts = Some(rate);
        self
    }

    /// Requests of one kind from one address.
    #[must_use]
    pub fn requests(mut self, class: RequestClass, rate: Rate) -> Self {
        if let Some(slot) = self.requests.get_mut(class.index()) {
            *slot = Some(rate);
        }
        self
    }

    /// Whether a certificate for the same exact set as one that was issued
    /// [lately](crate::limits::RENEWAL_TIME) escapes the limits of account and domain.
    #[must_use]
    pub fn renewals_exempt(mut self, exempt: bool) -> Self {
        self.renewals_exempt = exempt;
        self
    }

    /// Whether a renewal inside its ARI window escapes all limits.
    #[must_use]
    pub fn ari_exempt(mut self, exempt: bool) -> Self {
        self.ari_exempt = exempt;
        self
    }

    /// Whether a set is refused while its certificate is new; see [`Scope::Duplicate`].
    #[must_use]
    pub fn refuse_duplicates(mut self, refuse: bool) -> Self {
        self.duplicates = refuse;
        self
    }

    /// How much later than the token is there it is used, since requests take different times to the CA, and
    /// clocks differ in speed. It costs no more than one token of each bucket.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// New orders of one account.
    pub fn account_rate(&self) -> Option<Rate> {
        self.account
    }

    /// Certificates of one registered domain.
    pub fn domain_rate(&self) -> Option<Rate> {
        self.domain
    }

    /// Certificates of one exact set.
    pub fn exact_set_rate(&self) -> Option<Rate> {
        self.exact_set
    }

    /// Failed validations of one name.
    pub fn failures_rate(&self) -> Option<Rate> {
        self.failures
    }

    /// New accounts from one address.
    pub fn new_accounts_rate(&self) -> Option<Rate> {
        self.new_accounts
    }

    /// Requests of one kind from one address.
    pub fn request_rate(&self, class: RequestClass) -> Option<Rate> {
        self.requests.get(class.index()).copied().flatten()
    }
}
