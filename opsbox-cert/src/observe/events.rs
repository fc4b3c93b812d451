//! What happens to the certificates in service, for programs: a stream, and hooks.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
#[cfg(feature = "manager")]
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::broadcast;

#[cfg(feature = "manager")]
use crate::budget::Scope;
use crate::error::Error;
#[cfg(feature = "manager")]
use crate::facts::{rfc3339, unix_seconds};
use crate::install::{Installed, Refusal};
use crate::limits::MAX_EVENTS;
#[cfg(feature = "manager")]
use crate::manager::Denial;
#[cfg(feature = "manager")]
use crate::text::Escaped;

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A manager got a certificate from an issuer and stored it.
    #[cfg(feature = "manager")]
    Issued {
        /// Its id.
        id: Arc<str>,
        /// Who issued it.
        issuer: String,
        /// Its last second.
        not_after: SystemTime,
        /// How long it took.
        took: Duration,
    },
    /// A manager could not get or store a certificate; what was in service still is.
    #[cfg(feature = "manager")]
    IssuanceFailed {
        /// Its id.
        id: Arc<str>,
        /// Why.
        error: Error,
        /// How often in a row.
        failures: u32,
        /// When it is tried again.
        retry_at: SystemTime,
        /// How long it took.
        took: Duration,
    },
    /// A certificate that is due is not ordered, since a limit of its own holds it up: of its names, its domains or
    /// their exact set. It is told once, until something else does, or nothing. Of an issuer after the first that has no
    /// room, whatever limit that is, it is told at each try: it is left out.
    #[cfg(feature = "manager")]
    Limited {
        /// Its id.
        id: Arc<str>,
        /// The issuer, as the manager calls it.
        issuer: String,
        /// The limit.
        limit: Scope,
        /// When it has room again. `None` for [`Scope::ConsecutiveFailures`]: its names are paused until
        /// [`ManagerHandle::unpause`](crate::manager::ManagerHandle::unpause).
        until: Option<SystemTime>,
    },
    /// A name was asked for in a handshake and gets no certificate, for the time being. It is told once for
    /// each time that the name was worked at, and of failures as [`IssuanceFailed`](Self::IssuanceFailed).
    #[cfg(feature = "manager")]
    Denied {
        /// The name, which is of the client's choice.
        id: Arc<str>,
        /// Why.
        denial: Denial,
    },
    /// A certificate was put in service.
    Installed {
        /// Its id.
        id: Arc<str>,
        /// [`New`](Installed::New) or [`Replaced`](Installed::Replaced).
        outcome: Installed,
        /// Its last second.
        not_after: SystemTime,
    },
    /// A certificate was not put in service; what was there still is.
    Refused {
        /// Its id.
        id: Arc<str>,
        /// Why.
        refusal: Refusal,
    },
    /// A certificate was taken out of service.
    Removed {
        /// Its id.
        id: Arc<str>,
    },
    /// The source of a certificate is gone: its file, its record. It stays in service.
    Gone {
        /// Its id.
        id: Arc<str>,
    },
    /// A store, a folder or a watch of it cannot be used for the time being.
    SourceFailed {
        /// What was attempted, on what, and why it failed.
        error: Error,
    },
}

