//! When a leader asks for what was done before it, and for what came late.

use std::{
    collections::{BTreeSet, HashSet},
    future::{Future, pending},
    mem::take,
    pin::Pin,
    time::Duration,
};

use kube::Client;
use tokio::time::{Instant, sleep_until};

use super::past::{self, Past};
use crate::{
    decide::{Action, PastAct},
    limits::{LATE_RECALL_WAIT, RECALL_RETRY_WAIT},
    model::verdict::Condition,
    observe::live::PodScope,
    time::Timestamp,
};

/// Reads the Events of the processes before, twice a leadership.
///
/// Until it has read them once, nothing is done: what is under way could be too much already. A leader
/// that was cut off may write its last Events after that, so they are read again when these must be
/// there, beside the loop.
pub(super) struct Recall {
    client: Client,
    scope: PodScope,
    stage: Stage,
    /// Since when this process leads.
    since: Instant,
    /// When to ask next.
    at: Instant,
    asked: Option<Pin<Box<dyn Future<Output = Past> + Send>>>,
    /// What was read the first time.
    read: BTreeSet<Key>,
    /// The uids of the pods that this leader has acted on itself.
    own: HashSet<String>,
}

/// What tells one Event from another: uid, what was done, why and when.
type Key = (String, Action, Condition, Timestamp);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unknown,
    /// Known but for what comes late.
    Known,
    /// Nothing more is to be learned.
    Over,
}

impl Recall {
    /// `records` says whether there are Events at all.
    pub(super) fn new(client: Client, scope: PodScope, records: bool) -> Self {
        let now = Instant::now();
        Self {
            client,
            scope,
            stage: if records { Stage::Unknown } else { Stage::Over },
            since: now,
            at: now,
            asked: None,
            read: BTreeSet::new(),
            own: HashSet::new(),
        }
    }

    /// A leadership begins or ends: what others do from now on is not known.
    pub(super) fn begin_anew(&mut self, records: bool) {
        *self = Self::new(self.client.clone(), self.scope.clone(), records);
    }

    /// Whether it is known what was done before, or never will be.
    pub(super) fn is_known(&self) -> bool {
        self.stage != Stage::Unknown
    }

    /// Whether it is time to ask for the first time, or again after that failed.
    pub(super) fn is_due(&self) -> bool {
        !self.is_known() && Instant::now() >= self.at
    }

    /// This leader acts on the pod with this uid: an Event of that tells nothing new.
    pub(super) fn acts_on(&mut self, uid: &str) {
        if self.stage != Stage::Over {
            self.own.insert(uid.to_owned());
        }
    }

    /// Asks for the first time. It is given up when what was under way must be over, which takes
    /// `over` at most, or if it will never be allowed.
    pub(super) async fn first(&mut self, over: Duration) -> Vec<PastAct> {
        let asked = Instant::now();
        let past = past::learn(&self.client, &self.scope).await;
        self.at = Instant::now() + RECALL_RETRY_WAIT;
        match past {
            Past::Known(acts) => {
                let late = self.since + LATE_RECALL_WAIT;
                self.stage = if asked < late {
                    Stage::Known
                } else {
                    Stage::Over
                };
                self.at = late;
                self.read = acts.iter().map(key).collect();
                return acts;
            }
            Past::Forbidden => self.stage = Stage::Over,
            Past::NotYet if self.since.elapsed() >= over => self.stage = Stage::Over,
            Past::NotYet => {}
        }
        Vec::new()
    }

    /// Asks again when it is time, and gives what was not there the first time. It may be dropped and
    /// called again, and waits for ever if nothing is to be asked.
    pub(super) async fn late(&mut self, over: Duration) -> Vec<PastAct> {
        if self.stage != Stage::Known {
            return pending().await;
        }
        sleep_until(self.at).await;
        let asked = self.asked.get_or_insert_with(|| {
            let (client, scope) = (self.client.clone(), self.scope.clone());
            Box::pin(async move { past::learn(&client, &scope).await })
        });
        let past = asked.await;
        self.asked = None;
        if matches!(past, Past::NotYet) && self.since.elapsed() < over {
            self.at = Instant::now() + RECALL_RETRY_WAIT;
            return Vec::new();
        }
        self.stage = Stage::Over;
        let (read, own) = (take(&mut self.read), take(&mut self.own));
        let Past::Known(mut acts) = past else {
            return Vec::new();
        };
        acts.retain(|act| !own.contains(&act.uid) && !read.contains(&key(act)));
        acts
    }
}

fn key(act: &PastAct) -> Key {
    (act.uid.clone(), act.action, act.condition, act.at)
}
