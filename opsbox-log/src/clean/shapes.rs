//! What stands between the values of documents, as an automaton.
//!
//! Programs write the same documents over and over: the same keys in the same order, with other values. A
//! document that was read the slow and obvious way leaves the texts between its values here, each as an edge
//! from what came before it. Of the next document such a text is compared as a whole, and what is between two
//! of them is a value: no key is looked up, and no syntax is looked at. A document that leaves the edges is
//! read in the slow way.
//!
//! All that an edge leads to follows from the bytes of its text and the state that it comes from, so that a
//! document that goes by edges from the first to one that ends it is a document, and its values are those
//! that the slow way finds.

use std::collections::HashMap;

use super::index::Bits;
use crate::scan::{HALF, Simd};

/// No edge, column, key or state.
pub(super) const NONE: u16 = u16::MAX;

/// The state before a document.
pub(super) const START: u16 = 0;

/// The key above all others.
pub(super) const TOP: u16 = 0;

/// Most edges. That a document leaves more of them than others is a matter of speed alone.
const MAX_EDGES: usize = 2048;

/// Most bytes of all texts and keys that take more than an edge has room for.
const MAX_TEXT_BYTES: usize = 256 << 10;

/// Longest text between two values, in bytes.
const MAX_TEXT: usize = 255;

/// Documents that are taken in for nothing at most.
const CREDIT: u32 = 64;

/// Bytes of a text that its slot is found by.
const PREFIX: usize = 8;

/// Slots for edges with texts of at least [`PREFIX`] bytes: at least twice as many as there are edges.
const SLOTS: usize = 2 * MAX_EDGES;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    Json,
    /// With a backslash before each quote.
    Escaped,
    #[cfg(feature = "xml")]
    Xml,
}

/// What comes after the text of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// A string; in the text are its quotes.
    String,
    /// What has no quotes.
    Bare,
    /// The text of an element.
    #[cfg(feature = "xml")]
    Text,
    /// The value of an attribute; in the text are its quotes.
    #[cfg(feature = "xml")]
    Attribute,
    /// Nothing: the document is at its end.
    End,
    /// There is no such edge.
    Nowhere,
}

impl Then {
    /// What ends such a value.
    fn bits(self) -> Bits {
        match self {
            Self::Bare => Bits::Ends,
            #[cfg(feature = "xml")]
            Self::Text | Self::Attribute => Bits::Tags,
            _ => Bits::Stops,
        }
    }
}

/// What a value looks like, a bit each: an edge has those that pass without a closer look.
pub(super) mod check {
    /// Digits, of which the first is not zero.
    pub(in super::super) const INTEGER: u8 = 1;
    /// The same with a point.
    pub(in super::super) const DECIMAL: u8 = 2;
    pub(in super::super) const BOOLEAN: u8 = 4;
    /// Alone: whatever it looks like.
    pub(in super::super) const ANY: u8 = 8;
}

/// A text between two values.
#[derive(Clone, Debug)]
#[repr(align(128))]
pub(super) struct Edge {
    /// Its first bytes, and ones where they are.
    pub(super) text: [u8; HALF],
    pub(super) mask: [u8; HALF],
    /// Bytes of the whole text.
    pub(super) len: u16,
    pub(super) then: Then,
    pub(super) mode: Mode,
    /// Where its value ends; or that there is none.
    pub(super) bits: Bits,
    pub(super) is_last: bool,
    /// The column of the value, if it is known in this batch, and which values pass.
    pub(super) column: u16,
    pub(super) check: u8,
    /// Whether there is more text than fits, or a null in it.
    pub(super) is_odd: bool,
    /// The edge that is looked at first after it.
    pub(super) next: u16,
    /// Where it leads, and where from.
    pub(super) to: u16,
    from: u16,
    /// The key of the value.
    pub(super) key: u16,
}

