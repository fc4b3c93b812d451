//! Points in time, as Kubernetes writes them.
//!
//! Nothing in this crate reads a clock: `now` is an argument, so that a verdict can be tested and
//! replayed.
//!
//! ```
//! use opsbox_heal::Timestamp;
//! use std::time::Duration;
//!
//! let started: Timestamp = "2026-03-01T10:00:00Z".parse()?;
//! let now: Timestamp = "2026-03-01T12:00:00Z".parse()?;
//! assert_eq!(now.since(started), Duration::from_secs(7200));
//! assert_eq!(started.to_string(), "2026-03-01T10:00:00Z");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

use std::{
    fmt,
    num::NonZeroU64,
    str::FromStr,
    time::{Duration, SystemTime},
};

use crate::error::{Error, ErrorKind};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, the resolution of the API.
///
/// Always within the years -9999 to 9999, so that it can be written as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(
    /// The seconds with the sign bit flipped, which keeps the order. It is never zero, so that an
    /// `Option<Timestamp>` needs no more room: a pod holds a dozen of them.
    NonZeroU64,
);

const SIGN: u64 = 1 << 63;

impl Timestamp {
    /// The point `seconds` after 1970; a value out of range becomes the nearest in range.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        let least = jiff::Timestamp::MIN.as_second();
        let most = jiff::Timestamp::MAX.as_second();
        let flipped = seconds.clamp(least, most).cast_unsigned() ^ SIGN;
        Self(NonZeroU64::new(flipped).unwrap_or(NonZeroU64::MIN))
    }

    /// Seconds since 1970.
    pub const fn unix_seconds(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// How long before `self` the moment `earlier` was; zero if it was not before.
    ///
    /// Clocks of nodes differ by seconds, so a moment in the future counts as now.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The moment `after` this one; the last one there is if that is out of range.
    pub fn saturating_add(self, after: Duration) -> Self {
        let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        Self::from_unix_seconds(self.unix_seconds().saturating_add(seconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.unix_seconds()) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "@{}", self.unix_seconds()),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The error of the library is not kept as source: it would be part of the public API.
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            let mut shown: String = text.chars().take(40).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            Error::new(
                ErrorKind::Timestamp,
                format!("{shown:?} is not a time as in 2026-01-02T03:04:05Z"),
            )
        })?;
        Ok(Self::from_unix_seconds(time.as_second()))
    }
}

/// As RFC 3339 text, like the API.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
        };
        Self::from_unix_seconds(seconds)
    }
}

/// A duration as `kubectl` shows an age: `45s`, `12m`, `3h`, `9d`.
pub(crate) struct Age(pub(crate) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..120 => write!(f, "{seconds}s"),
            120..7_200 => write!(f, "{}m", seconds / 60),
            7_200..172_800 => write!(f, "{}h", seconds / 3_600),
            _ => write!(f, "{}d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["2026-03-01T10:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        let offset: Timestamp = "2026-03-01T12:00:00+02:00".parse().unwrap();
        assert_eq!(offset.to_string(), "2026-03-01T10:00:00Z");
        let micros: Timestamp = "2026-03-01T10:00:00.999999Z".parse().unwrap();
        assert_eq!(micros, offset);
    }

    #[test]
    fn not_a_time() {
        let error = "yesterday".parse::<Timestamp>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timestamp);
        assert_eq!(
            error.to_string(),
            "\"yesterday\" is not a time as in 2026-01-02T03:04:05Z"
        );
        assert!("".parse::<Timestamp>().is_err());
    }

    #[test]
    fn extremes_do_not_overflow() {
        let least = Timestamp::from_unix_seconds(i64::MIN);
        let most = Timestamp::from_unix_seconds(i64::MAX);
        assert_eq!(least.since(most), Duration::ZERO);
        assert!(most.since(least) > Duration::from_secs(1));
        assert_eq!(most.saturating_add(Duration::MAX), most);
        assert!(!least.to_string().starts_with('@'), "{least}");
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Timestamp::from(early).unix_seconds(), -5);
    }

    #[test]
    fn an_absent_time_costs_nothing() {
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
        let at = Timestamp::from_unix_seconds;
        assert!(at(-1) < at(0) && at(0) < at(1));
        assert_eq!(at(1).since(at(-1)), Duration::from_secs(2));
    }

    #[test]
    fn ages_read_like_kubectl() {
        let age = |seconds| Age(Duration::from_secs(seconds)).to_string();
        assert_eq!(
            [age(0), age(119), age(120), age(7_200), age(172_800)],
            ["0s", "119s", "2m", "2h", "2d"]
        );
    }
}
