//! Errors of the library as Python exceptions.

use opsbox_log::{Error, ErrorKind};
use pyo3::{
    PyErr, create_exception,
    exceptions::{PyException, PyOSError},
};

create_exception!(
    opsbox,
    OpsboxError,
    PyException,
    "The base of all errors of opsbox, but for those of files, which are OSError."
);
create_exception!(
    opsbox,
    FormatError,
    OpsboxError,
    "A format that is no preset, or a pattern that does not compile."
);
create_exception!(
    opsbox,
    DetectionError,
    OpsboxError,
    "No preset fits the sample."
);

/// The exception that says what `error` says.
pub(crate) fn exception(error: Error) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::UnknownPreset
        | ErrorKind::FeatureDisabled
        | ErrorKind::UnknownField
        | ErrorKind::InvalidPattern => FormatError::new_err(message),
        ErrorKind::Undetected => DetectionError::new_err(message),
        ErrorKind::Io => os_error(error),
        _ => OpsboxError::new_err(message),
    }
}

/// An OSError with its number, from which Python picks the subclass (FileNotFoundError, ...), and the
/// file's name.
fn os_error(error: Error) -> PyErr {
    let Error::File {
        path,
        message,
        source,
        ..
    } = error
    else {
        return PyOSError::new_err(error.to_string());
    };
    let path = path.to_string_lossy().into_owned();
    match source.as_ref().and_then(errno) {
        Some(number) => PyOSError::new_err((number, message, path)),
        None => PyOSError::new_err(format!("{message}: {path}")),
    }
}

fn errno(error: &std::io::Error) -> Option<i32> {
    const EISDIR: i32 = 21;
    match error.kind() {
        // The library says so itself, without a call that failed.
        std::io::ErrorKind::IsADirectory => Some(EISDIR),
        _ => error.raw_os_error(),
    }
}
