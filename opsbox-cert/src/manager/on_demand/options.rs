//! What is asked before a certificate is issued on demand, and how much of it there may be.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::inventory::CertSpec;
use crate::limits::{
    MAX_ON_DEMAND_KEPT, MAX_ON_DEMAND_REMEMBERED, MAX_ON_DEMAND_WAITING, ON_DEMAND_ASK_TIME,
    ON_DEMAND_ASKS_AT_ONCE, ON_DEMAND_AT_ONCE, ON_DEMAND_IDLE, ON_DEMAND_REFUSED_FOR,
    ON_DEMAND_WAIT, ON_DEMAND_WINDOW,
};

type Answer = Pin<Box<dyn Future<Output = Result<bool, Box<dyn StdError + Send + Sync>>> + Send>>;
type Ask = dyn Fn(Identifier) -> Answer + Send + Sync;
type Spec = dyn Fn(CertSpec) -> Result<CertSpec> + Send + Sync;

/// The ask function, and the limits.
#[derive(Clone)]
pub struct OnDemandOptions {
    pub(super) ask: Arc<Ask>,
    pub(super) spec: Arc<Spec>,
    pub(super) addresses: bool,
    pub(super) single_labels: bool,
    pub(super) at_once: usize,
    pub(super) window: (usize, Duration),
    pub(super) wait: Duration,
    pub(super) waiting: usize,
    pub(super) asks_at_once: usize,
    pub(super) ask_time: Duration,
    pub(super) refused_for: Duration,
    pub(super) remembered: usize,
    pub(super) kept: usize,
    pub(super) idle: Duration,
}

impl OnDemandOptions {
    /// `ask` says whether a name may have a certificate: `Ok(true)` or `Ok(false)`, or an error if it
    /// cannot say so for the time being, after which it is asked again later. It is asked before the first
    /// certificate of a name since the start of the program, and before each renewal; a name that may no
    /// longer have one is taken out of service.
    pub fn new<F, A, E>(ask: F) -> Self
    where
        F: Fn(Identifier) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self {
            ask: Arc::new(move |name| {
                let answer = ask(name);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }),
            spec: Arc::new(Ok),
            addresses: false,
            single_labels: false,
            at_once: ON_DEMAND_AT_ONCE,
            window: ON_DEMAND_WINDOW,
            wait: ON_DEMAND_WAIT,
            waiting: MAX_ON_DEMAND_WAITING,
            asks_at_once: ON_DEMAND_ASKS_AT_ONCE,
            ask_time: ON_DEMAND_ASK_TIME,
            refused_for: ON_DEMAND_REFUSED_FOR,
            remembered: MAX_ON_DEMAND_REMEMBERED,
            kept: MAX_ON_DEMAND_KEPT,
            idle: ON_DEMAND_IDLE,
        }
    }

    /// Says what to order for a name: issuers, challenge, profile and kind of key of the spec that is
    /// given. Its id and its name have to stay as they are.
    #[must_use]
    pub fn spec(
        mut self,
        change: impl Fn(CertSpec) -> Result<CertSpec> + Send + Sync + 'static,
    ) -> Self {
        self.spec = Arc::new(change);
        self
    }

    /// Asks for IP addresses too, those that clients connect to without a server name.
    #[must_use]
    pub fn with_addresses(mut self) -> Self {
        self.addresses = true;
        self
    }

    /// Asks for names of one label too, such as `localhost`: a public CA issues for none of them.
    #[must_use]
    pub fn with_single_labels(mut self) -> Self {
        self.single_labels = true;
        self
    }

    /// At most so many issuances at once, 1 at least, in place of [`ON_DEMAND_AT_ONCE`].
    #[must_use]
    pub fn at_once(mut self, most: usize) -> Self {
        self.at_once = most.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// At most so many issuances within any such time, 1 at least, in place of [`ON_DEMAND_WINDOW`].
    /// Those that fail count.
    #[must_use]
    pub fn window(mut self, most: usize, time: Duration) -> Self {
        self.window = (most.max(1), time);
        self
    }

    /// How long a handshake waits for its certificate, in place of [`ON_DEMAND_WAIT`]. Then it fails, and
    /// the work goes on for the next one.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.wait = time;
        self
    }

    /// At most so many handshakes wait, and so many names are worked at, 1 at least, in place of
    /// [`MAX_ON_DEMAND_WAITING`]. More fail at once.
    #[must_use]
    pub fn waiting(mut self, most: usize) -> Self {
        self.waiting = most.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// The ask function is called for so many names at once, 1 at least, in place of
    /// [`ON_DEMAND_ASKS_AT_ONCE`].
    #[must_use]
    pub fn asks_at_once(mut self, most: usize) -> Self {
        self.asks_at_once = most.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long the ask function may take, in place of [`ON_DEMAND_ASK_TIME`].
    #[must_use]
    pub fn ask_time(mut self, time: Duration) -> Self {
        self.ask_time = time;
        self
    }

    /// How long a refusal of the ask function counts, in place of [`ON_DEMAND_REFUSED_FOR`].
    #[must_use]
    pub fn refused_for(mut self, time: Duration) -> Self {
        self.refused_for = time;
        self
    }

    /// Remembers so many names that were refused, and as many that failed, 1 at least, in place of
    /// [`MAX_ON_DEMAND_REMEMBERED`].
    #[must_use]
    pub fn remembered(mut self, most: usize) -> Self {
        self.remembered = most.max(1);
        self
    }

    /// Keeps so many certificates in service, 1 at least, in place of [`MAX_ON_DEMAND_KEPT`].
    #[must_use]
    pub fn kept(mut self, most: usize) -> Self {
        self.kept = most.max(1);
        self
    }

    /// A certificate that was not asked for in such a time is not renewed, in place of
    /// [`ON_DEMAND_IDLE`].
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }
}

