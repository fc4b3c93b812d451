//! One pass over the bytes of a value that finds the few places at which a detector has to look.
//!
//! Blocks of 64 bytes become masks of the bytes that matter, and shifts of these masks by one place to
//! another say where they follow each other. Of letters that is done only in blocks with a trigram that one of the words and
//! prefixes has: three look-ups tell. Clean text costs no more than that.

use std::ops::Range;

use super::Detectors;
use crate::scan::{BLOCK, Lanes, Ranges, Simd, Trigrams, Work};

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

/// Bytes in front of a block that are looked at for trigrams.
const BEFORE: usize = 2;

/// What the detectors need, made ready once.
#[derive(Clone, Debug)]
pub(super) struct Prefilter {
    wants: Wants,
    trigrams: Trigrams,
}

impl Prefilter {
    pub(super) fn new(detectors: Detectors) -> Self {
        let wants = Wants::of(detectors);
        // What has none of these has no word or prefix either, whatever the masks of letters say: `sw` alone, for one, is
        // in no name but those with `ssw`.
        let kinds: [(bool, [&[u8]; 3]); 8] = [
            // eyJ, AIza, authorization
            (
                wants.jwt || wants.keys || wants.words,
                [b"era", b"yi", b"jz"],
            ),
            // -----BEGIN, xoxb
            (wants.pem || wants.keys, [b"-x", b"-o", b"bx"]),
            // secret, credential
            (wants.words, [b"c", b"r", b"e"]),
            // key, token
            (wants.words, [b"k", b"e", b"yn"]),
            // password, passphrase, pwd
            (wants.words, [b"sp", b"sw", b"wpd"]),
            // AKIA, ASIA
            (wants.keys, [b"ks", b"i", b"a"]),
            // dop_v1_, ghp_
            (wants.keys, [b"vh", b"", b"_"]),
            // sk_, rk_, npm_, glpat-
            (wants.keys, [b"srpa", b"kmt", b"_-"]),
        ];
        let kinds = kinds.into_iter().filter(|(wanted, _)| *wanted);
        Self {
            wants,
            trigrams: Trigrams::new(kinds.map(|(_, kind)| kind)),
        }
    }
}

/// Finds the places in one value, a range of the source. They count from the beginning of the value. The triggers of one
/// block come in the order of their kinds.
///
/// What is around the value is loaded with it: the mask of a place depends on the bytes up to it alone, and on none before the
/// value.
pub(super) struct Find<'a> {
    pub(super) source: &'a [u8],
    pub(super) range: Range<usize>,
    pub(super) prefilter: &'a Prefilter,
    pub(super) hits: &'a mut Vec<Hit>,
}

impl Work for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            source,
            range,
            prefilter,
            hits,
        } = self;
        if range.is_empty() {
            return;
        }
        let wants = prefilter.wants;
        let table = simd.trigram_table(&prefilter.trigrams);
        // Most values are in the first block: what is kept in registers for a loop would cost them more than it saves.
        {
            let room;
            let near = match near(source, range.start) {
                Some(near) => near,
                None => {
                    room = copied(source, range.start, range.end);
                    &room
                }
            };
            look(simd, near, (0, inside(range.len())), wants, table, hits);
        }
        let mut base = STRIDE;
        while base + BEHIND < range.len() {
            let at = range.start + base;
            let room;
            let near = match near(source, at) {
                Some(near) => near,
                None => {
                    room = copied(source, at, range.end);
                    &room
                }
            };
            let fresh = inside(range.end - at) & !SEEN;
            look(simd, near, (base, fresh), wants, table, hits);
            base += STRIDE;
        }
    }
}

/// The block that begins at a place, with the bytes before it, if all are there.
#[inline(always)]
fn near(source: &[u8], at: usize) -> Option<&[u8; BLOCK + BEFORE]> {
    source.get(at.checked_sub(BEFORE)?..)?.first_chunk()
}

/// The same of what is there, up to the end; zeroes are nothing that is looked for.
#[cold]
fn copied(source: &[u8], at: usize, end: usize) -> [u8; BLOCK + BEFORE] {
    let mut room = [0; BLOCK + BEFORE];
    let before = at.min(BEFORE);
    let text = source.get(at - before..end.min(at + BLOCK));
    let text = text.unwrap_or_default();
    if let Some(room) = room.get_mut(BEFORE - before..BEFORE - before + text.len()) {
        room.copy_from_slice(text);
    }
    room
}

/// The places of a block that are among so many bytes.
#[inline(always)]
fn inside(bytes: usize) -> u64 {
    match bytes {
        0..BLOCK => (1 << bytes) - 1,
        _ => !0,
    }
}

/// Which masks the detectors need.
#[derive(Clone, Copy, Debug)]
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

/// Looks at the places of a block, which begins at `base`, that `fresh` has; `near` has the bytes before it, too.
#[inline(always)]
fn look<'t, S: Simd>(
    simd: S,
    near: &[u8; BLOCK + BEFORE],
    (base, fresh): (usize, u64),
    wants: Wants,
    table: S::TrigramTable<'t>,
    hits: &mut Vec<Hit>,
) {
    let [_, rest @ ..] = near;
    let (Some(first), Some(second), Some(block)) =
        (near.first_chunk(), rest.first_chunk(), near.last_chunk())
    else {
        return;
    };
    let mut push = |mask: u64, trigger| {
        let mut mask = mask & fresh;
        while mask != 0 {
            let at = base + mask.trailing_zeros() as usize;
            hits.push(Hit { at, trigger });
            mask &= mask - 1;
        }
    };
    let digit = simd.in_first(block, &DIGIT);
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
        let percent = simd.equal(block, b'%');
        if percent != 0 {
            let four = simd.equal(block, b'4') & percent << 1;
            push(simd.equal(block, b'0') & four << 1, Trigger::EncodedAt);
        }
    }
    if wants.iban {
        let capital = simd.in_first(block, &CAPITAL);
        push(
            digit & digit << 1 & capital << 2 & capital << 3,
            Trigger::Iban,
        );
    }
    if wants.letters && simd.trigrams([first, second, block], table) & fresh != 0 {
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
