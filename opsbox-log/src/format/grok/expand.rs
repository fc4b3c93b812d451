//! From a grok pattern to the regular expression that it stands for.

use std::{collections::HashMap, ops::Range};

use super::{
    super::{
        Field,
        definition::{Captures, column_name, column_type},
        pattern::refuse,
    },
    library,
};
use crate::{
    error::Error,
    limits::{MAX_GROK_EXPANDED_BYTES, MAX_GROK_NESTING, MAX_PATTERN_FIELDS},
    types::Type,
};

/// Names and what they stand for.
pub(super) type Definitions = HashMap<String, String>;

/// A regular expression, and where each part of it is from.
pub(super) struct Expansion<'p> {
    pattern: &'p str,
    pub(super) regex: String,
    pub(super) captures: Captures,
    /// Where the pattern has each capture.
    pub(super) places: Vec<Range<usize>>,
    origins: Vec<Origin>,
}

/// What the expansion is from one place on.
struct Origin {
    at: usize,
    from: From,
}

enum From {
    /// The pattern itself, from this offset on.
    Pattern(usize),
    /// A definition, to which this reference led.
    Definition {
        reference: Range<usize>,
        name: String,
    },
}

impl Expansion<'_> {
    /// An error in the expansion as one in the pattern.
    pub(super) fn locate(&self, offset: usize, part: &str, message: String) -> Error {
        let next = self.origins.partition_point(|origin| origin.at <= offset);
        let end = self
            .origins
            .get(next)
            .map_or(usize::MAX, |origin| origin.at);
        match next.checked_sub(1).and_then(|at| self.origins.get(at)) {
            Some(Origin {
                at,
                from: From::Pattern(start),
            }) => {
                let start = start + offset - at;
                let len = part.len().min(end - offset);
                refuse(self.pattern, start..start + len, message)
            }
            Some(Origin {
                from: From::Definition { reference, name },
                ..
            }) => {
                let message = format!("in the definition of {name}, at {part:?}: {message}");
                refuse(self.pattern, reference.clone(), message)
            }
            None => self.refuse(0..self.pattern.len(), message),
        }
    }

    /// An error at a place of the pattern.
    pub(super) fn refuse(&self, place: Range<usize>, message: String) -> Error {
        refuse(self.pattern, place, message)
    }
}

/// Expands a pattern by own definitions, and by the library's where there is no own one.
pub(super) fn expand<'p>(pattern: &'p str, own: &Definitions) -> Result<Expansion<'p>, Error> {
    let mut expander = Expander {
        out: Expansion {
            pattern,
            regex: String::new(),
            captures: Captures::default(),
            places: Vec::new(),
            origins: Vec::new(),
        },
        own,
        path: Vec::new(),
        reference: 0..0,
    };
    expander.text(pattern)?;
    Ok(expander.out)
}

struct Expander<'p, 'd> {
    out: Expansion<'p>,
    own: &'d Definitions,
    /// The definitions that are being expanded, outermost first.
    path: Vec<String>,
    /// The reference of the pattern that led to them.
    reference: Range<usize>,
}

