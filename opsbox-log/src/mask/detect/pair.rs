//! Secrets that are named: `password=...`, `"token": "..."`, `Authorization: Bearer ...`.

use super::{Sink, before, byte, escape_end, is_word, span_before, span_of};
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

/// The header's fields whose value is a secret to its end, whatever the scheme.
const AUTHORIZATION: &str = "authorization";

/// Words that say how what follows them authorises (RFC 9110, section 11), and are no secret.
const SCHEMES: [&str; 6] = ["bearer", "basic", "token", "digest", "negotiate", "ntlm"];

/// Names that sentences are about: behind these and a colon a word of lower case is no secret.
const TOPICS: [&str; 4] = ["token", "secret", "credential", "credentials"];

/// What else is said of secrets behind a colon.
const SAID: [&str; 30] = [
    "accepted",
    "authentication",
    "cannot",
    "changed",
    "denied",
    "does",
    "empty",
    "expired",
    "failed",
    "failure",
    "has",
    "incorrect",
    "invalid",
    "is",
    "mismatch",
    "missing",
    "must",
    "not",
    "refused",
    "rejected",
    "required",
    "reset",
    "revoked",
    "should",
    "too",
    "unknown",
    "updated",
    "valid",
    "was",
    "wrong",
];

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
    // `\token` is `token` in some place, and `\npwd` is `pwd`.
    let starts = [escape_end(text, start), Some(start)].into_iter().flatten();
    let of = |start: usize| text.get(start..end).unwrap_or_default();
    let names = |start: &usize| names_secret(of(*start)) || names_secrets(of(*start));
    let Some(start) = { starts }.find(names) else {
        return;
    };
    if is_tag(text, start, end) {
        return;
    }
    let Some(place) = Place::of(text, start, end) else {
        return;
    };
    let is_meant = match place.ends {
        _ if names_secret(of(start)) => true,
        // Of several a list, since sentences are about them, too; tokens that are numbers are words.
        Ends::List(quote) => quote.is_some() || !names_tokens(of(start)),
        _ => false,
    };
    if !is_meant {
        return;
    }
    let whole = text.get(place.start..).unwrap_or_default();
    // A token that the masking wrote has brackets.
    if is_masked(whole) {
        return;
    }
    let len = place.len(text);
    let secret = whole.get(..len).unwrap_or_default();
    let closed = place.closed(text, len);
    if secret.is_empty() || is_nothing(whole.get(..closed).unwrap_or_default()) {
        return;
    }
    sink.push(Detector::SecretPair, place.start..place.start + len);
}

/// Whether this is the tag in a token that [masking](crate::mask) wrote: `[enc1:SECRET_KEY:1:`.
fn is_tag(text: &[u8], start: usize, end: usize) -> bool {
    let front = text.get(..start).unwrap_or_default();
    let is_part = |it: &u8| it.is_ascii_uppercase() || it.is_ascii_digit() || *it == b'_';
    (front.ends_with(b"[enc1:") || front.ends_with(b"[pid1:"))
        && text
            .get(start..end)
            .is_some_and(|it| it.iter().all(is_part))
        && byte(text, end) == b':'
        && byte(text, end + 1).is_ascii_digit()
}

/// Whether the value of such a name is one, and does not stand for nothing or for what was masked.
fn is_secret(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    !value.is_empty() && !is_token(value) && !is_nothing(value)
}