impl Edge {
    const NOWHERE: Self = Self {
        text: [0xff; HALF],
        mask: [0xff; HALF],
        len: 0,
        then: Then::Nowhere,
        mode: Mode::Json,
        bits: Bits::Stops,
        is_last: true,
        column: NONE,
        check: 0,
        is_odd: false,
        next: 0,
        to: NONE,
        from: NONE,
        key: NONE,
    };
}

/// What is rare of an edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Odd {
    /// The text behind its first bytes.
    pub(super) rest: Box<[u8]>,
    /// Keys whose value is null.
    pub(super) nulls: Vec<u16>,
}

/// A key under the keys above it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) above: u16,
    pub(super) name: Box<[u8]>,
    /// Its node in this batch.
    pub(super) node: u16,
}

/// The automaton.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    edges: Vec<Edge>,
    odd: HashMap<u16, Odd>,
    slots: Vec<u16>,
    /// Of each state the edges with texts that have no slot.
    short: Vec<Vec<u16>>,
    /// What is open, and whether a string came before.
    states: HashMap<(Mode, u16, bool), u16>,
    keys: Vec<Key>,
    names: HashMap<Box<[u8]>, u16>,
    text_bytes: usize,
    credit: u32,
    turn: u8,
    is_full: bool,
    /// Documents of this batch that went by edges, and others.
    hits: u64,
    misses: u64,
}

impl Default for Shapes {
    fn default() -> Self {
        let top = Key {
            above: NONE,
            name: Box::default(),
            node: super::keys::ROOT,
        };
        Self {
            edges: vec![Edge::NOWHERE],
            odd: HashMap::new(),
            slots: vec![NONE; SLOTS],
            short: vec![Vec::new()],
            states: HashMap::new(),
            keys: vec![top],
            names: HashMap::new(),
            text_bytes: 0,
            credit: CREDIT,
            turn: 0,
            is_full: false,
            hits: 0,
            misses: 0,
        }
    }
}

impl Shapes {
    /// Forgets what belongs to a batch; and all, if it is of no use to most documents and leaves no room.
    pub(super) fn begin(&mut self) {
        if self.is_full && self.misses > self.hits {
            *self = Self::default();
        }
        (self.hits, self.misses) = (0, 0);
        self.credit = CREDIT;
        for edge in &mut self.edges {
            (edge.column, edge.check) = (NONE, 0);
        }
        for key in self.keys.iter_mut().skip(1) {
            key.node = NONE;
        }
    }

    #[inline(always)]
    pub(super) fn edge(&self, edge: u16) -> &Edge {
        self.edges.get(usize::from(edge)).unwrap_or(&Edge::NOWHERE)
    }

    pub(super) fn edge_mut(&mut self, edge: u16) -> Option<&mut Edge> {
        self.edges.get_mut(usize::from(edge))
    }

    pub(super) fn odd(&self, edge: u16) -> Option<&Odd> {
        self.odd.get(&edge)
    }

    pub(super) fn key(&self, key: u16) -> Option<&Key> {
        self.keys.get(usize::from(key))
    }

    pub(super) fn key_mut(&mut self, key: u16) -> Option<&mut Key> {
        self.keys.get_mut(usize::from(key))
    }

    /// The edge from a state whose text stands here; of several that with the longest text. `text` begins with what is
    /// near.
    #[inline(always)]
    pub(super) fn find<K: Simd>(
        &self,
        simd: K,
        from: u16,
        near: &[u8; HALF],
        text: &[u8],
    ) -> Option<u16> {
        let first = slot_of(from, near);
        for probe in 0..SLOTS {
            let edge = self.slots.get((first + probe) % SLOTS).copied();
            let edge = edge.unwrap_or(NONE);
            if edge == NONE {
                break;
            }
            let it = self.edge(edge);
            if it.from == from
                && simd.begins_with(near, &it.text, &it.mask)
                && (!it.is_odd || self.has_rest(edge, text))
            {
                return Some(edge);
            }
        }
        let mut short = self.short.get(usize::from(from))?.iter().copied();
        short.find(|&edge| {
            let it = self.edge(edge);
            simd.begins_with(near, &it.text, &it.mask)
        })
    }

