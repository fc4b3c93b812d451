//! Whole numbers.

use super::Invalid;

/// Reads an optional sign and decimal digits. Leading zeros are fine.
///
/// ```
/// use opsbox_log::types::{Invalid, parse_integer};
///
/// assert_eq!(parse_integer(b"-007"), Ok(-7));
/// assert_eq!(parse_integer(b"9223372036854775807"), Ok(i64::MAX));
/// assert_eq!(parse_integer(b"9223372036854775808"), Err(Invalid::OutOfRange));
/// assert_eq!(parse_integer(b"1.0"), Err(Invalid::Malformed));
/// ```
///
/// # Errors
///
/// `Empty`; `Malformed` for what is no decimal number, `-` alone included; `OutOfRange` for one that
/// does not fit into 64 bits.
#[inline]
pub fn parse_integer(value: &[u8]) -> Result<i64, Invalid> {
    let (negative, digits) = sign(value);
    if value.is_empty() {
        return Err(Invalid::Empty);
    }
    let magnitude = parse_digits(digits)?;
    let value = match negative {
        true => 0_i64.checked_sub_unsigned(magnitude),
        false => i64::try_from(magnitude).ok(),
    };
    value.ok_or(Invalid::OutOfRange)
}

/// Splits an optional sign off; true is minus.
#[inline]
pub(super) fn sign(value: &[u8]) -> (bool, &[u8]) {
    match value {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, value),
    }
}

/// Decimal digits that always fit into 64 bits.
const SAFE_DIGITS: usize = 19;

/// The value of one digit or more.
#[inline]
pub(super) fn parse_digits(digits: &[u8]) -> Result<u64, Invalid> {
    if digits.len() > SAFE_DIGITS {
        return many_digits(digits);
    }
    if let Some(eight) = eight_bytes(digits) {
        return eight_digits(eight).ok_or(Invalid::Malformed);
    }
    let (eights, rest) = digits.as_chunks::<8>();
    let mut value = 0;
    for eight in eights {
        value = value * 100_000_000 + eight_digits(*eight).ok_or(Invalid::Malformed)?;
    }
    for &byte in rest {
        value = value * 10 + u64::from(digit(byte).ok_or(Invalid::Malformed)?);
    }
    match digits {
        [] => Err(Invalid::Malformed),
        _ => Ok(value),
    }
}

#[cold]
fn many_digits(digits: &[u8]) -> Result<u64, Invalid> {
    // Out of range is only what is a number to its end.
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Invalid::Malformed);
    }
    let value = digits.iter().try_fold(0_u64, |value, byte| {
        let digit = u64::from(digit(*byte)?);
        value.checked_mul(10)?.checked_add(digit)
    });
    value.ok_or(Invalid::OutOfRange)
}

#[inline]
pub(super) fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit)
}

/// One to eight bytes with zeros (as digits) in front of them. The loads overlap, so that they do not
/// differ from length to length.
#[inline]
pub(super) fn eight_bytes(bytes: &[u8]) -> Option<[u8; 8]> {
    let len = bytes.len();
    let word = match (bytes, bytes.first_chunk(), bytes.last_chunk()) {
        (_, Some(first), Some(last)) if len <= 8 => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) << (64 - len * 8) | u64::from(last) << 32
        }
        (&[first, ..], ..) if len < 4 => {
            let last = bytes.last().copied().unwrap_or(first);
            let middle = bytes.get(len / 2).copied().unwrap_or(last);
            let front = u64::from(first) << (64 - len * 8);
            front | u64::from(middle) << (64 - (len - len / 2) * 8) | u64::from(last) << 56
        }
        _ => return None,
    };
    // None in front of eight.
    let zeros = (0x3030_3030_3030_3030_u64 >> 8) >> ((len - 1) * 8);
    Some((word | zeros).to_le_bytes())
}

/// The value of eight digits, all at once: each step joins neighbours, ones to pairs to fours.
#[inline]
pub(super) fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(digits) ^ 0x3030_3030_3030_3030;
    if above_nine(word) != 0 {
        return None;
    }
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// Not zero if a byte is above 9: 0x76 carries from 10 on into the high bit, or that is set.
#[inline]
fn above_nine(word: u64) -> u64 {
    let carried = (word & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676;
    (carried | word) & 0x8080_8080_8080_8080
}
