//! Which preset fits a sample.

use std::path::Path;

use super::{Engine, Format, catalogue, w3c};
use crate::{
    batch::Record,
    error::Error,
    frame::Lines,
    limits::{DETECT_SAMPLE_BYTES, DETECT_SAMPLE_LINES},
    parser::Parser,
};

/// What [`Format::detect`] found.
///
/// ```
/// use opsbox_log::Format;
///
/// let sample = "2026-01-02 03:04:05 [INFO] up\n".repeat(20);
/// let detection = Format::detect(sample.as_bytes())?;
/// assert_eq!(detection.format().name(), "app");
/// assert!(detection.confidence() > 0.9);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Detection {
    format: Format,
    candidates: Vec<Candidate>,
    lines: usize,
}

/// A preset that fits at least one line of the sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    preset: &'static str,
    matched: usize,
}

impl Candidate {
    /// The preset's name.
    pub fn preset(&self) -> &'static str {
        self.preset
    }

    /// The lines of the sample that fit.
    pub fn matched(&self) -> usize {
        self.matched
    }
}

impl Detection {
    /// The preset that fits best.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// How sure this is, from 0 to 1: the share of the sample's lines that fit, `m / (n + 1)` for
    /// `m` of `n` lines, so that one line alone is worth no more than one half.
    pub fn confidence(&self) -> f64 {
        let matched = self.candidates.first().map_or(0, Candidate::matched);
        matched as f64 / (self.lines + 1) as f64
    }

    /// The lines that were looked at; empty ones, and directives beside a `#Fields`, left out.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The presets that fit at least one line, best first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}

/// `path` is where the sample is from, for the error.
pub(super) fn detect(sample: &[u8], path: Option<&Path>) -> Result<Detection, Error> {
    let sample = sample.get(..DETECT_SAMPLE_BYTES).unwrap_or(sample);
    let undetected = |message: String| Error::Undetected {
        path: path.map(Path::to_owned),
        message,
    };
    let sample = whole_lines(sample);
    let lines = || Lines::new(sample, 0).filter_map(|line| sample.get(line));
    // A directive that cannot be read leaves the preset's own fields.
    let directive = w3c::last_directive(lines()).and_then(|line| Format::w3c_extended(line).ok());
    let filled = lines()
        .filter(|line| !(line.is_empty() || directive.is_some() && line.starts_with(b"#")))
        .count();
    if filled == 0 {
        return Err(undetected("the sample has no line with text".into()));
    }

    let mut candidates = Vec::new();
    for preset in &catalogue::ALL {
        // Without its feature a preset cannot be asked for either.
        let Ok(mut format) = preset.format() else {
            continue;
        };
        if preset.name() == "iis"
            && let Some(of_directive) = &directive
        {
            format = of_directive.clone();
        }
        let spans = format.multiline().is_some();
        let is_logfmt = matches!(format.engine(), Engine::Logfmt);
        let batch = Parser::new(format).parse(sample);
        let marked =
            |record: &Record<'_>| preset.marks().iter().all(|key| record.get(key).is_some());
        let matched = match preset.marks() {
            [] if spans => batch.records().map(|record| filled_lines(&record)).sum(),
            [] if is_logfmt => batch.records().filter(mostly_pairs).count(),
            [] => batch.len(),
            _ => batch.records().filter(marked).count(),
        };
        if matched > 0 {
            candidates.push(Candidate {
                preset: preset.name(),
                matched,
            });
        }
    }
    // Stable: between equals the more particular preset, which comes first in the list, wins.
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.matched));
    match candidates.first() {
        Some(best) if best.matched * 2 >= filled => Ok(Detection {
            format: match directive {
                Some(format) if best.preset == format.name() => format,
                _ => Format::preset(best.preset)?,
            },
            lines: filled,
            candidates,
        }),
        best => {
            let found = match best {
                _ if let Some(at) = memchr::memchr(0, sample) => {
                    let message = format!(
                        "there is a NUL at byte {at}, so this looks like a binary file or UTF-16; \
                         decompress it, or convert it to UTF-8, first"
                    );
                    return Err(undetected(message));
                }
                Some(best) => format!(
                    "{:?} fits best, but only {} of {filled} lines",
                    best.preset, best.matched
                ),
                None => format!("no preset fits any of {filled} lines"),
            };
            Err(undetected(format!(
                "{found}; name a preset, or give a pattern with named captures"
            )))
        }
    }
}

/// The lines of a record that are not empty.
fn filled_lines(record: &Record<'_>) -> usize {
    let lines = Lines::new(record.raw(), 0);
    lines.filter(|line| !line.is_empty()).count()
}

/// Any prose is logfmt to a lenient parser, as keys without values; a real line has values.
fn mostly_pairs(record: &Record<'_>) -> bool {
    let values = || record.iter().filter_map(|(_, value)| value);
    let pairs = values().filter(|value| !value.is_empty()).count();
    pairs >= 2 && pairs * 3 >= values().count() * 2
}

/// The first lines of a sample. A last line without LF may be cut, and is dropped unless it is the
/// only one.
fn whole_lines(sample: &[u8]) -> &[u8] {
    let end = match memchr::memchr_iter(b'\n', sample).nth(DETECT_SAMPLE_LINES - 1) {
        Some(at) => at + 1,
        None => memchr::memrchr(b'\n', sample).map_or(sample.len(), |at| at + 1),
    };
    sample.get(..end).unwrap_or(sample)
}
