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

/// Unix seconds of a date and a time of day in UTC; `None` if there is no such moment. A leap second is none.
pub(super) fn unix_of(
    (year, month, day): (u16, u16, u16),
    (hour, minute, second): (u16, u16, u16),
) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u16::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let [year, month, day] = [year, month, day].map(i64::from);
    // Years that begin in March, so that the leap day is the last one.
    let year = if month < 3 { year - 1 } else { year };
    let before_month = (153 * ((month + 9) % 12) + 2) / 5;
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days from March of the year 0 to 1970.
    let days = before_year + before_month + day - 1 - 719_468;
    let [hour, minute, second] = [hour, minute, second].map(i64::from);
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
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
    fn every_day_has_its_seconds() {
        let mut expected = -719_528 * 86_400;
        for year in 0..=9_999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let Some(unix) = unix_of((year, month, day), (0, 0, 0)) else {
                        continue;
                    };
                    assert_eq!(unix, expected, "{year}-{month}-{day}");
                    expected += 86_400;
                }
            }
        }
        assert_eq!(expected - 1, 253_402_300_799);
        assert_eq!(unix_of((2_026, 1, 1), (23, 59, 59)), Some(1_767_311_999));
        for bad in [
            (2_026, 2, 29),
            (1_900, 2, 29),
            (2_026, 0, 1),
            (2_026, 13, 1),
            (2_026, 1, 0),
        ] {
            assert_eq!(unix_of(bad, (0, 0, 0)), None);
        }
        for bad in [(24, 0, 0), (0, 60, 0), (0, 0, 60)] {
            assert_eq!(unix_of((2_026, 1, 1), bad), None);
        }
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
