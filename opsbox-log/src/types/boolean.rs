//! True or false.

use super::Invalid;

/// Reads `true`, `yes`, `on`, `1` as true and `false`, `no`, `off`, `0` as false, in any case.
///
/// ```
/// use opsbox_log::types::{Invalid, parse_boolean};
///
/// assert_eq!(parse_boolean(b"TRUE"), Ok(true));
/// assert_eq!(parse_boolean(b"off"), Ok(false));
/// assert_eq!(parse_boolean(b"2"), Err(Invalid::Malformed));
/// ```
///
/// # Errors
///
/// `Empty`; `Malformed` for anything else.
pub fn parse_boolean(value: &[u8]) -> Result<bool, Invalid> {
    let is = |words: [&str; 4]| {
        let mut words = words.iter();
        words.any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    };
    match value {
        [] => Err(Invalid::Empty),
        _ if is(["true", "yes", "on", "1"]) => Ok(true),
        _ if is(["false", "no", "off", "0"]) => Ok(false),
        _ => Err(Invalid::Malformed),
    }
}
