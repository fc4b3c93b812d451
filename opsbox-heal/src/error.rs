//! What can go wrong, and on which object.
//!
//! ```
//! use opsbox_heal::{ErrorKind, PodSnapshot};
//!
//! let error = PodSnapshot::from_json(br#"{"items": [{"metadata": {"name": "web"#).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Truncated);
//! assert_eq!(error.item_index(), Some(0));
//! assert_eq!(error.line(), Some(1));
//! ```

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::text::Escaped;

/// The kind of an [`Error`], for a program to decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file could not be opened or read.
    Io,
    /// The path is a directory.
    Directory,
    /// There is nothing in the input but white space.
    Empty,
    /// The input is larger than a limit of [`limits`](crate::limits).
    TooLarge,
    /// The input is not text: an archive, a program, UTF-16.
    Binary,
    /// The input is YAML and the feature `yaml` is off.
    YamlDisabled,
    /// The text is not JSON or not YAML.
    Syntax,
    /// The input ends in the middle of a list.
    Truncated,
    /// The input is an object, but not a pod or a list of pods.
    WrongKind,
    /// A field has a type or value that the Kubernetes API does not know for it.
    InvalidField,
    /// A text is not a point in time.
    Timestamp,
    /// A policy has a field or value that it cannot have.
    Policy,
    /// A setting makes no sense, or not together with another one.
    Settings,
    /// The API server cannot be reached, or the connection to it broke.
    Unreachable,
    /// The connection to the API server cannot be made safe: its certificate or ours is refused.
    Tls,
    /// The API server said nothing for too long.
    TimedOut,
    /// The API server does not know who asks (401), or the client could not make its credentials.
    Unauthorized,
    /// The API server does not let this account do it (403); the message names verb and resource.
    Forbidden,
    /// The state that was asked for is gone from the API server's memory (410): list again.
    Gone,
    /// The API server asks to come back later (429).
    TooManyRequests,
    /// Any other refusal of the API server; [`Error::status`] has its code.
    Api,
}

/// An error of this crate: what was attempted, on which object, and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    field: Option<String>,
    item_index: Option<usize>,
    namespace: Option<String>,
    name: Option<String>,
    position: Option<Position>,
    source: Option<io::Error>,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) byte_offset: u64,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            field: None,
            item_index: None,
            namespace: None,
            name: None,
            position: None,
            source: None,
            status: None,
            retry_after: None,
        }))
    }

    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    #[cfg(feature = "config")]
    pub(crate) fn with_field(mut self, field: &str) -> Self {
        self.0.field = (!matches!(field, "" | "." | "?")).then(|| field.to_owned());
        self
    }

    pub(crate) fn with_position(mut self, position: Option<Position>) -> Self {
        self.0.position = position;
        self
    }

    pub(crate) fn with_item(mut self, index: Option<usize>, namespace: &str, name: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.0.item_index = index;
        self.0.namespace = some(namespace);
        self.0.name = some(name);
        self
    }

    pub(crate) fn with_source(mut self, source: io::Error) -> Self {
        self.0.source = Some(source);
        self
    }

    #[cfg(feature = "kube")]
    pub(crate) fn with_status(mut self, status: u16, retry_after: Option<Duration>) -> Self {
        self.0.status = Some(status);
        self.0.retry_after = retry_after;
        self
    }

    /// What went wrong, for a program to decide on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file that was read, if it was one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The field of a policy, as in `responses[2].steps[0]`.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Index in `items` of the object that could not be read.
    pub fn item_index(&self) -> Option<usize> {
        self.0.item_index
    }

    /// Namespace of the object, if it had been read by then; the raw text, which `Display` escapes.
    pub fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    /// Name of the object, if it had been read by then; the raw text, which `Display` escapes.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Line of the input, from 1.
    pub fn line(&self) -> Option<u64> {
        self.0.position.map(|p| p.line)
    }

    /// Column of that line, from 1.
    pub fn column(&self) -> Option<u64> {
        self.0.position.map(|p| p.column)
    }

    /// Offset in the input in bytes, from 0.
    pub fn byte_offset(&self) -> Option<u64> {
        self.0.position.map(|p| p.byte_offset)
    }

    /// The code of HTTP that the API server answered with.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the API server asks to wait before the next try (`Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed a moment later with nothing changed by the caller.
    ///
    /// True for an interrupted or timed-out read, and for an API server that is away, slow or
    /// overloaded; bad content stays bad, and a missing permission stays missing.
    pub fn is_retryable(&self) -> bool {
        use io::ErrorKind::{Interrupted, ResourceBusy, TimedOut, WouldBlock};
        match self.0.kind {
            ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Gone
            | ErrorKind::TooManyRequests => return true,
            ErrorKind::Api => return self.0.status.is_some_and(|status| status >= 500),
            _ => {}
        }
        self.0.source.as_ref().is_some_and(|source| {
            matches!(
                source.kind(),
                Interrupted | ResourceBusy | TimedOut | WouldBlock
            )
        })
    }
}

/// One line; unprintable characters of the input are escaped.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(path) = &inner.path {
            let path = path.display().to_string();
            let what = match inner.kind {
                ErrorKind::Policy => "use policy",
                _ => "read pods from",
            };
            write!(f, "cannot {what} {}: ", Escaped(&path))?;
        }
        if let Some(index) = inner.item_index {
            write!(f, "items[{index}]")?;
        }
        if let Some(name) = &inner.name {
            let space = if inner.item_index.is_some() { " " } else { "" };
            match &inner.namespace {
                Some(namespace) => {
                    write!(f, "{space}({}/{})", Escaped(namespace), Escaped(name))?;
                }
                None => write!(f, "{space}({})", Escaped(name))?,
            }
        }
        if inner.item_index.is_some() || inner.name.is_some() {
            f.write_str(": ")?;
        }
        if let Some(p) = inner.position {
            write!(
                f,
                "line {} column {} (byte {}): ",
                p.line, p.column, p.byte_offset
            )?;
        }
        if let Some(field) = &inner.field {
            write!(f, "{}: ", Escaped(field))?;
        }
        Escaped(&inner.message).fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_every_place_it_knows() {
        let position = Position {
            line: 7,
            column: 3,
            byte_offset: 90,
        };
        let error = Error::new(ErrorKind::Syntax, "expected a value")
            .with_path(Path::new("pods.json"))
            .with_item(Some(4), "shop", "web-1")
            .with_position(Some(position));
        assert_eq!(
            error.to_string(),
            "cannot read pods from pods.json: items[4] (shop/web-1): line 7 column 3 (byte 90): \
             expected a value"
        );
        assert_eq!(error.name(), Some("web-1"));
        assert_eq!(error.byte_offset(), Some(90));
        assert!(!error.is_retryable());
    }

    #[test]
    fn only_a_passing_failure_is_retryable() {
        let from = |kind: io::ErrorKind| Error::new(ErrorKind::Io, "x").with_source(kind.into());
        assert!(from(io::ErrorKind::TimedOut).is_retryable());
        assert!(!from(io::ErrorKind::NotFound).is_retryable());
        assert!(std::error::Error::source(&from(io::ErrorKind::NotFound)).is_some());
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
