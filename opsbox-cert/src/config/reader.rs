//! Reads a tree field by field, so that each error can say which field of which line it is about.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::tree::{Node, Origin, Value};
use crate::error::{Error, Reason, Result};

/// A value and the way to it.
pub(super) struct Field<'n> {
    node: &'n Node,
    /// `certificates[1].names[0]`.
    path: String,
    file: &'n Path,
}

impl<'n> Field<'n> {
    pub(super) fn root(node: &'n Node, file: &'n Path) -> Self {
        Self {
            node,
            path: String::new(),
            file,
        }
    }

    /// That this value is wrong, and how.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Error {
        wrong(self.file, &self.node.origin, &self.path, message.into())
    }

    fn mismatch(&self, wanted: &str) -> Error {
        let found = match &self.node.value {
            Value::Null => "nothing",
            Value::Boolean(_) => "a boolean",
            Value::Integer(_) => "a whole number",
            Value::Float => "a number with a fraction",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        };
        self.wrong(format!("{wanted} has to stand here, and not {found}"))
    }

    pub(super) fn text(&self) -> Result<&'n str> {
        match &self.node.value {
            Value::Text(text) if text.is_empty() => {
                Err(self.wrong("the text is empty; write one, or remove the field"))
            }
            Value::Text(text) => Ok(text),
            _ => Err(self.mismatch("text")),
        }
    }

    /// `true` or `false`; a variable of the environment says it in text.
    pub(super) fn boolean(&self) -> Result<bool> {
        match &self.node.value {
            Value::Boolean(value) => Ok(*value),
            Value::Text(text) if self.is_variable() && text == "true" => Ok(true),
            Value::Text(text) if self.is_variable() && text == "false" => Ok(false),
            _ => Err(self.mismatch("`true` or `false`")),
        }
    }

    /// A whole number; a variable of the environment says it in text.
    pub(super) fn number(&self, possible: RangeInclusive<u64>) -> Result<u64> {
        let number = match &self.node.value {
            Value::Integer(number) => *number,
            Value::Text(text) if self.is_variable() => match text.parse::<i128>() {
                Ok(number) => Some(number),
                Err(_) => return Err(self.mismatch("a whole number")),
            },
            _ => return Err(self.mismatch("a whole number")),
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        number
            .filter(|number| possible.contains(number))
            .ok_or_else(|| {
                let (least, most) = (possible.start(), possible.end());
                self.wrong(format!(
                    "the number is not between {least} and {most}; correct it"
                ))
            })
    }

    /// A number of things, of which there is one at least.
    pub(super) fn count(&self) -> Result<u32> {
        let number = self.number(1..=u32::MAX.into())?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// What a parser of text makes of it.
    pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<T> {
        let parsed = self.text()?.parse::<T>();
        parsed.map_err(|error| self.wrong(error.to_string()))
    }

    /// A number with its unit: `30s`, `10m`, `36h`, `7d`.
    pub(super) fn duration(&self) -> Result<Duration> {
        let wanted = "a duration as `30s`, `10m`, `36h` or `7d`";
        let text = match &self.node.value {
            Value::Text(text) => text.as_str(),
            _ => return Err(self.mismatch(wanted)),
        };
        let unit = |(number, seconds): (&str, u64)| {
            let number = number.parse::<u64>().ok()?;
            number.checked_mul(seconds).map(Duration::from_secs)
        };
        let units = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
        let found = units
            .into_iter()
            .find_map(|(letter, seconds)| Some((text.strip_suffix(letter)?, seconds)));
        found
            .and_then(unit)
            .ok_or_else(|| self.wrong(format!("{} is not {wanted}; correct it", shown(text))))
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let words = words.iter().map(|(word, _)| format!("`{word}`"));
            let words = words.collect::<Vec<_>>().join(", ");
            self.wrong(format!("{} is none of {words}", shown(text)))
        })
    }

    /// The items of a list. One value that is no list is a list of one, and text in a variable of the
    /// environment has its items between commas.
    pub(super) fn list(&self) -> Result<Vec<Self>> {
        match &self.node.value {
            Value::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, node)| Self {
                    node,
                    path: format!("{}[{index}]", self.path),
                    file: self.file,
                })
                .collect()),
            Value::Text(_) => Ok(vec![Self {
                node: self.node,
                path: self.path.clone(),
                file: self.file,
            }]),
            _ => Err(self.mismatch("a list")),
        }
    }

    pub(super) fn table(&self) -> Result<Table<'n>> {
        match &self.node.value {
            Value::Table(entries) => Ok(Table {
                origin: &self.node.origin,
                left: entries.iter().map(|(key, node)| (&**key, node)).collect(),
                known: Vec::new(),
                path: self.path.clone(),
                file: self.file,
            }),
            _ => Err(self.mismatch("a table")),
        }
    }

    fn is_variable(&self) -> bool {
        matches!(self.node.origin, Origin::Variable(_))
    }
}