/// Whether this is all that masking wrote for a value, and nothing else.
pub(super) fn is_token(value: &[u8]) -> bool {
    is_masked(value) && memchr::memchr(b']', value).is_some_and(|it| it + 1 == value.len())
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

/// The key without the `s` of several, as `passwords` and `apiKeys` have it; `credentials` is a name of its own.
fn singular(key: &[u8]) -> Option<&[u8]> {
    match key {
        [stem @ .., b's' | b'S'] => Some(stem),
        _ => None,
    }
}

/// Whether this is how several secrets are named.
fn names_secrets(key: &[u8]) -> bool {
    singular(key).is_some_and(names_secret)
}

/// Whether it is the name of several tokens. Those that are counted, or are numbers, are words of a language model.
fn names_tokens(key: &[u8]) -> bool {
    singular(key).is_some_and(|stem| ends_with(stem, "token"))
}

/// Parts of a path that say where a value is kept, and not what it is; so do numbers, which count elements.
const WITHOUT_MEANING: [&str; 19] = [
    "#text",
    "#cdata-section",
    "_text",
    "__text",
    "_cdata",
    "$",
    "$t",
    "_",
    "",
    "text",
    "value",
    "values",
    "data",
    "content",
    "raw",
    "plain",
    "string",
    "item",
    "items",
];

/// What is said about secrets under their names, and is none.
const ABOUT: [&str; 22] = [
    "algorithm",
    "count",
    "createdat",
    "enabled",
    "expired",
    "expires",
    "expiresat",
    "expiresin",
    "expiry",
    "kind",
    "length",
    "name",
    "namespace",
    "policy",
    "required",
    "size",
    "status",
    "ttl",
    "type",
    "updatedat",
    "valid",
    "version",
];

/// Names under which other things than secrets are, too: `token.scope`, `authorization.decision`.
const LOOSE: [&str; 2] = ["token", AUTHORIZATION];

/// What the values of a column are, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mask) enum Held {
    /// Nothing that the name tells.
    Anything,
    /// Secrets.
    Secrets,
    /// Secrets where they are lists of texts, as `tokens`, which else are counted.
    Lists,
    /// Secrets, but for numbers: elements of such a list.
    Texts,
}

impl Held {
    /// Whether a value is a secret as a whole.
    pub(in crate::mask) fn is_secret(self, value: &[u8]) -> bool {
        let is_held = match self {
            Self::Anything => false,
            Self::Secrets => true,
            Self::Lists => value.trim_ascii_start().starts_with(b"[") && value.contains(&b'"'),
            Self::Texts => !value
                .iter()
                .all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'-')),
        };
        is_held && is_secret(value)
    }
}

/// What a column of this path holds. The last part with a meaning counts: `password.0`, `user.password.value` and
/// `request.@token` are secrets as `password` is, and so are several, `passwords`. What is further below a name of secrets
/// is one, too, unless it says something about them, as `secret.name` and `password.expires_at` do.
pub(in crate::mask) fn held(path: &str) -> Held {
    let mut parts = path.rsplit('.').map(|part| {
        let part = part.strip_prefix('@').unwrap_or(part);
        // Of `password[0]` the name is before the bracket.
        match part.split_once('[') {
            Some((name, _)) if !name.is_empty() => name.as_bytes(),
            _ => part.as_bytes(),
        }
    });
    let is_number = |part: &[u8]| {
        let digits = part.strip_prefix(b"[").unwrap_or(part);
        let digits = digits.strip_suffix(b"]").unwrap_or(digits);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    let has_meaning = |part: &&[u8]| !is_one_of(&WITHOUT_MEANING, part) && !is_number(part);
    let Some((at, last)) = { parts.by_ref() }
        .enumerate()
        .find(|(_, part)| has_meaning(part))
    else {
        return Held::Anything;
    };
    if names_secret(last) {
        return Held::Secrets;
    }
    if names_secrets(last) {
        return match names_tokens(last) {
            true if at == 0 => Held::Lists,
            true => Held::Texts,
            false => Held::Secrets,
        };
    }
    let holds = |part: &[u8]| {
        let name = match names_secret(part) {
            true => part,
            false => singular(part).filter(|stem| names_secret(stem))?,
        };
        let loose = LOOSE.iter().any(|loose| ends_with(name, loose));
        (!loose).then_some(())
    };
    let bare: Vec<u8> = last
        .iter()
        .copied()
        .filter(|it| !matches!(it, b'_' | b'-'))
        .collect();
    let is_held = parts.any(|part| holds(part).is_some()) && !is_one_of(&ABOUT, &bare);
    match is_held {
        true => Held::Secrets,
        false => Held::Anything,
    }
}

/// Where the value of a key begins, and what ends it.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    ends: Ends,
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    Quote(Quote),
    /// With more such values behind it.
    List(Option<Quote>),
    /// A blank or a bracket, or what separates it from the next key, which has this behind it.
    Word(u8),
    Line,
    /// An end tag of XML, which may be missing: then it is no element.
    Element,
}

