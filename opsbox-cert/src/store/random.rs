//! Numbers that no one else has.

use data_encoding::HEXLOWER;

use crate::error::{Error, ErrorKind, Result};

/// 128 random bits as hex.
pub(super) fn id() -> Result<String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

pub(super) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let reason = "the operating system gives no random numbers; see the cause";
        Error::store(
            ErrorKind::Unavailable,
            "use",
            "the random numbers of the system",
            reason,
        )
        .caused_by(error)
    })
}
