//! The keys that a selection of JSON columns looks for.
//!
//! A path of `n` dots can stand in a document in 2ⁿ ways: `a.b` is `{"a":{"b":1}}` and
//! `{"a.b":1}`. All are found, as a walk through the whole document would join them: a [`Place`] is
//! what the path says so far, and from each place the keys that lead further are [`Edge`]s.

use std::cmp::Reverse;

use super::{Chunk, LEAD};
use crate::{
    format::Field,
    limits::MAX_FLATTEN_DEPTH,
    scan::{KEY_ENDS, KeyEnds},
};

/// A path so far, as a number: [`ROOT`] or the part of a wanted path before one of its dots.
pub(super) type Place = u16;

/// Where a document begins.
pub(super) const ROOT: Place = 0;

/// An object that no wanted path leads to.
pub(super) const OTHER_OBJECT: Place = Place::MAX - 1;

/// No column: the value is wanted for what is inside it.
pub(super) const NO_FIELD: u16 = u16::MAX;

/// No edge.
pub(super) const NO_EDGE: u16 = u16::MAX;

/// Most groups of lanes: a hit has 48 bits for them.
const MAX_GROUPS: usize = 3;

/// KeyEnds of the first group that are not for keys.
pub(super) const NEWLINE: u64 = 1;
pub(super) const BRACKET: u64 = 2;
/// A colon behind a quote: of a key, wanted or not.
pub(super) const COLON: u64 = 4;
const FIRST_KEY_LANE: usize = 3;

/// A key that leads from a place to a column, to a further place, or to both.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// The last sixteen bytes of `"key":`, the first half of them first, and which of them there are.
    tail: [u64; 2],
    masks: [u64; 2],
    /// The whole of `"key":` if it is longer.
    long: Option<Box<[u8]>>,
    pub(super) from: Place,
    /// The place in the object that is the value.
    pub(super) to: Place,
    pub(super) field: u16,
}

impl Edge {
    /// Whether the key and a colon end with the byte at `at`; `tail` are the last bytes up to it.
    #[inline(always)]
    pub(super) fn fits(&self, tail: [u64; 2], bytes: &[u8], at: usize) -> bool {
        let ([first, last], [under_first, under_last]) = (tail, self.masks);
        [first & under_first, last & under_last] == self.tail
            && match &self.long {
                None => true,
                Some(key) => bytes.get(..=at).is_some_and(|bytes| bytes.ends_with(key)),
            }
    }

    /// The value and mask of the lane: the last four bytes of `"key":`.
    fn lane(&self) -> (u32, u32) {
        let ([_, last], [_, mask]) = (self.tail, self.masks);
        ((last >> 32) as u32, (mask >> 32) as u32)
    }
}

/// The edges of all wanted paths, and the lanes that find them.
#[derive(Clone, Debug)]
pub(crate) struct Dictionary {
    groups: Vec<KeyEnds>,
    /// Each lane's part of `edges`.
    lanes: Vec<(u16, u16)>,
    edges: Vec<Edge>,
}

impl Dictionary {
    /// The dictionary of these paths; none if there are none, if they need more lanes than there are,
    /// or if they are deeper than documents are looked through.
    pub(crate) fn new(fields: &[Field]) -> Option<Self> {
        fields.first()?;
        let mut places = vec![None];
        let mut found: Vec<(String, Edge)> = Vec::new();
        for field in fields {
            let path = field.name();
            if path.matches('.').count() > MAX_FLATTEN_DEPTH {
                return None;
            }
            for (dot, _) in path.match_indices('.') {
                let prefix = path.get(..dot);
                if !places.contains(&prefix) {
                    places.push(prefix);
                }
            }
        }
        for (from, prefix) in places.iter().enumerate() {
            let from = Place::try_from(from).ok()?;
            for (number, field) in fields.iter().enumerate() {
                let rest = match prefix {
                    None => Some(field.name()),
                    Some(prefix) => field
                        .name()
                        .strip_prefix(prefix)
                        .and_then(|rest| rest.strip_prefix('.')),
                };
                let Some(rest) = rest else { continue };
                let dots = rest.match_indices('.').map(|(dot, _)| dot);
                for end in dots.chain([rest.len()]) {
                    let key = rest.get(..end)?;
                    let through = field.name().len() - rest.len() + end;
                    let path = field.name().get(..through);
                    let at = found
                        .iter()
                        .position(|(it, edge)| it == key && edge.from == from);
                    let at = match at {
                        Some(at) => at,
                        None => {
                            found.push((key.to_owned(), Edge::new(key, from)));
                            found.len() - 1
                        }
                    };
                    let (_, edge) = found.get_mut(at)?;
                    if end == rest.len() {
                        edge.field = u16::try_from(number).ok()?;
                    } else {
                        let place = places.iter().position(|place| *place == path)?;
                        edge.to = Place::try_from(place).ok()?;
                    }
                }
            }
        }
        Self::with_edges(found)
    }

