//! The Common Log Format.

use super::{
    TimeContext,
    civil::{days, month, number},
    clock::Clock,
};
use crate::types::Invalid;

/// Reads times one after the other, and keeps the date.
pub(in crate::types) struct Clf {
    clock: Clock,
    date: [u8; 12],
    days: i64,
}

impl Clf {
    pub(in crate::types) fn new(context: TimeContext) -> Self {
        Self {
            clock: Clock::new(context),
            date: *b"01/Jan/1970:",
            days: 0,
        }
    }

    #[inline]
    pub(in crate::types) fn parse(&mut self, value: &[u8]) -> Result<i64, Invalid> {
        let Some((date, rest)) = value.split_first_chunk() else {
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
fn parse_date(date: [u8; 12]) -> Result<i64, Invalid> {
    let [d, t, b'/', m, o, n, b'/', y, e, a, r, b':'] = date else {
        return Err(Invalid::Malformed);
    };
    let month = month([m, o, n])?;
    days(number([y, e, a, r])?, month, number([d, t])?)
}
