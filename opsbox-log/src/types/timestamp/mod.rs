//! Points in time.

mod civil;
mod clf;
mod clock;
mod epoch;
mod rfc3339;
mod syslog;

pub(super) use clf::Clf;
pub(super) use epoch::parse_epoch;
pub(super) use rfc3339::Rfc3339;
pub(super) use syslog::Syslog;

use super::Invalid;

/// How a column writes its times.
///
/// All come out as microseconds since the Unix epoch in UTC. What is finer than a microsecond is cut
/// off, towards the past. The years are 0000 to 9999, of the Gregorian calendar; a time outside is
/// [out of range](Invalid::OutOfRange), which also tells milliseconds that are read as seconds. A
/// leap second, `:60`, counts as the second after it, as in POSIX time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampFormat {
    /// `2026-05-17T10:05:03.25Z`: RFC 3339, and what logs make of it. Between date and time `T` or a
    /// space; a fraction of 1 to 9 digits after `.` or `,`, or none; the offset `Z`, `+hh:mm`,
    /// `+hhmm`, `+hh`, `UTC` or `GMT`, with or without a space before, or none.
    Rfc3339,
    /// `17/May/2026:10:05:03 +0000`: the Common Log Format. Fraction and offset are optional, and
    /// written as in [`Rfc3339`](Self::Rfc3339); so HAProxy's `17/May/2026:10:05:03.250` is one.
    Clf,
    /// `Oct 11 22:14:15`: RFC 3164 section 4.1.2, without a year. It is the latest year that brings
    /// the time no more than a day after the [reference](TimeContext::reference). A value in the
    /// form of [`Rfc3339`](Self::Rfc3339) is read as such, as rsyslog and others write it instead.
    Syslog,
    /// `1779012303.25`: a number since 1970-01-01T00:00:00Z without leap seconds, with optional sign
    /// and fraction of 1 to 9 digits.
    Epoch(EpochUnit),
}

impl TimestampFormat {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rfc3339 => "RFC 3339 timestamp",
            Self::Clf => "CLF timestamp",
            Self::Syslog => "syslog timestamp",
            Self::Epoch(EpochUnit::Seconds) => "timestamp in seconds",
            Self::Epoch(EpochUnit::Millis) => "timestamp in milliseconds",
            Self::Epoch(EpochUnit::Micros) => "timestamp in microseconds",
            Self::Epoch(EpochUnit::Nanos) => "timestamp in nanoseconds",
        }
    }
}

/// What [`TimestampFormat::Epoch`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// What completes a time that says too little: its zone and its year.
///
/// ```
/// use opsbox_log::types::{Invalid, TimeContext, TimestampFormat, Zone, parse_timestamp};
///
/// let berlin = TimeContext::new().zone(Zone::east(7200).unwrap());
/// let parse = |value: &str, context| parse_timestamp(value.as_bytes(), TimestampFormat::Rfc3339, context);
/// assert_eq!(parse("1970-01-01 02:00:01", berlin), Ok(1_000_000));
/// // An offset in the value counts.
/// assert_eq!(parse("1970-01-01 02:00:01Z", berlin), Ok(7_201_000_000));
///
/// // Read on 2 January 2026: the December is that of 2025.
/// let read = TimeContext::new().reference(1_767_312_000_000_000);
/// let parse = |context| parse_timestamp(b"Dec 31 23:59:59", TimestampFormat::Syslog, context);
/// assert_eq!(parse(read), Ok(1_767_225_599_000_000));
/// assert_eq!(parse(TimeContext::new()), Err(Invalid::NoReference));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeContext {
    zone: Zone,
    reference: Option<i64>,
}

impl TimeContext {
    /// UTC, and no reference time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The zone of times without an offset.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// A time, in microseconds since the Unix epoch, not more than a day before the latest of the
    /// log: when the log was read or its file last changed. It gives times without a year theirs.
    #[must_use]
    pub fn reference(mut self, micros: i64) -> Self {
        self.reference = Some(micros);
        self
    }
}

/// A fixed offset from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Zone {
    seconds: i32,
}

impl Zone {
    /// No offset.
    pub const UTC: Self = Self { seconds: 0 };

    /// The zone whose clocks are this many seconds ahead of UTC (behind, if negative). `None` for a
    /// day or more.
    pub fn east(seconds: i32) -> Option<Self> {
        (i64::from(seconds).abs() < civil::DAY).then_some(Self { seconds })
    }

    /// Seconds ahead of UTC.
    pub fn seconds_east(self) -> i32 {
        self.seconds
    }
}

/// Reads a time, in microseconds since the Unix epoch in UTC.
///
/// ```
/// use opsbox_log::types::{Invalid, TimeContext, TimestampFormat, parse_timestamp};
///
/// let utc = TimeContext::new();
/// let parse = |value: &str| parse_timestamp(value.as_bytes(), TimestampFormat::Clf, utc);
/// assert_eq!(parse("01/Jan/1970:00:00:01 +0000"), Ok(1_000_000));
/// assert_eq!(parse("30/Feb/2026:00:00:01 +0000"), Err(Invalid::ImpossibleTime));
/// ```
///
/// # Errors
///
/// `Empty`; `Malformed` for what is not written as the format says; `ImpossibleTime` for a date or a
/// time of day that does not exist; `OutOfRange` outside the years 0000 to 9999; `NoReference` for a
/// time without a year and a context without a reference.
pub fn parse_timestamp(
    value: &[u8],
    format: TimestampFormat,
    context: TimeContext,
) -> Result<i64, Invalid> {
    match format {
        TimestampFormat::Rfc3339 => Rfc3339::new(context).parse(value),
        TimestampFormat::Clf => Clf::new(context).parse(value),
        TimestampFormat::Syslog => Syslog::new(context).parse(value),
        TimestampFormat::Epoch(unit) => parse_epoch(value, unit),
    }
}
