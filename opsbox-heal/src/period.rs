//! Lengths of time in a policy: `"90s"`, `"5m"`, `"1h 30m"`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

pub(crate) fn serialize<S: Serializer>(period: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
    let period = jiff::SignedDuration::from_secs(seconds);
    to.collect_str(&format_args!("{period:#}"))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|period| Duration::try_from(period).ok())
        .ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no length of time; write as in \"90s\", \"5m\" or \"1h 30m\""
            ))
        })
}
