//! Maintenance windows: when acts may be, or must not be.

use std::fmt;

use jiff::{civil, tz::TimeZone};
use serde::{Deserialize, Serialize, de::Error as _};

use crate::time::Timestamp;

/// A time of the week at which acts are allowed or denied.
///
/// If a policy has windows that allow, acts are made within one of them only. A window that denies
/// wins. What is under way at its end goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Window {
    /// Whether acts are allowed or denied in it.
    pub effect: WindowEffect,
    /// The days on which it begins; all if there are none.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// When it begins, as in `"22:00"`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub from: TimeOfDay,
    /// When it ends, as in `"06:00"`: on the next day if that is not after `from`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub to: TimeOfDay,
    /// Where the clock hangs: a name of the IANA database, such as `Europe/Berlin`, or `UTC`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub time_zone: Zone,
}

/// What a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WindowEffect {
    /// Acts may be made.
    Allow,
    /// Acts must not be made.
    Deny,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(
    clippy::exhaustive_enums,
    missing_docs,
    reason = "there are seven, and their names say it"
)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<civil::Weekday> for Weekday {
    fn from(day: civil::Weekday) -> Self {
        match day {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time zone, looked up when the policy is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// A zone by its name in the IANA database of this machine.
    ///
    /// # Errors
    ///
    /// If there is no such zone, in words that say what to do.
    pub fn named(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            return Ok(Self::default());
        }
        match TimeZone::get(name) {
            Ok(zone) => Ok(Self(zone)),
            Err(_) => Err(format!(
                "{name:?} is no time zone that this machine knows; give one such as \
                 \"Europe/Berlin\" or \"UTC\", and install tzdata if it is missing"
            )),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(from)?;
        Self::named(&name).map_err(D::Error::custom)
    }
}

impl Window {
    /// Whether a moment is within it.
    pub fn contains(&self, now: Timestamp) -> bool {
        let Ok(now) = jiff::Timestamp::from_second(now.unix_seconds()) else {
            return false;
        };
        let local = now.to_zoned(self.time_zone.0.clone());
        let today = local.date().weekday();
        let time = TimeOfDay::of(local.time());
        let on = |day: civil::Weekday| self.days.is_empty() || self.days.contains(&day.into());
        if self.from < self.to {
            return on(today) && self.from <= time && time < self.to;
        }
        on(today) && self.from <= time || on(today.previous()) && time < self.to
    }
}

/// Whether the windows of a policy allow acts at a moment.
pub(super) fn allow(windows: &[Window], now: Timestamp) -> bool {
    let of = |effect| windows.iter().filter(move |w| w.effect == effect);
    let within = |effect| of(effect).any(|window| window.contains(now));
    !within(WindowEffect::Deny)
        && (of(WindowEffect::Allow).next().is_none() || within(WindowEffect::Allow))
}

/// A time of the day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    fn of(time: civil::Time) -> Self {
        Self {
            hour: time.hour().unsigned_abs(),
            minute: time.minute().unsigned_abs(),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let two = |part: &str, below: u8| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok().filter(|&number| number < below))?
        };
        let parse = || {
            let (hour, minute) = text.split_once(':')?;
            Some(Self {
                hour: two(hour, 24)?,
                minute: two(minute, 60)?,
            })
        };
        parse().ok_or_else(|| format!("{text:?} is no time of day; write as in \"22:00\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(json: serde_json::Value) -> Window {
        serde_json::from_value(json).unwrap()
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        // 2026-03-06 is a Friday.
        let night = window(serde_json::json!({
            "effect": "allow", "days": ["fri"], "from": "22:00", "to": "06:00"
        }));
        assert!(!night.contains(at("2026-03-06T21:59:59Z")));
        assert!(night.contains(at("2026-03-06T22:00:00Z")));
        assert!(night.contains(at("2026-03-07T05:59:59Z")));
        assert!(!night.contains(at("2026-03-07T06:00:00Z")));
        assert!(!night.contains(at("2026-03-07T23:00:00Z")));
    }

    #[test]
    fn what_denies_wins() {
        let allow_all = window(serde_json::json!({
            "effect": "allow", "from": "00:00", "to": "00:00"
        }));
        let deny = window(serde_json::json!({
            "effect": "deny", "from": "09:00", "to": "10:00"
        }));
        let windows = [allow_all, deny];
        assert!(allow(&windows, at("2026-03-06T08:59:59Z")));
        assert!(!allow(&windows, at("2026-03-06T09:00:00Z")));
        assert!(allow(&[], at("2026-03-06T09:00:00Z")));
        let first = windows.get(..1).unwrap();
        assert!(allow(first, at("2026-03-06T00:00:00Z")));
    }

    #[test]
    fn odd_times_and_zones_are_refused() {
        let refused = |from: &str, zone: &str| {
            serde_json::from_value::<Window>(serde_json::json!({
                "effect": "deny", "from": from, "to": "06:00", "time_zone": zone
            }))
            .unwrap_err()
            .to_string()
        };
        assert!(refused("25:00", "UTC").contains("\"25:00\""));
        assert!(refused("9:00", "UTC").contains("\"9:00\""));
        assert!(refused("09:00", "Mars/Base").contains("\"Mars/Base\""));
    }
}
