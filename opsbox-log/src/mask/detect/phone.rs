//! Phone numbers: those of China, and any that is written as E.164 with its plus.

use std::ops::RangeInclusive;

use super::{Sink, before, byte, closes_number, digits::Group, span_of, starts_word};
use crate::mask::Detector;

/// Mobile numbers of eleven digits, in one group or 3-4-4; lines of an area as `010-12345678`. Before
/// both may be `86`, `+86` or `0086`, with or without a separator.
pub(super) fn look_cn(text: &[u8], group: Group, sink: &mut Sink<'_>) {
    let plus = before(text, group.at) == b'+';
    let begins = |with: &[u8]| text.get(group.at..).is_some_and(|it| it.starts_with(with));
    let number = match group.len {
        11 if !plus => number(text, group),
        13 if begins(b"86") => number(text, inner(group, 2)),
        15 if begins(b"0086") && !plus => number(text, inner(group, 4)),
        2 if begins(b"86") => group.next(text).and_then(|(_, next)| number(text, next)),
        4 if begins(b"0086") && !plus => group.next(text).and_then(|(_, next)| number(text, next)),
        3 | 4 if !plus => number(text, group),
        5 if begins(b"86") => number(text, inner(group, 2)),
        _ => None,
    };
    let Some(end) = number else { return };
    let start = group.at - usize::from(plus);
    if (!plus || starts_word(text, start)) && closes_number(text, end) {
        sink.push(Detector::PhoneCn, start..end);
    }
}

/// The group without its first digits.
fn inner(group: Group, digits: usize) -> Group {
    Group {
        at: group.at + digits,
        len: group.len - digits,
    }
}

/// Where the national number that begins with this group ends.
fn number(text: &[u8], group: Group) -> Option<usize> {
    let digit = |at: usize| byte(text, group.at + at);
    match group.len {
        11 => is_mobile([digit(0), digit(1), digit(2)]).then(|| group.end()),
        3 if is_mobile([digit(0), digit(1), digit(2)]) => {
            let (first, second) = group.next(text)?;
            let (last, third) = second.next(text)?;
            (first == last && second.len == 4 && third.len == 4).then(|| third.end())
        }
        3 | 4 => {
            let area = match [digit(0), digit(1)] {
                [b'0', b'1'] => group.len == 3 && digit(2) == b'0',
                [b'0', b'2'] => group.len == 3,
                [b'0', b'3'..=b'9'] => group.len == 4,
                _ => false,
            };
            let (separator, line) = group.next(text).filter(|_| area)?;
            let is_line = separator == b'-'
                && matches!(line.len, 7 | 8)
                && matches!(byte(text, line.at), b'2'..=b'8');
            is_line.then(|| line.end())
        }
        _ => None,
    }
}

/// The ranges that China's operators have, virtual ones and those of machines included.
fn is_mobile(prefix: [u8; 3]) -> bool {
    match prefix {
        [b'1', b'3' | b'8', _] => true,
        [b'1', b'4', third] => !matches!(third, b'2' | b'3'),
        [b'1', b'5', third] => third != b'4',
        [b'1', b'6', third] => matches!(third, b'2' | b'5'..=b'7'),
        [b'1', b'7', third] => third != b'9',
        [b'1', b'9', third] => third != b'4',
        _ => false,
    }
}

/// Most digits of an E.164 number (section 6.1).
const MOST: usize = 15;
/// Fewest, of small islands, with the country code.
const LEAST: usize = 8;

/// A plus, an assigned country code and as many digits as numbers of the country have, with single
/// spaces, hyphens, dots or parentheses between.
pub(super) fn look_e164(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let Some(start) = at.checked_sub(1) else {
        return;
    };
    if starts_word(text, start) && before(text, start) != b'+' {
        look_digits(text, (start, at), sink);
    }
}

/// The same behind a plus that is written `%2B`.
pub(super) fn look_encoded(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    if sink.wants(Detector::PhoneE164) {
        look_digits(text, (at, at), sink);
    }
}

/// What begins at `start` and has its first digit at `at`.
fn look_digits(text: &[u8], (start, at): (usize, usize), sink: &mut Sink<'_>) {
    let mut digits = [0; MOST + 1];
    let (mut count, mut place) = (0, at);
    let mut end = None;
    loop {
        let group = span_of(text, place, |it| it.is_ascii_digit());
        for offset in 0..group {
            match digits.get_mut(count) {
                Some(digit) => *digit = byte(text, place + offset),
                None => break,
            }
            count += 1;
        }
        place += group;
        if count > MOST || group == 0 {
            break;
        }
        if count >= LEAST
            && lengths(&digits).is_some_and(|it| it.contains(&count))
            && closes_number(text, place)
        {
            end = Some(place);
        }
        let rest = [0, 1, 2, 3].map(|ahead| byte(text, place + ahead));
        place += match rest {
            [b'(', b'0', b')', next] if next.is_ascii_digit() => 3,
            [b' ', b'(', next, _] | [b')', b' ' | b'-', next, _] if next.is_ascii_digit() => 2,
            [b' ' | b'-' | b'.' | b'(' | b')', next, ..] if next.is_ascii_digit() => 1,
            _ => break,
        };
    }
    if let Some(end) = end {
        sink.push(Detector::PhoneE164, start..end);
    }
}

/// How many digits a number may have that begins with these, the country code included; none if the
/// code is not assigned.
fn lengths(digits: &[u8]) -> Option<RangeInclusive<usize>> {
    let value = |len: usize| {
        let leading = digits.iter().take(len);
        leading.fold(0, |value, digit| value * 10 + u32::from(digit & 15))
    };
    let code = country_code_len(digits);
    Some(match (code, value(code)) {
        (0, _) => return None,
        (_, 1 | 7) => 11..=11,
        (_, 86) => 12..=13,
        (_, 33 | 34 | 61) => 11..=11,
        (_, 20 | 27 | 30 | 31 | 44 | 48 | 81 | 91) => 11..=12,
        (_, 55) => 12..=13,
        (_, 65 | 852 | 853) => 10..=11,
        (2, _) => 9..=MOST,
        _ => LEAST..=MOST,
    })
}

/// Digits of the country code that a number begins with: the assigned ones of ITU-T E.164 (annex to
/// Operational Bulletin 1114); 0 if there is none.
pub(in crate::mask) fn country_code_len(digits: &[u8]) -> usize {
    let mut leading = digits.iter().map(|digit| u32::from(digit & 15));
    let mut digit = || leading.next().unwrap_or(0);
    let (first, second, third) = (digit(), digit(), digit());
    let (two, three) = (first * 10 + second, first * 100 + second * 10 + third);
    match two {
        10..=19 | 70..=79 => 1,
        20
        | 27
        | 30..=34
        | 36
        | 39..=41
        | 43..=49
        | 51..=58
        | 60..=66
        | 81
        | 82
        | 84
        | 86
        | 90..=95
        | 98 => 2,
        _ => match three {
            211..=213
            | 216
            | 218
            | 220..=258
            | 260..=269
            | 290
            | 291
            | 297..=299
            | 350..=359
            | 370..=383
            | 385..=387
            | 389
            | 420
            | 421
            | 423
            | 500..=509
            | 590..=599
            | 670
            | 672..=683
            | 685..=692
            | 800
            | 808
            | 850
            | 852
            | 853
            | 855
            | 856
            | 870
            | 878
            | 880..=883
            | 886
            | 888
            | 960..=968
            | 970..=977
            | 979
            | 992..=996
            | 998 => 3,
            _ => 0,
        },
    }
}
