//! Watching and healing until it is told to stop.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use kube::Client;
use tokio::{task::JoinSet, time::Instant};

use super::{
    acts::carry_out,
    clock::{Clock, Steady, SystemClock},
    observer::{Observer, Observers},
    recall::Recall,
    records::event,
};
use crate::{
    act::{Outcome, Remediator},
    decide::{Decision, History, Policy},
    healer::Healer,
    lease::{Election, Fence},
    limits,
    observe::live::{PodChange, PodScope, PodWatch, RateLimit, WatchConfig},
    record::EventRecorder,
    time::Timestamp,
};

/// Watches the pods of a cluster and heals them as a policy says. See the [module](crate::controller).
///
/// The `kube::Client` decides who acts and where; its rights are those of
/// [`rbac`](crate::rbac). Calls are limited to [`RateLimit::default`], so that a sick cluster is
/// not made worse.
pub struct Controller {
    pub(super) client: Client,
    pub(super) policy: Policy,
    pub(super) scope: PodScope,
    pub(super) rate: RateLimit,
    pub(super) history: History,
    pub(super) own_pod: Option<(String, String)>,
    pub(super) observers: Observers,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Option<EventRecorder>,
    watch: WatchConfig,
    election: Option<Election>,
    interval: Duration,
}

impl Controller {
    /// Heals with the rights of this client, as this policy says.
    pub fn new(client: Client, policy: Policy) -> Self {
        Self {
            client,
            policy,
            scope: PodScope::all(),
            rate: RateLimit::default(),
            history: History::new(),
            own_pod: None,
            observers: Observers::default(),
            clock: Arc::new(SystemClock),
            events: None,
            watch: WatchConfig::default(),
            election: None,
            interval: limits::PASS_INTERVAL,
        }
    }

    /// Only these pods; all that the client may see if it is not set. Budgets by share are of these.
    #[must_use]
    pub fn scope(mut self, scope: PodScope) -> Self {
        self.scope = scope;
        self
    }

    /// How the watch is kept.
    #[must_use]
    pub fn watch_config(mut self, config: WatchConfig) -> Self {
        self.watch = config;
        self
    }

    /// How many calls there are at most.
    #[must_use]
    pub fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.rate = rate;
        self
    }

    /// Only the leader of this election decides and acts.
    #[must_use]
    pub fn election(mut self, election: Election) -> Self {
        self.election = Some(election);
        self
    }

    /// With the memory of the process before.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Namespace and name of the pod that this code runs in, which is never touched.
    #[must_use]
    pub fn own_pod(mut self, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        self.own_pod = Some((namespace.into(), name.into()));
        self
    }

    /// Records acts and escalations as Events, and learns from them what was done before. They wait
    /// for their turn as all other calls, but for those of the election.
    #[must_use]
    pub fn events(mut self, events: EventRecorder) -> Self {
        self.events = Some(events);
        self
    }

    /// Who is told of what happens; each call adds one.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.0.push(observer);
        self
    }

    /// How often pods are judged when nothing changes, since some verdicts come with time;
    /// [`PASS_INTERVAL`](limits::PASS_INTERVAL) if it is not set.
    #[must_use]
    pub fn pass_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Another clock than that of the machine, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn healer(&self) -> Healer {
        let healer = Healer::new(self.policy.clone()).with_history(self.history.clone());
        match &self.own_pod {
            Some((namespace, name)) => healer.with_own_pod(namespace, name),
            None => healer,
        }
    }

    /// Runs until `shutdown` is ready. Acts that are on their way are then waited for, none is begun,
    /// and the Lease is released. Returns the memory, for the next run.
    ///
    /// It does not end by itself: what fails is tried again, and seen in
    /// [`Observer::watched`].
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> History {
        let (calls, gate) = self.rate.share(self.client.clone());
        let mut remediator = Remediator::new(self.client.clone()).gate(Arc::clone(&gate));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut fence = None;
        let election = self.election.take().map(|election| {
            let its_fence = election.fence();
            remediator = remediator.clone().fence(its_fence.clone());
            fence = Some(its_fence);
            tokio::spawn(election.run(async { drop(stopped.await) }))
        });
        let healer = self.healer();
        let watch = PodWatch::with_config(calls.clone(), self.scope.clone(), self.watch.clone());
        let mut state = Loop {
            steady: Steady::new(&*self.clock),
            healer,
            watch,
            remediator,
            fence,
            acts: JoinSet::new(),
            observers: self.observers,
            clock: self.clock,
            interval: self.interval,
            recall: Recall::new(calls, self.scope, self.events.is_some()),
            events: self.events.map(|events| events.gate(gate)),
            complete: false,
            dirty: true,
            leads: false,
            last_pass: Instant::now(),
            last_cost: Duration::ZERO,
        };
        state.until(shutdown).await;
        drop(stop);
        if let Some(election) = election {
            drop(election.await);
        }
        state.healer.history().clone()
    }
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller")
            .field("policy", &self.policy)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What a task has done.
enum Done {
    /// An act.
    Act(Box<Decision>, Outcome, Duration),
    /// An Event was sent.
    Event(Outcome),
}

