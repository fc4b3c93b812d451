//! One level of JSON's escapes taken off a text.

use std::ops::Range;

use memchr::memchr2;

use super::{
    report::{Repair, Repairs},
    walk::Text,
};
use crate::tokenize::unicode;

/// What stands at the next backslash or quote.
enum Step {
    /// An unescaped quote, or the end.
    End,
    /// This many bytes stand for a character.
    Char(usize, char),
    /// A backslash that escapes nothing JSON knows: both stay.
    Kept(usize),
    /// Half of a surrogate pair.
    Lone(usize),
}

fn step(text: &[u8], at: usize) -> Step {
    let char = match (text.get(at), text.get(at + 1)) {
        (Some(b'\\'), Some(next)) => match next {
            b'"' | b'\\' | b'/' => char::from(*next),
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'u' => {
                return match unicode(text, at) {
                    Some((char, end)) => Step::Char(end - at, char),
                    None if is_lone(text, at) => Step::Lone(6),
                    None => Step::Kept(2),
                };
            }
            _ => return Step::Kept(2),
        },
        _ => return Step::End,
    };
    Step::Char(2, char)
}

/// Whether a `\u` with four digits of a surrogate is at `at`.
pub(super) fn is_lone(text: &[u8], at: usize) -> bool {
    let digits = text.get(at + 2..at + 6).unwrap_or_default();
    let surrogate = matches!(
        digits,
        [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
    );
    surrogate && digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Bytes that are copied at once.
const NEAR: usize = 16;

/// Appends a part of a text.
#[inline(always)]
fn copy(text: &[u8], place: Range<usize>, out: &mut Vec<u8>) {
    let near = text
        .get(place.start..)
        .and_then(<[u8]>::first_chunk::<NEAR>);
    match near.filter(|_| place.len() <= NEAR) {
        Some(near) => {
            let len = out.len() + place.len();
            out.extend_from_slice(near);
            out.truncate(len);
        }
        None => out.extend_from_slice(text.get(place).unwrap_or_default()),
    }
}

/// Appends the text from `start` up to its first unescaped quote, with one level of escapes less. Returns
/// the place of that quote, or of the text's end.
pub(super) fn unescape(
    text: Text<'_>,
    start: usize,
    out: &mut Vec<u8>,
    repairs: &mut Repairs,
) -> usize {
    let Text { bytes, index, end } = text;
    let text = bytes.get(..end).unwrap_or(bytes);
    out.reserve(end - start + NEAR);
    let mut at = start;
    let mut run = start;
    loop {
        let stop = index.stop(at).min(end);
        match text.get(stop..stop + 2) {
            // What nearly all escapes are.
            Some(b"\\\"") => {
                copy(text, run..stop, out);
                // The quote begins the next run.
                run = stop + 1;
                at = stop + 2;
                continue;
            }
            // Control bytes stay.
            Some([0..0x20, _]) => {
                at = stop + 1;
                continue;
            }
            _ => {}
        }
        copy(text, run..stop, out);
        at = stop;
        match step(text, at) {
            Step::End => match text.get(at) {
                // A control byte at the end.
                Some(&byte @ 0..0x20) => {
                    out.push(byte);
                    at += 1;
                }
                _ => return at,
            },
            Step::Char(len, char) => {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                at += len;
            }
            Step::Kept(len) => {
                out.extend_from_slice(text.get(at..at + len).unwrap_or_default());
                at += len;
            }
            Step::Lone(len) => {
                repairs.note(Repair::LoneSurrogate);
                out.extend_from_slice("\u{fffd}".as_bytes());
                at += len;
            }
        }
        run = at;
    }
}

/// How many bytes of the text the first `len` that [`unescape`] makes of it come from.
pub(super) fn source_len(text: &[u8], mut len: usize) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let run = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        if len <= run {
            return at + len;
        }
        (at, len) = (at + run, len - run);
        let (taken, given) = match step(text, at) {
            Step::End => return at,
            Step::Char(taken, char) => (taken, char.len_utf8()),
            Step::Kept(taken) => (taken, taken),
            Step::Lone(taken) => (taken, '\u{fffd}'.len_utf8()),
        };
        at += taken;
        len = len.saturating_sub(given);
    }
}
