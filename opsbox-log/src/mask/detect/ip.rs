//! IP addresses, and what only looks like one: versions, times, hardware addresses.

use std::{net::Ipv6Addr, str};

use super::{Sink, before, byte, escape_end, is_word, span_before, span_of, starts_word};
use crate::mask::Detector;

/// Words in front of what is a version.
const VERSIONS: [&str; 5] = ["version", "ver", "release", "build", "v"];

/// Four decimal octets without leading zeroes, that no letter, digit or further dot is next to. A number
/// behind a word such as `version`, or behind a product's name and a slash, is none, unless a port
/// follows.
pub(super) fn look_v4(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let digits_before = |at| span_before(text, at, |it| it.is_ascii_digit());
    // From the third dot to the first octet.
    let mut start = at;
    for octet in 0..3 {
        let mut digits = digits_before(start);
        if digits > 3
            && let Some(end) = escape_end(text, start - digits)
        {
            digits = start.saturating_sub(end);
        }
        if digits == 0 || digits > 3 {
            return;
        }
        start -= digits;
        if octet < 2 {
            if before(text, start) != b'.' {
                return;
            }
            start -= 1;
        }
    }
    let mut place = start;
    for octet in 0..4 {
        let len = span_of(text, place, |it| it.is_ascii_digit());
        let value = text.get(place..place + len).unwrap_or_default();
        let number = value
            .iter()
            .take(4)
            .fold(0, |all, digit| all * 10 + u32::from(digit & 15));
        if len == 0 || len > 3 || number > 255 || len > 1 && value.starts_with(b"0") {
            return;
        }
        place += len;
        if octet < 3 {
            if byte(text, place) != b'.' {
                return;
            }
            place += 1;
        }
    }
    let behind = byte(text, place);
    let goes_on = is_word(behind) || behind == b'.' && byte(text, place + 1).is_ascii_digit();
    let opens = starts_word(text, start) && before(text, start) != b'.';
    if opens && !goes_on && !is_version(text, start, place) {
        sink.push(Detector::Ipv4, start..place);
    }
}

fn is_version(text: &[u8], start: usize, end: usize) -> bool {
    let gap = span_before(text, start, |it| {
        matches!(it, b' ' | b'=' | b':' | b'/' | b'"' | b'\'')
    });
    let word_end = start - gap;
    let len = span_before(text, word_end, |it| it.is_ascii_alphabetic());
    let word = text.get(word_end - len..word_end).unwrap_or_default();
    if word.is_empty() || gap == 0 {
        return false;
    }
    let product = before(text, start) == b'/'
        && gap == 1
        && !(byte(text, end) == b':' && byte(text, end + 1).is_ascii_digit());
    product
        || VERSIONS
            .iter()
            .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
}

/// Longest text of an address.
const MOST: usize = 45;

/// What parses as RFC 4291 says, has a digit, and has no letter, digit or colon next to it.
pub(super) fn look_v6(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let is_part = |it: u8| it.is_ascii_hexdigit() || matches!(it, b':' | b'.');
    let near = text.get(at.saturating_sub(MOST)..at).unwrap_or_default();
    let start = at - span_before(near, near.len(), is_part);
    let near = text.get(..(at + MOST).min(text.len())).unwrap_or_default();
    let mut end = at + span_of(near, at, is_part);
    // The full stop or colon behind it.
    while end > start
        && (before(text, end) == b'.'
            || before(text, end) == b':' && byte(text, end.saturating_sub(2)) != b':')
    {
        end -= 1;
    }
    let closes = !is_word(byte(text, end)) && byte(text, end) != b':';
    // The digits of an escape in front are such of an address, too.
    for start in [Some(start), escape_end(text, start)].into_iter().flatten() {
        let bytes = text.get(start..end).unwrap_or_default();
        let opens = starts_word(text, start) && before(text, start) != b':';
        let parses = str::from_utf8(bytes).is_ok_and(|it| it.parse::<Ipv6Addr>().is_ok());
        if opens && closes && parses && bytes.iter().any(u8::is_ascii_digit) {
            sink.push(Detector::Ipv6, start..end);
            return;
        }
    }
}