impl Expander<'_, '_> {
    /// Expands the pattern or a definition.
    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.continue_at(0);
        let mut classes = Classes::default();
        let mut groups = 0_usize;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let at = text.len() - rest.len();
            let mut len = next.len_utf8();
            if next == '\\' {
                let escaped = rest.chars().nth(1);
                if escaped.is_none() && !self.path.is_empty() {
                    return Err(self.refuse(at..at + 1, "it ends with a backslash".into()));
                }
                len += escaped.map_or(0, char::len_utf8);
                classes.filled();
            } else if let Some(reference) = reference(rest) {
                len = reference.len();
                if classes.depth > 0 {
                    let message = "inside [...] this is a set of characters, no reference; write \\[ \
                                   for a bracket of the line";
                    return Err(self.refuse(at..at + len, message.into()));
                }
                self.reference(reference, at)?;
                rest = rest.get(len..).unwrap_or_default();
                self.continue_at(at + len);
                continue;
            } else if classes.depth > 0 || next == '[' {
                classes.pass(next);
            } else if let Some(name) = inline_capture(rest) {
                groups += 1;
                let name_at = rest.len() - name.after.len() - name.name.len() - 1;
                len = rest.len() - name.after.len();
                let place = at + name_at..at + name_at + name.name.len();
                self.open_capture(name.name, Type::Text, place)?;
                rest = name.after;
                self.continue_at(at + len);
                continue;
            } else if next == '(' {
                groups += 1;
            } else if next == ')' {
                let Some(fewer) = groups.checked_sub(1) else {
                    return Err(self.refuse(at..at + 1, "unopened group".into()));
                };
                groups = fewer;
            }
            self.push(rest.get(..len).unwrap_or_default())?;
            rest = rest.get(len..).unwrap_or_default();
        }
        // What is open at the end of the pattern itself is for the regular expression's parser to say.
        if (groups > 0 || classes.depth > 0) && !self.path.is_empty() {
            let open = if groups > 0 { "group" } else { "class" };
            return Err(self.refuse(0..text.len(), format!("unclosed {open}")));
        }
        Ok(())
    }

    /// Expands `%{NAME}`, `%{NAME:column}` or `%{NAME:column:type}`, found at `at`.
    fn reference(&mut self, text: &str, at: usize) -> Result<(), Error> {
        let place = at..at + text.len();
        if self.path.is_empty() {
            self.reference = place.clone();
        }
        let inside = text
            .strip_prefix("%{")
            .and_then(|text| text.strip_suffix('}'));
        let Some(inside) = inside else {
            return Err(self.refuse(place, "the reference is not closed; write }".into()));
        };
        let mut parts = inside.split(':');
        let name = parts.next().unwrap_or_default();
        let column = parts.next();
        let data_type = match parts.next() {
            Some(text) => {
                column_type(text).map_err(|message| self.refuse(place.clone(), message))?
            }
            None => Type::Text,
        };
        if parts.next().is_some() {
            let message = "too many colons; write %{NAME:column:type}".into();
            return Err(self.refuse(place, message));
        }
        if let Err(message) = definition_name(name) {
            return Err(self.refuse(place, message));
        }
        if self.path.iter().any(|outer| outer == name) {
            let circle = self.path.iter().skip_while(|outer| *outer != name);
            let circle: Vec<_> = circle.map(String::as_str).chain([name]).collect();
            let message = format!(
                "the definition leads back to itself: {}; a pattern cannot be recursive",
                circle.join(" -> ")
            );
            return Err(self.refuse(place, message));
        }
        if self.path.len() == MAX_GROK_NESTING {
            let message =
                format!("{name} is nested deeper than the limit of {MAX_GROK_NESTING} definitions");
            return Err(self.refuse(place, message));
        }
        let own = self.own;
        let definition = own.get(name).map(String::as_str);
        let Some(definition) = definition.or_else(|| library::find(name)) else {
            return Err(self.refuse(place, self.unknown(name)));
        };

        match column {
            Some(column) => self.open_capture(column, data_type, place)?,
            None => self.push("(?:")?,
        }
        self.path.push(name.to_owned());
        self.text(definition)?;
        self.path.pop();
        self.push(")")
    }

    /// `(?P<name>` for a column that `place` in the text at hand asks for.
    fn open_capture(
        &mut self,
        column: &str,
        data_type: Type,
        place: Range<usize>,
    ) -> Result<(), Error> {
        let column = column_name(column).map_err(|message| self.refuse(place.clone(), message))?;
        if self.out.captures.len() == MAX_PATTERN_FIELDS {
            let message = format!("there are more captures than the limit of {MAX_PATTERN_FIELDS}");
            return Err(self.refuse(place, message));
        }
        let field = Field::new(&column).with_type(data_type);
        let before = self.out.captures.fields().zip(&self.out.places);
        let other = before
            .into_iter()
            .find(|(it, _)| it.name() == column && **it != field);
        if let Some((_, other)) = other {
            let message = format!(
                "column {column:?} has another type at byte {}; give both the same",
                other.start
            );
            return Err(self.refuse(place, message));
        }
        let name = format!("(?P<{}>", self.out.captures.add(field));
        let place = match self.path.is_empty() {
            true => place,
            false => self.reference.clone(),
        };
        self.out.places.push(place);
        self.push(&name)
    }

    /// Adds to the expansion. The limit is here, so that no definitions can make it explode.
    fn push(&mut self, text: &str) -> Result<(), Error> {
        if self.out.regex.len() + text.len() > MAX_GROK_EXPANDED_BYTES {
            let message = format!(
                "the definitions expand to more than the limit of {MAX_GROK_EXPANDED_BYTES} bytes"
            );
            let place = match self.path.is_empty() {
                true => 0..self.out.pattern.len(),
                false => self.reference.clone(),
            };
            return Err(refuse(self.out.pattern, place, message));
        }
        self.out.regex.push_str(text);
        Ok(())
    }

    /// The expansion goes on with what the text at hand has at `offset`.
    fn continue_at(&mut self, offset: usize) {
        let from = match self.path.last() {
            None => From::Pattern(offset),
            Some(name) => From::Definition {
                reference: self.reference.clone(),
                name: name.clone(),
            },
        };
        let at = self.out.regex.len();
        self.out.origins.push(Origin { at, from });
    }

    /// An error in the text at hand.
    fn refuse(&self, place: Range<usize>, message: String) -> Error {
        match self.path.last() {
            None => refuse(self.out.pattern, place, message),
            Some(name) => {
                let message = format!("in the definition of {name}: {message}");
                refuse(self.out.pattern, self.reference.clone(), message)
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        let wanted = name.to_uppercase();
        let own = self.own.keys().map(String::as_str);
        let nearest = own
            .chain(library::all().map(|(name, _)| name))
            .map(|known| {
                (
                    strsim::damerau_levenshtein(&wanted, &known.to_uppercase()),
                    known,
                )
            })
            .filter(|(distance, known)| *distance <= known.len() / 3)
            .min();
        match nearest {
            Some((_, nearest)) => {
                format!("there is no pattern {name:?}; did you mean {nearest:?}?")
            }
            None => format!(
                "there is no pattern {name:?}; define it with Format::grok_with, see \
                 Format::grok_library for those that there are, or call Format::dissect if this is a \
                 key of dissect"
            ),
        }
    }
}

/// The classes that are open, to know what is inside `[...]`.
#[derive(Default)]
struct Classes {
    depth: usize,
    /// Nothing has been in the innermost one: a `]` is itself.
    is_fresh: bool,
}

impl Classes {
    fn pass(&mut self, next: char) {
        match next {
            '[' => {
                self.depth += 1;
                self.is_fresh = true;
            }
            '^' if self.is_fresh => {}
            ']' if !self.is_fresh => self.depth -= 1,
            _ => self.filled(),
        }
    }

    fn filled(&mut self) {
        self.is_fresh = false;
    }
}

/// The reference that `text` begins with, up to its brace or, if that is missing, the end.
fn reference(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("%{")?;
    inside.strip_prefix(|first: char| first.is_ascii_alphabetic() || first == '_')?;
    text.get(..text.find('}').map_or(text.len(), |at| at + 1))
}

struct Inline<'t> {
    name: &'t str,
    after: &'t str,
}

/// `(?<name>` or `(?P<name>` at the beginning, but not `(?<=` or `(?<!`, which the parser refuses.
fn inline_capture(text: &str) -> Option<Inline<'_>> {
    let inside = text
        .strip_prefix("(?<")
        .or_else(|| text.strip_prefix("(?P<"))
        .filter(|inside| !inside.starts_with(['=', '!']))?;
    let (name, after) = inside.split_once('>')?;
    Some(Inline { name, after })
}

/// Whether this can be a name of a definition: letters, digits and `_`, the first no digit.
pub(super) fn definition_name(name: &str) -> Result<(), String> {
    let is_first = |it: char| it.is_ascii_alphabetic() || it == '_';
    if name.starts_with(is_first) && name.chars().all(|it| is_first(it) || it.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name of a pattern; use letters, digits and `_`, as in %{{NAME:column}}"
    ))
}
