//! Validity as a function of a given time. No function here reads a clock.
//!
//! Whole seconds are used throughout, as certificates have no finer ones: `now` is rounded down, and
//! the second of notAfter itself still belongs to the validity (RFC 5280, section 4.1.2.5).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::time::ASN1Time;

use super::CertFacts;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Where a moment lies relative to a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ValidityState {
    /// Before notBefore.
    NotYetValid,
    /// From notBefore to notAfter, both included.
    Valid,
    /// After notAfter.
    Expired,
}

/// Time: all results depend on the certificate and on the `now` that is given.
impl CertFacts {
    /// Start of the validity.
    pub fn not_before(&self) -> SystemTime {
        system_time(self.not_before)
    }

    /// End of the validity; this second is the last valid one.
    pub fn not_after(&self) -> SystemTime {
        system_time(self.not_after)
    }

    /// Start of the validity in Unix seconds.
    pub fn not_before_unix(&self) -> i64 {
        self.not_before
    }

    /// End of the validity in Unix seconds.
    pub fn not_after_unix(&self) -> i64 {
        self.not_after
    }

    /// Length of the validity, the last second included: a certificate of 90 days has exactly 90
    /// days. Zero if it ends before it starts.
    pub fn lifetime(&self) -> Duration {
        let seconds = self
            .not_after
            .saturating_sub(self.not_before)
            .saturating_add(1);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// Seconds from `now` to notAfter, negative once it has expired.
    pub fn remaining_seconds(&self, now: SystemTime) -> i64 {
        self.not_after.saturating_sub(unix_seconds(now))
    }

    /// Days from `now` to notAfter, negative once it has expired.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of any calendar date are exact in f64"
    )]
    pub fn remaining_days(&self, now: SystemTime) -> f64 {
        self.remaining_seconds(now) as f64 / SECONDS_PER_DAY
    }

    /// Share of the lifetime that is left: 1 up to notBefore, 0 from notAfter on.
    ///
    /// Renewal is best decided on this share: a third is 30 days of a 90-day certificate and 2 of a
    /// 6-day one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of any calendar date are exact in f64"
    )]
    pub fn remaining_share(&self, now: SystemTime) -> f64 {
        let lifetime = self.lifetime().as_secs_f64();
        let remaining = self.remaining_seconds(now) as f64;
        if remaining <= 0.0 || lifetime <= 0.0 {
            return 0.0;
        }
        (remaining / lifetime).min(1.0)
    }

    /// Whether `now` is before, in or after the validity.
    pub fn state(&self, now: SystemTime) -> ValidityState {
        let now = unix_seconds(now);
        if now > self.not_after {
            ValidityState::Expired
        } else if now < self.not_before {
            ValidityState::NotYetValid
        } else {
            ValidityState::Valid
        }
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`. The years 0 to 9999 of ASN.1 are exactly those of RFC 3339.
pub(crate) fn rfc3339(unix: i64) -> String {
    ASN1Time::from_timestamp(unix).map_or_else(
        |_| unix.to_string(),
        |time| {
            let time = time.to_datetime();
            format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                time.year(),
                u8::from(time.month()),
                time.day(),
                time.hour(),
                time.minute(),
                time.second()
            )
        },
    )
}

fn system_time(unix: i64) -> SystemTime {
    let distance = Duration::from_secs(unix.unsigned_abs());
    let time = if unix < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    // Only a platform that cannot hold the years 0 to 9999 gets here.
    time.unwrap_or(UNIX_EPOCH)
}

/// Unix seconds, rounded down.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -seconds.saturating_add(i64::from(before.subsec_nanos() > 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_1970() {
        let half = Duration::from_millis(500);
        assert_eq!(unix_seconds(UNIX_EPOCH + half), 0);
        assert_eq!(unix_seconds(UNIX_EPOCH - half), -1);
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_secs(1)), -1);
        assert_eq!(system_time(-5), UNIX_EPOCH - Duration::from_secs(5));
    }
}
