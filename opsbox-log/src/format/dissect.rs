//! Dissect: columns between fixed texts.

use std::ops::Range;

use super::{
    Engine, Field, Format, Pattern,
    definition::{Captures, Definition, column_name, column_type},
    pattern::refuse,
};
use crate::{error::Error, limits::MAX_PATTERN_BYTES, types::Type};

impl Format {
    /// A format from a dissect pattern, as Logstash, Elasticsearch and Beats have them: `%{name}` is
    /// a column, and the text between stands in the line as it is.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let format = Format::dissect("%{ts} %{+ts} [%{level->}] %{?thread} %{size|integer}: %{msg}")?;
    /// let batch = Parser::new(format).parse("2026-01-02 03:04:05 [warn] main 512: disk: slow\n");
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("ts"), Some(&b"2026-01-02 03:04:05"[..]));
    /// assert_eq!(record.get("msg"), Some(&b"disk: slow"[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// A column goes up to the first place of the text after it, and may be empty. The pattern has to
    /// fit the whole line: what is before the first key begins the line. The last key takes the rest;
    /// if there is text after it, the rest up to that text at the end of the line.
    ///
    /// - `%{}` and `%{?name}` are no columns.
    /// - `%{name->}`: the text after it may be there several times, as blanks that pad a column. Where
    ///   a line does not fit otherwise, fewer of them are taken as padding.
    /// - `%{name} %{+name}`: one column from the first part to the last, with the text between as it
    ///   is in the line. Parts that do not follow one another are refused, since a column is a piece
    ///   of its line.
    /// - `%{name|integer}` and `%{name|float}` give the column a type.
    /// - Names have letters, digits, `_`, `.`, `@` and `-`; `[a][b]` is `a.b`.
    ///
    /// # Errors
    ///
    /// `InvalidPattern` with the byte offset and the part: two keys with nothing between; a name that
    /// is taken; `%{&name}` and `%{*name}`, whose column names are in the line; `%{+name/2}`; a
    /// [limit](crate::limits) exceeded.
    pub fn dissect(pattern: &str) -> Result<Self, Error> {
        if pattern.len() > MAX_PATTERN_BYTES {
            let message = format!(
                "the pattern has {} bytes, the limit is {MAX_PATTERN_BYTES}",
                pattern.len()
            );
            return Err(refuse(pattern, 0..0, message));
        }
        if let Some(at) = pattern.find('\n') {
            let message = "no line has a line break inside".into();
            return Err(refuse(pattern, at..at + 1, message));
        }
        let (regex, captures) = translate(pattern)?;
        let limit = regex.len();
        let definition = Definition::translated(regex, limit, captures);
        let (compiled, fields) =
            Pattern::compile(definition, None).map_err(|error| match error {
                Error::Pattern { message, .. } => refuse(pattern, 0..pattern.len(), message),
                error => error,
            })?;
        let engine = Engine::Pattern(Box::new(compiled));
        Ok(Self::new("dissect", fields, engine))
    }
}

/// `%{...}`, and the text after it up to the next.
struct Key<'p> {
    /// The column; none if it is passed over.
    name: Option<String>,
    appends: bool,
    is_padded: bool,
    data_type: Option<Type>,
    delimiter: &'p str,
    place: Range<usize>,
}

