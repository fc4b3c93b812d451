//! A saved list of pods.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::problem::Problem;
use crate::{
    error::{Error, ErrorKind},
    limits::MAX_INPUT_BYTES,
    model::pod::PodState,
};

/// Pods read from a file that `kubectl get pods` or the API server has written.
///
/// Read are, in JSON or YAML: a `PodList`, as the API server answers; a `List`, as
/// `kubectl get pods -A -o json` writes; a single `Pod`; and a YAML stream of such documents. The
/// order of keys does not matter, and unknown fields are skipped. Objects of other kinds in a
/// `List` or a stream are counted and listed by [`skipped`](Self::skipped), items that cannot be
/// read by [`problems`](Self::problems): every item is one of the three.
///
/// ```
/// use opsbox_heal::PodSnapshot;
///
/// let snapshot = PodSnapshot::from_json(br#"{"kind": "List", "items": [
///     {"kind": "Pod", "metadata": {"name": "good"}, "status": {"phase": "Failed"}},
///     {"kind": "Pod", "metadata": {"name": "odd", "creationTimestamp": "2026-13-01T00:00:00Z"}}
/// ]}"#)?;
/// assert_eq!(snapshot.pods()[0].name(), "good");
/// assert_eq!(snapshot.problems()[0].name(), Some("odd"));
/// # Ok::<(), opsbox_heal::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSnapshot {
    pub(super) pods: Vec<PodState>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) skipped_count: usize,
    pub(super) problems: Vec<Problem>,
    pub(super) problem_count: usize,
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
            super::json::read(text, skipped_bytes)
        } else {
            yaml(text, skipped_bytes)
        }
    }

    /// Reads JSON. Of objects and lists that no verdict needs, such as managed fields, only strings
    /// and brackets are looked at.
    ///
    /// # Errors
    ///
    /// If the input is not JSON, ends too early, or is an object that is no pod and no list. The
    /// error says where. A list without a single pod among its objects is refused too, with what is
    /// wrong with its first item if that cannot be read; an empty list is not. An item with a field
    /// of a type or value that the API does not have there is one of the
    /// [`problems`](Self::problems) if another item is a pod.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let (text, skipped_bytes) = text(bytes)?;
        super::json::read(text, skipped_bytes)
    }

    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json). Also if the stream is larger than
    /// [`MAX_YAML_BYTES`](crate::limits::MAX_YAML_BYTES), or its aliases expand to more than
    /// [`MAX_YAML_ALIAS_NODES`](crate::limits::MAX_YAML_ALIAS_NODES) allows, or if the feature
    /// `yaml` is off.
    ///
    /// A [`Problem`] in a list has the line where the item begins, and in its reason the path of
    /// the field.
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

    /// The first [`MAX_PROBLEMS_LISTED`](crate::limits::MAX_PROBLEMS_LISTED) items that could not
    /// be read. There is no verdict on them, so show them to a human, as
    /// [`Report::of_snapshot`](crate::Report::of_snapshot) does.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many items could not be read.
    pub fn problem_count(&self) -> usize {
        self.problem_count
    }

    /// How many items there were: pods, skipped objects and problems.
    pub fn item_count(&self) -> usize {
        self.pods.len() + self.skipped_count + self.problem_count
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
