//! When a certificate that could not be had is tried again.

use std::time::Duration;

use crate::renewal;

/// The longest wait where it is the CA's fault: less than the day after which a name is tried that is at
/// fault itself, or an outage would cost a day more than it lasts.
const LONGEST_AFTER_OUTAGE: Duration = Duration::from_secs(100 * 60);

/// The part of a lifetime that one failure may cost at most.
const LIFETIME_SHARE: u32 = 16;

/// The wait after so many failures in a row: 1, 10 and 100 minutes, then a day, but never more than a
/// sixteenth of the lifetime of the certificate that is to be renewed, and never less than the CA asks for.
pub(super) fn wait(
    failures: u32,
    lifetime: Option<Duration>,
    asked: Option<Duration>,
    is_outage: bool,
) -> Duration {
    let own = renewal::retry_after(failures, None);
    let own = match lifetime {
        Some(lifetime) => own.min((lifetime / LIFETIME_SHARE).max(Duration::from_secs(60))),
        None => own,
    };
    let own = match is_outage {
        true => own.min(LONGEST_AFTER_OUTAGE),
        false => own,
    };
    own.max(renewal::retry_after(0, asked))
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
    fn pauses_double_up_to_half_an_hour() {
        let pauses = (1..9).map(|n| pause(n, None).as_secs());
        assert_eq!(
            pauses.collect::<Vec<_>>(),
            [30, 60, 120, 240, 480, 960, 1800, 1800]
        );
        assert_eq!(pause(1, Some(DAY / 2)), DAY / 2);
    }
}
