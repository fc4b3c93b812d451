//! The YAML side of reading: documents, budgets and errors.

use serde_saphyr::{DefaultMessageFormatter, Error as Yaml, MessageFormatter, Options};

use super::{
    read::{Reader, TypeMeta},
    snapshot::PodSnapshot,
};
use crate::{
    error::{Error, ErrorKind, Position},
    limits::{
        MAX_DEPTH, MAX_YAML_ALIAS_NODES, MAX_YAML_ALIASES, MAX_YAML_BYTES, MAX_YAML_DOCUMENTS,
    },
};

/// Reads a stream of documents; `skipped_bytes` of the input come before `text`.
pub(super) fn read(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    if text.len() > MAX_YAML_BYTES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "YAML of more than {MAX_YAML_BYTES} bytes: save it with `-o json`, which has room \
                 for {} bytes",
                crate::limits::MAX_INPUT_BYTES
            ),
        ));
    }
    let reader = Reader::default();
    let documents = documents(text)?;
    let many = documents.len() > 1;
    for (number, document) in documents.into_iter().enumerate() {
        let read = serde_saphyr::with_deserializer_from_str_with_options(
            document.text,
            options(document.text.len()),
            |yaml| match many {
                true => reader.document_of_many(number, yaml),
                false => reader.document(yaml),
            },
        );
        if let Err(error) = read {
            return Err(describe(reader, &error, &document, skipped_bytes));
        }
    }
    reader.finish()
}

/// One document of a stream and where it begins.
struct Document<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
}

/// Splits at the lines that begin with `---`, which no YAML content may contain at column 0.
fn documents(text: &str) -> Result<Vec<Document<'_>>, Error> {
    let mut documents = Vec::new();
    let mut start = (0, 0);
    let mut byte = 0;
    let mut close = |from: (usize, usize), to: usize| {
        let document = text.get(from.0..to).unwrap_or_default();
        if document.lines().any(has_content) {
            documents.push(Document {
                text: document,
                byte: from.0,
                line: from.1,
            });
        }
        documents.len() <= MAX_YAML_DOCUMENTS
    };
    let mut few_enough = true;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker {
            few_enough = few_enough && close(start, byte);
            start = (byte, number);
        }
        byte += line.len();
    }
    few_enough = few_enough && close(start, text.len());
    if few_enough {
        Ok(documents)
    } else {
        Err(Error::new(
            ErrorKind::TooLarge,
            format!("more than {MAX_YAML_DOCUMENTS} YAML documents: save a list instead"),
        ))
    }
}

fn has_content(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with(['#', '%']) || line == "...")
}

/// What is in the text itself is bounded by the size of the input; what aliases make of it is
/// bounded here.
fn options(bytes: usize) -> Options {
    // No construct of YAML makes more than four parser events of one byte.
    let most = bytes
        .saturating_mul(4)
        .saturating_add(64 + 4 * MAX_YAML_ALIAS_NODES);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_events: most,
            max_nodes: most,
            max_total_scalar_bytes: most,
            max_aliases: MAX_YAML_ALIASES,
            max_anchors: MAX_YAML_ALIASES,
            max_recorded_anchor_events: MAX_YAML_ALIAS_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_YAML_ALIAS_NODES,
        },
        with_snippet: false,
    }
}

fn describe(reader: Reader, error: &Yaml, document: &Document<'_>, skipped_bytes: usize) -> Error {
    if let Ok(meta) = serde_saphyr::from_str_with_options::<TypeMeta<'_>>(
        document.text,
        options(document.text.len()),
    ) && let Some(wrong_kind) = meta.wrong_kind()
    {
        return wrong_kind;
    }
    let mut error = error.without_snippet();
    while let Yaml::AliasError { error: inner, .. } = error {
        error = inner;
    }
    let reason = DefaultMessageFormatter.format_message(error);
    let cut = || {
        (
            ErrorKind::Truncated,
            "the YAML ends in the middle: the file was cut, save it again".to_owned(),
        )
    };
    let (kind, message) = match error {
        _ if is_cut(document.text) => cut(),
        Yaml::Eof { .. } => cut(),
        Yaml::Budget { .. }
        | Yaml::AliasReplayCounterOverflow { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => (
            ErrorKind::TooLarge,
            "aliases or nesting beyond a limit that no list by `kubectl` reaches: save it with \
             `-o json`"
                .to_owned(),
        ),
        Yaml::Message { .. }
        | Yaml::Unexpected { .. }
        | Yaml::InvalidScalar { .. }
        | Yaml::DuplicateMappingKey { .. }
        | Yaml::SerdeInvalidType { .. }
        | Yaml::SerdeInvalidValue { .. } => (ErrorKind::InvalidField, reason.into_owned()),
        _ => (ErrorKind::Syntax, format!("not YAML: {reason}")),
    };
    reader.error(kind, message, position(error, document, skipped_bytes))
}

/// Whether this is a list without a kind. `kubectl` writes `kind` after the items, and YAML cut
/// in the middle is often still YAML, or wrong in a way that says nothing.
fn is_cut(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("items:") && !has("kind:")
}

fn position(error: &Yaml, document: &Document<'_>, skipped_bytes: usize) -> Option<Position> {
    let at = error.location()?;
    let offset = |value: usize| u64::try_from(value).ok();
    // The parser leaves the offset out of some errors, but never line and column.
    let in_document = match at.span().byte_offset() {
        Some(byte) => byte,
        None => offset(byte_of(document.text, at.line(), at.column())?)?,
    };
    Some(Position {
        line: at.line().checked_add(offset(document.line)?)?,
        column: at.column(),
        byte_offset: in_document.checked_add(offset(document.byte + skipped_bytes)?)?,
    })
}

/// Offset of a line and a column, both from 1 and in characters.
fn byte_of(text: &str, line: u64, column: u64) -> Option<usize> {
    let lines_before = usize::try_from(line.checked_sub(1)?).ok()?;
    let start: usize = text
        .split_inclusive('\n')
        .take(lines_before)
        .map(str::len)
        .sum();
    let chars_before = usize::try_from(column.checked_sub(1)?).ok()?;
    let line = text.get(start..)?;
    Some(
        start
            + line
                .chars()
                .take(chars_before)
                .map(char::len_utf8)
                .sum::<usize>(),
    )
}