    fn with_edges(mut found: Vec<(String, Edge)>) -> Option<Self> {
        // In a JSON string these bytes are always escaped, and escaped keys are left to the full
        // parse.
        found.retain(|(key, _)| {
            !key.bytes()
                .any(|byte| matches!(byte, b'"' | b'\\' | ..b' '))
        });
        // Keys inside objects first: those with the same end that stand outside have a dot in them,
        // which is rare.
        found.sort_by_key(|(_, edge)| (edge.lane(), Reverse(edge.from)));
        u16::try_from(found.len())
            .ok()
            .filter(|&len| len < NO_EDGE)?;
        let mut groups = vec![KeyEnds::NONE];
        let mut lanes = vec![(0, 0); FIRST_KEY_LANE];
        let top = |byte: u8| u32::from(byte) << 24;
        let first = groups.first_mut()?;
        first.set(0, top(b'\n'), top(0xff));
        // What brackets have and colon and newline do not.
        first.set(1, top(0x59), top(0xd9));
        first.set(2, u32::from_be_bytes(*b":\"\0\0"), 0xffff_0000);
        for ((_, edge), at) in found.iter().zip(0_u16..) {
            let known = at
                .checked_sub(1)
                .and_then(|before| found.get(usize::from(before)));
            if known.is_some_and(|(_, before)| before.lane() == edge.lane()) {
                lanes.last_mut()?.1 = at + 1;
                continue;
            }
            let lane = lanes.len();
            lanes.push((at, at + 1));
            if lane / KEY_ENDS == groups.len() {
                groups.push(KeyEnds::NONE);
            }
            let (value, mask) = edge.lane();
            groups
                .get_mut(lane / KEY_ENDS)?
                .set(lane % KEY_ENDS, value, mask);
        }
        (groups.len() <= MAX_GROUPS).then_some(Self {
            groups,
            lanes,
            edges: found.into_iter().map(|(_, edge)| edge).collect(),
        })
    }

    pub(super) fn groups(&self) -> &[KeyEnds] {
        &self.groups
    }

    #[inline(always)]
    pub(super) fn edge(&self, edge: u16) -> Option<&Edge> {
        self.edges.get(usize::from(edge))
    }

    /// The edge of the key whose colon is a hit, from a place.
    #[inline(always)]
    pub(super) fn find(
        &self,
        from: Place,
        (chunk, at): (Chunk<'_>, usize),
        lanes: u64,
    ) -> Option<u16> {
        let mut lanes = lanes & !COLON;
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            let &(first, end) = self.lanes.get(lane)?;
            for at_edge in first..end {
                let edge = self.edge(at_edge)?;
                if edge.from == from && edge.fits(chunk.tail(at), chunk.bytes, LEAD + at) {
                    return Some(at_edge);
                }
            }
            lanes &= lanes - 1;
        }
        None
    }
}

impl Edge {
    fn new(key: &str, from: Place) -> Self {
        let whole = format!("\"{key}\":").into_bytes();
        let word = |skipped: usize| {
            let bytes = whole.iter().rev().skip(skipped).take(8).rev();
            bytes.fold((0, 0), |(value, mask), &byte| {
                (value >> 8 | u64::from(byte) << 56, mask >> 8 | 0xff << 56)
            })
        };
        let ((first, under_first), (last, under_last)) = (word(8), word(0));
        Self {
            tail: [first, last],
            masks: [under_first, under_last],
            long: (whole.len() > 16).then(|| whole.into()),
            from,
            to: OTHER_OBJECT,
            field: NO_FIELD,
        }
    }
}
