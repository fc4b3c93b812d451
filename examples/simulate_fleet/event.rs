//! Events and times as text.

use std::time::Duration;

use opsbox_cert::sim::Event;

/// A whole number with its unit: `30s`, `10m`, `36h`, `7d`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let parsed = units.into_iter().find_map(|(letter, seconds)| {
        let number: u64 = text.strip_suffix(letter)?.parse().ok()?;
        number.checked_mul(seconds).map(Duration::from_secs)
    });
    parsed.ok_or_else(|| format!("{text:?} is no time; write 30s, 10m, 36h or 7d"))
}

/// What happens, and how long after the beginning: `50d outage 7d`.
pub(crate) fn event(text: &str) -> Result<(Duration, Event), String> {
    let wrong = |error: String| format!("event {text:?}: {error}");
    let number = |text: &str| {
        text.parse()
            .map_err(|_| format!("{text:?} is no instance; count from 0"))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((after, words)) = words.split_first() else {
        return Err(wrong("it is empty; write as `50d outage 7d`".to_owned()));
    };
    let parse = || {
        Ok(match words {
            ["outage", lasts] => Event::Outage {
                lasts: time(lasts)?,
            },
            ["crash", instance] => Event::Crash {
                instance: number(instance)?,
                down_for: None,
            },
            ["crash", instance, "for", lasts] => Event::Crash {
                instance: number(instance)?,
                down_for: Some(time(lasts)?),
            },
            ["revoke", within] => Event::Revoke {
                issued_within: time(within)?,
            },
            ["move-windows", within, "to", after, "for", lasts] => Event::MoveWindows {
                issued_within: time(within)?,
                after: time(after)?,
                lasts: time(lasts)?,
            },
            ["lifetime", from, "to", to] => Event::Lifetime {
                from: time(from)?,
                to: time(to)?,
            },
            ["clock", instance, "by", by] => {
                let (is_back, size) = match by.strip_prefix('-') {
                    Some(size) => (true, size),
                    None => (false, *by),
                };
                let seconds = i64::try_from(time(size)?.as_secs()).unwrap_or(i64::MAX);
                Event::Clock {
                    instance: number(instance)?,
                    seconds: if is_back { -seconds } else { seconds },
                }
            }
            ["repair"] => Event::Repair,
            _ => return Err("nothing that can happen is written so".to_owned()),
        })
    };
    Ok((time(after).map_err(wrong)?, parse().map_err(wrong)?))
}
