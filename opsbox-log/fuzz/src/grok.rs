//! Any grok pattern: it compiles or is refused, and then every engine finds the same.

use opsbox_log::{ErrorKind, Format};

use super::{
    input::Input,
    pattern::{MAX_LOG, check},
};

/// The first line is the pattern, the rest the log.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Ok(pattern) = str::from_utf8(input.line()) else {
        return;
    };
    match Format::grok(pattern) {
        Ok(format) => check(&format, &input.log(&[], MAX_LOG)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidPattern, "{error}"),
    }
}