/// A table of which the fields are taken one by one; [`finish`](Self::finish) tells those that nobody
/// knows.
pub(super) struct Table<'n> {
    origin: &'n Origin,
    left: Vec<(&'n str, &'n Node)>,
    known: Vec<&'static str>,
    path: String,
    file: &'n Path,
}

impl<'n> Table<'n> {
    /// The field, if it is there and not null.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.known.push(key);
        let at = self.left.iter().position(|(name, _)| *name == key)?;
        let (_, node) = self.left.remove(at);
        let field = self.field(key, node);
        (!matches!(node.value, Value::Null)).then_some(field)
    }

    /// The field, which has to be there.
    pub(super) fn need(&mut self, key: &'static str) -> Result<Field<'n>> {
        let wrong = |table: &Self| {
            let message = format!("the field `{key}` is missing; add it");
            wrong(table.file, table.origin, &table.path, message)
        };
        self.take(key).ok_or_else(|| wrong(self))
    }

    /// All fields that are left, with their keys.
    pub(super) fn rest(&mut self) -> Vec<(&'n str, Field<'n>)> {
        let left = std::mem::take(&mut self.left).into_iter();
        left.map(|(key, node)| (key, self.field(key, node)))
            .collect()
    }

    /// Refuses fields that were not taken.
    pub(super) fn finish(self) -> Result<()> {
        let Some(&(key, node)) = self.left.first() else {
            return Ok(());
        };
        let near = self
            .known
            .iter()
            .map(|known| (strsim::osa_distance(known, key), known));
        let near = near.filter(|(distance, _)| *distance <= 2).min();
        let advice = match near {
            Some((_, known)) => format!("did you mean `{known}`?"),
            None => {
                let known = self.known.iter().map(|known| format!("`{known}`"));
                format!(
                    "the fields here are {}",
                    known.collect::<Vec<_>>().join(", ")
                )
            }
        };
        Err(self
            .field(key, node)
            .wrong(format!("no field has this name; {advice}")))
    }

    fn field(&self, key: &str, node: &'n Node) -> Field<'n> {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        Field {
            node,
            path,
            file: self.file,
        }
    }
}

/// Text that stands where a word should: shown if it may be one, since else it may be a secret.
fn shown(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    match text.len() <= 40 && text.chars().all(word) {
        true => format!("`{text}`"),
        false => "the text".into(),
    }
}

pub(super) fn wrong(file: &Path, origin: &Origin, field: &str, message: String) -> Error {
    let (line, column, variable) = match origin {
        Origin::File(line, column) => (Some(*line), Some(*column), None),
        Origin::Variable(name) => (None, None, Some(name.clone())),
    };
    Error::from(Reason::Config(Box::new(super::Problem {
        file: file.to_path_buf(),
        line,
        column,
        variable,
        field: field.to_owned(),
        message,
    })))
}
