//! Simple documents of XML that were read the slow way, taken into the automaton.
//!
//! Simple are elements, attributes and text, without references, comments and text between children. What this finds
//! has to be what the slow way found, or it is not taken in.

use std::ops::Range;

use super::{
    json::push_string,
    shapes::{Mode, NONE, START, Shapes, TOP, Then},
};

/// Longest JSON of a document that is taken in: with short values it is far from what an expansion is refused for.
const MAX_JSON_BYTES: usize = 16 << 10;

/// A value: where it is, with white space around it, and the field that it is of.
struct Found {
    place: Range<usize>,
    then: Then,
    path: String,
}

/// Takes in a document, of which the slow way made this JSON.
#[cold]
pub(super) fn learn_xml(shapes: &mut Shapes, document: &[u8], json: &[u8], keep_prefixes: bool) {
    let text = std::str::from_utf8(document).ok();
    let text = text.filter(|text| text.is_ascii() && json.len() <= MAX_JSON_BYTES);
    let Some(found) = text.and_then(|text| read(text, keep_prefixes)) else {
        return;
    };
    let mut same = vec![b'{'];
    for it in &found {
        if same.len() > 1 {
            same.push(b',');
        }
        push_string(it.path.as_bytes(), &mut same);
        same.push(b':');
        let value = document.get(it.place.clone()).unwrap_or_default();
        push_string(trimmed(value, it.then), &mut same);
    }
    same.push(b'}');
    if same == json {
        // What there is no room for is read the slow way, as before.
        take(shapes, document, &found);
    }
}

fn trimmed(value: &[u8], then: Then) -> &[u8] {
    match then {
        Then::Text => value.trim_ascii(),
        _ => value,
    }
}

/// Each text leads to a state of its own: what the elements before it were called, and how often, is part of what
/// fields are called.
fn take(shapes: &mut Shapes, document: &[u8], found: &[Found]) -> Option<()> {
    let (mut state, mut from, mut before) = (START, 0, None);
    let values = found
        .iter()
        .map(|it| (it.place.clone(), it.then, Some(&it.path)));
    let last = (document.len()..document.len(), Then::End, None);
    for (place, then, path) in values.chain([last]) {
        let text = document.get(from..place.start)?;
        let edge = match shapes.known(state, text, then) {
            Some(edge) => edge,
            None => {
                if !Shapes::takes(text) {
                    return None;
                }
                let key = match path {
                    Some(path) => shapes.key_of(TOP, path.as_bytes())?,
                    None => NONE,
                };
                let to = shapes.new_state()?;
                shapes.add((Mode::Xml, state, to), text, (then, key), &[])?
            }
        };
        if let Some(before) = before.and_then(|before| shapes.edge_mut(before)) {
            before.next = edge;
        }
        (state, from, before) = (shapes.edge(edge).to, place.end, Some(edge));
    }
    Some(())
}

/// An element that is open.
struct Open<'d> {
    name: &'d str,
    /// Bytes of the path of its parent.
    parent: usize,
    /// The names of its children, and how often each came.
    children: Vec<(&'d str, usize)>,
    has_text: bool,
    has_fields: bool,
}

