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
        if let Some(time) = usual(text.as_bytes()) {
            return Ok(time);
        }
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

/// A time as the API server writes it, `2026-01-02T03:04:05Z`: a pod has a dozen of them.
fn usual(text: &[u8]) -> Option<Timestamp> {
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
        b'Z',
    ] = text
    else {
        return None;
    };
    let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1];
    if !digits.iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let two = |tens: &u8, ones: &u8| 10 * i64::from(tens & 15) + i64::from(ones & 15);
    let (year, month, day) = (100 * two(y0, y1) + two(y2, y3), two(m0, m1), two(d0, d1));
    let (hour, minute, second) = (two(h0, h1), two(n0, n1), two(s0, s1));
    // What not every month has is left to the library.
    let is_usual = (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_usual {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let days_before_month = (153 * ((month + 9) % 12) + 2) / 5;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + days_before_month
        + day
        - 1;
    // From 0000-03-01 to 1970-01-01.
    let days = days - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_unix_seconds(seconds))
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
    fn usual_times_are_read_as_the_library_reads_them() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut usual_ones = 0;
        for _ in 0..50_000 {
            let text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                rng.u16(0..10_000),
                rng.u8(0..14),
                rng.u8(0..33),
                rng.u8(0..25),
                rng.u8(0..61),
                rng.u8(0..62)
            );
            let library = text
                .parse::<jiff::Timestamp>()
                .map(jiff::Timestamp::as_second);
            if let Some(time) = usual(text.as_bytes()) {
                assert_eq!(library.ok(), Some(time.unix_seconds()), "{text}");
                usual_ones += 1;
            }
        }
        assert!(usual_ones > 30_000, "{usual_ones}");
        for odd in [
            "2026-02-30T00:00:00Z",
            "2026-01-01T00:00:00z",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(usual(odd.as_bytes()), None);
        }
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