struct Loop {
    healer: Healer,
    watch: PodWatch,
    remediator: Remediator,
    fence: Option<Fence>,
    acts: JoinSet<Done>,
    recall: Recall,
    events: Option<EventRecorder>,
    observers: Observers,
    clock: Arc<dyn Clock>,
    steady: Steady,
    interval: Duration,
    /// Whether all pods were listed once: before that, a part could be taken for the whole.
    complete: bool,
    /// Whether something has changed since the last pass.
    dirty: bool,
    leads: bool,
    last_pass: Instant,
    last_cost: Duration,
}

impl Loop {
    async fn until(&mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let wake = match self.dirty {
                true => self.last_pass + self.last_cost * limits::PASS_PAUSE_FACTOR,
                false => self.last_pass + self.interval,
            };
            let elected = async {
                match (&mut self.fence, self.leads) {
                    (Some(fence), false) => fence.leading().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(done) = self.acts.join_next() => self.done(done),
                () = elected => {
                    self.leads(true);
                    self.dirty = true;
                }
                acts = self.recall.late(self.healer.policy().recovery_timeout) => {
                    self.dirty |= !acts.is_empty();
                    self.healer.recall_late(acts, self.steady.now());
                }
                () = tokio::time::sleep_until(wake), if self.complete => {
                    tokio::select! {
                        biased;
                        () = &mut shutdown => break,
                        // What the last leader did is not in the memory of this one.
                        () = self.recall() => self.pass(),
                    }
                }
                change = self.watch.next() => {
                    self.dirty = true;
                    match change {
                        PodChange::Synced { .. } => self.complete = true,
                        PodChange::Interrupted { .. } => {
                            let state = self.watch.state();
                            self.observers.interrupted(&state);
                        }
                        _ => {}
                    }
                }
            }
        }
        while let Some(done) = self.acts.join_next().await {
            self.done(done);
        }
    }

    fn leads(&mut self, leads: bool) {
        if self.leads != leads {
            self.leads = leads;
            self.recall.begin_anew(self.events.is_some());
            self.observers.leads(leads);
        }
    }

    /// Reads what was done before, if that is not known and this process leads.
    async fn recall(&mut self) {
        let leads = |fence: &Fence| fence.is_leader();
        if self.recall.is_due() && self.fence.as_ref().is_none_or(leads) {
            let over = self.healer.policy().recovery_timeout;
            let acts = self.recall.first(over).await;
            self.healer.recall(acts, self.steady.now());
        }
    }

    fn pass(&mut self) {
        let begin = Instant::now();
        self.last_pass = begin;
        self.dirty = false;
        if let Some(by) = self.steady.jump(&*self.clock) {
            tracing::warn!(seconds = by, "the clock was set");
            self.healer.clock_was_set(by);
        }
        let now = self.steady.now();
        if let Some(fence) = &self.fence {
            let leads = fence.is_leader();
            self.leads(leads);
            if !leads {
                return;
            }
        }
        let state = self.watch.state();
        self.observers.watched(&state);
        let store = self.watch.store();
        let stale_after = self.healer.policy().stale_after;
        let stale = match state.is_current(stale_after) && self.recall.is_known() {
            true => None,
            false => Some(self.steady.ago(stale_after.max(state.silent_for))),
        };
        let pods = || store.iter().map(|pod| &**pod);
        let pass = self.healer.pass(pods(), stale, now);
        self.observers.found(&pass, now);
        for decision in pass.plan.acts().filter(|decision| !decision.dry_run) {
            if !self.observers.may_act(decision, now) {
                continue;
            }
            self.recall.acts_on(&decision.target.uid);
            self.healer.begin(decision, pods(), now);
            let (remediator, decision) = (self.remediator.clone(), Box::new(decision.clone()));
            self.acts.spawn(async move {
                let begin = Instant::now();
                let outcome = carry_out(&remediator, &decision, now).await;
                Done::Act(decision, outcome, begin.elapsed())
            });
        }
        for decision in pass.plan.escalations() {
            self.tell(decision, now);
        }
        self.last_cost = begin.elapsed();
        self.observers.passed(&pass, now, self.last_cost);
    }

    /// Sends the Event of a decision beside the loop.
    fn tell(&mut self, decision: &Decision, now: Timestamp) {
        if let Some(events) = self.events.clone().filter(|_| !decision.dry_run) {
            let event = event(decision);
            self.acts.spawn(async move {
                let (begin, mut wait) = (Instant::now(), limits::MIN_RETRY_WAIT);
                loop {
                    let outcome = events.record(&event, now).await;
                    let goes_on = begin.elapsed() + wait < limits::EVENT_RETRY_LIMIT;
                    if !outcome.is_retryable() || !goes_on {
                        return Done::Event(outcome);
                    }
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
            });
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let (decision, outcome, took) = match done {
            Ok(Done::Act(decision, outcome, took)) => (decision, outcome, took),
            Ok(Done::Event(outcome)) => {
                self.observers.recorded(&outcome);
                return;
            }
            Err(error) => {
                // The act stays under way and is verified.
                tracing::error!(%error, "a task that acted did not end");
                return;
            }
        };
        let now = self.steady.now();
        self.observers.acted(&decision, &outcome, took, now);
        // Whoever leads next must count what may have been done as well.
        if outcome.may_have_acted() {
            self.tell(&decision, now);
        }
        if let Some(told) = self.healer.answered(&decision, &outcome, now) {
            self.observers.escalated(&told, now);
            self.tell(&told, now);
        }
        self.dirty = true;
    }
}
