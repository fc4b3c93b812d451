//! Documents that were read the slow way, taken into the automaton.

use std::ops::Range;

use super::{
    shapes::{Mode, NONE, START, Shapes, TOP, Then},
    walk::{Escaped, Plain, Text, Visit, walk_through},
};
use crate::limits::MAX_FLATTEN_DEPTH;

/// Takes in the valid document at `at`.
#[cold]
pub(super) fn learn(shapes: &mut Shapes, text: Text<'_>, at: usize, mode: Mode) {
    if text.bytes.get(at) != Some(&b'{') {
        return;
    }
    let mut learn = Learn {
        shapes,
        mode,
        state: START,
        edge: None,
        from: at,
        key: TOP,
        open: [NONE; _],
        depth: 0,
        inside: 0,
        begin: 0,
        is_empty: false,
        nulls: Vec::new(),
        is_over: false,
    };
    let end = match mode {
        Mode::Escaped => walk_through::<Escaped>(text, at, &mut learn),
        _ => walk_through::<Plain>(text, at, &mut learn),
    };
    if let Ok(end) = end {
        learn.take(text.bytes, end, Then::End, NONE);
    }
}

struct Learn<'l> {
    shapes: &'l mut Shapes,
    mode: Mode,
    state: u16,
    /// The edge that leads there.
    edge: Option<u16>,
    /// Where the next text begins.
    from: usize,
    /// The key that was read last, and those that are open.
    key: u16,
    open: [u16; MAX_FLATTEN_DEPTH + 1],
    depth: usize,
    /// Levels inside of what stays JSON text, and where that begins.
    inside: usize,
    begin: usize,
    is_empty: bool,
    nulls: Vec<u16>,
    is_over: bool,
}

impl Learn<'_> {
    /// Takes in the text before a value that begins here, or before the end.
    fn take(&mut self, text: &[u8], here: usize, then: Then, key: u16) {
        if self.is_over {
            return;
        }
        let text = text.get(self.from..here).unwrap_or_default();
        let nulls = std::mem::take(&mut self.nulls);
        let edge = self.shapes.known(self.state, text, then).or_else(|| {
            let open = self.open.get(self.depth).copied().unwrap_or(NONE);
            let to = match then {
                Then::End => NONE,
                _ => self.shapes.state(self.mode, open, then == Then::String)?,
            };
            let way = (self.mode, self.state, to);
            self.shapes.add(way, text, (then, key), &nulls)
        });
        let Some(edge) = edge else {
            self.is_over = true;
            return;
        };
        if let Some(before) = self.edge.and_then(|before| self.shapes.edge_mut(before)) {
            before.next = edge;
        }
        self.state = self.shapes.edge(edge).to;
        self.edge = Some(edge);
    }

    /// Takes in a value.
    fn value(&mut self, text: &[u8], place: Range<usize>, then: Then) {
        self.take(text, place.start, then, self.key);
        self.from = place.end;
    }
}

impl Visit for Learn<'_> {
    fn object(&mut self, at: usize) {
        if self.inside > 0 {
            self.inside += 1;
        } else if self.depth < MAX_FLATTEN_DEPTH {
            self.depth += 1;
            if let Some(slot) = self.open.get_mut(self.depth) {
                *slot = self.key;
            }
            (self.is_empty, self.begin) = (true, at);
        } else {
            (self.inside, self.begin) = (1, at);
        }
    }

    fn array(&mut self, at: usize) {
        if self.inside == 0 {
            self.begin = at;
        }
        self.inside += 1;
    }

    fn end(&mut self, text: &[u8], end: usize) {
        if self.inside > 0 {
            self.inside -= 1;
            if self.inside == 0 {
                self.value(text, self.begin..end, Then::Bare);
            }
            return;
        }
        if let Some(&key) = self.open.get(self.depth) {
            self.key = key;
        }
        self.depth = self.depth.saturating_sub(1);
        if std::mem::take(&mut self.is_empty) && self.depth > 0 {
            self.value(text, self.begin..end, Then::Bare);
        }
    }

    fn key(&mut self, text: &[u8], place: Range<usize>, escaped: bool) {
        if self.inside > 0 {
            return;
        }
        self.is_empty = false;
        let above = self.open.get(self.depth).copied().unwrap_or(NONE);
        let name = text.get(place).unwrap_or_default();
        let key = match escaped {
            false => self.shapes.key_of(above, name),
            true => None,
        };
        match key {
            Some(key) => self.key = key,
            None => self.is_over = true,
        }
    }

    fn string(&mut self, text: &[u8], place: Range<usize>, _: bool) {
        if self.inside == 0 {
            self.value(text, place, Then::String);
        }
    }

    fn literal(&mut self, text: &[u8], place: Range<usize>) {
        if self.inside == 0 {
            self.value(text, place, Then::Bare);
        }
    }

    fn null(&mut self) {
        if self.inside == 0 {
            self.nulls.push(self.key);
        }
    }
}
