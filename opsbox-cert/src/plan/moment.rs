//! Seconds since 1970 in 32 bits, which last until 2106.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Later than everything.
pub(super) const NEVER: u32 = u32::MAX;

/// Cut to whole seconds; what is out of range is the first or the last of them.
pub(super) fn secs(time: SystemTime) -> u32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs())
        .unwrap_or(NEVER - 1)
        .min(NEVER - 1)
}

pub(super) fn at(secs: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(secs))
}

pub(super) fn span(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(NEVER)
}

/// The first whole second that is not before.
pub(super) fn secs_from_us(us: u64) -> u32 {
    u32::try_from(us.div_ceil(1_000_000))
        .unwrap_or(NEVER - 1)
        .min(NEVER - 1)
}
