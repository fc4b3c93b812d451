//! From a place where something may be to what is there, with its exact bytes.

mod card;
mod digits;
mod email;
mod iban;
mod id_card;
mod ip;
mod key;
mod pair;
mod pem;
mod phone;
mod url;

pub(super) use pair::{Held, held};
pub(super) use phone::country_code_len;

use std::ops::Range;

use super::{
    Detector, Detectors,
    prefilter::{Hit, Trigger},
};

/// Something that was found, before overlaps are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) what: What,
    /// Whether the range has more than that found, from another one that overlaps.
    pub(super) widened: bool,
}

/// What found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A pattern of the user's, by its place among them.
    Pattern(u16),
    Detector(Detector),
}

/// What the detectors found, and which of them are on.
pub(super) struct Sink<'a> {
    detectors: Detectors,
    found: &'a mut Vec<Found>,
    /// Where the last private key ends, and the last named secret. What begins inside of one is not
    /// looked at: that could take time quadratic in the text.
    key_end: usize,
    pair_end: usize,
}

impl<'a> Sink<'a> {
    pub(super) fn new(detectors: Detectors, found: &'a mut Vec<Found>) -> Self {
        Self {
            detectors,
            found,
            key_end: 0,
            pair_end: 0,
        }
    }

    fn wants(&self, detector: Detector) -> bool {
        self.detectors.contains(detector)
    }

    fn push(&mut self, detector: Detector, range: Range<usize>) {
        match detector {
            Detector::PrivateKey => self.key_end = range.end,
            Detector::SecretPair => self.pair_end = range.end,
            _ => {}
        }
        self.found.push(Found {
            range,
            what: What::Detector(detector),
            widened: false,
        });
    }
}

/// Looks at one place.
pub(super) fn look(text: &[u8], hit: Hit, sink: &mut Sink<'_>) {
    let at = hit.at;
    match hit.trigger {
        Trigger::Digits => digits::look(text, at, sink),
        Trigger::Plus => phone::look_e164(text, at, sink),
        Trigger::Dots => ip::look_v4(text, at, sink),
        Trigger::Colons => ip::look_v6(text, at, sink),
        Trigger::At => {
            // What is before the at sign of a URL is no mailbox.
            if !url::look(text, at, sink) {
                email::look(text, at..at + 1, sink);
            }
        }
        Trigger::EncodedAt => email::look(text, at.saturating_sub(2)..at + 1, sink),
        Trigger::Iban => iban::look(text, at, sink),
        Trigger::Jwt => key::look_jwt(text, at, sink),
        Trigger::Key => key::look(text, at, sink),
        Trigger::Pem if at >= sink.key_end => pem::look(text, at, sink),
        Trigger::Word if at >= sink.pair_end => pair::look(text, at, sink),
        Trigger::Pem | Trigger::Word => {}
    }
}

/// The byte at a place; 0 outside.
#[inline]
fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The byte before a place; 0 at the beginning.
#[inline]
fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |at| byte(text, at))
}

/// Letters, digits and `_` of ASCII. What is not ASCII is no part of a word here: in Chinese text
/// numbers stand between characters without spaces.
#[inline]
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes from a place on are such.
fn span_of(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().position(|&it| !is(it)).unwrap_or(rest.len())
}

/// How many bytes in front of a place are such.
fn span_before(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    let front = text.get(..at).unwrap_or_default();
    let other = front.iter().rposition(|&it| !is(it));
    other.map_or(front.len(), |other| front.len() - 1 - other)
}

/// Bytes of the longest escape, `\\u000a`.
const MOST_ESCAPED: usize = 6;

/// Whether a word may begin here: no letter, digit or `_` is in front, or one that belongs to an escape, as
/// those of a line's end in a string, or of a space in a URL.
#[inline]
fn starts_word(text: &[u8], at: usize) -> bool {
    !is_word(before(text, at)) || ends_escape(text, at)
}

/// Whether `\n`, `\r`, `\t`, `\u000a` or `%0A` ends here.
fn ends_escape(text: &[u8], at: usize) -> bool {
    let near = text.get(at.saturating_sub(MOST_ESCAPED)..at);
    match near.unwrap_or_default() {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [b'\\', b'u', digits @ ..] => digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

/// Where the escape ends that this place is inside of: letters and digits of an escape look as if they
/// were those of the word behind it.
fn escape_end(text: &[u8], at: usize) -> Option<usize> {
    // No escape is without one of these, and hardly any number is near one.
    let near = text.get(at.saturating_sub(MOST_ESCAPED - 1)..text.len().min(at + MOST_ESCAPED));
    let is_mark = |it: &u8| matches!(it, b'\\' | b'%');
    if !near.unwrap_or_default().iter().any(is_mark) {
        return None;
    }
    (at + 1..at + MOST_ESCAPED).find(|&end| {
        // Its first byte, which is no letter or digit, is in front of the place.
        ends_escape(text, end) && span_before_escape(text, end) < at
    })
}

/// Where the escape begins that ends here.
fn span_before_escape(text: &[u8], end: usize) -> usize {
    let near = text
        .get(end.saturating_sub(MOST_ESCAPED)..end)
        .unwrap_or_default();
    (end - span_before(near, near.len(), is_word)).saturating_sub(1)
}

/// Whether a number may begin here: it is not the end of a word, of a decimal number, or of digits
/// with hyphens.
fn opens_number(text: &[u8], at: usize) -> bool {
    match before(text, at) {
        b'.' | b'-' => !at
            .checked_sub(2)
            .is_some_and(|at| byte(text, at).is_ascii_digit()),
        _ => starts_word(text, at),
    }
}

/// Whether a number may end here, in the same sense.
fn closes_number(text: &[u8], end: usize) -> bool {
    match byte(text, end) {
        b'.' | b'-' => !byte(text, end + 1).is_ascii_digit(),
        other => !is_word(other),
    }
}
