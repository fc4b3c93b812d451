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

/// Highest whole number up to which all are floats: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

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
    if data_type == Type::Integer
        && let Ok(number) = parse_float(trimmed)
        && number.fract() == 0.0
        && number.abs() <= EXACT
    {
        out.extend_from_slice(format!("{number:.0}").as_bytes());
        return Fit::Written;
    }
    Fit::No
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
