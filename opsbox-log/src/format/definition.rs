//! What a pattern is compiled from, whatever language it was written in.

use std::collections::HashSet;

use super::Field;
use crate::{
    limits::{MAX_FIELD_NAME_BYTES, MAX_PATTERN_BYTES},
    types::Type,
};

/// A regular expression, and the column that each of its named captures is of.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(super) regex: Box<str>,
    /// Longest `regex` that is compiled, in bytes.
    pub(super) limit: usize,
    /// The captures and their columns; a capture that is not here is of the column
    /// that its own name says.
    captures: Box<[(Box<str>, Field)]>,
}

impl Definition {
    /// Each named capture is a column, or stands in for the one that has its name without `[or]`.
    pub(crate) fn regex(regex: &str) -> Self {
        Self {
            regex: regex.into(),
            limit: MAX_PATTERN_BYTES,
            captures: Box::default(),
        }
    }

    /// A translated pattern. Captures of one column may not take part in a match together, but for
    /// the rounds of a repetition, of which the last one counts.
    pub(super) fn translated(regex: String, limit: usize, captures: Captures) -> Self {
        Self {
            regex: regex.into(),
            limit,
            captures: captures.list.into(),
        }
    }

    /// The column of a capture.
    pub(super) fn column(&self, capture: &str) -> Field {
        let renamed = self.captures.iter().find(|(name, _)| **name == *capture);
        renamed.map_or_else(|| Field::new(stands_for(capture)), |it| it.1.clone())
    }

    /// Of the captures of one column that take part in a match, the last one in the line counts, and
    /// not the first one in the pattern.
    pub(super) fn last_counts(&self) -> bool {
        !self.captures.is_empty()
    }
}

/// The column that a capture of this name fills: `user` is that of `user`, `user[or]`, `user[or2]`.
fn stands_for(capture: &str) -> &str {
    match capture.rsplit_once("[or") {
        Some((column, number))
            if !column.is_empty()
                && number
                    .strip_suffix(']')
                    .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            column
        }
        _ => capture,
    }
}

/// Named captures of a pattern that is being translated. Regular expressions allow fewer names than
/// columns have, and none twice; so a capture's name is only like that of its column.
#[derive(Debug, Default)]
pub(super) struct Captures {
    list: Vec<(Box<str>, Field)>,
    taken: HashSet<Box<str>>,
}

impl Captures {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The name of a new capture of a column.
    pub(super) fn add(&mut self, field: Field) -> &str {
        let allowed = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => character,
            _ => '_',
        };
        let mut name: String = field.name().chars().map(allowed).collect();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            name.insert(0, '_');
        }
        let like = name.clone();
        let mut number = 2;
        while self.taken.contains(name.as_str()) {
            name = format!("{like}_{number}");
            number += 1;
        }
        self.taken.insert(name.as_str().into());
        self.list.push((name.into(), field));
        self.list.last().map_or("", |(name, _)| name)
    }

    /// The columns, one for each capture.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.list.iter().map(|(_, field)| field)
    }

    /// The place of a capture in the order in which they were added.
    pub(super) fn position(&self, capture: &str) -> Option<usize> {
        self.list.iter().position(|(name, _)| **name == *capture)
    }
}

/// A column's name as grok and dissect write it: letters, digits, `_`, `.`, `@` and `-`, or nested
/// as `[a][b]`, which is `a.b`.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn column_name(text: &str) -> Result<String, String> {
    let refuse = || {
        format!(
            "{text:?} is no name of a column; use letters, digits, `_`, `.`, `@` and `-`, or \
             [outer][inner]"
        )
    };
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let name = inner.map_or_else(|| text.to_owned(), |inner| inner.replace("][", "."));
    let allowed = |it: char| it.is_alphanumeric() || matches!(it, '_' | '.' | '@' | '-');
    if name.is_empty() || !name.chars().all(allowed) || name.split('.').any(str::is_empty) {
        return Err(refuse());
    }
    if name.len() > MAX_FIELD_NAME_BYTES {
        return Err(format!(
            "the name of the column has {} bytes, the limit is {MAX_FIELD_NAME_BYTES}",
            name.len()
        ));
    }
    Ok(name)
}

/// A column's type as grok and dissect write it.
///
/// # Errors
///
/// What there is instead.
pub(super) fn column_type(text: &str) -> Result<Type, String> {
    match text {
        "int" | "integer" | "long" => Ok(Type::Integer),
        "float" | "double" => Ok(Type::Float),
        "string" => Ok(Type::Text),
        _ => Err(format!(
            "there is no type {text:?}; write int, float or string"
        )),
    }
}
