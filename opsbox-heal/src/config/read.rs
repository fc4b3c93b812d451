//! From text to a policy, with the place of what is wrong.

use std::{fs::File, io::Read as _, path::Path};

use serde::Deserialize;

use super::check;
use crate::{
    decide::Policy,
    error::{Error, ErrorKind, Position},
    limits::{MAX_DEPTH, MAX_POLICY_BYTES},
    text::nearest,
};

/// The language of a policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
    /// JSON (RFC 8259).
    Json,
}

impl Format {
    /// By the ending of a file's name: `.toml`, `.yaml`, `.yml` or `.json`.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads a policy from a file, whose ending says its language.
///
/// # Errors
///
/// If the file cannot be read, is larger than [`MAX_POLICY_BYTES`], or for a reason of
/// [`parse_policy`].
pub fn read_policy(path: impl AsRef<Path>) -> Result<Policy, Error> {
    let path = path.as_ref();
    let refuse = |message: &str| Error::new(ErrorKind::Policy, message).with_path(path);
    let Some(format) = Format::of_path(path) else {
        return Err(refuse(
            "the name of the file says no language; end it in .toml, .yaml or .json",
        ));
    };
    let mut text = String::new();
    let most = u64::try_from(MAX_POLICY_BYTES).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    if let Err(error) = read {
        return Err(
            refuse(&format!("{error}; check the path and its permissions")).with_source(error),
        );
    }
    parse_policy(path, &text, format)
}

/// Reads a policy from text; `file` is what errors call it.
///
/// # Errors
///
/// [`ErrorKind::Policy`] if the text is not of that language or longer than [`MAX_POLICY_BYTES`],
/// or if a field does not exist, has a wrong value, or does not fit to others. The error has line,
/// column and field.
pub fn parse_policy(file: impl AsRef<Path>, text: &str, format: Format) -> Result<Policy, Error> {
    let refuse = |message: String| Error::new(ErrorKind::Policy, message);
    let read = if text.len() > MAX_POLICY_BYTES {
        Err(refuse(format!(
            "it is larger than the limit of {MAX_POLICY_BYTES} bytes"
        )))
    } else {
        match format {
            Format::Toml => toml(text),
            Format::Yaml => yaml(text),
            Format::Json => json(text),
        }
    };
    read.and_then(|policy| match check::check(&policy) {
        None => Ok(policy),
        Some((field, message)) => Err(refuse(message).with_field(&field)),
    })
    .map_err(|error| error.with_path(file.as_ref()))
}

fn toml(text: &str) -> Result<Policy, Error> {
    let place = |error: &toml::de::Error| error.span().map(|span| position(text, span.start));
    let document = toml::Deserializer::parse(text)
        .map_err(|error| wrong("", error.message(), place(&error)))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        wrong(&field, error.message(), place(&error))
    })
}

fn yaml(text: &str) -> Result<Policy, Error> {
    if text.trim().is_empty() {
        return Ok(Policy::default());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_aliases: 0,
            max_documents: 1,
        },
    };
    let mut field = String::new();
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        let mut track = serde_path_to_error::Track::new();
        let yaml = serde_path_to_error::Deserializer::new(yaml, &mut track);
        let read = Policy::deserialize(yaml);
        if read.is_err() {
            field = track.path().to_string();
        }
        read
    });
    read.map_err(|error| {
        let inner = error.without_snippet();
        let place = inner.location().map(|at| {
            let (line, column) = (at.line(), at.column());
            Position {
                line,
                column,
                byte_offset: byte_offset(text, line, column),
            }
        });
        let message = inner.to_string();
        // The place is said by us.
        let message = message.split(" at line ").next().unwrap_or_default();
        wrong(&field, message, place)
    })
}

fn json(text: &str) -> Result<Policy, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (error.path().to_string(), error.into_inner()));
    let end = |policy| match reader.end() {
        Ok(()) => Ok(policy),
        Err(error) => Err((String::new(), error)),
    };
    read.and_then(end).map_err(|(field, error)| {
        let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
        let column = u64::try_from(error.column()).unwrap_or(u64::MAX).max(1);
        let place = Position {
            line,
            column,
            byte_offset: byte_offset(text, line, column),
        };
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        wrong(&field, message, Some(place))
    })
}

fn wrong(field: &str, message: &str, place: Option<Position>) -> Error {
    Error::new(ErrorKind::Policy, explained(message))
        .with_field(field)
        .with_position(place)
}

/// What serde says of a name that it does not know, with the nearest one instead of all.
fn explained(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    if message.ends_with(" u32") {
        return "it must be a whole number, not less than 0".to_owned();
    }
    let Some((said, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    if !said.starts_with("unknown ") {
        return message.to_owned();
    }
    let quoted = |text: &'_ str| -> Vec<String> {
        let parts = text.split('`');
        parts.skip(1).step_by(2).map(ToOwned::to_owned).collect()
    };
    let names = quoted(expected);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let [unknown] = &*quoted(said) else {
        return message.to_owned();
    };
    let what = said.split(' ').nth(1).unwrap_or("name");
    crate::text::unknown_name(what, unknown, &names, nearest(unknown, &names))
}

fn position(text: &str, byte: usize) -> Position {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Position {
        line: count(before.matches('\n').count()) + 1,
        column: count(before.get(line_start..).unwrap_or_default().chars().count()) + 1,
        byte_offset: count(byte),
    }
}

fn byte_offset(text: &str, line: u64, column: u64) -> u64 {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut lines = text.split_inclusive('\n');
    let skipped: usize = lines
        .by_ref()
        .take(number(line.saturating_sub(1)))
        .map(str::len)
        .sum();
    let within = lines.next().map_or(0, |line| {
        let chars = line.chars().take(number(column.saturating_sub(1)));
        chars.map(char::len_utf8).sum()
    });
    u64::try_from(skipped + within).unwrap_or(u64::MAX)
}
