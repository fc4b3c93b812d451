//! The keys that a selection of JSON columns looks for.
//!
//! A path of `n` dots can stand in a document in 2ⁿ ways: `a.b` is `{"a":{"b":1}}` and
//! `{"a.b":1}`. All are found, as a walk through the whole document would join them: a [`Place`] is
//! what the path says so far, and from each place the keys that lead further are [`Edge`]s.

use crate::{format::Field, limits::MAX_FLATTEN_DEPTH, scan::KeyEnds};

/// A path so far, as a number: [`ROOT`] or the part of a wanted path before one of its dots.
/// Of 16 bits, in more: a half of a word that is written alone is slow to read with the other.
pub(super) type Place = u32;

/// Where a document begins.
pub(super) const ROOT: Place = 0;

/// An object that no wanted path leads to.
pub(super) const OTHER_OBJECT: Place = 0xfffe;

/// No place at all.
const NOWHERE: Place = Place::MAX;

/// No column: the value is wanted for what is inside it.
pub(super) const NO_FIELD: u16 = u16::MAX;

/// No edge.
const NO_EDGE: u16 = u16::MAX;

/// Most edges that are looked for.
const MAX_EDGES: usize = 4096;

/// A key that leads from a place to a column, to a further place, or to both.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Edge {
    /// The last sixteen bytes of `"key":`, the first half of them first, and which of them there are.
    tail: [u64; 2],
    masks: [u64; 2],
    /// The whole of `"key":` if it is longer.
    long: Option<Box<[u8]>>,
    from: Place,
    /// The same, unless the key is long: then none.
    short: Place,
    /// The place in the object that is the value.
    pub(super) to: Place,
    pub(super) field: u16,
    /// Where the next one of its slot is, among those that share one.
    next: u16,
    /// There is no such one, and the key is not long.
    is_alone: bool,
}

impl Edge {
    /// That of empty slots, which fits no key.
    const NONE: Self = Self {
        tail: [1; 2],
        masks: [0; 2],
        long: None,
        from: OTHER_OBJECT,
        short: NOWHERE,
        to: OTHER_OBJECT,
        field: NO_FIELD,
        next: NO_EDGE,
        is_alone: true,
    };

    /// Zero if the key and a colon end with these bytes.
    #[inline(always)]
    fn differs(&self, tail: [u64; 2]) -> u64 {
        let ([first, last], [under_first, under_last]) = (tail, self.masks);
        let [wanted_first, wanted_last] = self.tail;
        first & under_first ^ wanted_first | last & under_last ^ wanted_last
    }
}

/// The edges of all wanted paths, and how they are found.
#[derive(Clone, Debug)]
pub(crate) struct Dictionary {
    keys: KeyEnds,
    slots: Slots,
    /// For each slot its first edge, or [`Edge::NONE`].
    table: Box<[Edge; SLOTS]>,
    /// Those that share their slot with another.
    more: Vec<Edge>,
}

impl Dictionary {
    /// The dictionary of these paths; none if there are none, if they need more than [`MAX_EDGES`], or
    /// if they are deeper than documents are looked through.
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
                        None if found.len() == MAX_EDGES => return None,
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

