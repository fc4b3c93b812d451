//! What the store has, looked at beside the loop: some hundred records at a time, and none of it waits for another.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use super::progress;
use super::task::Cert;
use super::worker::{Held, Worker};
use crate::budget::{Ledger, SharedLedger};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MANAGER_READS, MANAGER_RECORDS, MAX_MANAGER_SLEEP};
use crate::plan::{CertId, Outage, Saved};
use crate::store::Name;

/// What is to be looked at, and what is being looked at.
#[derive(Default)]
pub(super) struct Loads {
    waiting: VecDeque<CertId>,
    tasks: JoinSet<Loaded>,
    /// Those that are looked at before it is the turn of all.
    later: BTreeSet<(SystemTime, CertId)>,
    /// All are looked at.
    is_round: bool,
    has_looked: bool,
}

/// A certificate that is to be looked at.
pub(super) struct Wanted {
    pub(super) id: CertId,
    /// How old is what is known of it.
    pub(super) age: u64,
    /// It was not looked at before.
    pub(super) is_first: bool,
    pub(super) cert: Cert,
}

/// What a look has found.
pub(super) enum Loaded {
    /// And how often the CAs could not be reached, if that was not known.
    Ledgers(Vec<(usize, Result<Ledger>)>, Option<Vec<Outage>>),
    /// With the age of what was known of each when it was looked at.
    Certs(Vec<(CertId, u64, Found)>),
}

pub(super) enum Found {
    /// One that is worked at is looked at there.
    Busy,
    /// With what was saved of it, if it is looked at for the first time.
    There(Option<Held>, Option<Box<Saved>>),
    Failed(Error),
}

impl Loads {
    /// Whether all were looked at once.
    pub(super) fn has_looked(&self) -> bool {
        self.has_looked
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Looks at all of them, and at the ledgers; `false` if that is still being done.
    pub(super) fn begin_round(
        &mut self,
        worker: &Worker,
        ledgers: Vec<(usize, Arc<Mutex<SharedLedger>>)>,
        outages: Option<Vec<Option<Name>>>,
        all: impl Iterator<Item = CertId>,
    ) -> bool {
        if self.is_round {
            return false;
        }
        self.is_round = true;
        self.waiting.clear();
        self.waiting.extend(all);
        self.tasks
            .spawn(read_ledgers(worker.clone(), ledgers, outages));
        true
    }

    /// Looks at this one too.
    pub(super) fn look_at(&mut self, id: CertId) {
        self.waiting.push_back(id);
    }

    pub(super) fn look_later(&mut self, id: CertId, at: SystemTime) {
        self.later.insert((at, id));
    }

    pub(super) fn wake_at(&self) -> Option<SystemTime> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Begins as many looks as there may be at once.
    pub(super) fn start(
        &mut self,
        worker: &Worker,
        now: SystemTime,
        cert: impl Fn(CertId) -> Option<Wanted>,
    ) {
        while let Some((at, id)) = self.later.first().copied()
            && at <= now
        {
            self.later.remove(&(at, id));
            self.waiting.push_back(id);
        }
        while self.tasks.len() < MANAGER_READS && !self.waiting.is_empty() {
            let count = self.waiting.len().min(MANAGER_RECORDS);
            let some = self.waiting.drain(..count);
            let some: Vec<_> = some.filter_map(&cert).collect();
            if !some.is_empty() {
                self.tasks.spawn(load(worker.clone(), some));
            }
        }
    }

    /// Whether all are being looked at.
    pub(super) fn is_round(&self) -> bool {
        self.is_round
    }

    /// Waits for one look to end; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<Result<Loaded, JoinError>> {
        self.tasks.join_next().await
    }

    /// Whether with this look all were looked at.
    pub(super) fn ends_round(&mut self) -> bool {
        let is_over = self.is_round && self.tasks.is_empty() && self.waiting.is_empty();
        if is_over {
            (self.is_round, self.has_looked) = (false, true);
        }
        is_over
    }
}

async fn read_ledgers(
    worker: Worker,
    ledgers: Vec<(usize, Arc<Mutex<SharedLedger>>)>,
    outages: Option<Vec<Option<Name>>>,
) -> Loaded {
    let mut read = Vec::with_capacity(ledgers.len());
    for (place, shared) in ledgers {
        let mut shared = shared.lock().await;
        let ledger = shared.read_by(&*worker.clock).await.cloned();
        read.push((place, ledger));
    }
    let outages = match outages {
        None => None,
        Some(names) => {
            let mut outages = Vec::with_capacity(names.len());
            for name in names {
                let loaded = match name {
                    Some(name) => progress::load_all(&worker, &[name]).await.pop().flatten(),
                    None => None,
                };
                outages.push(loaded.unwrap_or_default());
            }
            Some(outages)
        }
    };
    Loaded::Ledgers(read, outages)
}

async fn load(worker: Worker, certs: Vec<Wanted>) -> Loaded {
    /// How many are read in one go: others want their turn on the thread.
    const IN_ONE_GO: usize = 16;
    let mut found = Vec::with_capacity(certs.len());
    let (mut open, mut names) = (Vec::new(), Vec::new());
    for Wanted {
        id,
        age,
        is_first,
        cert,
    } in certs
    {
        // Held until it is taken in: what an order stores meanwhile is newer than what is read here.
        match cert.managed.try_lock_owned() {
            Ok(managed) => {
                names.push(managed.name.clone());
                open.push((id, age, is_first.then_some(cert.id), managed));
            }
            Err(_) => found.push((id, age, Found::Busy)),
        }
    }
    let read = worker.store.load_many(&names);
    let read = match tokio::time::timeout(MAX_MANAGER_SLEEP, read).await {
        Ok(read) => read,
        Err(_) => names.iter().map(|name| Err(too_slow(name))).collect(),
    };
    let ids: Vec<&str> = open.iter().filter_map(|it| it.2.as_deref()).collect();
    let mut saved = progress::load_some(&worker, &ids).await.into_iter();
    for (nth, ((id, age, first, mut managed), stored)) in open.into_iter().zip(read).enumerate() {
        let saved = first.and_then(|_| saved.next().flatten());
        found.push(match worker.take_in(&mut managed, stored) {
            Ok(()) => {
                let found = Found::There(managed.held.clone(), saved.map(Box::new));
                (id, age, found)
            }
            Err(error) => (id, age, Found::Failed(error)),
        });
        drop(managed);
        if nth % IN_ONE_GO == IN_ONE_GO - 1 {
            tokio::task::yield_now().await;
        }
    }
    Loaded::Certs(found)
}

fn too_slow(name: &Name) -> Error {
    let reason =
        "the store did not answer; every operation of a store has to end, see what it waits for";
    Error::store(ErrorKind::Unavailable, "load", name, reason)
}
