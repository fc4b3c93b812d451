//! Answers in the store, which every instance finds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::ChallengeType;
use crate::limits::CHALLENGE_LIFE;
use crate::store::{Condition, Folder, Name, Record, Store};

const PART: &str = "answer.json";

#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) kind: ChallengeType,
    pub(super) identifier: String,
    pub(super) key_authorization: String,
    /// Seconds since 1970.
    expires: u64,
}

pub(super) async fn save(
    store: &dyn Store,
    clock: &dyn Clock,
    name: &Name,
    answer: &Answer,
) -> Result<()> {
    let kept = Kept {
        kind: answer.kind(),
        identifier: answer.identifier().to_string(),
        key_authorization: answer.key_authorization().to_owned(),
        expires: seconds(clock.now()).saturating_add(CHALLENGE_LIFE.as_secs()),
    };
    let json = serde_json::to_vec(&kept).map_err(|error| {
        let reason = "it is no JSON; see the cause";
        Error::store(ErrorKind::Invalid, "save", name, reason).caused_by(error)
    })?;
    let record = Record::new().with(PART, json)?;
    store.save(name, &record, &Condition::Any, None).await?;
    Ok(())
}

/// `None` if there is none, or one that has expired or is no answer.
pub(super) async fn load(
    store: &dyn Store,
    clock: &dyn Clock,
    name: &Name,
) -> Result<Option<Kept>> {
    let stored = store.load(name).await?;
    let kept: Option<Kept> = stored
        .as_ref()
        .and_then(|stored| stored.record.part(PART))
        .and_then(|json| serde_json::from_slice(json).ok());
    Ok(kept.filter(|kept| seconds(clock.now()) < kept.expires))
}

/// Deletes the answers that nobody took away within [`CHALLENGE_LIFE`], and tells how many.
///
/// An order takes its answers away itself, even if it is gone on with after a kill. This is for one that
/// no instance ever goes on with. Call it once a day.
///
/// # Errors
///
/// Those of the store.
pub async fn sweep(store: &dyn Store, clock: &dyn Clock) -> Result<usize> {
    const LONG_AGO: Duration = CHALLENGE_LIFE;
    let mut swept = 0;
    for name in store.list(&Folder::CHALLENGES).await? {
        let Some(stored) = store.load(&name).await? else {
            continue;
        };
        let kept: Option<Kept> = stored
            .record
            .part(PART)
            .and_then(|json| serde_json::from_slice(json).ok());
        let now = seconds(clock.now());
        // One that expires too late was written by a clock that was ahead.
        let stale = kept.is_none_or(|kept| {
            now >= kept.expires || kept.expires > now.saturating_add(2 * LONG_AGO.as_secs())
        });
        if !stale {
            continue;
        }
        match store
            .delete(&name, &Condition::Version(stored.version), None)
            .await
        {
            Ok(true) => swept += 1,
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
