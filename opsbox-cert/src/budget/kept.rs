//! Orders that are gone on with after their first try failed: what was counted for them already.

use std::time::{Duration, SystemTime};

use super::gcra::micros;
use super::ledger::{Ledger, SetState, new_until};
use super::order::Charge;

impl Ledger {
    /// Whether an order for this set is taken and neither [settled](Self::settle) nor held for too long. To go on
    /// with that one takes nothing more.
    pub fn is_taken(&self, charge: &Charge<'_>, now: SystemTime) -> bool {
        let (set, now) = (self.sets.get(&charge.set), self.own(micros(now)));
        set.is_some_and(|set| set.meter.oldest(now).is_some())
    }

    /// Says that the certificate of an order is there which was counted as issued before that was known, since it had
    /// been held for too long: nothing is counted again, and the set is new from the first second of the certificate on.
    pub fn settle_counted(
        &mut self,
        charge: &Charge<'_>,
        from: SystemTime,
        lifetime: Duration,
        now: SystemTime,
    ) {
        let now = self.tell(micros(now));
        let from = self.own(micros(from)).min(now);
        let [_, _, new_set] = self.new_meters();
        let set = self.sets.entry(charge.set);
        let set = set.or_insert_with(|| SetState::of(new_set));
        set.new_until = new_until(from, lifetime);
        for key in charge.identifiers {
            if let Some(name) = self.names.get_mut(key) {
                name.in_a_row = 0;
            }
        }
    }
}
