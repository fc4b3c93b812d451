//! NDJSON on simd-json: it validates every byte and unescapes the strings; the structural offsets
//! of its first stage give the spans.

use simd_json::{Buffers, Node, Tape, fill_tape};

use crate::{
    batch::{Block, Place, Wanted},
    limits::{MAX_FLATTEN_DEPTH, MAX_JSON_DEPTH},
    unmatched::Reason,
};

/// What is kept from line to line.
pub(super) struct Scratch {
    /// simd-json unescapes in place: a copy of the line.
    line: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
    /// The path to the key at hand.
    path: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            buffers: Buffers::with_max_depth(0, MAX_JSON_DEPTH),
            tape: Tape(Vec::new()),
            path: String::new(),
        }
    }
}

/// Writes a cell for each key of the object that `line` is. Keys of nested objects become paths
/// with dots; arrays, and empty or too deep objects, stay JSON text, and so do objects whose own path
/// is selected; null is an absent value. Of two equal paths the last wins.
pub(super) fn line(line: &[u8], scratch: &mut Scratch, rows: &mut Block) -> Result<(), Reason> {
    scratch.line.clear();
    scratch.line.extend_from_slice(line);
    scratch.path.clear();
    let mut tape = std::mem::replace(&mut scratch.tape, Tape(Vec::new())).reset();
    let outcome = fill_tape(&mut scratch.line, &mut scratch.buffers, &mut tape)
        .map_err(|error| Reason::InvalidJson {
            offset: place(line, &error),
        })
        .and_then(|()| {
            Walk {
                line,
                nodes: &tape.0,
                structurals: scratch.buffers.structural_indexes(),
                path: &mut scratch.path,
                rows,
            }
            .document()
        });
    scratch.tape = tape.reset();
    outcome
}

/// Where a line stops being JSON. Of faults inside strings simd-json gives no place, which shows as
/// the place 0 of a line that does begin as JSON does.
fn place(line: &[u8], error: &simd_json::Error) -> Option<usize> {
    let begins = line.trim_ascii_start().starts_with(b"{");
    match (error.index(), std::str::from_utf8(line)) {
        (_, Err(utf8)) => Some(utf8.valid_up_to()),
        (0, Ok(_)) if begins => None,
        (at, Ok(_)) => Some(at.min(line.len())),
    }
}

/// Goes through the tape and the structural offsets in step: each node of the tape has one offset
/// (its first byte), and between them stand those of `:`, `,` and the closing brackets.
struct Walk<'w> {
    line: &'w [u8],
    nodes: &'w [Node<'w>],
    structurals: &'w [u32],
    path: &'w mut String,
    rows: &'w mut Block,
}

/// The tape and the offsets went out of step. Not reachable as long as simd-json keeps what its
/// documentation says of them; a refused line is better than a wrong value.
const OUT_OF_STEP: Reason = Reason::InvalidJson { offset: None };

impl<'w> Walk<'w> {
    fn document(&mut self) -> Result<(), Reason> {
        match self.nodes.first() {
            Some(Node::Object { .. }) => {}
            Some(_) => return Err(Reason::NotAnObject),
            None => return Err(OUT_OF_STEP),
        }
        let Node::Object { len, .. } = self.node()? else {
            return Err(OUT_OF_STEP);
        };
        self.offset()?;
        self.object(len, 0)?;
        Ok(())
    }

    /// The rest of an object whose `{` was taken. Returns the offset of its `}`.
    fn object(&mut self, len: usize, depth: usize) -> Result<usize, Reason> {
        if len == 0 {
            return self.offset();
        }
        let mut end = 0;
        for _ in 0..len {
            let parent = self.path.len();
            let Node::String(key) = self.node()? else {
                return Err(OUT_OF_STEP);
            };
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
            self.offset()?; // the key
            self.offset()?; // :
            self.value(depth)?;
            end = self.offset()?; // , or }
            self.path.truncate(parent);
        }
        Ok(end)
    }

    fn value(&mut self, depth: usize) -> Result<(), Reason> {
        let start = self.offset()?;
        let node = self.node()?;
        let wanted = self.rows.column(self.path);
        let cell = match node {
            Node::Object { len, .. } if len > 0 && depth < MAX_FLATTEN_DEPTH => {
                let end = self.object(len, depth + 1)?;
                if let Wanted::Field(field) = wanted {
                    self.rows.set(field, Place::Line(start..end + 1));
                }
                return Ok(());
            }
            Node::Object { count, .. } | Node::Array { count, .. } => {
                self.nodes = self.nodes.get(count..).ok_or(OUT_OF_STEP)?;
                let end = self.close()?;
                Place::Line(start..end + 1)
            }
            // The arena is for values that have a column.
            Node::String(_) if wanted == Wanted::No => return Ok(()),
            Node::String(text) => self.string(start, text),
            Node::Static(simd_json::StaticNode::Null) => Place::Null,
            Node::Static(_) => Place::Line(start..self.literal_end(start)),
        };
        match wanted {
            Wanted::Discovered => return self.rows.push_named(self.path, cell),
            Wanted::Field(field) => self.rows.set(field, cell),
            Wanted::No => {}
        }
        Ok(())
    }

    /// A string: where it stands in the line if it has no escapes, else its text in the arena.
    fn string(&mut self, quote: usize, text: &str) -> Place {
        let range = quote + 1..quote + 1 + text.len();
        // Equal bytes up to a quote mean that there is no escape: the first backslash of the line
        // would have to be unescaped to itself, and so would each byte after it up to the quote.
        let plain = self.line.get(range.clone()) == Some(text.as_bytes())
            && self.line.get(range.end) == Some(&b'"');
        match plain {
            true => Place::Line(range),
            false => self
                .rows
                .arena_place(|arena| arena.extend_from_slice(text.as_bytes())),
        }
    }

    /// The end of a number, `true` or `false`.
    fn literal_end(&self, start: usize) -> usize {
        let rest = self.line.get(start..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'));
        start + len.unwrap_or(rest.len())
    }

    /// Skips to the bracket that closes the one just taken, and returns its offset.
    fn close(&mut self) -> Result<usize, Reason> {
        let mut depth = 1;
        loop {
            let at = self.offset()?;
            match self.line.get(at) {
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(at);
            }
        }
    }

    fn node(&mut self) -> Result<Node<'w>, Reason> {
        let (first, rest) = self.nodes.split_first().ok_or(OUT_OF_STEP)?;
        self.nodes = rest;
        Ok(*first)
    }

    fn offset(&mut self) -> Result<usize, Reason> {
        let (first, rest) = self.structurals.split_first().ok_or(OUT_OF_STEP)?;
        self.structurals = rest;
        Ok(*first as usize)
    }
}
