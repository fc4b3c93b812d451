//! A configuration file as a tree in which each value knows where it stands.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

use super::Format;
use crate::limits::{MAX_CONFIG_DEPTH, MAX_CONFIG_VALUES};

/// A value and where it comes from.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// No field is a number with a fraction: its value is not kept.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// `None` if it is beyond all that can be.
    Integer(Option<i128>),
    Float,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<(String, Node)>),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Line and column of the file, both counted from 1.
    File(u64, u64),
    /// The variable of the environment.
    Variable(String),
}

/// What the text is wrong about, and where.
pub(super) struct Syntax {
    pub(super) origin: Origin,
    pub(super) message: String,
}

pub(super) fn parse(text: &str, format: Format) -> Result<Node, Syntax> {
    match format {
        Format::Toml => toml(text),
        Format::Json => json(text),
        Format::Yaml => yaml(text),
    }
}

fn toml(text: &str) -> Result<Node, Syntax> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| Syntax {
        origin: lines.at(error.span().map_or(0, |span| span.start)),
        message: error.message().trim().replace('\n', ", "),
    })?;
    let mut left = MAX_CONFIG_VALUES;
    let span = table.span();
    of_toml_table(table.into_inner(), span, &lines, &mut left)
}

fn of_toml_table(
    table: DeTable<'_>,
    span: Range<usize>,
    lines: &Lines<'_>,
    left: &mut usize,
) -> Result<Node, Syntax> {
    // In the order of the file: the table is sorted by its keys.
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        let (key_span, value_span) = (key.span(), value.span());
        // A table's own span is that of its heading or of its first key.
        let span = match value.get_ref() {
            DeValue::Table(_) => key_span,
            _ => value_span,
        };
        let node = of_toml(value.into_inner(), span, lines, left)?;
        Ok((key.into_inner().into_owned(), node))
    });
    Ok(Node {
        value: Value::Table(entries.collect::<Result<_, _>>()?),
        origin: lines.at(span.start),
    })
}

fn of_toml(
    value: DeValue<'_>,
    span: Range<usize>,
    lines: &Lines<'_>,
    left: &mut usize,
) -> Result<Node, Syntax> {
    let origin = lines.at(span.start);
    spend(left, &origin)?;
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Integer(number) => {
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(_) => Value::Float,
        DeValue::Datetime(value) => Value::Text(value.to_string()),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| {
                let span = item.span();
                of_toml(item.into_inner(), span, lines, left)
            });
            Value::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => return of_toml_table(table, span, lines, left),
    };
    Ok(Node { value, origin })
}

/// JSON is checked as such, and then read as the YAML that it also is, which tells the places.
fn json(text: &str) -> Result<Node, Syntax> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let origin = Origin::File(error.line() as u64, error.column() as u64);
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&place).unwrap_or(&message).into();
        return Err(Syntax { origin, message });
    }
    yaml(text)
}

fn yaml(text: &str) -> Result<Node, Syntax> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_CONFIG_VALUES,
            max_depth: MAX_CONFIG_DEPTH,
        },
    };
    let parsed = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options);
    let root = parsed.map_err(|error| {
        let place = error
            .location()
            .map(|at| Origin::File(at.line(), at.column()));
        let message = error.without_snippet().to_string();
        // The place is said before the message.
        let message = match message.rsplit_once(" at line ") {
            Some((message, place)) if !place.contains(' ') || place.contains("column") => {
                message.into()
            }
            _ => message,
        };
        Syntax {
            origin: place.unwrap_or(Origin::File(1, 1)),
            message: message.replace('\n', ", "),
        }
    })?;
    of_raw(root, &mut { MAX_CONFIG_VALUES })
}

/// A value as the YAML parser gives it.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Table(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn of_raw(raw: Spanned<Raw>, left: &mut usize) -> Result<Node, Syntax> {
    let origin = Origin::File(raw.referenced.line(), raw.referenced.column());
    spend(left, &origin)?;
    let value = match raw.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => {
            let items = items.into_iter().map(|item| of_raw(item, left));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Raw::Table(entries) => {
            let mut table: Vec<(String, Node)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                if table.iter().any(|(known, _)| *known == key.value) {
                    return Err(Syntax {
                        origin: Origin::File(key.referenced.line(), key.referenced.column()),
                        message: format!(
                            "the key `{}` is there twice; remove one",
                            crate::text::Escaped(&key.value)
                        ),
                    });
                }
                table.push((key.value, of_raw(value, left)?));
            }
            Value::Table(table)
        }
    };
    Ok(Node { value, origin })
}

fn spend(left: &mut usize, origin: &Origin) -> Result<(), Syntax> {
    *left = left.checked_sub(1).ok_or_else(|| Syntax {
        origin: origin.clone(),
        message: format!("there are more than {MAX_CONFIG_VALUES} values; split the file"),
    })?;
    Ok(())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Integer(Some(number.into()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Integer(Some(number.into()))))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.into())))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Raw::Table(table))
    }
}

/// Where the lines of a text begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let feeds = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(feeds.map(|(_, next)| next))
            .collect();
        Self { text, starts }
    }

    fn at(&self, offset: usize) -> Origin {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at));
        let before = self.text.get(start.copied().unwrap_or(0)..offset);
        Origin::File(
            line as u64,
            before.map_or(0, |text| text.chars().count()) as u64 + 1,
        )
    }
}
