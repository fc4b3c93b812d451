//! Why an operation of a store failed.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Reason};

/// What was attempted, on which object, why it failed and what to do: the body of an [`Error`].
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) attempt: &'static str,
    pub(crate) object: String,
    reason: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    pub(crate) fn is_retryable(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// Errors of stores, for those who write one.
impl Error {
    /// An error that reads `cannot {attempt} {object}: {reason}`.
    ///
    /// Of the reason say what was wrong and what to do; keep what the record holds out of it. The
    /// kind [`Unavailable`](ErrorKind::Unavailable) is the one that can be tried again.
    ///
    /// ```
    /// use opsbox_cert::{Error, ErrorKind, store::Name};
    ///
    /// let name = Name::certificate("example.com")?;
    /// let reason = "the database does not answer; check that it runs";
    /// let error = Error::store(ErrorKind::Unavailable, "save", &name, reason);
    /// assert!(error.is_retryable());
    /// assert!(error.to_string().starts_with("cannot save certificates/example.com: the database"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn store(
        kind: ErrorKind,
        attempt: &'static str,
        object: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Reason::Store(Fault {
            kind,
            attempt,
            object: object.to_string(),
            reason: reason.into(),
            source: None,
        })
        .into()
    }

    /// The same error with the cause that it came from, if it is one of a store.
    #[must_use]
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.map_fault(|fault| fault.source = Some(Arc::new(source)))
    }

    /// The same error of another object, such as the record whose part it was.
    pub(crate) fn about(self, attempt: &'static str, object: impl fmt::Display) -> Self {
        self.map_fault(|fault| {
            fault.attempt = attempt;
            fault.object = object.to_string();
        })
    }
}

pub(super) fn invalid(object: impl fmt::Display, reason: impl Into<String>) -> Error {
    Error::store(ErrorKind::Invalid, "use", object, reason)
}

pub(super) fn conflict(attempt: &'static str, object: impl fmt::Display) -> Error {
    let reason = "it was changed, made or deleted since it was read; read it again and decide anew";
    Error::store(ErrorKind::Conflict, attempt, object, reason)
}

pub(super) fn fenced(
    attempt: &'static str,
    object: impl fmt::Display,
    lock: impl fmt::Display,
) -> Error {
    let reason = format!(
        "the lock {lock} is no longer held: it was released, or it expired and another owner has it; \
         give up the work that was done under it"
    );
    Error::store(ErrorKind::Fenced, attempt, object, reason)
}

pub(super) fn corrupt(object: impl fmt::Display, what: impl fmt::Display) -> Error {
    let reason = format!(
        "what is stored is damaged ({what}); restore it from a backup, or delete it to get a new one"
    );
    Error::store(ErrorKind::Corrupt, "load", object, reason)
}

pub(super) fn timed_out(
    attempt: &'static str,
    object: impl fmt::Display,
    limit: std::time::Duration,
) -> Error {
    let reason = format!(
        "the store did not answer within {} s, so a write may have been done or not; try again, and look at the store if it stays so",
        limit.as_secs_f32()
    );
    Error::store(ErrorKind::Unavailable, attempt, object, reason)
}

/// An error of the operating system, by what to do about it.
pub(super) fn io(attempt: &'static str, object: impl fmt::Display, error: io::Error) -> Error {
    let (kind, reason) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Full,
            "no space is left on the device or in the quota; nothing was changed, free some space"
                .into(),
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::ReadOnly,
            "the file system is read-only; mount it writable, or choose another folder".into(),
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Denied,
            "permission denied; the folder has to belong to the user of this process".into(),
        ),
        io::ErrorKind::Interrupted
        | io::ErrorKind::TimedOut
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::ResourceBusy
        | io::ErrorKind::StaleNetworkFileHandle => (
            ErrorKind::Unavailable,
            format!(
                "the file system does not answer ({}); try again",
                error.kind()
            ),
        ),
        kind => (
            ErrorKind::Io,
            format!("{kind}; see the cause reported by the operating system"),
        ),
    };
    Error::store(kind, attempt, object, reason).caused_by(error)
}

/// A lock as the object of a message.
pub(super) fn lock(name: impl fmt::Display) -> String {
    format!("the lock {name}")
}
