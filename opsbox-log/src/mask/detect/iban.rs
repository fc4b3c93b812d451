//! Bank accounts: ISO 13616, with the lengths of the registry and the check of ISO 7064, MOD 97-10.

use super::{Sink, byte, is_word, starts_word};
use crate::mask::Detector;

/// Characters of the longest account number.
const MOST: usize = 34;

/// Country, check digits and account, in one piece or with single spaces behind each four.
pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let Some(start) = at.checked_sub(3) else {
        return;
    };
    let country = [byte(text, start), byte(text, start + 1)];
    let Some(len) = length(country).filter(|_| starts_word(text, start)) else {
        return;
    };
    let mut account = [0; MOST];
    let (mut place, mut count) = (start, 0);
    let spaced = byte(text, start + 4) == b' ';
    for to in account.iter_mut().take(len) {
        if spaced && count > 0 && count % 4 == 0 {
            if byte(text, place) != b' ' {
                return;
            }
            place += 1;
        }
        *to = byte(text, place);
        if !to.is_ascii_digit() && !to.is_ascii_uppercase() {
            return;
        }
        place += 1;
        count += 1;
    }
    if !is_word(byte(text, place)) && account.get(..len).is_some_and(is_valid) {
        sink.push(Detector::Iban, start..place);
    }
}

/// The number whose first four characters are moved to the end, letters as 10 to 35, leaves one.
fn is_valid(account: &[u8]) -> bool {
    let (head, tail) = account.split_at(4.min(account.len()));
    let rest = tail.iter().chain(head).fold(0, |rest, &character| {
        let value = u32::from(character);
        match character {
            b'0'..=b'9' => (rest * 10 + value - u32::from(b'0')) % 97,
            _ => (rest * 100 + value - u32::from(b'A') + 10) % 97,
        }
    });
    rest == 1
}

/// Characters of a country's accounts (SWIFT's IBAN registry, release 99).
fn length(country: [u8; 2]) -> Option<usize> {
    Some(match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"MN" | b"XK" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL"
        | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" | b"YE" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}
