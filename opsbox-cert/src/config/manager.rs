//! How the manager works, as a configuration says it: its policy, its seed, and whether it is one of several.

use std::ops::RangeInclusive;

use super::ManagerConfig;
use super::limits::rate_of;
use super::reader::Field;
use crate::budget::Kind;
use crate::error::Result;
use crate::limits::{MAX_ARI_WAIT, MIN_ARI_WAIT, MIN_MEMBER_TIME};
use crate::plan::{Band, Left, Policy};

pub(super) fn manager(field: &Field<'_>) -> Result<ManagerConfig> {
    let mut table = field.table()?;
    let share_work = table.take("share_work");
    let member_time = table.take("member_time");
    let seed = table.take("seed");
    let chosen = table.take("policy");
    let config = ManagerConfig {
        share_work: share_work.map_or(Ok(false), |field| field.boolean())?,
        member_time: member_time
            .map(|field| match field.duration()? {
                short if short < MIN_MEMBER_TIME => Err(field.wrong(
                    "an instance needs some seconds to say that it is there; give `3s` or more",
                )),
                time => Ok(time),
            })
            .transpose()?,
        seed: seed.map_or(Ok(0), |field| field.number(0..=u64::MAX))?,
        policy: chosen.map(|field| policy(&field)).transpose()?,
    };
    table.finish()?;
    Ok(config)
}

fn policy(field: &Field<'_>) -> Result<Policy> {
    let mut table = field.table()?;
    let is_classic = match table.take("base") {
        Some(field) => field.word(&[("default", false), ("classic", true)])?,
        None => false,
    };
    let mut policy = match is_classic {
        true => Policy::classic(),
        false => Policy::default(),
    };
    if let Some(field) = table.take("due") {
        let mut due = field.table()?;
        let (long, short) = (left(&due.need("long")?)?, left(&due.need("short")?)?);
        policy = policy.due(long, short, due.need("below")?.duration()?);
        due.finish()?;
    }
    if let Some(field) = table.take("bands") {
        let mut bands = field.table()?;
        let (critical, urgent) = (
            left(&bands.need("critical")?)?,
            left(&bands.need("urgent")?)?,
        );
        policy = policy.bands(critical, urgent, left(&bands.need("soon")?)?);
        bands.finish()?;
    }
    if let Some(field) = table.take("weight") {
        let kinds = [
            ("single", Kind::Single),
            ("san", Kind::San),
            ("wildcard", Kind::Wildcard),
        ];
        for (kind, weight) in numbers(&field, kinds, 0..=u8::MAX.into())? {
            policy = policy.weight(kind, u8::try_from(weight).unwrap_or(u8::MAX));
        }
    }
    if let Some(field) = table.take("at_once") {
        let bands = Band::ALL.map(|band| (band.label(), band));
        for (band, most) in numbers(&field, bands, 1..=u32::MAX.into())? {
            policy = policy.at_once(band, u32::try_from(most).unwrap_or(u32::MAX));
        }
    }
    if let Some(field) = table.take("spread") {
        policy = policy.spread(field.boolean()?);
    }
    if let Some(field) = table.take("retry_share") {
        policy = policy.retry_share(field.count()?);
    }
    if let Some(field) = table.take("poll_every") {
        let every = field.duration()?;
        if !(MIN_ARI_WAIT..=MAX_ARI_WAIT).contains(&every) {
            return Err(field.wrong("a CA is asked every minute at most, and twice a day at least; give a time between `1m` and `12h`"));
        }
        policy = policy.poll_every(every);
    }
    if let Some(field) = table.take("polls") {
        let mut polls = field.table()?;
        let (rate, at_once) = (rate_of(&mut polls)?, polls.need("at_once")?.count()?);
        policy = policy.polls(rate, at_once);
        polls.finish()?;
    }
    table.finish()?;
    Ok(policy)
}

/// What is left of a lifetime: one part of so many, or a time.
fn left(field: &Field<'_>) -> Result<Left> {
    let text = field.text()?;
    match text.strip_prefix("1/") {
        Some(parts) => {
            match parts.parse() {
                Ok(parts) if parts > 0 => Ok(Left::Share(parts)),
                _ => Err(field
                    .wrong("a share of the lifetime is one part of so many, as `1/3`; correct it")),
            }
        }
        None => Ok(Left::Time(field.duration()?)),
    }
}

/// The fields of a table that are there, each a number.
fn numbers<K, const N: usize>(
    field: &Field<'_>,
    keys: [(&'static str, K); N],
    possible: RangeInclusive<u64>,
) -> Result<Vec<(K, u64)>> {
    let mut table = field.table()?;
    let mut found = Vec::new();
    for (key, kind) in keys {
        if let Some(field) = table.take(key) {
            found.push((kind, field.number(possible.clone())?));
        }
    }
    table.finish()?;
    Ok(found)
}