impl Event {
    /// The kind of event as one word of a metric or a log.
    pub fn label(&self) -> &'static str {
        match self {
            #[cfg(feature = "manager")]
            Self::Issued { .. } => "issued",
            #[cfg(feature = "manager")]
            Self::IssuanceFailed { .. } => "issuance_failed",
            #[cfg(feature = "manager")]
            Self::Limited { .. } => "limited",
            #[cfg(feature = "manager")]
            Self::Denied { .. } => "denied",
            Self::Installed { .. } => "installed",
            Self::Refused { .. } => "refused",
            Self::Removed { .. } => "removed",
            Self::Gone { .. } => "gone",
            Self::SourceFailed { .. } => "source_failed",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "manager")]
            Self::Issued { id, issuer, .. } => {
                write!(f, "certificate {id} was issued by {}", Escaped(issuer))
            }
            #[cfg(feature = "manager")]
            Self::IssuanceFailed {
                id,
                error,
                failures,
                ..
            } => write!(
                f,
                "certificate {id} could not be had, {failures} times in a row: {error}"
            ),
            #[cfg(feature = "manager")]
            Self::Limited {
                id,
                issuer,
                limit,
                until: Some(until),
            } => write!(
                f,
                "certificate {id} is not ordered at {} before {}, to keep the limit of {limit}",
                Escaped(issuer),
                rfc3339(unix_seconds(*until))
            ),
            #[cfg(feature = "manager")]
            Self::Limited {
                id, issuer, limit, ..
            } => write!(
                f,
                "certificate {id} is paused at {} by the limit of {limit}: repair its names, unpause them at the CA, then here",
                Escaped(issuer)
            ),
            #[cfg(feature = "manager")]
            Self::Denied { id, denial } => {
                write!(f, "no certificate is issued on demand for {id}: {denial}")
            }
            Self::Installed { id, outcome, .. } => {
                write!(f, "certificate {id} is in service ({})", outcome.label())
            }
            Self::Refused { id, refusal } => {
                write!(f, "certificate {id} was not put in service: {refusal}")
            }
            Self::Removed { id } => write!(f, "certificate {id} was taken out of service"),
            Self::Gone { id } => write!(
                f,
                "the source of certificate {id} is gone; it stays in service, restore the source or remove it"
            ),
            Self::SourceFailed { error } => error.fmt(f),
        }
    }
}

type Hook = Arc<dyn Fn(&Event) + Send + Sync>;

/// Tells events to whoever listens. Clones tell the same.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use opsbox_cert::install::Certificates;
///
/// let certificates = Certificates::new();
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = seen.clone();
/// certificates.events().hook(move |event| log.lock().unwrap().push(event.to_string()));
/// let mut stream = certificates.events().subscribe();
/// // In a task: `while let Ok(event) = stream.recv().await { .. }`.
/// # assert!(stream.try_recv().is_err() && seen.lock().unwrap().is_empty());
/// ```
#[derive(Clone)]
pub struct Events {
    stream: broadcast::Sender<Event>,
    hooks: Arc<RwLock<Vec<Hook>>>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            stream: broadcast::Sender::new(MAX_EVENTS),
            hooks: Arc::default(),
        }
    }

    /// All events from now on. One that lags behind by more than [`MAX_EVENTS`] is told how many it
    /// missed, and goes on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.stream.subscribe()
    }

    /// Calls `hook` with each event, in the thread in which it happens: it must be quick, and must not wait.
    pub fn hook(&self, hook: impl Fn(&Event) + Send + Sync + 'static) {
        self.hooks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(hook));
    }

    pub(crate) fn tell(&self, event: Event) {
        #[cfg(feature = "tracing")]
        trace(&event);
        // Called without the lock: a hook may add a hook, or cause an event.
        let hooks = self
            .hooks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for hook in hooks {
            hook(&event);
        }
        // An error says that nobody listens.
        drop(self.stream.send(event));
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("listeners", &self.stream.receiver_count())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &Event) {
    const TARGET: &str = "opsbox_cert";
    let label = event.label();
    let (id, reason) = match event {
        Event::Installed { id, outcome, .. } => (Some(&**id), Some(outcome.label())),
        Event::Refused { id, refusal } => (Some(&**id), Some(refusal.label())),
        Event::Removed { id } | Event::Gone { id } => (Some(&**id), None),
        Event::SourceFailed { .. } => (None, None),
        #[cfg(feature = "manager")]
        Event::Issued { id, .. } | Event::IssuanceFailed { id, .. } => (Some(&**id), None),
        #[cfg(feature = "manager")]
        Event::Limited { id, limit, .. } => (Some(&**id), Some(limit.label())),
        #[cfg(feature = "manager")]
        Event::Denied { id, denial } => (Some(&**id), Some(denial.label())),
    };
    let usual = ["denied", "installed", "issued", "removed"];
    if usual.contains(&label) {
        tracing::info!(target: TARGET, event = label, id, reason, "{event}");
    } else {
        tracing::warn!(target: TARGET, event = label, id, reason, "{event}");
    }
}
