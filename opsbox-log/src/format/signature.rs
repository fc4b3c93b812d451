//! Patterns whose lines have the same delimiters in the same order: what the fastest engine runs on.
//!
//! A signature is the sequence of the *structural* bytes of a line: the bytes that delimit the
//! pattern's parts, those between quotes left out. If a line has the signature, each part lies between
//! two known places, and what is left is to look at its length, and at its bytes if not all are
//! allowed.
//!
//! Why the captures are those of the regular expression: a part is followed by a structural byte that
//! cannot be in it, so it has to end at the first one; or it is lazy and followed directly by that
//! byte, so the first one is what it prefers. That holds as well where a part has a byte that delimits
//! others: there are signatures for lines with a space in such a part. A part between quotes may be of
//! any class: the line has as many quotes as the pattern names, so each of them is one of those, and
//! none is in a part. Lines that the signature has no word for (with an escape, say) have other
//! structural bytes and are left to the plan.
//!
//! What is a choice (a number or `-`, an address, the name of a month) is [looked up](Language) byte by
//! byte between its two places. Boundaries of words that are always there are left out first.

mod builder;
mod fuse;
mod items;
mod language;
mod settle;
mod spaces;

use std::cell::Cell;

use regex_syntax::hir::{Hir, HirKind};

pub(crate) use self::language::Language;
use self::{
    builder::Builder,
    fuse::fuse,
    items::{Item, Part, delimiters, flatten, many, run_of},
    settle::settle,
};
use super::{
    pack::Usual,
    part::{has_byte, prune},
    plan::{self, Obstacle, Set, Step},
    straight::Straight,
};
use crate::scan::{Classes, LANES, Lanes};

/// Why a pattern has no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlan(pub(crate) &'static str);

impl From<Obstacle> for NoPlan {
    fn from(obstacle: Obstacle) -> Self {
        Self(obstacle.what)
    }
}

/// A compiled signature.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) classes: Classes,
    /// The structural bytes of a line that ends in LF, and in CRLF.
    pub(crate) endings: [Ending; 2],
    /// How many they are without the ending.
    pub(crate) len: usize,
    pub(crate) lengths: Lengths,
    pub(crate) cells: CellLanes,
    pub(crate) checks: Box<[Check]>,
    /// What lines are looked at for first; `None` if there is no such thing.
    pub(crate) usual: Option<Usual>,
    pub(crate) members: Box<[Member]>,
    pub(crate) steps: Box<[PartSteps]>,
}

/// A part whose bytes are looked up one after the other.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) language: Language,
    /// The columns that the part is all of: each only if it is this alternative, counted from 1.
    pub(crate) columns: Box<[(u8, usize)]>,
}

/// The structural bytes of a line, its ending included.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Ending {
    pub(crate) bytes: [u8; LANES],
    pub(crate) len: usize,
    /// A bit for each.
    pub(crate) lanes: u32,
}

impl Ending {
    fn new(bytes: [u8; LANES], len: usize) -> Self {
        let lanes = (0..len).fold(0, |lanes, _| lanes << 1 | 1);
        Self { bytes, len, lanes }
    }
}

/// From each structural byte to the next, the line's beginning being the first: the least distance,
/// and how much more is allowed.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Lengths {
    pub(crate) least: [u16; LANES],
    pub(crate) more: [u16; LANES],
}

/// Where the columns begin and end: a structural byte (0 is the line's beginning), and a distance.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct CellLanes {
    /// Of each column the beginning, then the end.
    pub(crate) lanes: [u16; 2 * LANES],
    pub(crate) adds: [u16; 2 * LANES],
    /// All ones for a column that such lines do not have.
    pub(crate) absent: [u32; LANES],
    pub(crate) columns: usize,
}

impl CellLanes {
    /// Columns that lines do not have, until they are said to; `None` if there are too many.
    pub(crate) fn absent(columns: usize) -> Option<Self> {
        let mut absent = [0; LANES];
        absent.get_mut(..columns)?.fill(u32::MAX);
        Some(Self {
            columns,
            lanes: [0; 2 * LANES],
            adds: [0; 2 * LANES],
            absent,
        })
    }

    /// A column begins at a distance from a lane.
    pub(crate) fn open(&mut self, column: usize, place: (usize, u16)) {
        self.set(2 * column, place);
    }

    /// A column ends there, and is in each line.
    pub(crate) fn close(&mut self, column: usize, place: (usize, u16)) {
        self.set(2 * column + 1, place);
        self.present(column);
    }

