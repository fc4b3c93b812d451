//! A count since the epoch.

use super::{
    EpochUnit,
    civil::{SECOND, micros},
    clock::fraction,
};
use crate::types::{
    Invalid,
    integer::{parse_digits, sign},
};

pub(in crate::types) fn parse_epoch(value: &[u8], unit: EpochUnit) -> Result<i64, Invalid> {
    if value.is_empty() {
        return Err(Invalid::Empty);
    }
    let (negative, text) = sign(value);
    let point = text.iter().position(|byte| *byte == b'.');
    let (digits, rest) = text.split_at(point.unwrap_or(text.len()));
    let whole = parse_digits(digits)?;
    let (nanos, []) = fraction(rest)? else {
        return Err(Invalid::Malformed);
    };
    // The magnitude in microseconds, and whether something finer was cut off.
    let (magnitude, cut) = match unit {
        EpochUnit::Seconds => (
            scale(whole, 1_000_000, nanos / 1000)?,
            !nanos.is_multiple_of(1000),
        ),
        EpochUnit::Millis => (
            scale(whole, 1000, nanos / 1_000_000)?,
            !nanos.is_multiple_of(1_000_000),
        ),
        EpochUnit::Micros => (scale(whole, 1, 0)?, nanos != 0),
        EpochUnit::Nanos => (
            scale(whole / 1000, 1, 0)?,
            !whole.is_multiple_of(1000) || nanos != 0,
        ),
    };
    let value = match negative {
        true => -magnitude - i64::from(cut),
        false => magnitude,
    };
    // The same range as that of dates.
    micros(value.div_euclid(SECOND), 0).map(|_| value)
}

fn scale(whole: u64, factor: i64, part: u32) -> Result<i64, Invalid> {
    let whole = i64::try_from(whole).ok();
    let scaled = whole.and_then(|whole| whole.checked_mul(factor));
    let sum = scaled.and_then(|scaled| scaled.checked_add(i64::from(part)));
    // One less than the most, so that rounding towards the past has room.
    sum.filter(|sum| *sum < i64::MAX).ok_or(Invalid::OutOfRange)
}
