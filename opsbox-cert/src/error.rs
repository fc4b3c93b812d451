//! The one error type of the crate: what was attempted, on which object, why it failed, what to do.
//!
//! The same type is returned by the reading functions and listed in a scan report, so a message
//! reads the same wherever it comes from.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a file or text something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Place {
    /// Position among all PEM sections of the input, counted from 0. Always 0 for DER.
    pub index: usize,
    /// Line of the `-----BEGIN` marker, counted from 1. Always 1 for DER.
    pub line: usize,
    /// Byte offset of that line.
    pub offset: usize,
}

impl Place {
    pub(crate) const START: Self = Self {
        index: 0,
        line: 1,
        offset: 0,
    };
}

/// What went wrong, for a program to decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused to read the object; see [`source`](std::error::Error::source).
    Io,
    /// The file has no bytes.
    Empty,
    /// A folder was given where a file is needed.
    Directory,
    /// A pipe, socket or device, which is never read.
    NotAFile,
    /// A limit of [`limits`](crate::limits) or of the scan was reached.
    Limit,
    /// The input ends before the certificate does.
    Truncated,
    /// The PEM armour or its base64 is damaged.
    Pem,
    /// The bytes are no X.509 certificate in DER.
    Der,
    /// The file holds a private key and no certificate.
    PrivateKey,
    /// Certificates in a container or an old form that is not read, such as PKCS#12.
    Unsupported,
    /// PEM or DER of another kind: a request, a CRL, a public key, parameters.
    OtherContent,
    /// Nothing that looks like a certificate, a key or a container.
    NoCertificate,
    /// An argument that no store can accept: a name, an owner, a duration.
    Invalid,
    /// The record is not the one that the condition of the write names: read it again, then decide.
    Conflict,
    /// The lock of the write was released or given to another owner: give up the work under it.
    Fenced,
    /// No space left, or a quota is used up.
    Full,
    /// The place cannot be written at all.
    ReadOnly,
    /// Missing permission, or permissions that would let others read a private key.
    Denied,
    /// What is stored is damaged.
    Corrupt,
    /// The private key is not the one of the certificate.
    KeyMismatch,
    /// The record is encrypted and the key for it is missing or wrong.
    Sealed,
    /// The store, the CA or a DNS server did not answer in time, or cannot be reached. A write may have
    /// been done or not.
    Unavailable,
    /// A configuration that cannot be used.
    Config,
    /// The CA refused, and asking again as it is will not help: see [`Error::problem`].
    Refused,
    /// The CA refused for now, since too much was asked of it: see [`Error::retry_after`].
    RateLimited,
    /// What answered does not speak the protocol: a wrong URL, or a proxy in between.
    Protocol,
    /// Another instance is at work on the same: see [`Error::retry_after`].
    Busy,
}

/// Why something could not be read: object, place, reason and what to do about it.
///
/// `Display` is a full sentence for a human. Cloning is cheap.
///
/// ```
/// use opsbox_cert::{Bundle, ErrorKind};
///
/// let error = Bundle::parse("web/tls.crt", b"").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Empty);
/// assert_eq!(error.path().unwrap().to_str(), Some("web/tls.crt"));
/// assert!(error.is_retryable(), "the writer may be in the middle of it");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    path: Option<PathBuf>,
    place: Option<Place>,
    reason: Reason,
}