    fn set(&mut self, at: usize, (lane, add): (usize, u16)) {
        if let (Some(lane_slot), Some(add_slot)) = (self.lanes.get_mut(at), self.adds.get_mut(at)) {
            *lane_slot = u16::try_from(lane).unwrap_or(u16::MAX);
            *add_slot = add;
        }
    }

    pub(crate) fn present(&mut self, column: usize) {
        if let Some(absent) = self.absent.get_mut(column) {
            *absent = 0;
        }
    }
}

/// What the bytes of a part have to be.
#[derive(Debug)]
pub(crate) enum Check {
    /// As many bytes as the template has, from a place on.
    Template {
        at: Place,
        lanes: Box<Lanes>,
        len: usize,
    },
    /// The bytes between two places are one of the alternatives.
    Content {
        from: Place,
        to: Place,
        alternatives: Box<[Content]>,
    },
}

/// The steps of a plan that lead from one place to another, through captures.
#[derive(Debug)]
pub(crate) struct PartSteps {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) steps: Box<[Step]>,
    /// What is tried before them.
    pub(crate) straight: Option<Box<Straight>>,
    pub(crate) columns: Box<[usize]>,
}

/// A place that is found from a structural byte: 0 is the byte before the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: usize,
    pub(crate) add: u16,
}

impl Place {
    fn new(lane: usize, add: isize) -> Self {
        // Two's complement: distances are added in 16 bits.
        Self {
            lane,
            add: (add as i64 & 0xffff) as u16,
        }
    }

    /// So many bytes later.
    pub(crate) fn after(self, len: u16) -> Self {
        Self {
            lane: self.lane,
            add: self.add.wrapping_add(len),
        }
    }
}

/// `min` to `max` bytes of the sets.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) lanes: Box<Lanes>,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

const QUOTE: u8 = b'"';
const ESCAPE: u8 = b'\\';

impl Signature {
    /// The signatures of a whole-line pattern, of whose captures each is a column of its own: of lines
    /// with a space in none of the parts that may have some, and with one in one or two of them. If
    /// something is searched for in lines, the first are those of lines that are that and nothing else.
    pub(crate) fn compile(pattern: &Hir, column_of: &[usize]) -> Result<Box<[Self]>, NoPlan> {
        let parts = plan::parts_of(pattern);
        let work = &Cell::new(language::MAX_WORK);
        let Some(inner) = searched(parts)? else {
            return Self::of_parts(parts, false, column_of, work);
        };
        let alone = Self::of_parts(inner, true, column_of, work);
        let whole = Self::of_parts(parts, false, column_of, work);
        match (alone, whole) {
            (Ok(alone), Ok(whole)) => Ok(alone.into_iter().chain(whole).collect()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(why), Err(_)) => Err(why),
        }
    }

