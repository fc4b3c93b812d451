//! A saved list of pods.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::read::{Reader, TypeMeta};
use crate::{
    error::{Error, ErrorKind, Position},
    limits::MAX_INPUT_BYTES,
    model::pod::PodState,
};

/// Pods read from a file that `kubectl get pods` or the API server has written.
///
/// Read are, in JSON or YAML: a `PodList`, as the API server answers; a `List`, as
/// `kubectl get pods -A -o json` writes; a single `Pod`; and a YAML stream of such documents. The
/// order of keys does not matter, and unknown fields are skipped. Objects of other kinds in a
/// `List` or a stream are counted and listed by [`skipped`](Self::skipped).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSnapshot {
    pub(super) pods: Vec<PodState>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) skipped_count: usize,
}

/// An object in the input that is not a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub(super) index: usize,
    pub(super) kind: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
}

impl Skipped {
    /// Index in `items`.
    pub fn index(&self) -> usize {
        self.index
    }

    /// `kind`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `metadata.namespace`; empty for a cluster-wide object.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl PodSnapshot {
    /// Reads a file of either format.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is larger than [`MAX_INPUT_BYTES`], or for a reason of
    /// [`from_slice`](Self::from_slice). The error names the path.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        read_file(path)
            .and_then(|bytes| Self::from_slice(&bytes))
            .map_err(|error| error.with_path(path))
    }

    /// Reads bytes of either format: JSON if the first character is `{` or `[`, otherwise YAML.
    ///
    /// # Errors
    ///
    /// If the bytes are empty or not text, or for a reason of [`from_json`](Self::from_json) or
    /// [`from_yaml`](Self::from_yaml).
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let (text, skipped_bytes) = text(bytes)?;
        if text.trim_start().starts_with(['{', '[']) {
            json(text, skipped_bytes)
        } else {
            yaml(text, skipped_bytes)
        }
    }

    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// If the input is not JSON, ends too early, is an object that is no pod and no list, or has a
    /// field of a type that the API does not have there. The error says where. A list without a
    /// single pod among its objects is refused too; an empty list is not.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let (text, skipped_bytes) = text(bytes)?;
        json(text, skipped_bytes)
    }

    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json). Also if the stream is larger than
    /// [`MAX_YAML_BYTES`](crate::limits::MAX_YAML_BYTES), or its aliases expand to more than
    /// [`MAX_YAML_ALIAS_NODES`](crate::limits::MAX_YAML_ALIAS_NODES), or if the feature `yaml`
    /// is off.
    pub fn from_yaml(bytes: &[u8]) -> Result<Self, Error> {
        let (text, skipped_bytes) = text(bytes)?;
        yaml(text, skipped_bytes)
    }

    /// The pods, in the order of the input.
    pub fn pods(&self) -> &[PodState] {
        &self.pods
    }

    /// The pods, without the rest.
    pub fn into_pods(self) -> Vec<PodState> {
        self.pods
    }

    /// The first [`MAX_SKIPPED_LISTED`](crate::limits::MAX_SKIPPED_LISTED) objects that are not
    /// pods.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How many objects are not pods.
    pub fn skipped_count(&self) -> usize {
        self.skipped_count
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let io_error = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        Error::new(ErrorKind::Io, message).with_source(error)
    };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(Error::new(
            ErrorKind::Directory,
            "it is a directory: name one file, as saved with `kubectl get pods -A -o json`",
        ));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file of just the allowed size from a larger one.
    let mut limited = file.take(MAX_INPUT_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(io_error)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_INPUT_BYTES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("larger than {MAX_INPUT_BYTES} bytes: save one namespace at a time"),
        ));
    }
    Ok(bytes)
}

/// The input as text without its byte order mark, and how many bytes that was.
fn text(bytes: &[u8]) -> Result<(&str, usize), Error> {
    let binary = |what: &str| Err(Error::new(ErrorKind::Binary, what));
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            return binary("it is UTF-16, as `>` of PowerShell writes it: save it as UTF-8");
        }
        [0x1F, 0x8B, ..] => return binary("it is compressed by gzip: unpack it first"),
        _ => {}
    }
    let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let skipped_bytes = bytes.len() - body.len();
    let at_byte = |at: usize| {
        Err(Error::new(
            ErrorKind::Binary,
            format!(
                "it is not text but binary data (byte {}): save a pod list with \
                 `kubectl get pods -A -o json`",
                skipped_bytes + at
            ),
        ))
    };
    let text = match str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return at_byte(error.valid_up_to()),
    };
    // Neither JSON nor YAML may hold a NUL, and text never does; the start is enough to tell.
    if let Some(at) = text.bytes().take(4096).position(|byte| byte == 0) {
        return at_byte(at);
    }
    if text.trim_start().is_empty() {
        return Err(Error::new(
            ErrorKind::Empty,
            "it is empty: did the command that should have written it fail?",
        ));
    }
    Ok((text, skipped_bytes))
}

fn json(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    let reader = Reader::default();
    let mut json = serde_json::Deserializer::from_str(text);
    match reader.document(&mut json).and_then(|()| json.end()) {
        Ok(()) => reader.finish(),
        Err(error) => {
            if error.is_data()
                && let Ok(meta) = serde_json::from_str::<TypeMeta<'_>>(text)
                && let Some(wrong_kind) = meta.wrong_kind()
            {
                return Err(wrong_kind);
            }
            Err(json_error(reader, &error, text, skipped_bytes))
        }
    }
}

#[cfg(feature = "yaml")]
fn yaml(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    super::yaml::read(text, skipped_bytes)
}

#[cfg(not(feature = "yaml"))]
fn yaml(_text: &str, _skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    Err(Error::new(
        ErrorKind::YamlDisabled,
        "the input is not JSON, and YAML is not compiled in: save it with `kubectl get pods -A \
         -o json`, or enable the feature `yaml` of opsbox-heal",
    ))
}

fn json_error(
    reader: Reader,
    error: &serde_json::Error,
    text: &str,
    skipped_bytes: usize,
) -> Error {
    // The library ends its message with the place, which this crate shows in its own way.
    let shown = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = shown.strip_suffix(&place).unwrap_or(&shown);
    let (kind, message) = match error.classify() {
        serde_json::error::Category::Eof => (
            ErrorKind::Truncated,
            "the JSON ends in the middle: the file was cut, save it again".to_owned(),
        ),
        serde_json::error::Category::Data => (ErrorKind::InvalidField, reason.to_owned()),
        _ => (ErrorKind::Syntax, format!("not JSON: {reason}")),
    };
    let position = Position::of_line(text, error.line(), error.column(), skipped_bytes);
    reader.error(kind, message, position)
}

impl Position {
    /// The place that `serde_json` names: a line from 1, and a column in bytes.
    fn of_line(text: &str, line: usize, column: usize, skipped_bytes: usize) -> Option<Self> {
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