impl Error {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.reason.kind()
    }

    /// The file or folder, as it was given or found; `None` for bytes without a name.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Where in the file, if the failure is about one section and not the whole file.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// The record, lock or store that a failed operation was about; `None` for an error of reading.
    #[cfg(feature = "store")]
    pub fn object(&self) -> Option<&str> {
        match &self.0.reason {
            Reason::Store(fault) => Some(&fault.object),
            Reason::Issue(failure) => Some(&failure.object),
            _ => None,
        }
    }

    /// Which step of getting a certificate failed; `None` for an error of anything else.
    #[cfg(feature = "store")]
    pub fn step(&self) -> Option<crate::issuer::Step> {
        self.failure().map(|failure| failure.step)
    }

    /// The DNS name or IP address that it was about, if it was about one.
    pub fn identifier(&self) -> Option<&str> {
        match &self.0.reason {
            Reason::Identifier { text, .. } => Some(text),
            #[cfg(feature = "store")]
            Reason::Issue(failure) => failure.identifier.as_deref(),
            _ => None,
        }
    }

    /// What the CA said, if it said why it refused.
    #[cfg(feature = "store")]
    pub fn problem(&self) -> Option<&crate::issuer::Problem> {
        self.failure()?.problem.as_ref()
    }

    /// The HTTP status of the CA's answer.
    #[cfg(feature = "store")]
    pub fn status(&self) -> Option<u16> {
        self.failure()?.status
    }

    /// How long to wait before the next attempt, if the CA said so or another instance is at work.
    #[cfg(feature = "store")]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        self.failure()?.retry_after
    }

    #[cfg(feature = "store")]
    fn failure(&self) -> Option<&crate::issuer::Failure> {
        match &self.0.reason {
            Reason::Issue(failure) => Some(failure),
            _ => None,
        }
    }

    /// The reason and the advice, without the object: what a table shows beside the path.
    pub fn reason(&self) -> String {
        self.0.reason.to_string()
    }

    /// Whether the same call can succeed later without anyone's help: a busy system, or a file that
    /// is short because its writer is in the middle of writing it.
    pub fn is_retryable(&self) -> bool {
        match &self.0.reason {
            Reason::Io(error) | Reason::PartialFolder(error) => matches!(
                error.kind(),
                io::ErrorKind::Interrupted
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::WouldBlock
                    | io::ErrorKind::ResourceBusy
                    | io::ErrorKind::StaleNetworkFileHandle
            ),
            #[cfg(feature = "store")]
            Reason::Store(fault) => fault.is_retryable(),
            #[cfg(feature = "store")]
            Reason::Issue(failure) => failure.is_retryable(),
            reason => {
                self.0.path.is_some()
                    && matches!(reason.kind(), ErrorKind::Empty | ErrorKind::Truncated)
            }
        }
    }

    #[cfg(feature = "store")]
    pub(crate) fn map_fault(mut self, change: impl FnOnce(&mut crate::store::Fault)) -> Self {
        if let Reason::Store(fault) = &mut Arc::make_mut(&mut self.0).reason {
            change(fault);
        }
        self
    }

    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        Arc::make_mut(&mut self.0).path = Some(path.to_path_buf());
        self
    }

    pub(crate) fn with_place(mut self, place: Place) -> Self {
        Arc::make_mut(&mut self.0).place = Some(place);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            path,
            place,
            reason,
        } = &*self.0;
        match reason {
            #[cfg(feature = "store")]
            Reason::Store(fault) => {
                let object = crate::text::Escaped(&fault.object);
                return write!(f, "cannot {} {object}: {reason}", fault.attempt);
            }
            #[cfg(feature = "store")]
            Reason::Issue(failure) => {
                return write!(f, "cannot {}: {reason}", failure.attempt());
            }
            Reason::Identifier { text, why } => {
                return write!(f, "cannot take `{text}` as a name of a certificate: {why}");
            }
            Reason::Spec { id, .. } => return write!(f, "cannot order `{id}`: {reason}"),
            #[cfg(feature = "manager")]
            Reason::TooSlow { id, .. } => return write!(f, "cannot order `{id}`: {reason}"),
            #[cfg(feature = "config")]
            Reason::Config(problem) => {
                let file = problem.file.to_string_lossy();
                return write!(f, "cannot use {}: {problem}", crate::text::Escaped(&file));
            }
            _ => {}
        }
        let whole = match path {
            Some(path) => crate::text::Escaped(&path.to_string_lossy()).to_string(),
            None => "the given bytes".into(),
        };
        match place {
            Some(Place { index, line, .. }) => write!(
                f,
                "cannot read the certificate at line {line} of {whole} (section index {index})"
            )?,
            None if reason.kind() == ErrorKind::Io => write!(f, "cannot read {whole}")?,
            None => write!(f, "cannot read a certificate from {whole}")?,
        }
        write!(f, ": {reason}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("path", &self.0.path)
            .field("place", &self.0.place)
            .field("reason", &self.0.reason)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.reason)
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self(Arc::new(Inner {
            path: None,
            place: None,
            reason,
        }))
    }
}