/// The values of a document, if it is simple.
fn read(document: &str, keep_prefixes: bool) -> Option<Vec<Found>> {
    let local = |name: &'_ str| match keep_prefixes {
        true => 0,
        false => name.find(':').map_or(0, |colon| colon + 1),
    };
    let mut found = Vec::new();
    let mut path = String::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    loop {
        let rest = document.get(at..)?;
        if rest.starts_with("<?") {
            at += rest.find("?>")? + 2;
        } else if let Some(tag) = rest.strip_prefix("</") {
            let end = tag.find('>')?;
            let it = open.pop()?;
            let is_it = tag.get(..end)?.trim_ascii_end() == it.name;
            // An element that is empty is a field.
            if !is_it || !(it.has_fields || it.has_text) {
                return None;
            }
            path.truncate(it.parent);
            at += 2 + end + 1;
        } else if let Some(tag) = rest.strip_prefix('<') {
            let name = name(tag)?;
            let short = name.get(local(name)..)?;
            let parent = path.len();
            if let Some(above) = open.last_mut() {
                if above.has_text {
                    return None;
                }
                above.has_fields = true;
                path.push('.');
                path.push_str(short);
                match above.children.iter_mut().find(|(child, _)| *child == short) {
                    Some((_, count)) => {
                        *count += 1;
                        path.push_str(&format!(".{count}"));
                    }
                    None => above.children.push((short, 1)),
                }
            } else {
                path.push_str(short);
            }
            let mut it = Open {
                name,
                parent,
                children: Vec::new(),
                has_text: false,
                has_fields: false,
            };
            at += 1 + name.len();
            let is_empty = attributes(document, &mut at, |key, place| {
                if key != "xmlns" && !key.starts_with("xmlns:") {
                    it.has_fields = true;
                    let key = key.get(local(key)..).unwrap_or_default();
                    found.push(Found {
                        place,
                        then: Then::Attribute,
                        path: format!("{path}.@{key}"),
                    });
                }
            })?;
            if !is_empty {
                open.push(it);
            } else if it.has_fields {
                path.truncate(parent);
            } else {
                return None;
            }
        } else {
            let len = rest.find('<')?;
            let text = rest.get(..len)?;
            if !text.trim_ascii().is_empty() {
                let it = open.last_mut()?;
                if it.has_text || !it.children.is_empty() || !is_simple(text) {
                    return None;
                }
                it.has_text = true;
                found.push(Found {
                    place: at..at + len,
                    then: Then::Text,
                    path: path.clone(),
                });
            }
            at += len;
        }
        if open.is_empty() && at == document.len() {
            return Some(found);
        }
    }
}

/// Goes behind a tag from behind its name on, and says whether it is that of an empty element.
fn attributes(
    document: &str,
    at: &mut usize,
    mut attribute: impl FnMut(&str, Range<usize>),
) -> Option<bool> {
    loop {
        let rest = document.get(*at..)?;
        let tag = rest.trim_ascii_start();
        *at += rest.len() - tag.len();
        if tag.starts_with('>') {
            *at += 1;
            return Some(false);
        }
        if tag.starts_with("/>") {
            *at += 2;
            return Some(true);
        }
        let key = name(tag)?;
        let value = tag.get(key.len()..)?.trim_ascii_start().strip_prefix('=')?;
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        let value = value.get(1..)?;
        let len = value.find(quote)?;
        let start = *at + (tag.len() - value.len());
        if !is_simple(value.get(..len)?) {
            return None;
        }
        attribute(key, start..start + len);
        *at = start + len + 1;
    }
}

/// The name that a text begins with.
fn name(text: &str) -> Option<&str> {
    let is_end =
        |byte: u8| byte <= b' ' || matches!(byte, b'/' | b'>' | b'=' | b'<' | b'"' | b'\'');
    let len = text.bytes().position(is_end)?;
    text.get(..len).filter(|name| !name.is_empty())
}

/// Whether nothing is in a value that ends one.
fn is_simple(value: &str) -> bool {
    !value
        .bytes()
        .any(|byte| byte < b' ' || b"\"\\'<&{[".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_there_is_no_room_for_leave_nothing() {
        let mut shapes = Shapes::default();
        let long = format!("<?note {}?><a>1</a>", "x".repeat(300));
        let states = shapes.states();
        for _ in 0..3 {
            learn_xml(&mut shapes, long.as_bytes(), br#"{"a":"1"}"#, false);
        }
        assert_eq!(shapes.states(), states);
        for n in 0..10_000 {
            let document = format!("<a{n}>1</a{n}>");
            let json = format!(r#"{{"a{n}":"1"}}"#);
            learn_xml(&mut shapes, document.as_bytes(), json.as_bytes(), false);
        }
        assert!(shapes.states() > states && shapes.states() < 5_000);
    }
}