impl Place {
    fn of(text: &[u8], key: usize, end: usize) -> Option<Self> {
        let blank = |at: usize| {
            let near = text
                .get(..text.len().min(at + MOST_AROUND))
                .unwrap_or_default();
            at + span_of(near, at, |it| matches!(it, b' ' | b'\t'))
        };
        let name = text.get(key..end).unwrap_or_default();
        let authorizes = ends_with(name, AUTHORIZATION);
        let key_quote = Quote::at(text, end);
        let after_key = end + key_quote.map_or(0, Quote::len);
        let mut at = blank(after_key);
        let mut bare_colon = false;
        let separator = byte(text, at);
        match separator {
            b'=' => at += 1 + usize::from(byte(text, at + 1) == b'>'),
            b':' => {
                at += 1 + usize::from(byte(text, at + 1) == b'=');
                bare_colon = key_quote.is_none();
            }
            b'>' if before(text, key) == b'<' && key_quote.is_none() && at == after_key => {
                let start = at + 1;
                let ends = Ends::Element;
                return Some(Self { start, ends });
            }
            // An option of a command.
            _ if at > after_key && byte(text, key) == b'-' && byte(text, key + 1) == b'-' => {}
            _ => return None,
        }
        let mut start = blank(at);
        let spaced = start > at;
        let is_list = byte(text, start) == b'[';
        if is_list {
            if is_masked(text.get(start..).unwrap_or_default()) {
                return None;
            }
            start = blank(start + 1);
        }
        let mut quote = Quote::at(text, start);
        start += quote.map_or(0, Quote::len);
        let bare = bare_colon && spaced && quote.is_none() && !is_list;
        let near = text
            .get(..text.len().min(start + MOST_AROUND))
            .unwrap_or_default();
        let said = span_of(near, start, |it| it > b' ' && !matches!(it, b',' | b';'));
        let said = text.get(start..start + said).unwrap_or_default();
        if bare && is_sentence(name, said) {
            return None;
        }
        let word = span_of(near, start, |it| it.is_ascii_alphabetic());
        let scheme = text.get(start..start + word).unwrap_or_default();
        if is_one_of(&SCHEMES, scheme) && byte(text, start + word) == b' ' {
            start = blank(start + word);
            if quote.is_none() && !authorizes {
                quote = Quote::at(text, start);
                start += quote.map_or(0, Quote::len);
            }
        }
        let ends = match quote {
            _ if is_list => Ends::List(quote),
            Some(quote) => Ends::Quote(quote),
            None if authorizes && key_quote.is_none() => {
                if is_one_of(&NOTHING, said) {
                    return None;
                }
                // That of the whole header, as an argument of a command is.
                Quote::before(text, key).map_or(Ends::Line, Ends::Quote)
            }
            None => Ends::Word(separator),
        };
        Some(Self { start, ends })
    }

    fn len(self, text: &[u8]) -> usize {
        let Self { start, ends } = self;
        match ends {
            Ends::Quote(quote) => quoted(text, start, quote),
            Ends::List(Some(quote)) => {
                let mut end = start + quoted(text, start, quote);
                // Up to the last of the values that are quoted as the first one is.
                loop {
                    let gap = end + quote.len();
                    let comma = span_of(text, gap, |it| it.is_ascii_whitespace());
                    if byte(text, gap + comma) != b',' {
                        return end - start;
                    }
                    let next = gap + comma + 1;
                    let next = next + span_of(text, next, |it| it.is_ascii_whitespace());
                    if Quote::at(text, next) != Some(quote) {
                        return end - start;
                    }
                    let next = next + quote.len();
                    end = next + quoted(text, next, quote);
                }
            }
            Ends::List(None) => span_of(text, start, |it| !matches!(it, b']' | b'\n' | b'\r')),
            Ends::Word(separator) => word(text, start, separator),
            Ends::Line => line(text, start),
            Ends::Element => {
                let len = span_of(text, start, |it| it != b'<');
                match byte(text, start + len + 1) {
                    b'/' => len,
                    _ => 0,
                }
            }
        }
    }

