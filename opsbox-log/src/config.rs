//! Rules as data: text in TOML, YAML or JSON, with the place of what is wrong.

#![cfg_attr(
    not(feature = "mask"),
    allow(dead_code, reason = "the stages read rules, and none is on")
)]

use std::{fs::File, io::Read as _, path::Path};

use serde::de::DeserializeOwned;

use crate::limits::MAX_CONFIG_BYTES;
#[cfg(feature = "yaml")]
use crate::limits::MAX_CONFIG_DEPTH;

/// The language of a file of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2, with the feature `yaml`.
    Yaml,
    /// JSON (RFC 8259).
    Json,
}

impl Language {
    /// By the ending of a file's name: `.toml`, `.yaml`, `.yml` or `.json`.
    ///
    /// ```
    /// use opsbox_log::config::Language;
    ///
    /// assert_eq!(Language::of_path("policy.yml".as_ref()), Some(Language::Yaml));
    /// assert_eq!(Language::of_path("policy".as_ref()), None);
    /// ```
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The path of the field, as in `actions.PII_EMAIL`; empty if it is none.
    pub(crate) field: String,
    pub(crate) message: String,
    /// Line and column, from 1.
    pub(crate) place: Option<(u64, u64)>,
}

impl Wrong {
    fn new(field: String, message: &str, place: Option<(u64, u64)>) -> Self {
        let field = if field == "." { String::new() } else { field };
        let message = message.trim().trim_end_matches('.').to_owned();
        Self {
            field,
            message,
            place,
        }
    }
}

/// The text of a file, and its language by the file's name.
pub(crate) fn read(path: &Path) -> Result<(String, Language), Wrong> {
    let wrong = |message: String| Wrong::new(String::new(), &message, None);
    let Some(language) = Language::of_path(path) else {
        return Err(wrong(
            "the name of the file says no language; end it in .toml, .yaml or .json".into(),
        ));
    };
    let mut text = String::new();
    let most = u64::try_from(MAX_CONFIG_BYTES).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    read.map_err(|error| wrong(format!("{error}; check the path and its permissions")))?;
    Ok((text, language))
}

/// A value from text.
pub(crate) fn parse<T: DeserializeOwned + Default>(
    text: &str,
    language: Language,
) -> Result<T, Wrong> {
    if text.len() > MAX_CONFIG_BYTES {
        let message = format!("it is larger than the limit of {MAX_CONFIG_BYTES} bytes");
        return Err(Wrong::new(String::new(), &message, None));
    }
    match language {
        Language::Toml => toml(text),
        Language::Yaml => yaml(text),
        Language::Json => json(text),
    }
}

fn toml<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let place =
        |error: &toml::de::Error| error.span().map(|span| line_and_column(text, span.start));
    let document = toml::Deserializer::parse(text)
        .map_err(|error| Wrong::new(String::new(), error.message(), place(&error)))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        Wrong::new(field, error.message(), place(&error))
    })
}

#[cfg(not(feature = "yaml"))]
fn yaml<T>(_: &str) -> Result<T, Wrong> {
    let message = "YAML needs the cargo feature \"yaml\" of opsbox-log; build with it on, or write TOML or JSON";
    Err(Wrong::new(String::new(), message, None))
}

#[cfg(feature = "yaml")]
fn yaml<T: DeserializeOwned + Default>(text: &str) -> Result<T, Wrong> {
    if text.trim().is_empty() {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_CONFIG_DEPTH,
            max_aliases: 0,
            max_documents: 1,
        },
    };
    let mut field = String::new();
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        let mut track = serde_path_to_error::Track::new();
        let yaml = serde_path_to_error::Deserializer::new(yaml, &mut track);
        let read = T::deserialize(yaml);
        if read.is_err() {
            field = track.path().to_string();
        }
        read
    });
    read.map_err(|error| {
        let inner = error.without_snippet();
        let place = inner.location().map(|at| (at.line(), at.column()));
        let message = inner.to_string();
        // The place is said by us.
        Wrong::new(
            field,
            message.split(" at line ").next().unwrap_or_default(),
            place,
        )
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (error.path().to_string(), error.into_inner()));
    let end = |value| match reader.end() {
        Ok(()) => Ok(value),
        Err(error) => Err((String::new(), error)),
    };
    read.and_then(end).map_err(|(field, error)| {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let place = (number(error.line()), number(error.column()).max(1));
        let message = error.to_string();
        Wrong::new(
            field,
            message.split(" at line ").next().unwrap_or_default(),
            Some(place),
        )
    })
}

fn line_and_column(text: &str, byte: usize) -> (u64, u64) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (count(before.matches('\n').count()) + 1, count(column) + 1)
}