/// `path`, `index`, `line` and `offset` (`null` where they do not apply), `kind`, `reason`,
/// `message` and `retryable`.
#[cfg(feature = "serde")]
impl serde::Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Error", 8)?;
        out.serialize_field("path", &self.path().map(Path::to_string_lossy))?;
        out.serialize_field("index", &self.place().map(|place| place.index))?;
        out.serialize_field("line", &self.place().map(|place| place.line))?;
        out.serialize_field("offset", &self.place().map(|place| place.offset))?;
        out.serialize_field("kind", &self.kind())?;
        out.serialize_field("reason", &self.reason())?;
        out.serialize_field("message", &self.to_string())?;
        out.serialize_field("retryable", &self.is_retryable())?;
        out.end()
    }
}

/// All messages of the crate in one place, each with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("{}", io_advice(.0))]
    Io(#[source] Arc<io::Error>),
    #[error(
        "the folder could not be listed whole ({}), so files in it may be missing here; scan it again, see the cause reported by the operating system",
        .0.kind()
    )]
    PartialFolder(#[source] Arc<io::Error>),
    #[error(
        "the file is empty (0 bytes); write the certificate again, an interrupted copy leaves an empty file"
    )]
    Empty,
    #[error("it is a directory and not a file; give a file in it, or scan the whole directory")]
    Directory,
    #[error("it is a {what} and not a regular file; it is never read, give a regular file")]
    NotAFile { what: &'static str },
    #[error(
        "the file is larger than the limit of {limit} bytes; split it, or raise `max_file_bytes` if it is right"
    )]
    FileTooLarge { limit: u64 },
    #[error("it has more than {limit} PEM sections, the rest is not read; split the file")]
    TooManySections { limit: usize },
    #[error(
        "the folder is deeper than the limit of {limit} and is not entered; give it as a path of its own, or raise `max_depth`"
    )]
    TooDeep { limit: usize },
    #[error(
        "the scan ended here after {limit} entries; give more specific paths, or raise `max_files`"
    )]
    TooManyFiles { limit: usize },
    #[error(
        "the `-----END {label}-----` line is missing, so the section is truncated; copy the file again"
    )]
    NoEndLine { label: String },
    #[error(
        "the section starts as {begin} but ends as {end}; a part of the file is lost, copy it again"
    )]
    EndMismatch { begin: String, end: String },
    #[error(
        "the BEGIN line is not `-----BEGIN LABEL-----` with exactly five dashes at its end; correct the line"
    )]
    BadBeginLine,
    #[error("the END line does not end in exactly five dashes; correct the line")]
    BadEndLine,
    #[error(
        "the line breaks are missing: other text stands on the line of a BEGIN or END marker; copy the file again with its line breaks, or put each marker on a line of its own"
    )]
    LineBreaks,
    #[error(
        "the text between BEGIN and END is no base64 ({detail}); copy the certificate again as plain text"
    )]
    Base64 { detail: String },
    #[error("there is nothing between the BEGIN and END lines; copy the certificate again")]
    EmptySection,
    #[error(
        "the certificate should have {expected} bytes but only {actual} are there, so it is truncated; copy it again"
    )]
    TruncatedDer { expected: u64, actual: u64 },
    #[error(
        "{extra} byte(s) follow the end of the certificate; keep one certificate per DER file or PEM section"
    )]
    TrailingBytes { extra: u64 },
    #[error(
        "the bytes are no X.509 certificate ({detail}); check what wrote them, `openssl x509 -text` may tell more"
    )]
    Der { detail: String },
    #[error("{}", private_key_advice(.encrypted))]
    PrivateKey { encrypted: bool },
    #[error("{what}; {advice}")]
    Unsupported {
        what: &'static str,
        advice: &'static str,
    },
    #[error(
        "it holds {what} and no certificate; give the certificate (often fullchain.pem or tls.crt)"
    )]
    OtherContent { what: String },
    #[error(
        "the file is binary and neither a DER certificate nor PEM text; give a certificate in PEM or DER"
    )]
    Binary,
    #[error("the text has no `-----BEGIN CERTIFICATE-----` line; give a certificate in PEM or DER")]
    NoSection,
    #[error(
        "the BEGIN line at line {line} does not start at the first column; remove what stands before it in each line"
    )]
    Indented { line: usize },
    #[error(
        "the text is base64 without BEGIN and END lines; add `-----BEGIN CERTIFICATE-----` before and `-----END CERTIFICATE-----` after it"
    )]
    BareBase64,
    #[error("the text is encoded as UTF-16; save it as UTF-8 or ASCII")]
    Utf16,
    #[error("{why}")]
    Identifier { text: String, why: String },
    #[error("{why}")]
    Spec { id: String, why: String },
    #[cfg(feature = "manager")]
    #[error("it took longer than {} s; it is gone on with at the next attempt", .limit.as_secs())]
    TooSlow {
        id: String,
        limit: std::time::Duration,
    },
    #[cfg(feature = "config")]
    #[error("{0}")]
    Config(Box<crate::config::Problem>),
    #[cfg(feature = "store")]
    #[error(transparent)]
    Store(crate::store::Fault),
    #[cfg(feature = "store")]
    #[error(transparent)]
    Issue(Box<crate::issuer::Failure>),
}

