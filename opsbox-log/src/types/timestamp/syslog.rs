//! RFC 3164: no year and no zone.

use super::{
    TimeContext,
    civil::{DAY, SECOND, days, month, number, year},
    clock::Clock,
    rfc3339::Rfc3339,
};
use crate::types::Invalid;

/// The years in which 29 February is looked for: none are further apart than 1896 and 1904.
const YEARS: i64 = 8;

/// Reads times one after the other, and keeps the date.
pub(in crate::types) struct Syslog {
    context: TimeContext,
    clock: Clock,
    full: Rfc3339,
    known: Option<([u8; 6], i64)>,
}

impl Syslog {
    pub(in crate::types) fn new(context: TimeContext) -> Self {
        Self {
            context,
            clock: Clock::new(context),
            full: Rfc3339::new(context),
            known: None,
        }
    }

    #[inline]
    pub(in crate::types) fn parse(&mut self, value: &[u8]) -> Result<i64, Invalid> {
        let Some((date, [b' ', time @ ..])) = value.split_first_chunk::<6>() else {
            return self.full.parse(value);
        };
        match self.known {
            Some((known, days)) if known == *date => self.clock.time(days, time),
            _ => self.other_date(*date, time),
        }
    }

    #[inline(never)]
    fn other_date(&mut self, date: [u8; 6], time: &[u8]) -> Result<i64, Invalid> {
        let [m, o, n, b' ', d, t] = date else {
            return Err(Invalid::Malformed);
        };
        let month = month([m, o, n])?;
        let day = number([if d == b' ' { b'0' } else { d }, t])?;
        // A leap year has all dates that there are.
        days(2000, month, day)?;
        let Some(reference) = self.context.reference else {
            self.clock.time(0, time)?;
            return Err(Invalid::NoReference);
        };
        let latest = reference.saturating_add(DAY * SECOND);
        let last_year = year(latest.div_euclid(DAY * SECOND)) + 1;
        for year in (last_year - YEARS - 1..=last_year).rev() {
            if !(0..=9999).contains(&year) {
                continue;
            }
            let Ok(days) = days(year, month, day) else {
                continue;
            };
            let micros = match self.clock.time(days, time) {
                Err(Invalid::OutOfRange) => continue,
                micros => micros?,
            };
            if micros > latest {
                continue;
            }
            // Days near the latest time may be of this year or of the one before, by the time of day.
            let ends = (days + 3) * DAY * SECOND;
            let next_year = (days + 363) * DAY * SECOND;
            if ends < latest && next_year > latest {
                self.known = Some((date, days));
            }
            return Ok(micros);
        }
        Err(Invalid::OutOfRange)
    }
}
