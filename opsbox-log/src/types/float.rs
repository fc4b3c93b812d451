//! Floating-point numbers.

use super::{
    Invalid,
    integer::{digit, eight_bytes, eight_digits, sign},
};

/// Powers of ten that a 64-bit float holds exactly.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Reads a decimal number: optional sign, digits with a point among or beside them, optional
/// exponent. The result is the nearest 64-bit float; a number too small for one is zero.
///
/// ```
/// use opsbox_log::types::{Invalid, parse_float};
///
/// assert_eq!(parse_float(b"-12.5e1"), Ok(-125.0));
/// assert_eq!(parse_float(b"1e999"), Err(Invalid::OutOfRange));
/// assert_eq!(parse_float(b"NaN"), Err(Invalid::Malformed));
/// ```
///
/// # Errors
///
/// `Empty`; `Malformed` for what is no decimal number, `inf` and `nan` included; `OutOfRange` for one
/// that no float is near to.
#[inline]
pub fn parse_float(value: &[u8]) -> Result<f64, Invalid> {
    if value.is_empty() {
        return Err(Invalid::Empty);
    }
    if let Some(value) = shortest(value).or_else(|| short(value)) {
        return Ok(value);
    }
    long(value)
}

/// Any number.
fn long(value: &[u8]) -> Result<f64, Invalid> {
    // The letters of `inf` and `nan` are what the standard library takes besides.
    let decimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let text = match value.iter().all(decimal) {
        true => str::from_utf8(value).map_err(|_| Invalid::Malformed)?,
        false => return Err(Invalid::Malformed),
    };
    let number: f64 = text.parse().map_err(|_| Invalid::Malformed)?;
    match number.is_finite() {
        true => Ok(number),
        false => Err(Invalid::OutOfRange),
    }
}

/// The same as [`short`] for eight bytes at most, point included: the point is taken out of the word.
#[inline]
fn shortest(value: &[u8]) -> Option<f64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (negative, digits) = sign(value);
    let word = u64::from_le_bytes(eight_bytes(digits)?);
    let others = word ^ (ONES * u64::from(b'.'));
    // The lowest bit is that of the first point; there may be false ones after it.
    let point = others.wrapping_sub(ONES) & !others & ONES << 7;
    let (word, decimals) = match point {
        0 => (word, 0),
        _ => {
            let at = point.trailing_zeros() & !7;
            let (before, after) = (word & !(u64::MAX << at), word & (u64::MAX << at) << 8);
            (before << 8 | after | u64::from(b'0'), 7 - at as usize / 8)
        }
    };
    // A point alone is no number.
    if digits == b"." {
        return None;
    }
    // Seven decimals and eight digits are exact, as in `short`.
    let magnitude = eight_digits(word.to_le_bytes())? as f64 / POWERS.get(decimals)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Up to 15 digits without exponent: both the digits and the power of ten are exact floats, so that
/// their quotient is rounded once, and is the nearest.
fn short(value: &[u8]) -> Option<f64> {
    let (negative, digits) = sign(value);
    // A point besides the fifteen digits.
    if digits.len() > 16 {
        return None;
    }
    let (mut mantissa, mut count, mut point) = (0_u64, 0, None);
    for &byte in digits {
        match digit(byte) {
            Some(digit) => {
                mantissa = mantissa * 10 + u64::from(digit);
                count += 1;
            }
            None if byte == b'.' && point.is_none() => point = Some(count),
            None => return None,
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    let decimals: usize = point.map_or(0, |point| count - point);
    let magnitude = mantissa as f64 / POWERS.get(decimals)?;
    Some(if negative { -magnitude } else { magnitude })
}