impl Reason {
    pub(crate) fn io(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(_) | Self::PartialFolder(_) => ErrorKind::Io,
            Self::Empty => ErrorKind::Empty,
            Self::Directory => ErrorKind::Directory,
            Self::NotAFile { .. } => ErrorKind::NotAFile,
            Self::FileTooLarge { .. }
            | Self::TooManySections { .. }
            | Self::TooDeep { .. }
            | Self::TooManyFiles { .. } => ErrorKind::Limit,
            Self::NoEndLine { .. } | Self::TruncatedDer { .. } => ErrorKind::Truncated,
            Self::EndMismatch { .. }
            | Self::BadBeginLine
            | Self::BadEndLine
            | Self::LineBreaks
            | Self::Base64 { .. }
            | Self::EmptySection
            | Self::Indented { .. }
            | Self::BareBase64
            | Self::Utf16 => ErrorKind::Pem,
            Self::TrailingBytes { .. } | Self::Der { .. } => ErrorKind::Der,
            Self::PrivateKey { .. } => ErrorKind::PrivateKey,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::OtherContent { .. } => ErrorKind::OtherContent,
            Self::Binary | Self::NoSection => ErrorKind::NoCertificate,
            Self::Identifier { .. } | Self::Spec { .. } => ErrorKind::Invalid,
            #[cfg(feature = "manager")]
            Self::TooSlow { .. } => ErrorKind::Unavailable,
            #[cfg(feature = "config")]
            Self::Config(_) => ErrorKind::Config,
            #[cfg(feature = "store")]
            Self::Store(fault) => fault.kind,
            #[cfg(feature = "store")]
            Self::Issue(failure) => failure.kind,
        }
    }
}

fn io_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such file or folder; check the path, and the target if it is a link".into()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; let this user read the file and enter its folders".into()
        }
        kind => format!("{kind}; see the cause reported by the operating system"),
    }
}

fn private_key_advice(encrypted: &bool) -> String {
    let encrypted = if *encrypted { "an encrypted" } else { "a" };
    format!(
        "it holds {encrypted} private key and no certificate; \
         give the certificate (often fullchain.pem or tls.crt)"
    )
}
