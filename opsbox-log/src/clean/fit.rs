//! Values of documents against the type that their column has.

use std::ops::Range;

use crate::types::{
    Invalid, TimeContext, Type, parse_boolean, parse_float, parse_integer, parse_ip_addr,
    parse_timestamp,
};

/// Whether a value fits a type.
pub(super) enum Fit {
    Fits,
    /// Without the white space around it.
    Trimmed(Range<usize>),
    /// As it was appended.
    Written,
    No,
}

/// Whether a value fits a type; if it does when it is written in another way, appends that.
pub(super) fn fit(value: &[u8], data_type: Type, out: &mut Vec<u8>) -> Fit {
    if fits(value, data_type) {
        return Fit::Fits;
    }
    let trimmed = value.trim_ascii();
    if trimmed.len() < value.len() && fits(trimmed, data_type) {
        let start = value.len() - value.trim_ascii_start().len();
        return Fit::Trimmed(start..start + trimmed.len());
    }
    // `42.0` and `4.2e1` are whole numbers.
    if data_type == Type::Integer && parse_float(trimmed).is_ok() && push_whole(trimmed, out) {
        return Fit::Written;
    }
    Fit::No
}

/// Most digits of a number of 64 bits.
const MAX_DIGITS: usize = 19;

/// Appends a float as an integer, if it is one. By its digits: a float of 64 bits has none of a fraction
/// behind sixteen digits, and not all whole numbers.
fn push_whole(value: &[u8], out: &mut Vec<u8>) -> bool {
    let (sign, value): (&[u8], _) = match value {
        [b'-', rest @ ..] => (b"-", rest),
        [b'+', rest @ ..] => (b"", rest),
        _ => (b"", value),
    };
    let is_exponent = |byte: &u8| matches!(byte, b'e' | b'E');
    let mut parts = value.splitn(2, is_exponent);
    let (number, exponent) = (parts.next().unwrap_or_default(), parts.next());
    let mut parts = number.splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next());
    let fraction = fraction.unwrap_or_default();
    let mut digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0');
    let zeros = zeros.count();
    if zeros == digits.len() {
        out.push(b'0');
        return true;
    }
    digits.truncate(digits.len() - zeros);
    // One that does not fit into 64 bits is out of range, or a fraction.
    let exponent = exponent.map_or(Ok(0), parse_integer).unwrap_or(i64::MIN);
    let more = i64::try_from(zeros)
        .ok()
        .zip(i64::try_from(fraction.len()).ok());
    let more = more.and_then(|(zeros, places)| exponent.checked_add(zeros - places));
    let Some(more) = more.and_then(|more| usize::try_from(more).ok()) else {
        return false;
    };
    let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = digits.get(leading..).unwrap_or_default();
    if digits.len().saturating_add(more) > MAX_DIGITS {
        return false;
    }
    let start = out.len();
    out.extend_from_slice(sign);
    out.extend_from_slice(digits);
    out.resize(out.len() + more, b'0');
    let fits = parse_integer(out.get(start..).unwrap_or_default()).is_ok();
    if !fits {
        out.truncate(start);
    }
    fits
}

fn fits(value: &[u8], data_type: Type) -> bool {
    match data_type {
        Type::Integer => parse_integer(value).is_ok(),
        Type::Float => parse_float(value).is_ok(),
        Type::Boolean => parse_boolean(value).is_ok(),
        Type::Timestamp(format) => matches!(
            parse_timestamp(value, format, TimeContext::new()),
            // Which year it is, the reader of the column knows.
            Ok(_) | Err(Invalid::NoReference)
        ),
        Type::IpAddr => parse_ip_addr(value).is_ok(),
        Type::Text | Type::Category => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(value: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let fits = match fit(value.as_bytes(), Type::Integer, &mut out) {
            Fit::Fits => return Some(value.to_owned()),
            Fit::Trimmed(range) => return value.get(range).map(str::to_owned),
            Fit::Written => true,
            Fit::No => false,
        };
        let written = out.split_off(b"before".len());
        assert_eq!(fits, !written.is_empty());
        fits.then(|| String::from_utf8_lossy(&written).into_owned())
    }

    #[test]
    fn whole_numbers_are_told_by_their_digits() {
        for (value, wanted) in [
            ("42.0", Some("42")),
            ("4.2e1", Some("42")),
            (" 42.000 ", Some("42")),
            ("-4200E-2", Some("-42")),
            ("-0.0", Some("0")),
            ("0e99999999999999999999", Some("0")),
            ("00.50e1", Some("5")),
            ("5.", Some("5")),
            // What a float of 64 bits rounds.
            ("4503599627370497.5", None),
            ("9007199254740993.0", Some("9007199254740993")),
            ("1.00000000000000000001", None),
            ("0.99999999999999999999", None),
            ("9223372036854775807.0", Some("9223372036854775807")),
            ("-9223372036854775808.0", Some("-9223372036854775808")),
            ("9223372036854775808.0", None),
            ("1e18", Some("1000000000000000000")),
            ("1e19", None),
            ("1e999999999999999999999", None),
            ("1e-999999999999999999999", None),
            ("1e9223372036854775807", None),
            ("12e-1", None),
            ("inf", None),
            ("1.2.3", None),
            ("e5", None),
            (".", None),
        ] {
            assert_eq!(whole(value).as_deref(), wanted, "{value}");
        }
    }

    proptest! {
        /// A number that is written in some way with a point and an exponent is what it was.
        #[test]
        fn moving_the_point_changes_no_number(number: i64, places in 0_usize..25, zeros in 0_usize..5) {
            let digits = format!("{:0>width$}", number.unsigned_abs(), width = places + 1);
            let (whole_part, fraction) = digits.split_at(digits.len() - places);
            let sign = if number < 0 { "-" } else { "" };
            let moved = format!("{sign}{whole_part}.{fraction}{}e{places}", "0".repeat(zeros));
            prop_assert_eq!(whole(&moved), Some(number.to_string()));
            let more = format!("{sign}{whole_part}.{fraction}1e{places}");
            prop_assert_eq!(whole(&more), None);
        }
    }
}
