//! Which instances are there, by a record of each that is written anew every minute.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::limits::{MEMBER_TIME, MEMBER_WRITE};
use crate::plan::Shards;
use crate::store::{Condition, Folder, Name, Owner, Record, Store};

const PART: &str = "seen";

pub(super) struct Members {
    me: Owner,
    /// How long one that says nothing is taken for there.
    time: Duration,
    written: Option<SystemTime>,
    known: Option<Shards>,
}

impl Members {
    pub(super) fn new(me: Owner, time: Duration) -> Self {
        Self {
            me,
            time,
            written: None,
            known: None,
        }
    }

    pub(super) fn me(&self) -> &str {
        self.me.as_str()
    }

    fn folder() -> Result<Folder> {
        Folder::new("instances")
    }

    /// Says that this one is there, and who is, if that has changed.
    ///
    /// Whose clock is wrong by minutes is taken for gone, or for there: then two have the same certificate,
    /// and its lock and the ledger keep them apart.
    pub(super) async fn meet(
        &mut self,
        store: &dyn Store,
        now: SystemTime,
    ) -> Result<Option<Shards>> {
        let since = self.written.and_then(|at| now.duration_since(at).ok());
        if since.is_some_and(|since| since < write_every(self.time)) {
            return Ok(None);
        }
        let name = Name::new(&Self::folder()?, self.me.as_str())?;
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let record = Record::new().with(PART, seconds.to_string())?;
        store.save(&name, &record, &Condition::Any, None).await?;
        self.written = Some(now);
        let names = store.list(&Self::folder()?).await?;
        let mut there = vec![self.me().to_owned()];
        for (other, stored) in names.iter().zip(store.load_many(&names).await) {
            let Ok(Some(stored)) = stored else {
                continue;
            };
            let text = stored.record.part(PART).unwrap_or_default();
            let seen = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            // One whose clock is ahead is not there for as long as that.
            let age = seconds.abs_diff(seen.unwrap_or(0));
            if age < self.time.as_secs() {
                there.push(other.id().to_owned());
            } else if age > self.time.as_secs().max(MEMBER_TIME.as_secs()) * 20 {
                let condition = Condition::Version(stored.version);
                // Another one may be faster.
                drop(store.delete(other, &condition, None).await);
            }
        }
        let shards = Shards::new(there);
        let is_new = self.known.as_ref() != Some(&shards);
        self.known = Some(shards.clone());
        Ok(is_new.then_some(shards))
    }

    /// Says that this one is no longer there.
    pub(super) async fn leave(&self, store: &dyn Store) {
        let left: Result<bool, Error> = async {
            let name = Name::new(&Self::folder()?, self.me.as_str())?;
            store.delete(&name, &Condition::Any, None).await
        }
        .await;
        // Otherwise the others notice it after a while.
        drop(left);
    }
}

/// How often an instance says that it is there.
pub(super) fn write_every(time: Duration) -> Duration {
    MEMBER_WRITE.min(time / 3)
}

const _: () = assert!(MEMBER_WRITE.as_secs() * 2 < MEMBER_TIME.as_secs());
