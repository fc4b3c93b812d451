//! One pass over the bytes of a value that finds the few places at which a detector has to look.
//!
//! Blocks of 64 bytes become masks of the bytes that matter, and shifts of these masks by one place to
//! another say where they follow each other. Clean text costs no more than that.

use super::Detectors;
use crate::scan::{BLOCK, Lanes, Ranges, Simd, Work};

/// What a place may be the end of, or the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The [`DIGITS`]th byte of digits with single spaces or hyphens between them.
    Digits,
    /// A digit behind a plus.
    Plus,
    /// The third of three dots behind digits.
    Dots,
    /// The third of three colons that are near each other, or the second of two side by side.
    Colons,
    At,
    /// The last byte of `%40`.
    EncodedAt,
    /// The second of two digits behind two capitals.
    Iban,
    /// The last byte of `eyJ`.
    Jwt,
    /// The last byte of what many keys begin with.
    Key,
    /// A `B` behind three hyphens.
    Pem,
    /// The last byte of a part of words that secrets are named by.
    Word,
}

/// Bytes of the shortest thing that [`Trigger::Digits`] is for: eleven digits of a phone number.
pub(super) const DIGITS: usize = 11;

/// A place to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) at: usize,
    pub(super) trigger: Trigger,
}

const fn everywhere(low: u8, high: u8) -> Ranges {
    Ranges {
        low: [low; BLOCK],
        span: [high - low; BLOCK],
    }
}

const fn range(low: u8, high: u8) -> Lanes {
    Lanes {
        first: everywhere(low, high),
        second: everywhere(low, high),
    }
}

static DIGIT: Lanes = range(b'0', b'9');
static CAPITAL: Lanes = range(b'A', b'Z');

/// A mask with that of the block before it.
#[derive(Clone, Copy, Default)]
struct Mask {
    now: u64,
    before: u64,
}

impl Mask {
    #[inline(always)]
    fn next(&mut self, now: u64) -> Self {
        let it = Self {
            now,
            before: self.now,
        };
        *self = it;
        it
    }

    /// Moved behind by this many places, fewer than 64.
    #[inline(always)]
    const fn back(self, places: u32) -> u64 {
        self.now << places | self.before >> (64 - places)
    }
}

/// The masks of the last block that the next one needs.
#[derive(Clone, Copy, Default)]
struct Carry {
    digit: Mask,
    separator: Mask,
    run: [Mask; 4],
    plus: Mask,
    dot: Mask,
    dots: Mask,
    colon: Mask,
    colons: Mask,
    percent: Mask,
    four: Mask,
    capital: Mask,
    hyphen: Mask,
    letter: [Mask; LETTERS.len()],
}

/// The letters that are looked for, in either case.
const LETTERS: [u8; 19] = *b"abcdeghiknoprstwxyz";

/// Finds the places in one value. The triggers of one block come in the order of their kinds.
pub(super) struct Find<'a> {
    pub(super) text: &'a [u8],
    pub(super) detectors: Detectors,
    pub(super) hits: &'a mut Vec<Hit>,
}

impl Work for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            text,
            detectors,
            hits,
        } = self;
        let wants = Wants::of(detectors);
        let mut carry = Carry::default();
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut base = 0;
        for block in blocks {
            look(simd, block, base, wants, &mut carry, hits);
            base += BLOCK;
        }
        if !rest.is_empty() {
            // Zeroes are nothing that is looked for.
            let mut block = [0; BLOCK];
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            look(simd, &block, base, wants, &mut carry, hits);
        }
    }
}

/// Which masks the detectors need.
#[derive(Clone, Copy)]
struct Wants {
    digits: bool,
    plus: bool,
    dots: bool,
    colons: bool,
    at: bool,
    encoded_at: bool,
    iban: bool,
    letters: bool,
    jwt: bool,
    keys: bool,
    pem: bool,
    words: bool,
}

impl Wants {
    fn of(detectors: Detectors) -> Self {
        use super::Detector as D;
        let any = |all: &[D]| all.iter().any(|&it| detectors.contains(it));
        let (jwt, pem, words) = (any(&[D::Jwt]), any(&[D::PrivateKey]), any(&[D::SecretPair]));
        let keys = any(&[D::AwsKey, D::GithubToken, D::ApiToken]);
        Self {
            digits: any(&[D::PhoneCn, D::IdCardCn, D::LegacyIdCardCn, D::Card]),
            plus: any(&[D::PhoneE164]),
            dots: any(&[D::Ipv4]),
            colons: any(&[D::Ipv6]),
            at: any(&[D::Email, D::UrlPassword]),
            encoded_at: any(&[D::Email]),
            iban: any(&[D::Iban]),
            letters: jwt || pem || words || keys,
            jwt,
            keys,
            pem,
            words,
        }
    }
}

