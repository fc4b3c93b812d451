//! What of a certificate outlives the process that plans it, as one value that knows which certificate it is of.

use std::time::{Duration, SystemTime};

use super::act::Failure;
use super::backoff;
use super::moment::{NEVER, at, secs, span};
use super::planner::Planner;
use super::queue::Queues;
use super::slot::{AT_ONCE, FORCED, LOST, POLLED, REVOKED};
use super::table::Waits;
use super::types::{CertId, CertState, Progress};
use super::window::Window;

/// What is known of a certificate besides itself: how often it failed and until when it waits, the window of its CA and
/// when to ask for it again, and whether an order for it is placed.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::budget::Subject;
/// use opsbox_cert::plan::{Failure, Planner, Policy};
///
/// let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let subject = Subject::new(&["shop.example.com".parse()?]);
/// let mut before = Planner::new(Policy::default(), 7);
/// let shop = before.add(&subject, 0, None, now);
/// let failed = before.saved(shop).unwrap().failed(&Failure::refused(), false, now);
///
/// let mut after = Planner::new(Policy::default(), 7);
/// let shop = after.add(&subject, 0, None, now);
/// assert!(after.restore_saved(shop, &failed, now));
/// assert_eq!(after.status(shop, now).unwrap().due_at, now + Duration::from_secs(60));
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct Saved {
    set: u64,
    from: u32,
    until: u32,
    #[cfg_attr(feature = "store", serde(default))]
    is_placed: bool,
    state: CertState,
}

impl Saved {
    /// Whether both are of the same certificate for the same names.
    pub fn is_of_same(&self, other: &Self) -> bool {
        (self.set, self.from, self.until) == (other.set, other.from, other.until)
    }

    /// Whether an order for it is placed.
    pub fn is_placed(&self) -> bool {
        self.is_placed
    }

    /// Until when the certificate waits after what failed; the time may have passed.
    pub fn waits_until(&self) -> SystemTime {
        at(self.state.retry_at)
    }

    /// The window of its CA, and when to ask for it again.
    pub fn window(&self) -> Option<(Window, SystemTime)> {
        let (start, end) = self.state.window?;
        let window = Window::from_secs(start, end.max(start))?;
        (self.state.poll_at != NEVER).then(|| (window, at(self.state.poll_at)))
    }

    /// What it is after one more failure, which is what [`Planner::finished`] makes of it; and whether the order is
    /// placed still.
    #[must_use]
    pub fn failed(mut self, failure: &Failure, is_placed: bool, now: SystemTime) -> Self {
        let lifetime = (self.until > 0)
            .then(|| Duration::from_secs(u64::from(self.until.saturating_sub(self.from))));
        let (failures, wait) = backoff::after(self.state.failures, lifetime, failure);
        self.state.failures = failures;
        self.state.retry_at = secs(now).saturating_add(span(wait)).min(NEVER - 1);
        self.is_placed = is_placed;
        self
    }
}

/// How often in a row the CA of an issuer could not be reached, and until when it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct Outage {
    times: u32,
    until: u64,
}

impl CertState {
    /// One that was being asked about is asked about now.
    fn asked_again(self, now: SystemTime) -> Self {
        match self.poll_at {
            NEVER => Self {
                poll_at: secs(now),
                ..self
            },
            _ => self,
        }
    }
}

impl Planner {
    /// What of it has to outlive a restart.
    pub fn state(&self, id: CertId) -> Option<CertState> {
        let slot = self.table.get(id)?;
        let waits = self.table.waits(id.index);
        Some(CertState {
            failures: waits.failures,
            retry_at: waits.until,
            window: slot.window().map(Window::as_secs),
            poll_at: slot.poll_at,
            flags: slot.flags(REVOKED | LOST | FORCED | AT_ONCE),
        })
    }

    /// Gives it back what outlived a restart. It has to be of the same certificate.
    pub fn restore(&mut self, id: CertId, state: &CertState, now: SystemTime) {
        let is_placed = self.table.waits(id.index).is_placed;
        self.put(id, &state.asked_again(now), is_placed, now);
    }

    /// What of all certificates together has to outlive a restart.
    pub fn progress(&self) -> Progress {
        let of = |queues: &Queues| (queues.credit, queues.outage, queues.outage_until);
        Progress(self.queues.iter().map(of).collect())
    }

    /// Gives back what outlived a restart.
    pub fn resume(&mut self, progress: &Progress) {
        self.queues
            .resize_with(self.queues.len().max(progress.0.len()), Queues::default);
        for (queues, (credit, outage, until)) in self.queues.iter_mut().zip(&progress.0) {
            (queues.credit, queues.outage, queues.outage_until) = (*credit, *outage, *until);
        }
    }

    /// What of a certificate has to outlive a restart.
    pub fn saved(&self, id: CertId) -> Option<Saved> {
        let state = self.state(id)?;
        let slot = self.table.get(id)?;
        Some(Saved {
            set: slot.set(),
            from: slot.from(),
            until: slot.until,
            is_placed: self.table.waits(id.index).is_placed,
            state,
        })
    }

    /// Gives it back what outlived a restart. `false`, and nothing is done, if that is of another certificate.
    pub fn restore_saved(&mut self, id: CertId, saved: &Saved, now: SystemTime) -> bool {
        let known = self.saved(id);
        let Some(known) = known.filter(|known| known.is_of_same(saved)) else {
            return false;
        };
        let mut state = saved.state.asked_again(now);
        if known.state.poll_at == NEVER && state.poll_at <= secs(now) {
            // It waits for its turn to be asked about already, and is not asked about twice.
            state.poll_at = NEVER;
        }
        self.put(id, &state, saved.is_placed, now);
        true
    }

    fn put(&mut self, id: CertId, state: &CertState, is_placed: bool, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        let window = state.window;
        slot.set_window(window.and_then(|(start, end)| Window::from_secs(start, end.max(start))));
        slot.set_flag(state.flags & (REVOKED | LOST | FORCED | AT_ONCE), true);
        if slot.has(POLLED) {
            slot.poll_at = state.poll_at;
        }
        let waits = Waits {
            failures: state.failures,
            until: state.retry_at,
            is_placed,
        };
        self.table.set_waits(id.index, waits);
        self.update(id.index, secs(now));
    }

    /// Says that an order for it is placed, and kept by the issuer, or no longer. To go on with it takes nothing of
    /// the limits, so it is done whatever is left of them.
    pub fn set_placed(&mut self, id: CertId, is_placed: bool, now: SystemTime) {
        let waits = self.table.waits(id.index);
        if self.table.get(id).is_some() && waits.is_placed != is_placed {
            let waits = Waits { is_placed, ..waits };
            self.table.set_waits(id.index, waits);
            self.update(id.index, secs(now));
        }
    }

    /// What of an issuer has to outlive a restart.
    pub fn outage(&self, issuer: u8) -> Outage {
        let queues = self.queues.get(usize::from(issuer));
        queues.map_or_else(Outage::default, |it| Outage {
            times: it.outage,
            until: it.outage_until,
        })
    }

    /// Gives an issuer back what outlived a restart.
    pub fn restore_outage(&mut self, issuer: u8, outage: &Outage) {
        if let Some(queues) = self.queues.get_mut(usize::from(issuer)) {
            (queues.outage, queues.outage_until) = (outage.times, outage.until);
        }
    }
}
