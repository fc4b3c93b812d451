//! Keys that services give out, each with a beginning of its own, and JSON Web Tokens.

use data_encoding::BASE64URL_NOPAD;

use super::{
    MOST_ESCAPED, Sink, before, byte, escape_end, is_word, span_before, span_of, starts_word,
};
use crate::mask::Detector;

fn is_base64url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// What keys of one kind look like: how they begin, the bytes that follow, and how many of these.
struct Shape {
    detector: Detector,
    begins: &'static [u8],
    is: fn(u8) -> bool,
    least: usize,
    most: usize,
}

const fn shape(
    detector: Detector,
    begins: &'static [u8],
    is: fn(u8) -> bool,
    (least, most): (usize, usize),
) -> Shape {
    Shape {
        detector,
        begins,
        is,
        least,
        most,
    }
}

/// As their makers describe them. Those without an upper length may grow (GitHub says up to 255).
static SHAPES: [Shape; 22] = [
    shape(Detector::AwsKey, b"AKIA", is_capital_or_digit, (16, 16)),
    shape(Detector::AwsKey, b"ASIA", is_capital_or_digit, (16, 16)),
    shape(Detector::GithubToken, b"ghp_", is_word, (36, 251)),
    shape(Detector::GithubToken, b"gho_", is_word, (36, 251)),
    shape(Detector::GithubToken, b"ghu_", is_word, (36, 251)),
    shape(Detector::GithubToken, b"ghs_", is_word, (36, 251)),
    shape(Detector::GithubToken, b"ghr_", is_word, (36, 251)),
    shape(Detector::GithubToken, b"github_pat_", is_word, (22, 244)),
    shape(Detector::ApiToken, b"glpat-", is_base64url, (20, 300)),
    shape(Detector::ApiToken, b"xoxb-", is_base64url, (20, 250)),
    shape(Detector::ApiToken, b"xoxa-", is_base64url, (20, 250)),
    shape(Detector::ApiToken, b"xoxp-", is_base64url, (20, 250)),
    shape(Detector::ApiToken, b"xoxr-", is_base64url, (20, 250)),
    shape(Detector::ApiToken, b"xoxs-", is_base64url, (20, 250)),
    shape(Detector::ApiToken, b"AIza", is_base64url, (35, 35)),
    shape(Detector::ApiToken, b"sk_live_", is_word, (16, 247)),
    shape(Detector::ApiToken, b"sk_test_", is_word, (16, 247)),
    shape(Detector::ApiToken, b"rk_live_", is_word, (16, 247)),
    shape(Detector::ApiToken, b"rk_test_", is_word, (16, 247)),
    shape(Detector::ApiToken, b"dckr_pat_", is_base64url, (27, 27)),
    shape(Detector::ApiToken, b"dop_v1_", is_word, (64, 64)),
    shape(Detector::ApiToken, b"npm_", is_word, (36, 36)),
];

/// The place is somewhere in the beginning of a key: in its first eleven bytes.
pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let word = text
        .get(at.saturating_sub(11 + MOST_ESCAPED)..at)
        .unwrap_or_default();
    let start = at - span_before(word, word.len(), is_word);
    // `\npm_` can begin with an escape or with `npm_`.
    let starts = [Some(start), escape_end(text, start)].into_iter().flatten();
    let found = starts.filter_map(|start| {
        let candidate = text.get(start..).unwrap_or_default();
        let shape = SHAPES.iter().find(|it| candidate.starts_with(it.begins))?;
        Some((start, shape))
    });
    let Some((start, shape)) = { found }.next() else {
        return;
    };
    if !sink.wants(shape.detector) || !starts_word(text, start) {
        return;
    }
    let body = start + shape.begins.len();
    // One byte more than there may be tells that it is longer.
    let near = text
        .get(..text.len().min(body + shape.most + 1))
        .unwrap_or_default();
    let len = span_of(near, body, shape.is);
    if (shape.least..=shape.most).contains(&len) {
        sink.push(shape.detector, start..body + len);
    }
}

/// Bytes of a header that is decoded to see whether it is one.
const HEADER: usize = 1024;

/// RFC 7519: three parts in compact form (signed) or five (encrypted), the first of which is a JSON object.
/// The last part of a signed one may be missing its bytes, as in unsecured tokens.
pub(super) fn look_jwt(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let Some(start) = at.checked_sub(2) else {
        return;
    };
    let behind = before(text, start);
    if matches!(behind, b'-' | b'.')
        || !starts_word(text, start)
        || !text.get(start..).is_some_and(|it| it.starts_with(b"eyJ"))
    {
        return;
    }
    let mut place = start;
    let mut ends = [0; 5];
    let mut parts = 0;
    for end in &mut ends {
        place += span_of(text, place, is_base64url);
        *end = place;
        parts += 1;
        if parts == 5
            || byte(text, place) != b'.'
            || !is_base64url(byte(text, place + 1)) && parts != 2
        {
            break;
        }
        place += 1;
    }
    let [header, _, third, _, fifth] = ends;
    let header = text.get(start..header).unwrap_or_default();
    let end = match parts {
        3 | 4 => third,
        5 => fifth,
        _ => return,
    };
    let begin = header
        .get(..header.len().min(HEADER) / 4 * 4)
        .unwrap_or_default();
    let is_json = match header.len() <= HEADER {
        true => BASE64URL_NOPAD
            .decode(header)
            .is_ok_and(|it| it.ends_with(b"}")),
        false => BASE64URL_NOPAD.decode(begin).is_ok(),
    };
    if is_json {
        sink.push(Detector::Jwt, start..end);
    }
}
