//! What the store has, looked at beside the loop: some hundred records at a time, and none of it waits for another.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::task::{Id, JoinError, JoinSet};

use super::progress::{self, Listed};
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
    /// What each task looks at: nothing, if that is the ledgers.
    running: HashMap<Id, Vec<CertId>>,
    /// Those that are looked at before it is the turn of all.
    later: BTreeSet<(SystemTime, CertId)>,
    /// All are looked at: what is left of them, and the ledgers.
    round: Option<Round>,
    has_looked: bool,
}

struct Round {
    left: HashSet<CertId>,
    ledgers: Option<Id>,
    listed: Arc<Listed>,
}

/// A certificate that is to be looked at.
pub(super) struct Wanted {
    pub(super) id: CertId,
    /// How old is what is known of it.
    pub(super) age: u64,
    /// It was not looked at before.
    pub(super) is_first: bool,
    /// What is in service is not what was seen of it last.
    pub(super) is_displaced: bool,
    pub(super) cert: Cert,
}

/// What a look has found.
pub(super) enum Loaded {
    /// And how often the CAs could not be reached, if that was not known.
    Ledgers(Vec<(usize, Result<Ledger>)>, Option<Vec<Outage>>),
    Certs(Vec<Looked>),
}

/// A certificate that was looked at.
pub(super) struct Looked {
    pub(super) id: CertId,
    pub(super) name: Arc<str>,
    /// That of what was known of it when it was looked at.
    pub(super) age: u64,
    pub(super) found: Found,
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
        if self.round.is_some() {
            return false;
        }
        self.waiting.clear();
        self.waiting.extend(all);
        let read = read_ledgers(worker.clone(), ledgers, outages);
        let read = self.tasks.spawn(read).id();
        self.running.insert(read, Vec::new());
        self.round = Some(Round {
            left: self.waiting.iter().copied().collect(),
            ledgers: Some(read),
            listed: Arc::default(),
        });
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
            let mut some = Vec::with_capacity(count);
            for id in self.waiting.drain(..count) {
                match (cert(id), &mut self.round) {
                    (Some(wanted), _) => some.push(wanted),
                    // It was removed.
                    (None, Some(round)) => drop(round.left.remove(&id)),
                    (None, None) => {}
                }
            }
            if !some.is_empty() {
                let ids = some.iter().map(|wanted| wanted.id).collect();
                let listed = self.round.as_ref().map(|round| round.listed.clone());
                let task = self.tasks.spawn(load(worker.clone(), some, listed));
                self.running.insert(task.id(), ids);
            }
        }
    }

    /// Whether all are being looked at.
    pub(super) fn is_round(&self) -> bool {
        self.round.is_some()
    }

    /// Waits for one look to end; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<Result<Loaded, JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let ids = self.running.remove(&task).unwrap_or_default();
        if let Some(round) = &mut self.round {
            round.ledgers = round.ledgers.filter(|ledgers| *ledgers != task);
            for id in ids {
                round.left.remove(&id);
            }
        }
        Some(ended.map(|(_, loaded)| loaded))
    }

    /// Whether all were looked at now. What is looked at besides does not hold that up.
    pub(super) fn ends_round(&mut self) -> bool {
        let is_over = |round: &mut Round| round.left.is_empty() && round.ledgers.is_none();
        let is_over = self.round.take_if(is_over).is_some();
        self.has_looked |= is_over;
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

async fn load(worker: Worker, certs: Vec<Wanted>, listed: Option<Arc<Listed>>) -> Loaded {
    /// How many are read in one go: others want their turn on the thread.
    const IN_ONE_GO: usize = 16;
    let mut found = Vec::with_capacity(certs.len());
    let (mut open, mut names) = (Vec::new(), Vec::new());
    for Wanted {
        id,
        age,
        is_first,
        is_displaced,
        cert,
    } in certs
    {
        // Held until it is taken in: what an order stores meanwhile is newer than what is read here.
        match cert.managed.try_lock_owned() {
            Ok(mut managed) => {
                if is_displaced {
                    managed.seen = None;
                }
                names.push(managed.name.clone());
                open.push((id, age, is_first, cert.id, managed));
            }
            Err(_) => found.push(Looked {
                id,
                name: cert.id,
                age,
                found: Found::Busy,
            }),
        }
    }
    let read = worker.store.load_many(&names);
    let read = match tokio::time::timeout(MAX_MANAGER_SLEEP, read).await {
        Ok(read) => read,
        Err(_) => names.iter().map(|name| Err(too_slow(name))).collect(),
    };
    let first = open.iter().filter(|it| it.2);
    let first = first.filter_map(|it| progress::of_certificate(&it.3).ok());
    let mut saved = progress::load_some(&worker, first.collect(), listed.as_deref()).await;
    for (nth, (open, stored)) in open.into_iter().zip(read).enumerate() {
        let (id, age, is_first, name, mut managed) = open;
        let saved = match progress::of_certificate(&name) {
            Ok(record) if is_first => saved.remove(&record),
            _ => None,
        };
        let looked = match worker.take_in(&mut managed, stored) {
            Ok(()) => Found::There(managed.held.clone(), saved.map(Box::new)),
            Err(error) => Found::Failed(error),
        };
        found.push(Looked {
            id,
            name,
            age,
            found: looked,
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
