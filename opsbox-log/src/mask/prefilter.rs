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

/// The letters that are looked for, in either case.
const LETTERS: [u8; 19] = *b"abcdeghiknoprstwxyz";

/// Bytes before a place that tell whether it is one: a digit, eleven of them with separators, and
/// whether that was so at the place before, too.
const BEHIND: usize = 12;

/// Blocks overlap by [`BEHIND`]. So shifts within one mask are all that is needed, and no mask of the
/// block before.
const STRIDE: usize = BLOCK - BEHIND;

/// The places of a block that are the block's before it.
const SEEN: u64 = (1 << BEHIND) - 1;

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
        let Some(first) = text.first_chunk() else {
            // Zeroes are nothing that is looked for.
            let mut block = [0; BLOCK];
            if let Some(room) = block.get_mut(..text.len()) {
                room.copy_from_slice(text);
            }
            look(simd, &block, (0, !0), wants, hits);
            return;
        };
        look(simd, first, (0, !0), wants, hits);
        let mut base = STRIDE;
        while let Some(block) = text.get(base..).and_then(<[u8]>::first_chunk) {
            look(simd, block, (base, !SEEN), wants, hits);
            base += STRIDE;
        }
        // Those up to here are done with.
        let done = base + BEHIND;
        if let Some(last) = text.last_chunk()
            && done < text.len()
        {
            let base = text.len() - BLOCK;
            look(simd, last, (base, !0 << (done - base)), wants, hits);
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

/// Looks at the places of `block`, which begins at `base`, that `fresh` has.
#[inline(always)]
fn look<S: Simd>(
    simd: S,
    block: &[u8; BLOCK],
    (base, fresh): (usize, u64),
    wants: Wants,
    hits: &mut Vec<Hit>,
) {
    let mut push = |mask: u64, trigger| {
        let mut mask = mask & fresh;
        while mask != 0 {
            let at = base + mask.trailing_zeros() as usize;
            hits.push(Hit { at, trigger });
            mask &= mask - 1;
        }
    };
    let digit = simd.in_lanes(block, &DIGIT);
    if wants.digits {
        // A separator that is behind a digit, in front of whatever.
        let separator = (simd.equal(block, b'-') | simd.equal(block, b' ')) & digit << 1;
        let one = digit | separator;
        let two = one & one << 1;
        let four = two & two << 2;
        let eight = four & four << 4;
        let eleven = eight & eight << 3;
        push(eleven & !(eleven << 1), Trigger::Digits);
    }
    if wants.plus {
        push(digit & simd.equal(block, b'+') << 1, Trigger::Plus);
    }
    if wants.dots {
        let dot = simd.equal(block, b'.') & digit << 1;
        let near = |it: u64| it << 2 | it << 3 | it << 4;
        push(dot & near(dot & near(dot)), Trigger::Dots);
    }
    if wants.colons {
        let colon = simd.equal(block, b':');
        let near = |it: u64| it << 1 | it << 2 | it << 3 | it << 4 | it << 5;
        let three = colon & near(colon & near(colon));
        push(three | colon & colon << 1, Trigger::Colons);
    }
    if wants.at {
        push(simd.equal(block, b'@'), Trigger::At);
    }
    if wants.encoded_at {
        let four = simd.equal(block, b'4') & simd.equal(block, b'%') << 1;
        push(simd.equal(block, b'0') & four << 1, Trigger::EncodedAt);
    }
    if wants.iban {
        let capital = simd.in_lanes(block, &CAPITAL);
        push(
            digit & digit << 1 & capital << 2 & capital << 3,
            Trigger::Iban,
        );
    }
    if wants.letters {
        letters(simd, block, wants, &mut push);
    }
}

#[inline(always)]
fn letters<S: Simd>(
    simd: S,
    block: &[u8; BLOCK],
    wants: Wants,
    push: &mut impl FnMut(u64, Trigger),
) {
    // Of letters only: no byte but a capital becomes one by this bit.
    let mut folded = *block;
    for byte in &mut folded {
        *byte |= 0x20;
    }
    // A loop: a closure would not be compiled for the kernel.
    let mut masks = [0; LETTERS.len()];
    for (mask, letter) in masks.iter_mut().zip(LETTERS) {
        *mask = simd.equal(&folded, letter);
    }
    let [a, b, c, d, e, g, h, i, k, n, o, p, r, s, t, w, x, y, z] = masks;
    if wants.jwt {
        push(simd.equal(block, b'J') & y << 1 & e << 2, Trigger::Jwt);
    }
    if wants.keys || wants.pem {
        let hyphen = simd.equal(block, b'-');
        if wants.pem {
            push(b & hyphen << 1 & hyphen << 2 & hyphen << 3, Trigger::Pem);
        }
        if wants.keys {
            let under = simd.equal(block, b'_');
            let aws = a & i << 1 & (k | s) << 2 & a << 3;
            let github = under & h << 2 & g << 3;
            let pat = (under | hyphen) & t << 1 & a << 2 & p << 3;
            let slack = x & o << 1 & x << 2;
            let google = z & i << 1 & a << 2;
            let stripe = under & k << 1 & (s | r) << 2;
            let npm = under & simd.equal(&folded, b'm') << 1 & p << 2 & n << 3;
            let ocean = under & simd.equal(block, b'1') << 1 & p << 4 & o << 5 & d << 6;
            push(
                aws | github | pat | slack | google | stripe | npm | ocean,
                Trigger::Key,
            );
        }
    }
    if wants.words {
        let word = w & s << 1
            | p & s << 1 & s << 2
            | d & w << 1 & p << 2
            | e & r << 1 & c << 2
            | n & e << 1 & k << 2
            | y & e << 1 & k << 2
            | z & i << 1 & r << 2;
        push(word, Trigger::Word);
    }
}
