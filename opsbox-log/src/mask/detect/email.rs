//! Mail addresses: the part of RFC 5321 that is in use.

use std::ops::Range;

use super::{Sink, before, byte, escape_end, is_word, span_before, span_of};
use crate::{
    limits::{MAX_EMAIL_DOMAIN_BYTES, MAX_EMAIL_LOCAL_BYTES},
    mask::Detector,
};

/// What is behind the at sign of a file, not a mailbox: `logo@2x.png`. None of these is a top-level domain.
const FILES: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "mjs", "json", "html", "gz",
    "tgz",
];

/// A mailbox around an at sign, which may be written `%40`. Quoted local parts and address literals are not
/// looked for; a full stop behind the address is not a part of it.
pub(super) fn look(text: &[u8], sign: Range<usize>, sink: &mut Sink<'_>) {
    if !sink.wants(Detector::Email) {
        return;
    }
    if let (Some(start), Some(end)) = (local(text, sign.start), domain(text, sign.end)) {
        sink.push(Detector::Email, start..end);
    }
}

/// Where the local part that ends here begins.
fn local(text: &[u8], end: usize) -> Option<usize> {
    let floor = end.saturating_sub(MAX_EMAIL_LOCAL_BYTES + 1);
    let near = text.get(floor..end)?;
    let len = span_before(near, near.len(), |it| {
        is_word(it) || matches!(it, b'.' | b'-' | b'+')
    });
    let part = near.get(near.len() - len..)?;
    // Dots only stand between other characters.
    let twice = part.windows(2).rposition(|pair| pair == b"..");
    let mut start = end - len + twice.map_or(0, |at| at + 1);
    if let Some(escaped) = escape_end(text, start).filter(|it| *it < end) {
        start = escaped;
    }
    start += span_of(text, start, |it| matches!(it, b'.' | b'-' | b'+'));
    let fits = start < end && end - start <= MAX_EMAIL_LOCAL_BYTES && before(text, end) != b'.';
    fits.then_some(start)
}

/// Where the domain that begins here ends: at the last label that can be a top-level domain.
fn domain(text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut end) = (start, None);
    loop {
        let len = span_of(text, at, |it| it.is_ascii_alphanumeric() || it == b'-');
        let label = text.get(at..at + len)?;
        // A hyphen does not end a label.
        let hyphens = span_before(label, label.len(), |it| it == b'-');
        let label = label.get(..label.len() - hyphens)?;
        if label.is_empty() || label.len() > 63 || label.starts_with(b"-") {
            break;
        }
        let close = at + label.len();
        if close - start > MAX_EMAIL_DOMAIN_BYTES {
            break;
        }
        if at > start && is_top_level(label) && byte(text, close) != b'_' {
            end = Some((close, label));
        }
        if hyphens > 0 || byte(text, close) != b'.' {
            break;
        }
        at = close + 1;
    }
    let (end, last) = end?;
    let is_file = FILES
        .iter()
        .any(|it| last.eq_ignore_ascii_case(it.as_bytes()));
    (!is_file).then_some(end)
}

/// Letters alone, or an internationalised name in its ASCII form.
fn is_top_level(label: &[u8]) -> bool {
    let letters = label.len() >= 2 && label.iter().all(u8::is_ascii_alphabetic);
    letters
        || label.len() > 4
            && label
                .get(..4)
                .is_some_and(|it| it.eq_ignore_ascii_case(b"xn--"))
}
