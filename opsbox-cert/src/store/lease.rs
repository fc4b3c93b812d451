//! Locks: who holds one, until when, and which grant of it this is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::fault::invalid;
use super::name::Name;
use super::random;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::limits::{MAX_LEASE, MAX_OWNER_BYTES, MIN_LEASE};

/// Who takes a lock: one running instance of a program. No two instances may have the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// An owner by its whole text: 1 to [`MAX_OWNER_BYTES`] ASCII letters, digits and `-._:@`.
    ///
    /// The text has to be new each time the program starts, a Pod's UID for instance: an instance
    /// that comes back under the name of a dead one is taken for it.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if it is made otherwise.
    pub fn new(text: &str) -> Result<Self> {
        let good = (1..=MAX_OWNER_BYTES).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:@".contains(&b));
        if good {
            return Ok(Self(text.into()));
        }
        let reason = format!(
            "an owner has 1 to {MAX_OWNER_BYTES} letters, digits and `-._:@`; choose such a name"
        );
        Err(invalid("the owner of a lock", reason))
    }

    /// `label` and a random number, so that every call is a new owner. Of the label, what an owner
    /// may have is kept, such as the name of the host.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the system has no random numbers.
    pub fn random(label: &str) -> Result<Self> {
        const LABEL: usize = 80;
        let label: String = label
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
            .take(LABEL)
            .collect();
        Self::new(&format!("{label}:{}", random::id()?))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.0)
    }
}

/// A lock that was granted. It is the proof to show with each write under the lock.
///
/// It is good until it is released or another owner gets the lock. It is not lost by the mere passing of
/// its time: as long as nobody else asked, a write under it does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    lock: Name,
    owner: Owner,
    token: u64,
    ttl: Duration,
    expires: SystemTime,
}

impl Lease {
    /// A lease as a store grants it.
    pub fn new(lock: Name, owner: Owner, token: u64, ttl: Duration, expires: SystemTime) -> Self {
        Self {
            lock,
            owner,
            token,
            ttl,
            expires,
        }
    }

    /// The lock.
    pub fn lock(&self) -> &Name {
        &self.lock
    }

    /// Who holds it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The fencing token: each grant of this lock has a greater one than all before. Show it to
    /// systems that can refuse a smaller one.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// How long it lasts from each renewal.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// When others may take the lock, by the clock of this instance. Renew it well before, at a third
    /// of its time for instance.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }
}

/// Who holds a lock that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The owner.
    pub owner: Owner,
    /// When the lock becomes free if it is not renewed.
    pub until: SystemTime,
}

impl Holder {
    /// A holder.
    pub fn new(owner: Owner, until: SystemTime) -> Self {
        Self { owner, until }
    }
}

/// The answer to the wish for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Acquired {
    /// It is yours.
    Granted(Lease),
    /// It is another's: of another instance, or of another task of this one.
    Held(Holder),
}

impl Acquired {
    /// The lease, if it was granted.
    pub fn lease(self) -> Option<Lease> {
        match self {
            Self::Granted(lease) => Some(lease),
            Self::Held(_) => None,
        }
    }
}

/// The write under a lease, as a record remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fence {
    pub(super) lock: String,
    pub(super) token: u64,
}

impl Fence {
    pub(super) fn of(lease: &Lease) -> Self {
        Self {
            lock: lease.lock.to_string(),
            token: lease.token,
        }
    }
}

/// A lock as it is kept where the store itself has no notion of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockState {
    pub(super) lock: String,
    /// Empty when released.
    pub(super) owner: String,
    pub(super) token: u64,
    pub(super) ttl_ms: u64,
    pub(super) expires_ms: u64,
    /// The process that holds it, where the store can tell whether it still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<String>,
}

impl LockState {
    pub(super) fn granted(
        lock: &Name,
        owner: &Owner,
        token: u64,
        ttl: Duration,
        now: SystemTime,
    ) -> Self {
        let ttl_ms = millis(ttl);
        Self {
            lock: lock.to_string(),
            owner: owner.to_string(),
            token,
            ttl_ms,
            expires_ms: since_epoch(now).saturating_add(ttl_ms),
            process: None,
        }
    }

    pub(super) fn lease(&self, lock: &Name, owner: &Owner) -> Lease {
        let ttl = Duration::from_millis(self.ttl_ms);
        Lease::new(
            lock.clone(),
            owner.clone(),
            self.token,
            ttl,
            at(self.expires_ms),
        )
    }

    /// Whether this is still the grant that `lease` is about.
    pub(super) fn is(&self, lease: &Lease) -> bool {
        self.token == lease.token && self.owner == *lease.owner.0
    }

    /// The same grant for another time.
    pub(super) fn renewed(&self, now: SystemTime) -> Self {
        Self {
            expires_ms: since_epoch(now).saturating_add(self.ttl_ms),
            ..self.clone()
        }
    }
}

/// A token greater than the last one of the lock, and greater than those before a lock was lost: the time
/// in milliseconds is the floor.
pub(super) fn next_token(last: u64, now: SystemTime) -> u64 {
    last.saturating_add(1).max(since_epoch(now))
}

pub(super) fn check_ttl(ttl: Duration) -> Result<()> {
    if (MIN_LEASE..=MAX_LEASE).contains(&ttl) {
        return Ok(());
    }
    let (min, max) = (MIN_LEASE.as_secs(), MAX_LEASE.as_secs());
    let reason =
        format!("a lock is held for {min} to {max} s and then renewed; choose a time between");
    Err(invalid(
        format_args!("{} s as the time of a lock", ttl.as_secs_f32()),
        reason,
    ))
}

/// Tells an expired lock from a held one, however wrong a clock is.
///
/// A lock is expired when the time of day says so. It also is when this instance has seen it unchanged
/// for its whole time: where the clock is behind, the time of day would never come.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<HashMap<Name, Seen>>);

#[derive(Debug)]
struct Seen {
    token: u64,
    expires_ms: u64,
    since: Duration,
}

impl Watch {
    /// Who holds the lock, or `None` if it can be taken.
    pub(super) fn holder(
        &self,
        lock: &Name,
        state: Option<&LockState>,
        clock: &dyn Clock,
    ) -> Option<Holder> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = state
            .filter(|state| !state.owner.is_empty() && since_epoch(clock.now()) < state.expires_ms);
        let Some(state) = held else {
            seen.remove(lock);
            return None;
        };
        let now = clock.monotonic();
        let known = seen
            .get(lock)
            .filter(|seen| (seen.token, seen.expires_ms) == (state.token, state.expires_ms));
        let since = known.map_or(now, |seen| seen.since);
        if now.saturating_sub(since) >= Duration::from_millis(state.ttl_ms) {
            seen.remove(lock);
            return None;
        }
        seen.insert(
            lock.clone(),
            Seen {
                token: state.token,
                expires_ms: state.expires_ms,
                since,
            },
        );
        // An owner that cannot be shown is one all the same.
        let owner = Owner::new(&state.owner).unwrap_or_else(|_: Error| Owner("unknown".into()));
        Some(Holder::new(owner, at(state.expires_ms)))
    }
}

pub(super) fn since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(ms))
        .unwrap_or(UNIX_EPOCH)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