#[inline(always)]
fn look<S: Simd>(
    simd: S,
    block: &[u8; BLOCK],
    base: usize,
    wants: Wants,
    carry: &mut Carry,
    hits: &mut Vec<Hit>,
) {
    let mut push = |mut mask: u64, trigger| {
        while mask != 0 {
            let at = base + mask.trailing_zeros() as usize;
            hits.push(Hit { at, trigger });
            mask &= mask - 1;
        }
    };
    let digit = carry.digit.next(simd.in_lanes(block, &DIGIT));
    if wants.digits {
        let hyphen = simd.equal(block, b'-');
        // A separator that is behind a digit, in front of whatever.
        let separator = (hyphen | simd.equal(block, b' ')) & digit.back(1);
        let one = carry.run[0].next(digit.now | separator);
        let two = carry.run[1].next(one.now & one.back(1));
        let four = carry.run[2].next(two.now & two.back(2));
        let eight = four.now & four.back(4);
        carry.separator.next(eight);
        let eleven = carry.run[3].next(eight & carry.separator.back(3));
        push(eleven.now & !eleven.back(1), Trigger::Digits);
    }
    if wants.plus {
        let plus = carry.plus.next(simd.equal(block, b'+'));
        push(digit.now & plus.back(1), Trigger::Plus);
    }
    if wants.dots {
        let dot = carry.dot.next(simd.equal(block, b'.') & digit.back(1));
        let near = |it: Mask| it.now & (it.back(2) | it.back(3) | it.back(4));
        let two = near(dot);
        let two = carry.dots.next(two);
        push(
            dot.now & two.now & (two.back(2) | two.back(3) | two.back(4)),
            Trigger::Dots,
        );
    }
    if wants.colons {
        let colon = carry.colon.next(simd.equal(block, b':'));
        let near = |it: Mask| it.back(1) | it.back(2) | it.back(3) | it.back(4) | it.back(5);
        let two = carry.colons.next(colon.now & near(colon));
        push(
            colon.now & (near(two) & two.now | colon.back(1)),
            Trigger::Colons,
        );
    }
    if wants.at {
        push(simd.equal(block, b'@'), Trigger::At);
    }
    if wants.encoded_at {
        let percent = carry.percent.next(simd.equal(block, b'%'));
        let four = carry.four.next(simd.equal(block, b'4') & percent.back(1));
        push(simd.equal(block, b'0') & four.back(1), Trigger::EncodedAt);
    }
    if wants.iban {
        let capital = carry.capital.next(simd.in_lanes(block, &CAPITAL));
        push(
            digit.now & digit.back(1) & capital.back(2) & capital.back(3),
            Trigger::Iban,
        );
    }
    if wants.letters {
        letters(simd, block, wants, carry, &mut push);
    }
}

#[inline(always)]
fn letters<S: Simd>(
    simd: S,
    block: &[u8; BLOCK],
    wants: Wants,
    carry: &mut Carry,
    push: &mut impl FnMut(u64, Trigger),
) {
    // Of letters only: no byte but a capital becomes one by this bit.
    let mut folded = *block;
    for byte in &mut folded {
        *byte |= 0x20;
    }
    let mut masks = [Mask::default(); LETTERS.len()];
    for ((mask, carry), letter) in masks.iter_mut().zip(&mut carry.letter).zip(LETTERS) {
        *mask = carry.next(simd.equal(&folded, letter));
    }
    let [a, b, c, d, e, g, h, i, k, n, o, p, r, s, t, w, x, y, z] = masks;
    if wants.jwt {
        push(
            simd.equal(block, b'J') & y.back(1) & e.back(2),
            Trigger::Jwt,
        );
    }
    if wants.keys || wants.pem {
        let hyphen = carry.hyphen.next(simd.equal(block, b'-'));
        if wants.pem {
            push(
                b.now & hyphen.back(1) & hyphen.back(2) & hyphen.back(3),
                Trigger::Pem,
            );
        }
        if wants.keys {
            let under = simd.equal(block, b'_');
            let joined = under | hyphen.now;
            let aws = a.now & i.back(1) & (k.back(2) | s.back(2)) & a.back(3);
            let github = under & h.back(2) & g.back(3);
            let pat = joined & t.back(1) & a.back(2) & p.back(3);
            let slack = x.now & o.back(1) & x.back(2);
            let google = z.now & i.back(1) & a.back(2);
            let stripe = under & k.back(1) & (s.back(2) | r.back(2));
            push(aws | github | pat | slack | google | stripe, Trigger::Key);
        }
    }
    if wants.words {
        let word = w.now & s.back(1)
            | p.now & s.back(1) & s.back(2)
            | d.now & w.back(1) & p.back(2)
            | e.now & r.back(1) & c.back(2)
            | n.now & e.back(1) & k.back(2)
            | y.now & e.back(1) & k.back(2)
            | z.now & i.back(1) & r.back(2);
        push(word, Trigger::Word);
    }
}
