//! The JSON side of reading: passes and errors.

use super::{
    read::{Pass, Reader},
    snapshot::PodSnapshot,
    type_meta::TypeMeta,
};
use crate::error::{Error, ErrorKind, Position};

/// Reads the only document; `skipped_bytes` of the input come before `text`.
pub(super) fn read(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    let fast = Reader::default();
    let Err(error) = pass(&fast, text) else {
        return fast.finish();
    };
    if fast.is_in_item() && !error.is_eof() {
        let careful = Reader::careful(Pass::Json {
            text,
            skipped_bytes,
        });
        let Err(second) = pass(&careful, text) else {
            return careful.finish();
        };
        // The item itself is broken: the first pass knows its name, too.
        if error.is_data() || (second.line(), second.column()) != (error.line(), error.column()) {
            return Err(describe(&careful, &second, text, skipped_bytes));
        }
    } else if error.is_data()
        && let Ok(meta) = serde_json::from_str::<TypeMeta<'_>>(text)
        && let Some(wrong_kind) = meta.wrong_kind()
    {
        return Err(wrong_kind);
    }
    Err(describe(&fast, &error, text, skipped_bytes))
}

fn pass(reader: &Reader<'_>, text: &str) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    reader.document(&mut json)?;
    json.end()
}

/// What the library says is wrong, without the place, which this crate shows in its own way.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let shown = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    shown.strip_suffix(&place).unwrap_or(&shown).to_owned()
}

fn describe(
    reader: &Reader<'_>,
    error: &serde_json::Error,
    text: &str,
    skipped_bytes: usize,
) -> Error {
    let (kind, message) = match error.classify() {
        serde_json::error::Category::Eof => (
            ErrorKind::Truncated,
            "the JSON ends in the middle: the file was cut, save it again".to_owned(),
        ),
        serde_json::error::Category::Data => (ErrorKind::InvalidField, reason(error)),
        _ => (ErrorKind::Syntax, format!("not JSON: {}", reason(error))),
    };
    let position = Position::of_line(text, error.line(), error.column(), skipped_bytes);
    reader.error(kind, message, position)
}

impl Position {
    /// The place that `serde_json` names: a line from 1, and a column in bytes.
    pub(super) fn of_line(
        text: &str,
        line: usize,
        column: usize,
        skipped_bytes: usize,
    ) -> Option<Self> {
        let number = |value: usize| u64::try_from(value).ok();
        let before = line.checked_sub(1)?;
        let start = match before {
            0 => 0,
            _ => {
                text.bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .nth(before - 1)?
                    .0
                    + 1
            }
        };
        let column = column.max(1);
        Some(Self {
            line: number(line)?,
            column: number(column)?,
            byte_offset: number((start + column - 1).min(text.len()) + skipped_bytes)?,
        })
    }
}
