//! Chinese ID cards, GB 11643-1999: region, date of birth, sequence, check character.

use super::{Sink, byte, closes_number, digits::Group, is_word};
use crate::mask::Detector;

pub(super) fn look(text: &[u8], group: Group, sink: &mut Sink<'_>) {
    let check = byte(text, group.end());
    let end = match group.len {
        18 if closes_number(text, group.end()) => group.end(),
        17 if matches!(check, b'X' | b'x') && !is_word(byte(text, group.end() + 1)) => {
            group.end() + 1
        }
        15 if sink.wants(Detector::LegacyIdCardCn) && closes_number(text, group.end()) => {
            let number = text.get(group.at..group.end()).unwrap_or_default();
            if is_region(number)
                && is_date(
                    1900 + value(number, 6, 2),
                    value(number, 8, 2),
                    value(number, 10, 2),
                )
            {
                sink.push(Detector::LegacyIdCardCn, group.at..group.end());
            }
            return;
        }
        _ => return,
    };
    let number = text.get(group.at..end).unwrap_or_default();
    if sink.wants(Detector::IdCardCn) && is_id_card(number) {
        sink.push(Detector::IdCardCn, group.at..end);
    }
}

/// Of 18 characters, the last of which may be `X`.
fn is_id_card(number: &[u8]) -> bool {
    let year = value(number, 6, 4);
    (1900..2100).contains(&year)
        && is_region(number)
        && is_date(year, value(number, 10, 2), value(number, 12, 2))
        && check_character(number) == byte(number, 17).to_ascii_uppercase()
}

/// ISO 7064, MOD 11-2, of the first seventeen digits.
fn check_character(number: &[u8]) -> u8 {
    let digits = number.iter().take(17);
    let sum = digits.fold(0, |sum, digit| (sum + u32::from(digit & 15)) * 2 % 11);
    match (12 - sum) % 11 {
        10 => b'X',
        // Below ten.
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    }
}

/// The provinces of GB/T 2260, with Taiwan, Hong Kong, Macau, those who live there (81 to 83), and 91
/// of foreigners.
fn is_region(number: &[u8]) -> bool {
    matches!(
        value(number, 0, 2),
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91
    )
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// The number that some digits are.
fn value(number: &[u8], at: usize, len: usize) -> u32 {
    let digits = number.iter().skip(at).take(len);
    digits.fold(0, |value, digit| value * 10 + u32::from(digit & 15))
}