    /// Whether what an edge has behind its first bytes stands in a text that begins with these.
    #[cold]
    pub(super) fn has_rest(&self, edge: u16, text: &[u8]) -> bool {
        let odd = self.odd.get(&edge);
        odd.is_none_or(|odd| text.get(HALF..).unwrap_or_default().starts_with(&odd.rest))
    }

    /// Another edge than the one that was looked at first came after this one.
    #[inline(always)]
    pub(super) fn miss(&mut self, edge: u16, next: u16) {
        // Not each time: where a key is left out now and then, it comes again.
        self.turn = self.turn.wrapping_add(1);
        if self.turn.is_multiple_of(8)
            && let Some(edge) = self.edge_mut(edge)
        {
            edge.next = next;
        }
    }

    /// Documents of this batch that went by edges.
    #[cfg(test)]
    pub(super) fn hits(&self) -> u64 {
        self.hits
    }

    /// A document went by edges.
    #[inline(always)]
    pub(super) fn hit(&mut self) {
        self.hits += 1;
        self.credit = (self.credit + 1).min(CREDIT);
    }

    /// A document has an edge that is not here. Whether it should be.
    pub(super) fn wants(&mut self) -> bool {
        self.misses += 1;
        let wants = self.credit > 0 && !self.is_full;
        self.credit = self.credit.saturating_sub(1);
        wants
    }

    /// The key of this name under another.
    pub(super) fn key_of(&mut self, above: u16, name: &[u8]) -> Option<u16> {
        let mut full = above.to_le_bytes().to_vec();
        full.extend_from_slice(name);
        if let Some(&key) = self.names.get(full.as_slice()) {
            return Some(key);
        }
        let key = u16::try_from(self.keys.len()).ok();
        let key = key.filter(|&key| key < NONE && self.has_room(2 * name.len()))?;
        self.names.insert(full.into(), key);
        self.keys.push(Key {
            above,
            name: name.into(),
            node: NONE,
        });
        Some(key)
    }

    /// The state in which this key is open, and a string came before or not.
    pub(super) fn state(&mut self, mode: Mode, open: u16, after_string: bool) -> Option<u16> {
        let key = (mode, open, after_string);
        if let Some(&state) = self.states.get(&key) {
            return Some(state);
        }
        let state = self.new_state()?;
        self.states.insert(key, state);
        Some(state)
    }

    /// A state that no other edge leads to, if there is room for it. More than edges are of no use.
    pub(super) fn new_state(&mut self) -> Option<u16> {
        if self.short.len() > MAX_EDGES {
            self.is_full = true;
            return None;
        }
        let state = u16::try_from(self.short.len()).ok()?;
        self.short.push(Vec::new());
        Some(state)
    }

    #[cfg(test)]
    pub(super) fn states(&self) -> usize {
        self.short.len()
    }

    /// Whether an edge can have this text.
    pub(super) fn takes(text: &[u8]) -> bool {
        (1..=MAX_TEXT).contains(&text.len())
    }

    /// The edge of this text from a state, if there is one.
    pub(super) fn known(&self, from: u16, text: &[u8], then: Then) -> Option<u16> {
        let is_it = |edge: &u16| {
            let it = self.edge(*edge);
            let (first, rest) = text.split_at(text.len().min(HALF));
            let odd = self.odd.get(edge);
            it.from == from
                && it.then == then
                && usize::from(it.len) == text.len()
                && it.text.starts_with(first)
                && odd.map_or(&[][..], |odd| &odd.rest) == rest
        };
        let near = text.first_chunk::<PREFIX>();
        if near.is_none() {
            let mut short = self.short.get(usize::from(from))?.iter();
            return short.find(|edge| is_it(edge)).copied();
        }
        let mut near = [0; HALF];
        for (slot, byte) in near.iter_mut().zip(text) {
            *slot = *byte;
        }
        let first = slot_of(from, &near);
        let slots = (0..SLOTS).filter_map(|probe| self.slots.get((first + probe) % SLOTS));
        let mut slots = slots.take_while(|&&edge| edge != NONE);
        slots.find(|edge| is_it(edge)).copied()
    }

