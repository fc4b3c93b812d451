//! The YAML side of reading: documents, budgets and errors.

use serde_saphyr::{
    DefaultMessageFormatter, Error as Yaml, Location, MessageFormatter, Options,
    options::DuplicateKeyPolicy,
};

use super::{
    node::Head,
    read::{Pass, Reader},
    snapshot::PodSnapshot,
    type_meta::TypeMeta,
};
use crate::{
    error::{Error, ErrorKind, Position},
    limits::{
        MAX_DEPTH, MAX_YAML_ALIAS_NODES, MAX_YAML_ALIASES, MAX_YAML_BYTES, MAX_YAML_DOCUMENTS,
        YAML_BYTES_PER_ALIAS_NODE,
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
    let documents = documents(text, skipped_bytes)?;
    let many = documents.len() > 1;
    let reader = Reader::default();
    for (number, document) in documents.iter().enumerate() {
        let number = many.then_some(number);
        read_document(&reader, number, document)?;
    }
    reader.finish()
}

fn read_document<'t>(
    reader: &Reader<'t>,
    number: Option<usize>,
    document: &'t Document<'t>,
) -> Result<(), Error> {
    let before = reader.mark();
    let Err(error) = pass(reader, number, document) else {
        return Ok(());
    };
    let (kind, message) = classify(&error, document);
    if matches!(kind, ErrorKind::InvalidField | ErrorKind::Syntax) {
        if reader.is_in_item() {
            let first = reader.error(kind, message, document.position_of(&error));
            reader.rewind(before);
            reader.set_pass(Pass::Yaml(document));
            let second = pass(reader, number, document);
            reader.set_pass(Pass::Fast);
            return match second {
                Ok(()) => Ok(()),
                // The document itself is broken: the first pass knows the name of the item, too.
                Err(_) if kind == ErrorKind::Syntax => Err(first),
                Err(error) => {
                    let (kind, message) = classify(&error, document);
                    Err(reader.error(kind, message, document.position_of(&error)))
                }
            };
        }
        if kind == ErrorKind::InvalidField && number.is_some() {
            let head =
                serde_saphyr::from_str_with_options::<Head>(document.text, document.options());
            if let Ok(head) = head
                && !matches!(head.kind.as_str(), "" | "List" | "PodList")
            {
                reader.rewind(before);
                reader.misfit(|| message, || head, || document.position_of(&error));
                return Ok(());
            }
        }
    }
    if let Ok(meta) =
        serde_saphyr::from_str_with_options::<TypeMeta<'_>>(document.text, document.options())
        && let Some(wrong_kind) = meta.wrong_kind()
    {
        return Err(wrong_kind);
    }
    Err(reader.error(kind, message, document.position_of(&error)))
}

fn pass(reader: &Reader<'_>, number: Option<usize>, document: &Document<'_>) -> Result<(), Yaml> {
    serde_saphyr::with_deserializer_from_str_with_options(
        document.text,
        document.options(),
        |yaml| match number {
            Some(number) => reader.document_of_many(number, yaml),
            None => reader.document(yaml),
        },
    )
}

/// One document of a stream and where it begins.
pub(super) struct Document<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
    /// What its aliases may expand to.
    alias_nodes: usize,
}

/// Splits at the lines that begin with `---`, which no YAML content may contain at column 0.
fn documents(text: &str, skipped_bytes: usize) -> Result<Vec<Document<'_>>, Error> {
    let mut documents = Vec::new();
    let mut start = (0, 0);
    let mut byte = 0;
    let mut close = |from: (usize, usize), to: usize| {
        let document = text.get(from.0..to).unwrap_or_default();
        if document.lines().any(has_content) {
            documents.push(Document {
                text: document,
                byte: from.0 + skipped_bytes,
                line: from.1,
                alias_nodes: 0,
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
        let share = MAX_YAML_ALIAS_NODES / documents.len().max(1);
        for document in &mut documents {
            let own = document.text.len() / YAML_BYTES_PER_ALIAS_NODE;
            document.alias_nodes = MAX_YAML_ALIAS_NODES.min(share + own);
        }
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

impl Document<'_> {
    /// What is in the text itself is bounded by the size of the input; what aliases make of it is
    /// bounded here.
    fn options(&self) -> Options {
        // No construct of YAML makes more than four parser events of one byte.
        let most = self
            .text
            .len()
            .saturating_mul(4)
            .saturating_add(64 + 4 * self.alias_nodes);
        serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH,
                max_events: most,
                max_nodes: most,
                max_total_scalar_bytes: most,
                max_aliases: MAX_YAML_ALIASES,
                max_anchors: MAX_YAML_ALIASES,
                max_recorded_anchor_events: self.alias_nodes,
            },
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: self.alias_nodes,
            },
            // A double is for the types to refuse, so that it costs only the item that has it.
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            with_snippet: false,
        }
    }
}

/// The error itself, without what the library wraps around it.
fn inner(error: &Yaml) -> &Yaml {
    let mut error = error.without_snippet();
    while let Yaml::AliasError { error: inner, .. } = error {
        error = inner;
    }
    error
}

fn classify(error: &Yaml, document: &Document<'_>) -> (ErrorKind, String) {
    let error = inner(error);
    let reason = DefaultMessageFormatter.format_message(error);
    let cut = || {
        (
            ErrorKind::Truncated,
            "the YAML ends in the middle: the file was cut, save it again".to_owned(),
        )
    };
    match error {
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
        | Yaml::NullIntoString { .. }
        | Yaml::DuplicateMappingKey { .. }
        | Yaml::SerdeInvalidType { .. }
        | Yaml::SerdeInvalidValue { .. } => (ErrorKind::InvalidField, reason.into_owned()),
        _ => (ErrorKind::Syntax, format!("not YAML: {reason}")),
    }
}

/// Whether this is a list without a kind. `kubectl` writes `kind` after the items, and YAML cut
/// in the middle is often still YAML, or wrong in a way that says nothing.
fn is_cut(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("items:") && !has("kind:")
}

impl Document<'_> {
    fn position_of(&self, error: &Yaml) -> Option<Position> {
        self.position(inner(error).location()?)
    }

    /// The place in the whole input of a place in the document.
    pub(super) fn position(&self, at: Location) -> Option<Position> {
        let offset = |value: usize| u64::try_from(value).ok();
        // The parser leaves the offset out of some errors, but never line and column.
        let in_document = match at.span().byte_offset() {
            Some(byte) => byte,
            None => offset(byte_of(self.text, at.line(), at.column())?)?,
        };
        Some(Position {
            line: at.line().checked_add(offset(self.line)?)?,
            column: at.column(),
            byte_offset: in_document.checked_add(offset(self.byte)?)?,
        })
    }
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
