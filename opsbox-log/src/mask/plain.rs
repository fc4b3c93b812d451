//! Values in which nothing is found, whatever the detectors: told by a look at their bytes that costs less than a search.

use std::ops::Range;

/// Longest word that is looked at, in bytes; keys that may be letters alone are longer.
const WORD: usize = 8;

/// Bytes of a date and a time, `2026-01-02 03:04:05`.
const DATE_TIME: usize = 19;

/// Most digits of a fraction of a second.
const FRACTION: usize = 9;

/// Whether a value is a short word of letters, as a level is, or a date and a time. Each column of a log has many of one of
/// them. Patterns of the user's may match even these.
#[inline]
pub(super) fn has_nothing(source: &[u8], range: &Range<usize>) -> bool {
    match range.len() {
        0..=WORD => is_word(source, range),
        DATE_TIME.. => is_date_time(source.get(range.clone()).unwrap_or_default()),
        _ => false,
    }
}

/// Whether these are letters, all at once. At the end of the source it is not told.
#[inline]
fn is_word(source: &[u8], range: &Range<usize>) -> bool {
    let near = source
        .get(range.start..)
        .and_then(<[u8]>::first_chunk::<WORD>);
    let Some(near) = near.filter(|_| !range.is_empty()) else {
        return false;
    };
    let inside = u64::MAX >> (8 * (WORD - range.len()));
    let bytes = u64::from_le_bytes(*near) & inside;
    let folded = bytes | each(0x20);
    // The highest bit of each byte: from `a` on, up to `z`, ASCII. A byte that carries over is no ASCII itself.
    let from = folded.wrapping_add(each(0x80 - b'a'));
    let beyond = folded.wrapping_add(each(0x7f - b'z'));
    let letters = from & !beyond & !bytes;
    letters & inside & each(0x80) == inside & each(0x80)
}

/// A byte, eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// The first bytes of a date and a time, with zeros for the digits.
const FORM: [u8; 16] = *b"0000-00-00 00:00";

/// Ones where it has no digits.
const OTHERS: u128 =
    u128::from_le_bytes([0, 0, 0, 0, 0xff, 0, 0, 0xff, 0, 0, 0xff, 0, 0, 0xff, 0, 0]);

/// What tells a space from a `T`.
const SPACE_OR_T: u128 = ((b' ' ^ b'T') as u128) << 80;

/// Whether this is `2026-01-02 03:04:05`, or with a `T`; with a fraction, or a `Z`, or both behind it.
#[inline]
fn is_date_time(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first_chunk::<16>() else {
        return false;
    };
    let differs = u128::from_le_bytes(*first) ^ u128::from_le_bytes(FORM);
    let others = differs & OTHERS;
    if others != 0 && others != SPACE_OR_T {
        return false;
    }
    // Digits differ from zero by less than ten. What separates them carries nothing over.
    let above = differs.wrapping_add(u128::from_le_bytes([0x76; 16]));
    let high = u128::from_le_bytes([0x80; 16]);
    if (differs | above) & high & !OTHERS != 0 {
        return false;
    }
    match rest {
        [b':', tens, ones, rest @ ..] => {
            tens.is_ascii_digit() && ones.is_ascii_digit() && is_fraction(rest)
        }
        _ => false,
    }
}

fn is_fraction(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    match text {
        [] => true,
        [b'.' | b',', digits @ ..] => {
            (1..=FRACTION).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mask::{Detector, Scanner};

    fn looks_plain(text: &[u8]) -> bool {
        has_nothing(&[text, &[b' '; WORD]].concat(), &(0..text.len()))
    }

    /// The same, byte by byte.
    fn is_plain(text: &str) -> bool {
        let is_form = |form: &str| {
            let mut pairs = form.bytes().zip(text.bytes());
            form.len() == text.len()
                && pairs.all(|(form, byte)| match form {
                    b'0' => byte.is_ascii_digit(),
                    b'.' => matches!(byte, b'.' | b','),
                    b' ' => matches!(byte, b' ' | b'T'),
                    form => form == byte,
                })
        };
        let fractions = (0..=FRACTION).map(|digits| match digits {
            0 => String::new(),
            _ => format!(".{}", "0".repeat(digits)),
        });
        let mut forms = fractions.flat_map(|fraction| {
            ["", "Z"].map(|zone| format!("0000-00-00 00:00:00{fraction}{zone}"))
        });
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        (1..=WORD).contains(&text.len()) && is_word || forms.any(|form| is_form(&form))
    }

    proptest! {
        #[test]
        fn nothing_is_found_in_what_looks_plain(
            text in prop_oneof![
                "[a-zA-Z]{0,10}",
                "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]{0,11})?Z?",
            ],
            edit in proptest::option::weighted(0.5, (any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = edit.filter(|_| !bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let looks_plain = looks_plain(&bytes);
            // Bytes that are no text are none of either.
            prop_assert_eq!(looks_plain, is_plain(&String::from_utf8_lossy(&bytes)), "{:?}", bytes);
            if looks_plain {
                prop_assert!(Scanner::of(Detector::ALL).scan(&bytes).is_empty(), "{:?}", bytes);
            }
        }
    }

    #[test]
    fn each_letter_counts() {
        for byte in 0..=u8::MAX {
            for at in 0..WORD {
                let mut word = *b"Severity";
                word[at] = byte;
                assert_eq!(
                    looks_plain(&word),
                    byte.is_ascii_alphabetic(),
                    "{byte} {at}"
                );
            }
        }
        assert!(!looks_plain(b"") && !looks_plain(b"Severity1"));
    }
}