    /// The length with the bracket that closes what the value opens: a word ends before it.
    fn closed(self, text: &[u8], len: usize) -> usize {
        let end = self.start + len;
        let opens = byte(text, self.start);
        let closes = byte(text, end);
        let is_closed = matches!((opens, closes), (b'$', b'}') | (b'<', b'>'));
        len + usize::from(is_closed && matches!(self.ends, Ends::Word(_)))
    }
}

fn is_one_of(words: &[&str], word: &[u8]) -> bool {
    words
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
}

/// Whether `token: expired` is one.
fn is_sentence(name: &[u8], said: &[u8]) -> bool {
    let word = said.strip_suffix(b".").unwrap_or(said);
    let is_topic = TOPICS.iter().any(|it| ends_with(name, it));
    word.is_empty() || is_one_of(&SAID, word) || is_topic && word.iter().all(u8::is_ascii_lowercase)
}

/// Bytes of a value without quotes: to a blank or quote, to a bracket that no word goes on behind, or to a
/// comma and its like that the next key follows.
fn word(text: &[u8], start: usize, separator: u8) -> usize {
    let mut at = start;
    loop {
        let is_part = |it: u8| {
            it > b' '
                && !matches!(
                    it,
                    b'"' | b'\'' | b',' | b';' | b'&' | b')' | b']' | b'}' | b'>' | b'<' | b'`'
                )
        };
        at += span_of(text, at, is_part);
        let goes_on = match byte(text, at) {
            b',' | b';' | b'&' => {
                let next = at + 1 + span_of(text, at + 1, |it| is_part(it) && it != separator);
                next > at + 1 && byte(text, next) != separator
            }
            b')' | b']' | b'}' | b'>' | b'<' => byte(text, at + 1).is_ascii_alphanumeric(),
            _ => false,
        };
        if !goes_on {
            return at - start;
        }
        at += 1;
    }
}

/// Bytes to the end of a line, or to a quote that was opened before the value.
fn line(text: &[u8], start: usize) -> usize {
    let mut open = None;
    let mut at = start;
    while let Some(&it) = text.get(at) {
        match it {
            b'\n' | b'\r' => break,
            b'\\' if open.is_none() && matches!(byte(text, at + 1), b'n' | b'r') => break,
            b'"' | b'\'' if open == Some(it) => open = None,
            b'"' | b'\'' if open.is_none() => {
                let value = text.get(start..at).unwrap_or_default();
                let escapes = span_before(value, value.len(), |it| it == b'\\');
                let front = at - escapes;
                if front > start && !matches!(before(text, front), b'=' | b' ' | b',') {
                    at = front;
                    break;
                }
                open = Some(it);
            }
            _ => {}
        }
        at += 1;
    }
    let value = text.get(start..at).unwrap_or_default();
    value.trim_ascii_end().len()
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

    /// The one that ends here.
    fn before(text: &[u8], end: usize) -> Option<Self> {
        let mark = before(text, end);
        let front = text
            .get(end.saturating_sub(MOST_AROUND)..end.saturating_sub(1))
            .unwrap_or_default();
        let escapes = span_before(front, front.len(), |it| it == b'\\');
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

/// Words for nothing, stars and their like, and names of variables or of what is to be put in, in brackets.
fn is_nothing(value: &[u8]) -> bool {
    let is_hidden = |it: &u8| matches!(it, b'*' | b'.' | b'x' | b'X' | b'-');
    let inside = |open: &[u8], close: &[u8]| value.strip_prefix(open)?.strip_suffix(close);
    let is_variable =
        inside(b"${", b"}").is_some_and(|it| !it.is_empty() && it.iter().all(|&it| is_word(it)));
    let is_text = |it: &u8| it.is_ascii_alphabetic() || matches!(it, b' ' | b'_' | b'-' | b'.');
    let is_marked = inside(b"<", b">").is_some_and(|it| it.iter().all(is_text));
    is_one_of(&NOTHING, value) || value.iter().all(is_hidden) || is_variable || is_marked
}

/// Whether this begins with something that [masking](crate::mask) wrote.
fn is_masked(value: &[u8]) -> bool {
    ["[REDACTED", "[enc1:", "[pid1:"]
        .iter()
        .any(|it| value.starts_with(it.as_bytes()))
}