    fn with_edges(found: Vec<(String, Edge)>) -> Option<Self> {
        let mut keys = KeyEnds::NONE;
        let mut ends: Vec<(u8, Option<u8>)> = Vec::new();
        let mut edges: Vec<(u32, Edge)> = Vec::new();
        for (key, edge) in found {
            // In a JSON string these bytes are always escaped, and escaped keys are left to the full
            // parse.
            let escaped = |byte| matches!(byte, b'"' | b'\\' | ..b' ');
            if key.bytes().any(escaped) {
                continue;
            }
            let (last, before): (u8, &[u8]) = match *key.as_bytes() {
                [.., before, last] => (last, &[before]),
                [last] => (last, b"\""),
                // What stands before a key.
                [] => (b'"', b"{, \t\r"),
            };
            for &before in before {
                edges.push((id(before, last, edge.from), edge.clone()));
            }
            let end = (last, before.first().copied().filter(|_| !key.is_empty()));
            if !ends.contains(&end) {
                keys.add(ends.len(), end.0, end.1);
                ends.push(end);
            }
        }
        if edges.len() > MAX_EDGES {
            return None;
        }
        let slots = Slots::best(edges.iter().map(|(id, _)| *id));
        let mut table = vec![Edge::NONE; SLOTS];
        let mut more = Vec::new();
        for (id, mut edge) in edges {
            let slot = table.get_mut(slots.of(id))?;
            if slot.from == OTHER_OBJECT {
                *slot = edge;
                continue;
            }
            // Behind the first, in front of the others.
            edge.next = slot.next;
            slot.is_alone = false;
            slot.next = u16::try_from(more.len()).ok()?;
            more.push(edge);
        }
        Some(Self {
            keys,
            slots,
            table: table.try_into().ok()?,
            more,
        })
    }

    pub(super) fn keys(&self) -> &KeyEnds {
        &self.keys
    }

    /// The edge, from a place, of the key whose colon is the last of the bytes in `tail`, and of those
    /// that `bytes` gives, if these are not enough.
    #[inline(always)]
    pub(super) fn find<'b>(
        &self,
        from: Place,
        tail: [u64; 2],
        bytes: impl FnOnce() -> &'b [u8],
    ) -> Option<&Edge> {
        let [_, last] = tail;
        let id = (last >> 32) as u32 & 0xffff | from << 16;
        let edge = self.table.get(self.slots.of(id))?;
        if edge.differs(tail) | u64::from(from ^ edge.short) == 0 {
            return Some(edge);
        }
        if edge.is_alone {
            return None;
        }
        let [first, last] = tail;
        self.find_among(edge, from, first, last, bytes())
    }

    /// The same for a long key, or among those that share a slot.
    #[cold]
    fn find_among<'d>(
        &'d self,
        mut edge: &'d Edge,
        from: Place,
        first: u64,
        last: u64,
        bytes: &[u8],
    ) -> Option<&'d Edge> {
        loop {
            let is_whole = edge.long.as_ref().is_none_or(|key| bytes.ends_with(key));
            if is_whole && edge.from == from && edge.differs([first, last]) == 0 {
                return Some(edge);
            }
            // There is none at the number that stands for none.
            edge = self.more.get(usize::from(edge.next))?;
        }
    }
}

/// What an edge is looked up by: the last two bytes of its key, and where it begins.
fn id(before: u8, last: u8, from: Place) -> u32 {
    from << 16 | u32::from(last) << 8 | u32::from(before)
}

/// How ids are spread over the slots: by the highest byte of a product.
#[derive(Clone, Copy, Debug)]
struct Slots {
    factor: u32,
}

const SLOTS: usize = 256;

impl Slots {
    /// Of some factors the one that lets the fewest share a slot.
    fn best(ids: impl Iterator<Item = u32> + Clone) -> Self {
        let mut best = (usize::MAX, Self { factor: 1 });
        // Numbers without a pattern.
        let mut factor = 0x9e37_79b1_u32;
        for _ in 0..64 {
            let slots = Self { factor };
            let mut taken = [0; SLOTS];
            for id in ids.clone() {
                if let Some(taken) = taken.get_mut(slots.of(id)) {
                    *taken += 1_usize;
                }
            }
            let shared = taken.iter().map(|taken| taken.saturating_sub(1)).sum();
            if shared < best.0 {
                best = (shared, slots);
            }
            factor = factor.wrapping_mul(0x9e37_79b1) ^ factor >> 15 | 1;
        }
        best.1
    }

    #[inline(always)]
    fn of(self, id: u32) -> usize {
        let [.., highest] = id.wrapping_mul(self.factor).to_le_bytes();
        usize::from(highest)
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
            is_alone: whole.len() <= 16,
            short: if whole.len() > 16 { NOWHERE } else { from },
            long: (whole.len() > 16).then(|| whole.into()),
            from,
            ..Self::NONE
        }
    }
}
