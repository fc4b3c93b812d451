//! When a certificate that could not be had is tried again.

use std::time::Duration;

use super::act::Failure;
use crate::renewal;

/// The longest wait after what passes by itself, unless the CA asks for more: less than the day after which a name is
/// tried that is at fault itself, or an outage or a busy CA would cost a day more than it lasts.
const LONGEST_AFTER_PASSING: Duration = Duration::from_secs(100 * 60);

/// After so many in a row the wait is 100 minutes, and a day after one more.
const PASSING_FAILURES: u8 = 3;

/// The part of a lifetime that one failure may cost at most.
const LIFETIME_SHARE: u32 = 16;

/// The wait after so many failures in a row: 1, 10 and 100 minutes, then a day, but never more than a
/// sixteenth of the lifetime of the certificate that is to be renewed, and never less than the CA asks for.
pub(super) fn wait(
    failures: u32,
    lifetime: Option<Duration>,
    asked: Option<Duration>,
    is_passing: bool,
) -> Duration {
    let own = renewal::retry_after(failures, None);
    let own = match lifetime {
        Some(lifetime) => own.min((lifetime / LIFETIME_SHARE).max(Duration::from_secs(60))),
        None => own,
    };
    let own = match is_passing {
        true => own.min(LONGEST_AFTER_PASSING),
        false => own,
    };
    own.max(renewal::retry_after(0, asked))
}

/// The failures in a row after one more, and the wait then.
pub(super) fn after(failures: u8, lifetime: Option<Duration>, failure: &Failure) -> (u8, Duration) {
    let is_passing = failure.is_outage || failure.retry_after.is_some();
    let failures = count(failures, is_passing);
    let wait = wait(
        u32::from(failures),
        lifetime,
        failure.retry_after,
        is_passing,
    );
    (failures, wait)
}

/// The failures in a row after one more. What passes by itself, the CA down or busy, is no fault of the
/// names: it never makes them wait for a day.
pub(super) fn count(failures: u8, is_passing: bool) -> u8 {
    match is_passing && failures >= PASSING_FAILURES {
        true => failures,
        false => failures.saturating_add(1),
    }
}

/// How long a CA is left alone that could not be reached so many times, one after the other: half a minute,
/// and twice as long each time, up to half an hour.
pub(super) fn pause(times: u32, asked: Option<Duration>) -> Duration {
    let own = Duration::from_secs(30) * (1 << times.saturating_sub(1).min(6));
    own.min(Duration::from_secs(30 * 60))
        .max(renewal::retry_after(0, asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn waits_fit_the_lifetime_and_obey_the_ca() {
        let waits = (1..6).map(|n| wait(n, Some(90 * DAY), None, false).as_secs() / 60);
        assert_eq!(waits.collect::<Vec<_>>(), [1, 10, 100, 1440, 1440]);
        let week = Duration::from_secs(160 * 3600);
        assert_eq!(wait(9, Some(week), None, false), week / 16);
        assert_eq!(wait(9, None, None, true), 100 * MINUTE);
        assert_eq!(wait(1, Some(week), Some(DAY), true), DAY);
        assert_eq!(wait(1, Some(Duration::ZERO), None, false), MINUTE);
    }

    #[test]
    fn what_passes_by_itself_makes_no_name_wait_for_a_day() {
        let outage = (0..40).fold(0, |failures, _| count(failures, true));
        assert_eq!(wait(u32::from(outage), None, None, false), 100 * MINUTE);
        let own = (0..4).fold(0, |failures, _| count(failures, false));
        assert_eq!(wait(u32::from(own), None, None, false), DAY);
        assert_eq!(count(own, true), own);
        assert_eq!(count(u8::MAX, false), u8::MAX);
    }

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let pauses = (1..9).map(|n| pause(n, None).as_secs());
        assert_eq!(
            pauses.collect::<Vec<_>>(),
            [30, 60, 120, 240, 480, 960, 1800, 1800]
        );
        assert_eq!(pause(1, Some(DAY / 2)), DAY / 2);
    }
}
