//! Payment cards: ISO/IEC 7812 with the prefixes and lengths of the networks, and Luhn's check digit.

use super::{Sink, byte, closes_number, digits::Group};
use crate::mask::Detector;

/// Digits of the longest number.
const MOST: usize = 19;
const LEAST: usize = 13;

/// Cards in one group, in groups of four with a last one of up to four, or as American Express and
/// Diners print theirs (4-6-5, 4-6-4). Of several that fit, the longest.
pub(super) fn look(text: &[u8], first: Group, sink: &mut Sink<'_>) {
    if (LEAST..=MOST).contains(&first.len) {
        let digits = text.get(first.at..first.end()).unwrap_or_default();
        if closes_number(text, first.end()) && is_card(digits) {
            sink.push(Detector::Card, first.at..first.end());
        }
        return;
    }
    if first.len != 4 {
        return;
    }
    let next = first.next(text);
    let Some((separator, second)) = next.filter(|(_, it)| matches!(it.len, 4 | 6)) else {
        return;
    };
    // The number so far, and the ends at which it has a shape of a card.
    let mut digits = [0; MOST];
    let (mut len, mut ends) = (0, [(0, 0); 4]);
    let mut count = 0;
    let mut append = |group: Group, len: &mut usize| {
        for (at, to) in (group.at..group.end()).zip(digits.iter_mut().skip(*len)) {
            *to = byte(text, at);
        }
        *len += group.len;
    };
    append(first, &mut len);
    let mut group = second;
    for number in 2..=5 {
        let fits = match number {
            2 => matches!(group.len, 4 | 6),
            3 if second.len == 6 => matches!(group.len, 4 | 5),
            _ => group.len <= 4 && second.len == 4,
        };
        if !fits || len + group.len > MOST {
            break;
        }
        append(group, &mut len);
        if len >= LEAST
            && let Some(end) = ends.get_mut(count)
        {
            *end = (len, group.end());
            count += 1;
        }
        match group.next(text) {
            Some((same, next))
                if same == separator && matches!((number, group.len), (2, 6) | (_, 4)) =>
            {
                group = next;
            }
            _ => break,
        }
    }
    let longest =
        ends.iter().take(count).rev().find(|&&(len, end)| {
            closes_number(text, end) && digits.get(..len).is_some_and(is_card)
        });
    if let Some(&(_, end)) = longest {
        sink.push(Detector::Card, first.at..end);
    }
}

fn is_card(digits: &[u8]) -> bool {
    is_issued(digits) && luhn(digits)
}

/// The sum of the digits, each second one from the right doubled, is divisible by ten
/// (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> bool {
    let values = digits.iter().rev().map(|digit| u32::from(digit & 15));
    let sum: u32 = values
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, factor)| match digit * factor {
            high @ 10.. => high - 9,
            low => low,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a network has numbers with this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    let leading = digits.iter().take(6);
    let prefix = leading.fold(0, |number, digit| number * 10 + u32::from(digit & 15));
    let len = digits.len();
    match prefix {
        // Visa
        400_000..=499_999 => matches!(len, 13 | 16 | 19),
        // Mastercard
        510_000..=559_999 | 222_100..=272_099 => len == 16,
        // American Express
        340_000..=349_999 | 370_000..=379_999 => len == 15,
        // Mir
        220_000..=220_499 => (16..=19).contains(&len),
        // Diners
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => {
            (14..=19).contains(&len)
        }
        // JCB
        352_800..=358_999 => (16..=19).contains(&len),
        // Maestro
        501_800..=501_899
        | 502_000..=502_099
        | 503_800..=503_899
        | 589_300..=589_399
        | 630_400..=630_499
        | 675_900..=675_999
        | 676_100..=676_399 => true,
        // Discover, with its partners of India, and UnionPay, also of China's banks alone
        601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999 | 810_000..=817_199 => {
            (16..=19).contains(&len)
        }
        _ => false,
    }
}
