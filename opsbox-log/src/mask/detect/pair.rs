//! Secrets that are named: `password=...`, `"token": "..."`, `Authorization: Bearer ...`.

use super::{Sink, before, byte, is_word, span_before, span_of};
use crate::mask::Detector;

/// How keys of secrets end. `key` alone says nothing: it needs one of [`KEYS`] before it.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "credential",
    "credentials",
    "token",
    "authorization",
    "secretkey",
    "key",
];
const KEYS: [&str; 7] = [
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "signing",
];

/// Words that say how what follows them authorises (RFC 9110, section 11).
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "digest"];

/// Values that are none.
const NOTHING: [&str; 8] = [
    "null",
    "nil",
    "none",
    "true",
    "false",
    "undefined",
    "\"\"",
    "''",
];

/// Longest key, and most bytes around the separator.
const MOST_AROUND: usize = 64;

pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let front = text
        .get(at.saturating_sub(MOST_AROUND)..=at)
        .unwrap_or_default();
    let start = at + 1 - span_before(front, front.len(), |it| is_word(it) || it == b'-');
    let near = text
        .get(..text.len().min(at + MOST_AROUND))
        .unwrap_or_default();
    let end = at + 1 + span_of(near, at + 1, |it| it.is_ascii_alphabetic());
    let key = text.get(start..end).unwrap_or_default();
    if !names_secret(key) {
        return;
    }
    let Some((value, quote)) = value(text, start, end) else {
        return;
    };
    let len = match quote {
        Some(quote) => quoted(text, value, quote),
        None => span_of(text, value, |it| {
            it > b' '
                && !matches!(
                    it,
                    b'"' | b'\'' | b',' | b';' | b'&' | b')' | b']' | b'}' | b'>' | b'<' | b'`'
                )
        }),
    };
    // A token that the masking wrote has brackets.
    let whole = text.get(value..).unwrap_or_default();
    let secret = text.get(value..value + len).unwrap_or_default();
    if secret.is_empty() || is_masked(whole) || is_nothing(secret) {
        return;
    }
    sink.push(Detector::SecretPair, value..value + len);
}

/// Whether the value of such a name is one, and does not stand for nothing or for what was masked.
pub(in crate::mask) fn is_secret(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let is_token = is_masked(value) && memchr::memchr(b']', value) == Some(value.len() - 1);
    !value.is_empty() && !is_token && !is_nothing(value)
}

fn ends_with(text: &[u8], end: &str) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..))
        .is_some_and(|it| it.eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether this is how secrets are named.
pub(in crate::mask) fn names_secret(key: impl AsRef<[u8]>) -> bool {
    let key = key.as_ref();
    let Some(name) = NAMES.iter().find(|name| ends_with(key, name)) else {
        return false;
    };
    let stem = key.get(..key.len() - name.len()).unwrap_or_default();
    if *name != "key" {
        // `password` in whatever case, but no other word that ends so.
        return *name != "pwd"
            || !before(stem, stem.len()).is_ascii_lowercase()
            || byte(key, key.len() - 3) == b'P';
    }
    let stem = match before(stem, stem.len()) {
        b'_' | b'-' => stem.get(..stem.len() - 1).unwrap_or_default(),
        _ => stem,
    };
    KEYS.iter().any(|it| ends_with(stem, it))
}

/// Where the value of a key begins, and the quote that ends it.
fn value(text: &[u8], key: usize, end: usize) -> Option<(usize, Option<Quote>)> {
    let blank = |at: usize| {
        let near = text
            .get(..text.len().min(at + MOST_AROUND))
            .unwrap_or_default();
        at + span_of(near, at, |it| matches!(it, b' ' | b'\t'))
    };
    let key_quote = Quote::at(text, end);
    let after_key = end + key_quote.map_or(0, Quote::len);
    let mut at = blank(after_key);
    let mut bare_colon = false;
    match byte(text, at) {
        b'=' => at += 1 + usize::from(byte(text, at + 1) == b'>'),
        b':' => {
            at += 1 + usize::from(byte(text, at + 1) == b'=');
            bare_colon = key_quote.is_none();
        }
        // An option of a command.
        _ if at > after_key && byte(text, key) == b'-' && byte(text, key + 1) == b'-' => {}
        _ => return None,
    }
    let mut start = blank(at);
    let spaced = start > at;
    let mut quote = Quote::at(text, start);
    start += quote.map_or(0, Quote::len);
    let word = span_of(text, start, |it| it.is_ascii_alphabetic());
    let scheme = text.get(start..start + word).unwrap_or_default();
    let schemed = SCHEMES
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it.as_bytes()))
        && byte(text, start + word) == b' ';
    if schemed {
        start = blank(start + word);
        if quote.is_none() {
            quote = Quote::at(text, start);
            start += quote.map_or(0, Quote::len);
        }
    } else if bare_colon && spaced && quote.is_none() {
        // `token: expired` is a sentence.
        let len = span_of(text, start, |it| it > b' ' && !matches!(it, b',' | b';'));
        let said = text.get(start..start + len).unwrap_or_default();
        let said = said.strip_suffix(b".").unwrap_or(said);
        if said.iter().all(|it| it.is_ascii_lowercase() || *it == b'-') {
            return None;
        }
    }
    Some((start, quote))
}

/// A quote, behind as many backslashes as there are around it where JSON is inside of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quote {
    mark: u8,
    escapes: usize,
}

impl Quote {
    fn at(text: &[u8], at: usize) -> Option<Self> {
        let near = text
            .get(..text.len().min(at + MOST_AROUND))
            .unwrap_or_default();
        let escapes = span_of(near, at, |it| it == b'\\');
        let mark = byte(text, at + escapes);
        matches!(mark, b'"' | b'\'').then_some(Self { mark, escapes })
    }

    fn len(self) -> usize {
        self.escapes + 1
    }
}

/// Bytes of a quoted value: to the quote that has no more backslashes before it than the first one, or
/// to the end.
fn quoted(text: &[u8], start: usize, quote: Quote) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let ends = memchr::memchr_iter(quote.mark, rest);
    for end in ends {
        let escapes = span_before(rest, end, |it| it == b'\\');
        if escapes <= quote.escapes {
            return end - escapes;
        }
        // A backslash that is the value's last byte, escaped.
        if quote.escapes == 0 && escapes.is_multiple_of(2) {
            return end;
        }
    }
    rest.len()
}

/// Words for nothing, stars and their like, and names of variables to be put in.
fn is_nothing(value: &[u8]) -> bool {
    let is_word = NOTHING
        .iter()
        .any(|it| value.eq_ignore_ascii_case(it.as_bytes()));
    let is_hidden = |it: &u8| matches!(it, b'*' | b'.' | b'x' | b'X' | b'-');
    let variable = value.strip_prefix(b"${").unwrap_or_default();
    let variable = variable.strip_suffix(b"}").unwrap_or(variable);
    let is_variable = !variable.is_empty() && variable.iter().all(|&it| self::is_word(it));
    let is_marked = value.starts_with(b"<") && value.ends_with(b">");
    is_word || value.iter().all(is_hidden) || is_variable || is_marked
}

/// Whether this begins with something that [masking](crate::mask) wrote.
fn is_masked(value: &[u8]) -> bool {
    ["[REDACTED", "[enc1:", "[pid1:"]
        .iter()
        .any(|it| value.starts_with(it.as_bytes()))
}
