//! When a certificate is to be renewed, and when to try again: pure functions of their arguments.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::renewal;
//!
//! let day = Duration::from_secs(24 * 60 * 60);
//! // 90 days: a third is left after 60.
//! assert_eq!(renewal::due_at(UNIX_EPOCH, UNIX_EPOCH + 90 * day), UNIX_EPOCH + 60 * day);
//! // 6 days: a half is left after 3.
//! assert_eq!(renewal::due_at(UNIX_EPOCH, UNIX_EPOCH + 6 * day), UNIX_EPOCH + 3 * day);
//!
//! let hour = Duration::from_secs(60 * 60);
//! assert_eq!(renewal::retry_after(1, None), Duration::from_secs(60));
//! assert_eq!(renewal::retry_after(1, Some(hour)), hour);
//! ```

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate that holds for less is renewed when half of its time is left.
pub const SHORT_LIVED: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The moment from which on a certificate is renewed: when a third of its time is left, or a half if it
/// is [short-lived](SHORT_LIVED). A share and not a number of days, since lifetimes get shorter.
///
/// One that ends before it begins is due when it begins.
pub fn due_at(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    let used = match lifetime < SHORT_LIVED {
        true => lifetime / 2,
        false => lifetime - lifetime / 3,
    };
    not_before.checked_add(used).unwrap_or(not_after)
}

/// How long to wait after so many failures in a row: 1, 10 and 100 minutes, then a day, and never less
/// than the CA asks for in its `Retry-After`.
pub fn retry_after(failures: u32, asked: Option<Duration>) -> Duration {
    let minutes = match failures {
        0 => 0,
        1 => 1,
        2 => 10,
        3 => 100,
        _ => 24 * 60,
    };
    let own = Duration::from_secs(60 * minutes);
    // A CA that asks for a year has an error: a day is enough to be polite.
    own.max(asked.unwrap_or_default().min(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn odd_times_are_due_in_their_time() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(due_at(at(10), at(10)), at(10));
        assert_eq!(due_at(at(10), at(5)), at(10));
        let year_10000 = at(253_402_300_799);
        let due = due_at(at(0), year_10000);
        assert!(due > at(168_000_000_000) && due < at(169_000_000_000));
        // 160 hours, the short-lived profile.
        assert_eq!(due_at(at(0), at(160 * 3600)), at(80 * 3600));
    }

    #[test]
    fn waits_grow_and_obey_the_ca() {
        let waits = (0..7).map(|failures| retry_after(failures, None).as_secs() / 60);
        assert_eq!(waits.collect::<Vec<_>>(), [0, 1, 10, 100, 1440, 1440, 1440]);
        assert_eq!(retry_after(3, Some(DAY * 400)), DAY);
        assert_eq!(retry_after(u32::MAX, Some(Duration::ZERO)), DAY);
    }
}
