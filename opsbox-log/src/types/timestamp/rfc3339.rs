//! RFC 3339 and the variants of logs.

use super::{
    TimeContext,
    civil::{days, number},
    clock::Clock,
};
use crate::types::Invalid;

/// Reads times one after the other, and keeps the date.
pub(in crate::types) struct Rfc3339 {
    clock: Clock,
    date: [u8; 10],
    days: i64,
}

impl Rfc3339 {
    pub(in crate::types) fn new(context: TimeContext) -> Self {
        Self {
            clock: Clock::new(context),
            date: *b"1970-01-01",
            days: 0,
        }
    }

    #[inline]
    pub(in crate::types) fn parse(&mut self, value: &[u8]) -> Result<i64, Invalid> {
        let Some((date, [b'T' | b't' | b' ', rest @ ..])) = value.split_first_chunk() else {
            let empty = value.is_empty();
            return Err(if empty {
                Invalid::Empty
            } else {
                Invalid::Malformed
            });
        };
        if *date != self.date {
            self.days = parse_date(*date)?;
            self.date = *date;
        }
        self.clock.time(self.days, rest)
    }
}

#[inline(never)]
fn parse_date(date: [u8; 10]) -> Result<i64, Invalid> {
    let [y, e, a, r, b'-', m, n, b'-', d, t] = date else {
        return Err(Invalid::Malformed);
    };
    let month = usize::try_from(number([m, n])?).unwrap_or_default();
    days(number([y, e, a, r])?, month, number([d, t])?)
}
