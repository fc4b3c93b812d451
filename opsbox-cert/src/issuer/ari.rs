//! When a CA wants a certificate to be renewed (ARI, RFC 9773): what it answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a CA says of the renewal of a certificate (RFC 9773, section 4).
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::issuer::RenewalInfo;
///
/// let json = br#"{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T12:00:00.5+01:00"}}"#;
/// let info = RenewalInfo::from_json(json, Some(Duration::from_secs(21_600)))?;
/// assert_eq!(info.end().duration_since(info.start())?, Duration::from_millis(126_000_500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalInfo {
    start: SystemTime,
    end: SystemTime,
    explanation_url: Option<String>,
    retry_after: Option<Duration>,
}

impl RenewalInfo {
    /// A window, as an issuer of one's own gives it.
    pub fn new(start: SystemTime, end: SystemTime) -> Self {
        Self {
            start,
            end,
            explanation_url: None,
            retry_after: None,
        }
    }

    /// The body of an answer, with its `Retry-After`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn from_json(json: &[u8], retry_after: Option<Duration>) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            suggested_window: Span,
            #[serde(default, rename = "explanationURL")]
            explanation_url: Option<String>,
        }
        #[derive(serde::Deserialize)]
        struct Span {
            start: String,
            end: String,
        }
        let body: Body = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let time = |text: &str| {
            parse_time(text).ok_or_else(|| format!("`{text}` is no time as RFC 3339 says"))
        };
        let (start, end) = (
            time(&body.suggested_window.start)?,
            time(&body.suggested_window.end)?,
        );
        if end < start {
            return Err("the window ends before it starts".into());
        }
        Ok(Self {
            start,
            end,
            explanation_url: body.explanation_url,
            retry_after,
        })
    }

    /// The same with the time after which to ask again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// From when on to renew.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// Until when to renew. A window that is over means at once.
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// Where the CA says why.
    pub fn explanation_url(&self) -> Option<&str> {
        self.explanation_url.as_deref()
    }

    /// When to ask again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// `2026-12-01T00:00:00.5+01:00` (RFC 3339, section 5.6). Of times before 1970 it is 1970.
fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    // A second of 60 is a leap second, which is the next one for a clock.
    let is_good = (1..=days).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !is_good {
        return None;
    }
    let (nanos, rest) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let (digits, rest) = rest.split_at_checked(end)?;
            let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
            (nine.parse::<u32>().ok().filter(|_| end > 0)?, rest)
        }
    };
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let (sign, zone) = rest.split_at_checked(1)?;
            let [hours, minutes] = numbers(zone, ':', [2, 2])?;
            let sign = match sign {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes) * 60
        }
    };
    // Days since 1970 of the civil calendar, with years that begin in March.
    let (y, m) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let era_days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let days = era_days + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let seconds = u64::try_from(seconds.max(0)).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// Numbers of just these digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut out = [0; N];
    let mut parts = text.split(between);
    for (out, digits) in out.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *out = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<f64> {
        let time = parse_time(text)?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("1985-04-12T23:20:50.52Z", 482_196_050.52),
            ("1996-12-19T16:39:57-08:00", 851_042_397.0),
            ("1990-12-31T23:59:60Z", 662_688_000.0),
            ("1937-01-01T12:00:27.87+00:20", 0.87),
            ("2000-02-29t00:00:00z", 951_782_400.0),
            ("2026-12-01 00:00:00+00:00", 1_796_083_200.0),
        ] {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        for text in [
            "",
            "2026-12-01",
            "2026-12-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T00:00:00.Z",
            "2026-12-01T00:00:00+1:00",
            "2026-12-01T00:00:00+01:00Z",
            "+026-12-01T00:00:00Z",
            "2026-12-01T00:00:00Zü",
            "2026-12-ü1T00:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_window_says_why() {
        for (json, wanted) in [
            ("", "EOF"),
            ("{}", "suggestedWindow"),
            (r#"{"suggestedWindow": null}"#, "null"),
            (
                r#"{"suggestedWindow": {"start": "now", "end": "2026-12-01T00:00:00Z"}}"#,
                "`now`",
            ),
            (
                r#"{"suggestedWindow": {"start": "2026-12-02T00:00:00Z", "end": "2026-12-01T00:00:00Z"}}"#,
                "before",
            ),
        ] {
            let why = RenewalInfo::from_json(json.as_bytes(), None).unwrap_err();
            assert!(why.contains(wanted), "{json}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_time_or_none(text in "[0-9TZ:. +-]{0,30}|\\PC{0,30}") {
            let _time = parse_time(&text);
        }

        /// Against the crate that others use.
        #[cfg(feature = "local-ca")]
        #[test]
        fn times_are_those_of_the_crate_time(
            seconds in 0_i64..200_000_000_000, nanos in 0_u32..1_000_000_000, offset in -1400_i32..1400,
        ) {
            let zone = time::UtcOffset::from_whole_seconds(offset * 60).unwrap();
            let there = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap().to_offset(zone);
            let (h, m) = (offset.abs() / 60, offset.abs() % 60);
            let sign = if offset < 0 { '-' } else { '+' };
            let text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{nanos:09}{sign}{h:02}:{m:02}",
                there.year(), u8::from(there.month()), there.day(), there.hour(), there.minute(), there.second(),
            );
            let wanted = UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), nanos);
            prop_assert_eq!(parse_time(&text), Some(wanted), "{}", text);
        }
    }
}