/// The regular expression of a dissect pattern.
fn translate(pattern: &str) -> Result<(String, Captures), Error> {
    let (lead, keys) = keys(pattern)?;
    let mut regex = regex_syntax::escape(lead);
    let mut captures = Captures::default();
    let mut before: Option<&Key<'_>> = None;
    for (number, key) in keys.iter().enumerate() {
        let after = keys.get(number + 1);
        let continues = |key: &Key<'_>, before: &Key<'_>| {
            key.appends && key.name.is_some() && key.name == before.name
        };
        if let Some(name) = &key.name
            && !before.is_some_and(|before| continues(key, before))
        {
            if captures.fields().any(|taken| taken.name() == name) {
                let message = match key.appends {
                    true => {
                        "the parts of this column do not follow one another, and a column is one \
                             piece of its line; name this part apart, or make one column of all \
                             between"
                    }
                    false => {
                        "there is a column of this name already; to append, write + before the \
                              name"
                    }
                };
                return Err(refuse(pattern, key.place.clone(), message.into()));
            }
            let field = Field::new(name).with_type(key.data_type.unwrap_or_default());
            regex += &format!("(?P<{}>", captures.add(field));
        } else if key.data_type.is_some() {
            let message = "the first part of a column has its type, and %{} has none".into();
            return Err(refuse(pattern, key.place.clone(), message));
        }

        let delimiter = regex_syntax::escape(key.delimiter);
        match (key.delimiter.len(), after) {
            (0, Some(next)) => {
                let message = "nothing is between this key and the one before, so nothing says where \
                               one ends; write the text that is between, or make them one";
                return Err(refuse(pattern, next.place.clone(), message.into()));
            }
            (0, None) if key.is_padded => {
                let message = "-> says that the text after the key is repeated, and there is none";
                return Err(refuse(pattern, key.place.clone(), message.into()));
            }
            (_, None) if !key.is_padded => regex += ".*",
            // The only place to end at: the first delimiter, if that is one byte.
            (1, Some(_)) => regex += &format!("[^{delimiter}]*"),
            _ => regex += ".*?",
        }
        if key.name.is_some() && !after.is_some_and(|after| continues(after, key)) {
            regex.push(')');
        }
        match key.is_padded {
            true => regex += &format!("(?:{delimiter})+"),
            false => regex += &delimiter,
        }
        before = Some(key);
    }
    if captures.len() == 0 {
        let message = "there is no column; name each one, as in %{level}";
        return Err(refuse(pattern, 0..pattern.len(), message.into()));
    }
    Ok((regex, captures))
}

/// The text before the first key, and the keys.
fn keys(pattern: &str) -> Result<(&str, Vec<Key<'_>>), Error> {
    let Some(first) = pattern.find("%{") else {
        return Ok((pattern, Vec::new()));
    };
    let (lead, mut rest) = pattern.split_at(first);
    let mut keys = Vec::new();
    while let Some(inside) = rest.strip_prefix("%{") {
        let at = pattern.len() - rest.len();
        let Some((inside, after)) = inside.split_once('}') else {
            let message = "the key is not closed; write }".into();
            return Err(refuse(pattern, at..pattern.len(), message));
        };
        let place = at..pattern.len() - after.len();
        let (delimiter, next) = after.split_at(after.find("%{").unwrap_or(after.len()));
        let key = key(inside, delimiter, place.clone());
        keys.push(key.map_err(|message| refuse(pattern, place, message))?);
        rest = next;
    }
    Ok((lead, keys))
}

fn key<'p>(inside: &str, delimiter: &'p str, place: Range<usize>) -> Result<Key<'p>, String> {
    let (name, data_type) = match inside.split_once('|') {
        Some((name, data_type)) => (name, Some(data_type)),
        None => (inside, None),
    };
    // -> may be before the type or after it.
    let padded = |text| str::strip_suffix(text, "->");
    let is_padded = padded(name).is_some() || data_type.and_then(padded).is_some();
    let name = padded(name).unwrap_or(name);
    let data_type = match data_type {
        Some(text) => Some(column_type(padded(text).unwrap_or(text))?),
        None => None,
    };
    let appended = name.strip_prefix('+');
    if appended.is_some_and(|name| name.contains('/')) {
        return Err(
            "parts out of order are refused, since a column is one piece of its line; leave \
                    out the slash and the number"
                .into(),
        );
    }
    let name = appended.unwrap_or(name);
    if name.starts_with(['&', '*']) {
        return Err(
            "keys whose names are in the line are refused, since the columns of a format are fixed; \
             name both, as in %{key}=%{value}, or take the preset logfmt for pairs"
                .into(),
        );
    }
    let name = match name {
        name if appended.is_none() && (name.is_empty() || name.starts_with('?')) => None,
        name => Some(column_name(name)?),
    };
    Ok(Key {
        name,
        appends: appended.is_some(),
        is_padded,
        data_type,
        delimiter,
        place,
    })
}
