//! Columns as numbers, times, addresses and categories.
//!
//! A [`Batch`](crate::Batch) holds places of text. [`Column::typed`](crate::Column::typed) reads a whole column as what
//! its values mean, into one slice and a bit a row that says whether there is a value:
//!
//! ```
//! use opsbox_log::{Format, Parser, types::{TimestampFormat, Type}};
//!
//! let log = concat!(
//!     r#"192.0.2.7 - - [17/May/2026:10:05:03 +0200] "GET /a HTTP/1.1" 200 512 "-" "curl""#, "\n",
//!     r#"192.0.2.9 - - [17/May/2026:10:05:04 +0200] "GET /b HTTP/1.1" 304 - "-" "curl""#, "\n",
//! );
//! // Presets know what their numbers and times are.
//! let batch = Parser::new(Format::preset("combined")?).parse(log);
//! let status = batch.column("status").unwrap().typed()?;
//! assert_eq!(status.as_i64(), Some(&[200, 304][..]));
//! let sent = batch.column("body_bytes_sent").unwrap().typed()?;
//! assert_eq!(sent.integers().collect::<Vec<_>>(), [Some(512), None]);
//! let time = batch.column("time_local").unwrap().typed()?;
//! assert_eq!(time.as_i64(), Some(&[1_779_005_103_000_000, 1_779_005_104_000_000][..]));
//!
//! // Any column can be read as another type, and a format can be told.
//! let methods = batch.column("request_method").unwrap().typed_as(Type::Category)?;
//! assert_eq!(methods.dictionary(), Some(&[&b"GET"[..]][..]));
//! let format = Format::pattern(r"(?P<at>\S+) (?P<millis>\S+)")?
//!     .with_type("at", Type::Timestamp(TimestampFormat::Rfc3339))?
//!     .with_type("millis", Type::Float)?;
//! let batch = Parser::new(format).parse("2026-05-17T10:05:03Z 1.5\n2026-05-17T10:05:04Z fast\n");
//! let millis = batch.column("millis").unwrap().typed()?;
//! assert_eq!(millis.floats().collect::<Vec<_>>(), [Some(1.5), None]);
//! assert_eq!(millis.invalid().examples()[0].to_string(), "line 2, as float: malformed: fast");
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # Null, and why
//!
//! A value that does not fit its type is null and counted with its reason in
//! [`TypedColumn::invalid`]; it is never a wrong number. A value that is absent in the line, and the
//! placeholder `-` of log formats, is null and not counted. Text and categories are taken as they
//! are: an empty value and `-` are values there.
//!
//! White space is not trimmed: a pattern's capture says what belongs to the value.
//!
//! # Times
//!
//! See [`TimestampFormat`]: microseconds since the Unix epoch in UTC. An offset in the value counts;
//! without one the [`TimeContext`]'s zone does, UTC unless it says otherwise. The machine's own
//! time zone and clock are never read.
//!
//! # One value
//!
//! The functions `parse_integer`, `parse_float` and so on read one value; a column is faster, as
//! lines one after the other share their date.

mod boolean;
mod category;
mod column;
mod float;
mod integer;
mod invalid;
mod ip;
mod timestamp;
mod validity;

pub use boolean::parse_boolean;
pub use column::{TypedColumn, Values};
pub use float::parse_float;
pub use integer::parse_integer;
pub use invalid::{Example, Invalid, InvalidValues};
pub use ip::parse_ip_addr;
pub use timestamp::{EpochUnit, TimeContext, TimestampFormat, Zone, parse_timestamp};
pub use validity::Validity;

use std::fmt;

/// What stands for an absent value in log formats: RFC 5424 section 6 (NILVALUE), the Common Log
/// Format, the W3C Extended Log File Format.
pub(crate) const PLACEHOLDER: &[u8] = b"-";

/// The type of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Bytes as they are in the line.
    #[default]
    Text,
    /// A whole number of 64 bits with a sign: see [`parse_integer`].
    Integer,
    /// A 64-bit floating-point number: see [`parse_float`].
    Float,
    /// True or false: see [`parse_boolean`].
    Boolean,
    /// A point in time, in microseconds since the Unix epoch in UTC.
    Timestamp(TimestampFormat),
    /// An IPv4 or IPv6 address: see [`parse_ip_addr`].
    IpAddr,
    /// Text with few distinct values, as codes into a dictionary of them.
    Category,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp(format) => format.name(),
            Self::IpAddr => "IP address",
            Self::Category => "category",
        })
    }
}