impl fmt::Debug for OnDemandOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemandOptions")
            .field("addresses", &self.addresses)
            .field("single_labels", &self.single_labels)
            .field("at_once", &self.at_once)
            .field("window", &self.window)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// Why there is no certificate for a name that was asked for in a handshake.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Denial {
    /// The ask function is not asked about it.
    NotAName {
        /// Why not.
        why: &'static str,
    },
    /// The ask function said no, now or lately.
    Refused,
    /// It could not be had, now or lately.
    Failed {
        /// The store, the ask function or the issuer says why.
        error: Error,
    },
    /// There were as many issuances as there may be in a time, by the options or by the limits of the CA.
    Limited {
        /// When there may be one more.
        wait: Duration,
    },
    /// Too many handshakes wait, or too many names are worked at.
    TooMany,
    /// It takes longer than a handshake may wait. The work goes on.
    TooSlow {
        /// How long that is.
        limit: Duration,
    },
}

impl Denial {
    /// All values of [`label`](Self::label).
    pub const LABELS: [&'static str; 6] = [
        "failed",
        "limited",
        "not_a_name",
        "refused",
        "too_many",
        "too_slow",
    ];

    /// The reason as one word of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotAName { .. } => "not_a_name",
            Self::Refused => "refused",
            Self::Failed { .. } => "failed",
            Self::Limited { .. } => "limited",
            Self::TooMany => "too_many",
            Self::TooSlow { .. } => "too_slow",
        }
    }

    /// Whether the name itself is the reason, so that the alert `unrecognized_name` (RFC 6066, section 3)
    /// is the right one, and not `internal_error`.
    pub fn is_about_name(&self) -> bool {
        matches!(self, Self::NotAName { .. } | Self::Refused)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName { why } => write!(f, "{why}, so nothing is asked or issued for it"),
            Self::Refused => f.write_str(
                "the ask function does not allow it; if it should, correct what it decides by",
            ),
            Self::Failed { error } => error.fmt(f),
            Self::Limited { wait } => write!(
                f,
                "too many were issued lately, and the next may be in {} s; if the names are good ones, widen the window of issuance on demand within the limits of the CA",
                wait.as_secs_f32().ceil()
            ),
            Self::TooMany => f.write_str(
                "too many handshakes wait for a certificate; see whether the CA and the ask function are slow, or whether somebody tries out names",
            ),
            Self::TooSlow { limit } => write!(
                f,
                "it is not there after {} s, the work on it goes on; connect again later",
                limit.as_secs_f32()
            ),
        }
    }
}

impl StdError for Denial {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed { error } => StdError::source(error),
            _ => None,
        }
    }
}
