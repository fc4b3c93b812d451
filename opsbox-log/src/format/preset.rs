//! A named format, and how it is found by name.

use std::sync::OnceLock;

#[cfg(feature = "json")]
use super::Field;
use super::{Engine, Format, catalogue::ALL, typed};

use crate::{error::Error, multiline::Multiline};

/// A named format: what it is, an example, and the regular expression that defines it.
///
/// ```
/// use opsbox_log::Format;
///
/// for preset in Format::presets() {
///     println!("{:16} {}\n{:16} {}", preset.name(), preset.summary(), "", preset.example());
/// }
/// ```
#[derive(Debug)]
pub struct Preset {
    name: &'static str,
    summary: &'static str,
    example: &'static str,
    rule: Rule,
    compiled: OnceLock<Format>,
}

#[derive(Debug)]
pub(super) enum Rule {
    Pattern(&'static str),
    /// A pattern for records of several lines, and how they are put together.
    Records {
        pattern: &'static str,
        start: &'static str,
        heading: &'static str,
    },
    Logfmt,
    Json,
    /// JSON with these columns, the keys, in this order; a line that has the marks, the first of
    /// them, is what `detect` takes for this preset.
    Keys {
        keys: &'static [&'static str],
        marks: usize,
    },
}

impl Preset {
    pub(super) const fn pattern(
        name: &'static str,
        summary: &'static str,
        example: &'static str,
        pattern: &'static str,
    ) -> Self {
        Self::new(name, summary, example, Rule::Pattern(pattern))
    }

    pub(super) const fn new(
        name: &'static str,
        summary: &'static str,
        example: &'static str,
        rule: Rule,
    ) -> Self {
        Self {
            name,
            summary,
            example,
            rule,
            compiled: OnceLock::new(),
        }
    }

    pub(super) const fn json(
        name: &'static str,
        summary: &'static str,
        example: &'static str,
        keys: &'static [&'static str],
        marks: usize,
    ) -> Self {
        Self::new(name, summary, example, Rule::Keys { keys, marks })
    }

    /// The keys that a line has to have for `detect` to take it for this preset.
    pub(super) fn marks(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Keys { keys, marks } => keys.get(..marks).unwrap_or(keys),
            _ => &[],
        }
    }

    /// The name that [`Format::preset`] takes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What writes it, and the source of its definition.
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// A line that fits, or a [record](Format::multiline) of several.
    pub fn example(&self) -> &'static str {
        self.example
    }

    /// The format, compiled at the first call.
    ///
    /// # Errors
    ///
    /// `FeatureDisabled` for `ndjson`, `journald-json` and `docker-json` without the feature `json`.
    pub fn format(&self) -> Result<Format, Error> {
        if let Some(format) = self.compiled.get() {
            return Ok(format.clone());
        }
        let format = match self.rule {
            Rule::Pattern(pattern) => typed::of_preset(Format::named_pattern(self.name, pattern)?)?,
            Rule::Records {
                pattern,
                start,
                heading,
            } => {
                let records = Multiline::start(start)?.heading(heading.as_bytes()).whole();
                typed::of_preset(Format::named_pattern(self.name, pattern)?)?
                    .spanning(Some(records))
            }
            Rule::Logfmt => Format::new(self.name, Vec::new(), Engine::Logfmt),
            #[cfg(feature = "json")]
            Rule::Json => Format::new(self.name, Vec::new(), Engine::json(&[])),
            #[cfg(feature = "json")]
            Rule::Keys { keys, .. } => {
                let fields: Vec<_> = keys.iter().map(|key| Field::new(key)).collect();
                let engine = Engine::json(&fields);
                Format::new(self.name, fields, engine)
            }
            #[cfg(not(feature = "json"))]
            Rule::Json | Rule::Keys { .. } => {
                return Err(Error::FeatureDisabled {
                    preset: self.name,
                    feature: "json",
                });
            }
        };
        Ok(self.compiled.get_or_init(|| format).clone())
    }
}

/// The preset of a name.
pub(super) fn find(name: &str) -> Result<&'static Preset, Error> {
    if let Some(preset) = ALL.iter().find(|preset| preset.name == name) {
        return Ok(preset);
    }
    let wanted = name.to_lowercase();
    let distance = |preset: &Preset| strsim::damerau_levenshtein(&wanted, preset.name);
    let nearest = ALL
        .iter()
        .map(|preset| (distance(preset), preset.name))
        // A third of the letters may be wrong, or the name is the tail of a longer one.
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3) || name.ends_with(&wanted))
        .min();
    let hint = match nearest {
        Some((_, nearest)) if !wanted.is_empty() => format!("did you mean {nearest:?}?"),
        _ => {
            let names: Vec<_> = ALL.iter().map(Preset::name).collect();
            format!(
                "the presets are {}; any other format can be given as a pattern with named captures",
                names.join(", ")
            )
        }
    };
    Err(Error::UnknownPreset {
        name: name.to_owned(),
        hint,
    })
}