    /// `searched`: something else may come before and after the parts, but not in lines that fit.
    fn of_parts(
        parts: &[Hir],
        searched: bool,
        column_of: &[usize],
        work: &Cell<usize>,
    ) -> Result<Box<[Self]>, NoPlan> {
        let pattern = settle(&Hir::concat(parts.to_vec()))?;
        let mut always = Set::empty();
        if has_byte(&pattern, ESCAPE) {
            always.insert(ESCAPE);
        }
        fuse::other_quotes(&pattern, &mut always);
        let pattern = prune(&pattern, &always)?.ok_or(NoPlan("an escape in every line"))?;
        let mut items = Vec::new();
        flatten(pattern, &mut items)?;
        let (items, quotes) = fuse(items)?;
        let delimiters = delimiters(&items, &quotes)?;
        if quotes.iter().any(|&is| is) {
            always.insert(QUOTE);
        }
        let mut found = Vec::new();
        let mut refused = None;
        for spaced in spaces::subsets(&spaces::spaceable(&items, &quotes, &delimiters)) {
            let (items, quotes) = spaces::with_spaces(&items, &quotes, &spaced);
            let parts = items::parts(items, &quotes, &delimiters);
            if searched && !parts.last().map_or(Ok(true), ends)? {
                return Err(NoPlan("a last part that may end early"));
            }
            let quoting = quotes.iter().any(|&is| is);
            let builder = Builder::new(&parts, column_of, work);
            match Self::of_items(parts, quoting, delimiters.clone(), &always, builder) {
                Ok(signature) => found.push(signature),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if found.is_empty() => Err(why),
            _ => Ok(found.into()),
        }
    }

    /// Whether lines of the signature are rows if they pass its checks.
    pub(crate) fn is_decided(&self) -> bool {
        self.members.is_empty() && self.steps.is_empty()
    }

    fn of_items(
        parts: Vec<Part>,
        quoting: bool,
        mut delimiters: Set,
        always: &Set,
        builder: Option<Builder<'_>>,
    ) -> Result<Self, NoPlan> {
        if let Some(last) = parts.last() {
            for item in &last.items {
                if matches!(item, Item::Many(_)) && !item.bytes()?.is_disjoint(&delimiters) {
                    return Err(NoPlan("a last part in which delimiters may be"));
                }
            }
        }
        delimiters.insert(b'\r');
        let mut outside = delimiters.union(always);
        for part in &parts {
            if let (false, Some(set)) = (part.quoted, many(part)?) {
                outside = outside.union(&set.controls_outside());
            }
        }
        if parts.len() == 1 {
            return Err(NoPlan("no delimiters"));
        }
        if outside.has(Classes::NO_CLASS) {
            return Err(NoPlan("DEL (0x7f) as a delimiter"));
        }
        if parts.len() + 2 > LANES {
            return Err(NoPlan("more delimiters than a signature takes"));
        }
        let mut builder = builder.ok_or(NoPlan("more columns than a signature takes"))?;
        for (lane, part) in parts.into_iter().enumerate() {
            let structural = if part.quoted { always } else { &outside };
            builder.part(lane, part, structural)?;
        }
        Ok(builder.finish(Classes::new(
            |byte| always.has(byte) || byte == b'\n',
            |byte| outside.has(byte),
            quoting,
        )))
    }
}

/// What is searched for in a line, if that is what the pattern does: `.*?` before it, `.*` after it.
///
/// In a line that is all of it, it is found at the beginning, since `.*?` takes as little as it can, and
/// its parts are delimited as ever. It goes on to the end if that is where its last delimiter and the
/// bytes after it are, or if it ends with a run that takes all it can: see [`ends`].
fn searched(parts: &[Hir]) -> Result<Option<&[Hir]>, NoPlan> {
    let mut inner = parts;
    if let [first, rest @ ..] = inner
        && is_any(first, false)?
    {
        inner = rest;
    }
    if let [rest @ .., last] = inner
        && is_any(last, true)?
    {
        inner = rest;
    }
    Ok((inner.len() < parts.len()).then_some(inner))
}

/// Whether a part is `.*`, or `.*?` if not `greedy`.
fn is_any(part: &Hir, greedy: bool) -> Result<bool, NoPlan> {
    let HirKind::Repetition(repetition) = part.kind() else {
        return Ok(false);
    };
    Ok(match run_of(part)? {
        Some((set, 0, None)) => {
            repetition.greedy == greedy && set.union(&Set::byte(b'\n')).is_full()
        }
        _ => false,
    })
}

/// Whether the last part takes all there is, even if something else may follow.
fn ends(last: &Part) -> Result<bool, NoPlan> {
    for (at, item) in last.items.iter().enumerate() {
        if let Item::Many(hir) = item {
            let mut rest = last.items.iter().skip(at + 1);
            let is_last = rest.all(|item| matches!(item, Item::Close(_)));
            let is_greedy = match hir.kind() {
                HirKind::Repetition(repetition) => repetition.greedy,
                _ => false,
            };
            return Ok(is_last && is_greedy && run_of(hir)?.is_some());
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::{Format, format::Engine};

    /// Nothing but the speed would tell that a pattern has lost its engine.
    #[test]
    fn presets_whose_lines_have_one_signature() {
        let with_signature = Format::presets().iter().filter(|preset| {
            let format = preset.format().ok();
            format.is_some_and(|format| match format.engine() {
                Engine::Pattern(pattern) => !pattern.signatures().is_empty(),
                _ => false,
            })
        });
        let names: Vec<_> = with_signature.map(|preset| preset.name()).collect();
        for name in ["combined", "common", "iis"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }

    #[test]
    fn grok_patterns_that_have_one() {
        for pattern in [
            "%{COMBINEDAPACHELOG}",
            "^%{COMBINEDAPACHELOG}$",
            "^%{COMMONAPACHELOG}$",
            "%{QS:a}: %{INT:b}/%{INT:c} %{QS:d}",
            "(?:%{INT:a}|%{WORD:b}|-) (?:%{IPV4:c}|%{HOSTNAME:d}) %{USER:e}$",
        ] {
            let format = Format::grok(pattern).unwrap();
            let Engine::Pattern(compiled) = format.engine() else {
                panic!("a pattern");
            };
            assert!(!compiled.signatures().is_empty(), "{pattern}");
        }
    }
}
