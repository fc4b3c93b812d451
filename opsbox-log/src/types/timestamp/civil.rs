//! Dates of the proleptic Gregorian calendar as days since 1970-01-01.

use crate::types::{Invalid, integer::digit};

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;

/// 0000-01-01T00:00:00Z and the last second of 9999, in seconds.
const FIRST: i64 = days_before_year(0) * DAY;
const LAST: i64 = days_before_year(10_000) * DAY - 1;

/// Days before each month of a year that is no leap year.
const BEFORE_MONTH: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Days since 1970-01-01 of the first day of a year, from 0 on.
const fn days_before_year(year: i64) -> i64 {
    // Leap days of the years before this one; year 0 has one.
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    const TO_1970: i64 = 719_528;
    365 * year + leap_days - TO_1970
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01 of a date, if there is such a date. Months and days count from 1.
pub(super) fn days(year: i64, month: usize, day: i64) -> Result<i64, Invalid> {
    let find = || {
        let before = *BEFORE_MONTH.get(month.checked_sub(1)?)?;
        let len = BEFORE_MONTH.get(month)? - before;
        let leap = i64::from(is_leap(year));
        let february = if month == 2 { leap } else { 0 };
        let leap_day = if month > 2 { leap } else { 0 };
        let exists = (1..=len + february).contains(&day);
        exists.then(|| days_before_year(year) + before + leap_day + day - 1)
    };
    find().ok_or(Invalid::ImpossibleTime)
}

/// The year of a day, brought into 0 to 9999.
pub(super) fn year(days: i64) -> i64 {
    let days = days.clamp(days_before_year(0), days_before_year(10_000) - 1);
    // The mean year is at most a day or two off over the whole range, hence at most a year.
    let guess = (days - days_before_year(0)) * 400 / 146_097;
    match (days_before_year(guess), days_before_year(guess + 1)) {
        (first, _) if days < first => guess - 1,
        (_, next) if days >= next => guess + 1,
        _ => guess,
    }
}

/// The month of its English abbreviation, from 1.
pub(super) fn month(name: [u8; 3]) -> Result<usize, Invalid> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let at = NAMES.iter().position(|it| **it == name);
    at.map(|at| at + 1).ok_or(Invalid::Malformed)
}

/// The value of a few digits.
pub(super) fn number<const N: usize>(digits: [u8; N]) -> Result<i64, Invalid> {
    digits.iter().try_fold(0, |value, byte| {
        let digit = digit(*byte).ok_or(Invalid::Malformed)?;
        Ok(value * 10 + i64::from(digit))
    })
}

/// Seconds since the epoch, and the fraction in nanoseconds, as microseconds.
#[inline]
pub(super) fn micros(seconds: i64, nanos: u32) -> Result<i64, Invalid> {
    match (FIRST..=LAST).contains(&seconds) {
        true => Ok(seconds * SECOND + i64::from(nanos / 1000)),
        false => Err(Invalid::OutOfRange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_up_by_one() {
        let mut expected = days_before_year(0);
        for at in 0..10_000 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Ok(days) = days(at, month, day) {
                        assert_eq!(days, expected, "{at}-{month}-{day}");
                        assert_eq!(year(days), at);
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, days_before_year(10_000));
        assert_eq!(days(1970, 1, 1), Ok(0));
        assert_eq!(year(i64::MIN), 0);
        assert_eq!(year(i64::MAX), 9999);
    }
}
