//! What follows the date: time of day, fraction, offset.

use super::{
    TimeContext,
    civil::{DAY, micros, number},
};
use crate::types::{Invalid, integer::digit};

/// Reads times of day. Lines one after the other have the same offset as a rule, so that it is kept.
pub(super) struct Clock {
    zone: i64,
    offset_text: [u8; 6],
    offset: i64,
}

impl Clock {
    pub(super) fn new(context: TimeContext) -> Self {
        Self {
            zone: i64::from(context.zone.seconds_east()),
            offset_text: *b"+00:00",
            offset: 0,
        }
    }

    /// The microseconds of a time of a day, given as days since the epoch; `text` is all that comes
    /// after the date.
    #[inline]
    pub(super) fn time(&mut self, days: i64, text: &[u8]) -> Result<i64, Invalid> {
        let (time, rest) = text.split_first_chunk().ok_or(Invalid::Malformed)?;
        let second = second_of_day(*time)?;
        let (nanos, rest) = fraction(rest)?;
        let offset = match rest {
            [] => self.zone,
            [b'Z'] => 0,
            _ if rest == self.offset_text => self.offset,
            _ => self.other_offset(rest)?,
        };
        micros(days * DAY + second - offset, nanos)
    }

    #[inline(never)]
    fn other_offset(&mut self, text: &[u8]) -> Result<i64, Invalid> {
        let offset = offset(text)?;
        if let Ok(text) = text.try_into() {
            (self.offset_text, self.offset) = (text, offset);
        }
        Ok(offset)
    }
}

/// `HH:MM:SS` as seconds, all eight bytes at once.
#[inline]
fn second_of_day(text: [u8; 8]) -> Result<i64, Invalid> {
    let word = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b"00:00:00");
    // Carries into a byte's high bit: digits from 10 on, and anything but 0 where the colons are.
    let carried = (word & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7f76_767f_7676;
    if (carried | word) & 0x8080_8080_8080_8080 != 0 {
        return Err(Invalid::Malformed);
    }
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let pair = |at: u32| (pairs >> at & 0xff).cast_signed();
    let (hour, minute, second) = (pair(0), pair(24), pair(48));
    match hour < 24 && minute < 60 && second <= 60 {
        true => Ok((hour * 60 + minute) * 60 + second),
        false => Err(Invalid::ImpossibleTime),
    }
}

/// An optional fraction of a second, in nanoseconds, and the rest.
#[inline]
pub(super) fn fraction(text: &[u8]) -> Result<(u32, &[u8]), Invalid> {
    let [b'.' | b',', digits @ ..] = text else {
        return Ok((0, text));
    };
    let (mut value, mut rest) = (0, digits);
    let mut scales = SCALES.iter();
    let mut scale = 0;
    while let [byte, after @ ..] = rest
        && let Some(digit) = digit(*byte)
        && let Some(next) = scales.next()
    {
        value = value * 10 + u32::from(digit);
        (scale, rest) = (*next, after);
    }
    match scale {
        0 => Err(Invalid::Malformed),
        _ => Ok((value * scale, rest)),
    }
}

/// Nanoseconds of the last of 1 to 9 digits.
const SCALES: [u32; 9] = [
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1000,
    100,
    10,
    1,
];

/// An offset as seconds ahead of UTC.
fn offset(text: &[u8]) -> Result<i64, Invalid> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, hours, minutes) = match *text {
        [b'Z' | b'z'] | [b'U', b'T', b'C'] | [b'G', b'M', b'T'] => return Ok(0),
        [sign @ (b'+' | b'-'), a, b] => (sign, [a, b], [b'0'; 2]),
        [sign @ (b'+' | b'-'), a, b, c, d] => (sign, [a, b], [c, d]),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => (sign, [a, b], [c, d]),
        _ => return Err(Invalid::Malformed),
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return Err(Invalid::ImpossibleTime);
    }
    let seconds = (hours * 60 + minutes) * 60;
    Ok(if sign == b'-' { -seconds } else { seconds })
}
