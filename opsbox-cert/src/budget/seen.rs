//! What somebody who looks at a shared ledger again and again knows of its clock.

use std::time::SystemTime;

use super::gcra::{duration_us, micros};
use super::ledger::Ledger;
use crate::limits::CLOCK_STEP;

/// The clocks at the last look at a ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Option<Look>);

/// All in microseconds.
#[derive(Debug, Clone)]
struct Look {
    wall: u64,
    monotonic: u64,
    /// What the ledger's own was, as far as that is known: no less than it was told.
    own: u64,
}

impl Seen {
    /// Looks at a ledger by a clock that can be set and by one that cannot, in microseconds.
    ///
    /// The ledger's own clock goes on from where it was last, as the one that can be set does; where that was set meanwhile,
    /// by the time that has gone by.
    pub(crate) fn meet(&mut self, ledger: &mut Ledger, now: SystemTime, monotonic: u64) {
        let wall = micros(now);
        let own = self.0.as_ref().map_or(0, |look| {
            let gone = monotonic.saturating_sub(look.monotonic);
            let expected = look.wall.saturating_add(gone);
            match expected.abs_diff(wall) <= duration_us(CLOCK_STEP) {
                true => look.own.saturating_add(wall).saturating_sub(look.wall),
                false => look.own.saturating_add(gone),
            }
        });
        ledger.meet(own.saturating_sub(wall), now);
        self.0 = Some(Look {
            wall,
            monotonic,
            own: own.max(ledger.told),
        });
    }
}