    /// A new edge, if there is room for it.
    pub(super) fn add(
        &mut self,
        (mode, from, to): (Mode, u16, u16),
        text: &[u8],
        (then, key): (Then, u16),
        nulls: &[u16],
    ) -> Option<u16> {
        let len = u16::try_from(text.len()).ok();
        let len = len.filter(|_| Self::takes(text))?;
        let (first, rest) = text.split_at(text.len().min(HALF));
        if !self.has_room(rest.len() + 2 * nulls.len()) {
            return None;
        }
        let id = u16::try_from(self.edges.len()).ok()?;
        let is_odd = !rest.is_empty() || !nulls.is_empty();
        let mut edge = Edge {
            text: [0; HALF],
            mask: [0; HALF],
            len,
            then,
            mode,
            bits: then.bits(),
            is_last: then == Then::End,
            is_odd,
            to,
            from,
            key,
            ..Edge::NOWHERE
        };
        for ((slot, mask), byte) in edge.text.iter_mut().zip(&mut edge.mask).zip(first) {
            (*slot, *mask) = (*byte, 0xff);
        }
        self.edges.push(edge);
        self.place(id, from, text.len() < PREFIX);
        if is_odd {
            let odd = Odd {
                rest: rest.into(),
                nulls: nulls.to_vec(),
            };
            self.odd.insert(id, odd);
        }
        Some(id)
    }

    /// Puts an edge where it is found. Longer ones come first: one may begin with another.
    fn place(&mut self, edge: u16, from: u16, is_short: bool) {
        let len = self.edge(edge).len;
        if is_short {
            let Self { short, edges, .. } = self;
            let Some(short) = short.get_mut(usize::from(from)) else {
                return;
            };
            let is_longer = |other: &u16| {
                edges
                    .get(usize::from(*other))
                    .is_some_and(|it| it.len >= len)
            };
            let at = short.iter().take_while(|other| is_longer(other)).count();
            short.insert(at, edge);
            return;
        }
        let first = slot_of(from, &self.edge(edge).text);
        let mut moved = edge;
        for probe in 0..SLOTS {
            let at = (first + probe) % SLOTS;
            let other = self.slots.get(at).copied().unwrap_or(NONE);
            if other == NONE || self.comes_before(moved, other) {
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = moved;
                }
                moved = other;
            }
            if moved == NONE {
                return;
            }
        }
    }

    /// Whether two edges are found by the same bytes from the same state, and the first has the longer text.
    fn comes_before(&self, edge: u16, other: u16) -> bool {
        let (it, other) = (self.edge(edge), self.edge(other));
        let near = |it: &Edge| it.text.first_chunk::<PREFIX>().copied();
        it.from == other.from && near(it) == near(other) && it.len > other.len
    }

    /// Whether there is room for an edge, or for a key, with so many more bytes.
    fn has_room(&mut self, bytes: usize) -> bool {
        let has_room = self.edges.len() < MAX_EDGES
            && self.keys.len() < MAX_EDGES
            && self.text_bytes + bytes <= MAX_TEXT_BYTES;
        self.is_full |= !has_room;
        if has_room {
            self.text_bytes += bytes;
        }
        has_room
    }
}

/// Where the search for an edge begins.
#[inline(always)]
fn slot_of(from: u16, near: &[u8; HALF]) -> usize {
    let [prefix @ .., _, _, _, _, _, _, _, _, _, _, _, _] = near;
    let [prefix @ .., _, _, _, _, _, _, _, _, _, _, _, _] = prefix;
    let prefix = u64::from_le_bytes(*prefix);
    let mixed = (prefix ^ u64::from(from).rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than the number of slots"
    )]
    let at = (mixed >> (64 - SLOTS.trailing_zeros())) as usize;
    at
}
