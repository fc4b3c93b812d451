//! Which instances are there, by a record of each that is written anew every minute.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::worker::Worker;
use crate::error::{Error, Result};
use crate::limits::{MEMBER_TIME, MEMBER_WRITE};
use crate::observe::Event;
use crate::plan::Shards;
use crate::store::{Condition, Folder, Name, Owner, Record, Store, Version};

const PART: &str = "seen";

/// How soon it is tried again where the store failed.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Members {
    me: Owner,
    /// How long one that says nothing is taken for there.
    time: Duration,
    /// A task of its own: whatever holds up the manager, the others see that it lives.
    beat: JoinSet<()>,
    tell: mpsc::UnboundedSender<Result<Shards>>,
    told: mpsc::UnboundedReceiver<Result<Shards>>,
    written: Option<SystemTime>,
    known: Option<Shards>,
    has_looked: bool,
    /// Those that were seen for a pass.
    others: Others,
}

/// What was seen of the others.
type Others = HashMap<Name, Other>;

#[derive(Clone)]
struct Other {
    version: Version,
    /// Since when it is that, by the time that goes by here.
    since: Duration,
    is_there: bool,
}

impl Members {
    pub(super) fn new(me: Owner, time: Duration) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            me,
            time,
            beat: JoinSet::new(),
            tell,
            told,
            written: None,
            known: None,
            has_looked: false,
            others: Others::new(),
        }
    }

    fn folder() -> Result<Folder> {
        Folder::new("instances")
    }

    /// How often an instance says that it is there.
    pub(super) fn write_every(&self) -> Duration {
        write_every(self.time)
    }

    /// Whether it was looked once who is there, even if that could not be seen.
    pub(super) fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether a set of names is for this instance: all are, while it knows of no other.
    pub(super) fn is_mine(&self, set: u64) -> bool {
        let owner = self.known.as_ref().and_then(|known| known.owner(set));
        owner.is_none_or(|owner| owner == self.me.as_str())
    }

    /// Sees to it that the others see this one, and that it [hears](Self::news) of them.
    pub(super) fn beat(&mut self, worker: &Worker) {
        // One that has panicked is begun anew.
        while self.beat.try_join_next().is_some() {}
        if self.beat.is_empty() {
            let (me, tell) = (self.me.clone(), self.tell.clone());
            self.beat.spawn(beat(me, self.time, worker.clone(), tell));
        }
    }

    /// Waits for what there is to be [learned](Self::learn).
    pub(super) async fn news(&mut self) -> Option<Result<Shards>> {
        self.told.recv().await
    }

    /// Whether there are others than before.
    pub(super) fn learn(&mut self, worker: &Worker, seen: Result<Shards>) -> bool {
        self.has_looked = true;
        match seen {
            Ok(shards) => {
                let is_new = self.known.as_ref() != Some(&shards);
                self.known = Some(shards);
                is_new
            }
            Err(error) => {
                worker.tell(Event::SourceFailed { error });
                false
            }
        }
    }

    /// Says that this one is there and looks who is, unless that is not long ago.
    pub(super) async fn meet(&mut self, worker: &Worker) -> bool {
        let now = worker.clock.now();
        let since = self.written.and_then(|at| now.duration_since(at).ok());
        if since.is_some_and(|since| since < self.write_every()) {
            return false;
        }
        let seen = look(&self.me, self.time, worker, &mut self.others).await;
        if seen.is_ok() {
            self.written = Some(now);
        }
        self.learn(worker, seen)
    }

    /// Says that this one is no longer there.
    pub(super) async fn leave(&mut self, store: &dyn Store) {
        self.beat.shutdown().await;
        let left: Result<bool, Error> = async {
            let name = Name::new(&Self::folder()?, self.me.as_str())?;
            store.delete(&name, &Condition::Any, None).await
        }
        .await;
        // Otherwise the others notice it after a while.
        drop(left);
    }
}

fn write_every(time: Duration) -> Duration {
    MEMBER_WRITE.min(time / 3)
}

async fn beat(
    me: Owner,
    time: Duration,
    worker: Worker,
    tell: mpsc::UnboundedSender<Result<Shards>>,
) {
    let mut others = Others::new();
    loop {
        let began = Instant::now();
        let seen = look(&me, time, &worker, &mut others).await;
        let wait = match seen.is_ok() {
            true => write_every(time),
            false => AGAIN.min(write_every(time)),
        };
        // An error says that the manager is gone, and this task is about to be.
        drop(tell.send(seen));
        tokio::time::sleep_until(began + wait).await;
    }
}

/// Says that this one is there, and sees who is.
///
/// Whose clock is wrong by minutes is taken for gone, or for there: then two have the same certificate,
/// and its lock and the ledger keep them apart.
async fn look(me: &Owner, time: Duration, worker: &Worker, others: &mut Others) -> Result<Shards> {
    let (store, clock) = (&*worker.store, &*worker.clock);
    let name = Name::new(&Members::folder()?, me.as_str())?;
    let now = clock.now().duration_since(UNIX_EPOCH);
    let seconds = now.unwrap_or_default().as_secs();
    let record = Record::new().with(PART, seconds.to_string())?;
    store.save(&name, &record, &Condition::Any, None).await?;
    let names = store.list(&Members::folder()?).await?;
    let mut there = vec![me.as_str().to_owned()];
    let mut seen = Others::with_capacity(names.len());
    for (name, stored) in names.iter().zip(store.load_many(&names).await) {
        let before = others.get(name);
        let other = match stored {
            Ok(Some(stored)) => {
                let text = stored.record.part(PART).unwrap_or_default();
                let text = std::str::from_utf8(text).ok();
                let said: u64 = text.and_then(|text| text.parse().ok()).unwrap_or(0);
                let same = before.filter(|before| before.version == stored.version);
                Other {
                    since: same.map_or_else(|| clock.monotonic(), |same| same.since),
                    version: stored.version,
                    // One whose clock is ahead is not there for as long as that.
                    is_there: seconds.abs_diff(said) < time.as_secs(),
                }
            }
            Ok(None) => continue,
            // One read that fails makes nobody gone, before its time.
            Err(_) => match before.cloned() {
                Some(before) => Other {
                    is_there: before.is_there
                        && clock.monotonic().saturating_sub(before.since) < time,
                    ..before
                },
                None => continue,
            },
        };
        if other.is_there {
            there.push(name.id().to_owned());
        } else if clock.monotonic().saturating_sub(other.since) > time.max(MEMBER_TIME) * 20 {
            // Not by the times of two clocks: one that lives writes it anew. Another one may be faster.
            let condition = Condition::Version(other.version.clone());
            drop(store.delete(name, &condition, None).await);
        }
        seen.insert(name.clone(), other);
    }
    *others = seen;
    Ok(Shards::new(there))
}

const _: () = assert!(MEMBER_WRITE.as_secs() * 2 < MEMBER_TIME.as_secs());
