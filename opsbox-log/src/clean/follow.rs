//! Documents that go by the edges of the automaton.

use std::ops::Range;

use super::{
    fields::{Fields, Value},
    fit::{Fit, fit},
    keys,
    shapes::{Edge, Mode, NONE, START, Then, check},
    sink::{Sink, Source},
    walk::{Escaped, Plain, Text, is_number, walk_within},
};
use crate::{
    limits::{MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_FIELDS, MAX_FLATTEN_DEPTH},
    scan::{HALF, NEAR, Simd},
    tokenize::json_string,
    types::Type,
};

/// Longest document of XML that goes by edges, in bytes: its fields are far from what an expansion is refused for.
#[cfg(feature = "xml")]
const MAX_XML_BYTES: usize = 16 << 10;

/// Why a document does not go by edges.
enum Lost {
    /// There is no edge.
    NoEdge,
    /// A value is not as simple as others of its key, or the document is.
    Value,
}

impl Fields<'_> {
    /// Takes the values of the document at `at`, if edges lead to its end, and returns that. Else nothing is taken.
    #[inline(always)]
    pub(super) fn follow_edges<K: Simd>(
        &mut self,
        simd: K,
        text: Text<'_>,
        at: usize,
        source: Source<'_>,
    ) -> Option<(Mode, usize)> {
        let near = near(text, at)?;
        let Some(edge) = self.shapes.find(simd, START, near, text.from(at)) else {
            self.is_new = true;
            return None;
        };
        self.begin(source);
        match self.go(simd, text, at, edge) {
            Ok(done) => {
                self.shapes.hit();
                Some(done)
            }
            Err(lost) => {
                self.is_new = matches!(lost, Lost::NoEdge);
                self.unlinked.clear();
                self.take_back();
                None
            }
        }
    }

    #[inline(always)]
    fn go<K: Simd>(
        &mut self,
        simd: K,
        text: Text<'_>,
        start: usize,
        first: u16,
    ) -> Result<(Mode, usize), Lost> {
        let (mut at, mut edge) = (start, first);
        loop {
            if self.shapes.edge(edge).is_odd && !self.odd(edge) {
                return Err(Lost::Value);
            }
            let it = self.shapes.edge(edge);
            at += usize::from(it.len);
            if it.is_last {
                break;
            }
            let mut end = text.index.next_of(it.bits, at);
            let (then, mode, next, to) = (it.then, it.mode, it.next, it.to);
            let (column, place) = (it.column, at..end);
            let mut place = place;
            if it.check != check::ANY && class(simd, text, place.clone()) & it.check == 0 {
                match self.look(text, place, edge) {
                    Some(looked) => place = looked,
                    None => return Err(Lost::Value),
                }
                end = end.max(place.end);
            }
            if column == NONE {
                self.unlinked.push((self.values.len(), edge));
            }
            self.values.push(Value {
                column,
                in_arena: self.in_arena,
                is_json: then == Then::Bare,
                len: u32::try_from(place.len()).unwrap_or(u32::MAX),
                start: self.base + place.start,
            });
            at = end;
            let Some(mut here) = near(text, at) else {
                return Err(Lost::Value);
            };
            let guess = self.shapes.edge(next);
            if simd.begins_with(here, &guess.text, &guess.mask)
                && (!guess.is_odd || self.shapes.has_rest(next, text.from(at)))
            {
                edge = next;
                continue;
            }
            if then == Then::String && mode == Mode::Json && here.starts_with(b"\\") {
                at = self.unescape(text, place.start, at).ok_or(Lost::Value)?;
                here = near(text, at).ok_or(Lost::Value)?;
            }
            let Some(found) = self.shapes.find(simd, to, here, text.from(at)) else {
                return Err(Lost::NoEdge);
            };
            self.shapes.miss(edge, found);
            edge = found;
        }
        let it = self.shapes.edge(edge);
        let (then, mode) = (it.then, it.mode);
        let is_done = then == Then::End
            && at <= text.end
            && self.values.len() <= MAX_DOCUMENT_FIELDS
            && is_sound(text, start..at, mode)
            && (self.unlinked.is_empty() || self.link(text));
        is_done.then_some((mode, at)).ok_or(Lost::Value)
    }

    /// Looks at what is rare of an edge: whether no null comes after a value of its column.
    #[cold]
    fn odd(&mut self, edge: u16) -> bool {
        let odd = self.shapes.odd(edge);
        let nulls = odd.map(|odd| odd.nulls.clone()).unwrap_or_default();
        nulls.into_iter().all(|key| self.is_first(key))
    }

    /// Whether no value of the document at hand is one of the column of a key.
    fn is_first(&mut self, key: u16) -> bool {
        let node = self.node_of(key);
        let column = self.known_column(node);
        if column.is_some_and(|column| self.values.iter().any(|value| value.column == column)) {
            return false;
        }
        // Those without a column may get it, by the same path.
        (0..self.unlinked.len()).all(|at| {
            let edge = self.unlinked.get(at).map_or(0, |(_, edge)| *edge);
            let other = self.node_of(self.shapes.edge(edge).key);
            let path = |node: u16| self.keys.get(node).map(|node| &node.path);
            path(node) != path(other)
        })
    }

    /// Looks at a value closer. Returns where it is, if it is one of its key.
    #[cold]
    fn look(&self, text: Text<'_>, place: Range<usize>, edge: u16) -> Option<Range<usize>> {
        let it = self.shapes.edge(edge);
        let mut place = place;
        let mut value = text.bytes.get(place.clone())?;
        match it.then {
            Then::Bare => {
                place.end = bare(text, place.clone(), it.mode)?;
                value = text.bytes.get(place.clone())?;
            }
            #[cfg(feature = "xml")]
            Then::Text => {
                let start = place.start + value.len() - value.trim_ascii_start().len();
                value = value.trim_ascii();
                place = start..start + value.len();
                if value.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
        let field = self.columns.get(usize::from(it.column));
        let data_type = field.map(|(field, _)| field.data_type());
        data_type
            .is_none_or(|data_type| fits(value, data_type))
            .then_some(place)
    }

    /// Puts the string from `start` on, which has its first escape at `at`, in the place of the value that was taken
    /// last. Returns where it ends.
    #[cold]
    fn unescape(&mut self, text: Text<'_>, start: usize, at: usize) -> Option<usize> {
        let (end, _) = text.escaped(at).ok()?;
        let column = self.values.last()?.column;
        let field = self.columns.get(usize::from(column));
        let data_type = field.map_or(Type::Text, |(field, _)| field.data_type());
        let mut own = std::mem::take(&mut self.scratch);
        own.clear();
        let read = json_string(text.bytes.get(start..=end)?, &mut own);
        let is_value = read.is_some() && fits(&own, data_type);
        if is_value && let Some(value) = self.values.last_mut() {
            value.start = self.arena.append(&own);
            value.len = u32::try_from(own.len()).unwrap_or(u32::MAX);
            value.in_arena = true;
        }
        self.scratch = own;
        is_value.then_some(end)
    }

    /// Gives values of edges that are new in this batch their columns. In the order of the values, as it is the order
    /// of the columns.
    #[cold]
    fn link(&mut self, text: Text<'_>) -> bool {
        let mut unlinked = std::mem::take(&mut self.unlinked);
        let all = unlinked
            .drain(..)
            .all(|(value, edge)| self.link_one(text, value, edge).is_some());
        self.unlinked = unlinked;
        all
    }

    fn link_one(&mut self, text: Text<'_>, value: usize, edge: u16) -> Option<()> {
        self.at = self.node_of(self.shapes.edge(edge).key);
        let column = self.column();
        let (field, _) = self.columns.get(usize::from(column))?;
        let data_type = field.data_type();
        let it = self.shapes.edge_mut(edge)?;
        (it.column, it.check) = (column, passes(it, data_type));
        let value = self.values.get_mut(value)?;
        value.column = column;
        let first = self.arena.end() - self.arena.bytes.len();
        let (bytes, start) = match value.in_arena && value.start >= first {
            true => (&*self.arena.bytes, value.start - first),
            false => (text.bytes, value.start - self.base),
        };
        let value = bytes.get(start..start + value.len as usize)?;
        fits(value, data_type).then_some(())
    }

    /// The node of a key in this batch.
    fn node_of(&mut self, key: u16) -> u16 {
        let Some(it) = self.shapes.key(key) else {
            return keys::NONE;
        };
        if it.node != NONE {
            return it.node;
        }
        let (above, name) = (it.above, it.name.clone());
        // Keys are as deep as objects that are flattened.
        let parent = self.node_of(above);
        let node = self.keys.node(&name, 0..name.len(), parent);
        if let Some(key) = self.shapes.key_mut(key) {
            key.node = node;
        }
        node
    }
}

/// The bytes at a place.
#[inline(always)]
fn near(text: Text<'_>, at: usize) -> Option<&[u8; HALF]> {
    text.bytes.get(at..).and_then(<[u8]>::first_chunk)
}

/// What a value looks like, as a bit of those that an edge lets pass; none for what takes a closer look.
#[inline(always)]
fn class<K: Simd>(simd: K, text: Text<'_>, place: Range<usize>) -> u8 {
    let bytes = text.bytes.get(place.start..);
    let Some(near) = bytes.and_then(<[u8]>::first_chunk::<NEAR>) else {
        return 0;
    };
    let len = place.len();
    if len > NEAR {
        return 0;
    }
    let (others, points) = simd.no_digits(near);
    let inside = (1 << len) - 1;
    let others = others & inside;
    // A zero comes first if it is alone before the point.
    let zero = near[0] == b'0';
    let is_integer = (others == 0) & (len > 0) & (!zero | (len == 1));
    let alone = others & others.wrapping_sub(1) == 0;
    let is_point = (others & points != 0) & alone;
    // The point is neither first nor last.
    let is_decimal = is_point & (others > 1) & (others <= inside >> 1) & (!zero | (others == 2));
    let [a, b, c, d, e, ..] = *near;
    let word = u32::from_le_bytes([a, b, c, d]);
    let is_true = (len == 4) & (word == u32::from_le_bytes(*b"true"));
    let is_false = (len == 5) & (word == u32::from_le_bytes(*b"fals")) & (e == b'e');
    let decimal = u8::from(is_decimal) << check::DECIMAL.trailing_zeros();
    let boolean = u8::from(is_true | is_false) << check::BOOLEAN.trailing_zeros();
    u8::from(is_integer) | decimal | boolean
}

/// Which values pass that come after this edge, in a column of this type.
fn passes(edge: &Edge, data_type: Type) -> u8 {
    let is_quoted = match edge.then {
        Then::String => true,
        #[cfg(feature = "xml")]
        Then::Attribute => true,
        _ => false,
    };
    match data_type {
        Type::Text | Type::Category if is_quoted => check::ANY,
        Type::Text | Type::Category => check::INTEGER | check::DECIMAL | check::BOOLEAN,
        Type::Integer => check::INTEGER,
        Type::Float => check::INTEGER | check::DECIMAL,
        Type::Boolean => check::BOOLEAN,
        _ => 0,
    }
}

/// The end of what has no quotes, if it is JSON and one value: a number, a word, an array, an empty object.
fn bare(text: Text<'_>, place: Range<usize>, mode: Mode) -> Option<usize> {
    let value = text.bytes.get(place.clone())?;
    if is_number(value) || matches!(value, b"true" | b"false") {
        return Some(place.end);
    }
    match text.bytes.get(place.start)? {
        // The objects that it is in are flattened.
        b'[' => {
            let levels = MAX_DOCUMENT_DEPTH - MAX_FLATTEN_DEPTH;
            let end = match mode {
                Mode::Escaped => walk_within::<Escaped>(text, place.start, levels),
                _ => walk_within::<Plain>(text, place.start, levels),
            };
            end.ok()
        }
        b'{' => {
            let end = text.skip(place.start + 1);
            (text.bytes.get(end) == Some(&b'}')).then_some(end + 1)
        }
        _ => None,
    }
}

fn fits(value: &[u8], data_type: Type) -> bool {
    match data_type {
        Type::Text | Type::Category => true,
        // What is written in another way is none of a simple document.
        _ => matches!(fit(value, data_type, &mut Vec::new()), Fit::Fits),
    }
}

/// Whether a document is UTF-8; and one of XML short and ASCII, so that no character that XML refuses is in it.
#[inline(always)]
fn is_sound(text: Text<'_>, place: Range<usize>, mode: Mode) -> bool {
    match mode {
        #[cfg(feature = "xml")]
        Mode::Xml => text.index.is_ascii() && place.len() <= MAX_XML_BYTES,
        _ if text.index.is_ascii() => true,
        _ => {
            let document = text.bytes.get(place).unwrap_or_default();
            std::str::from_utf8(document).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Format, Parser,
        clean::{Cleaner, index::Index},
        scan::{self, Chosen, Kernel, Work},
    };
    use proptest::prelude::*;

    fn kernels() -> impl Iterator<Item = Kernel> {
        let kernels = Kernel::ALL.into_iter();
        kernels.filter(|kernel| kernel.is_available())
    }

    /// What a text looks like that so many bytes more come after.
    struct Look<'t>(&'t [u8], usize);

    impl Work for Look<'_> {
        type Output = u8;

        #[inline(always)]
        fn run<K: Simd>(self, simd: K) -> u8 {
            let index = Index::default();
            let text = Text {
                bytes: self.0,
                index: &index,
                end: self.0.len(),
            };
            class(simd, text, 0..self.0.len() - self.1)
        }
    }

    struct Begins<'t>(&'t [u8; HALF], &'t [u8; HALF], &'t [u8; HALF]);

    impl Work for Begins<'_> {
        type Output = bool;

        #[inline(always)]
        fn run<K: Simd>(self, simd: K) -> bool {
            simd.begins_with(self.0, self.1, self.2)
        }
    }

    proptest! {
        #[test]
        fn numbers_and_words_are_told_by_all_kernels(
            text in prop_oneof!["-?[0-9.]{0,20}", "[0-9]{0,3}[.]?[0-9]{0,3}", "true|false|tru|fals|null|true1"],
            after in "[0-9.,}e]{16,20}",
        ) {
            let value = text.as_bytes();
            let simple = value.len() <= NEAR && value.iter().all(|byte| b"0123456789.".contains(byte));
            let wanted = match value {
                b"true" | b"false" => check::BOOLEAN,
                _ if !simple || !is_number(value) => 0,
                _ if value.contains(&b'.') => check::DECIMAL,
                _ => check::INTEGER,
            };
            let all = format!("{text}{after}");
            for kernel in kernels() {
                let found = scan::run(Chosen::new(kernel), Look(all.as_bytes(), after.len()));
                prop_assert_eq!(found, wanted, "{:?} on {}", text, kernel);
            }
        }

        #[test]
        fn texts_are_compared_by_all_kernels(
            text: [u8; HALF], len in 0..=HALF, other in any::<Option<(prop::sample::Index, u8)>>(),
        ) {
            let (mut mask, mut bytes) = ([0; HALF], text);
            mask[..len].fill(0xff);
            if let Some((at, byte)) = other {
                bytes[at.index(HALF)] = byte;
            }
            for kernel in kernels() {
                let found = scan::run(Chosen::new(kernel), Begins(&bytes, &text, &mask));
                prop_assert_eq!(found, bytes[..len] == text[..len], "{}", kernel);
            }
        }
    }

    #[test]
    fn kinds_that_begin_alike_go_by_edges() {
        let log: String = ["name", "node", "uid", "name"]
            .map(|key| {
                format!(
                    "2026-01-02 03:04:05 [INFO] {{\"a_key_of_more_than_thirty_two_bytes_{key}\":\"x\",\"b\":1}}\n"
                )
            })
            .concat();
        let log = log + "2026-01-02 03:04:05 [INFO] and now for something else\n";
        let parser = Parser::new(Format::preset("app").unwrap());
        let cleaner = Cleaner::new("message");
        for hits in [1, 4, 4] {
            cleaner.clean(&mut parser.parse(&log));
            assert_eq!(cleaner.shelf.hits(), hits);
        }
    }

    #[test]
    fn documents_as_others_before_them_go_by_edges() {
        let messages = [
            r#"sent {"id":7,"user":{"name":"ann"},"total":12.50,"note":null,"tags":["a"]}"#,
            r#"sent {"id":8,"user":{"name":"bo\nb"},"total":-1,"note":null,"tags":[]}"#,
            r#"body="{\"id\":9,\"total\":1}" x"#,
            #[cfg(feature = "xml")]
            r#"<order id="7"><user tier="gold">ann</user><total>12.50</total></order>"#,
        ];
        let log: String = messages
            .iter()
            .map(|message| format!("2026-01-02 03:04:05 [INFO] {message}\n"))
            .collect();
        // The last bytes of an input are not compared at once.
        let log = log + "2026-01-02 03:04:05 [INFO] and now for something else\n";
        let parser = Parser::new(Format::preset("app").unwrap());
        let cleaner = Cleaner::new("message");
        for hits in [1, messages.len() as u64, messages.len() as u64] {
            cleaner.clean(&mut parser.parse(&log));
            assert_eq!(cleaner.shelf.hits(), hits);
        }
    }
}
