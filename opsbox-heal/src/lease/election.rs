//! The loop around the core: reads and writes the Lease.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Method;
use kube::Client;
use serde_json::{Map, Value, json};
use tokio::{
    sync::{RwLock, watch},
    time::Instant,
};

use super::{
    core::{Core, Next, Record, Seen, Terms},
    fence::{Fence, Leads, State},
};
use crate::{
    act::{
        Outcome,
        classify::{Asked, judge},
    },
    call::{Call, Caller, is_path_segment},
    error::{Error, ErrorKind},
    limits,
};

/// A candidate for the leadership that a Lease stands for.
///
/// ```no_run
/// # async fn example(client: kube::Client) -> Result<(), opsbox_heal::Error> {
/// use opsbox_heal::lease::Election;
///
/// let election = Election::new(client, "ops", "opsbox-heal", "heal-7d9-x2x")?;
/// let mut fence = election.fence();
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let running = tokio::spawn(election.run(async { drop(stopped.await) }));
///
/// fence.leading().await;
/// println!("leads for at least {:?}", fence.remaining());
///
/// drop(stop); // the Lease is released, so that another one need not wait
/// drop(running.await);
/// # Ok(()) }
/// ```
pub struct Election {
    caller: Caller,
    namespace: String,
    name: String,
    identity: String,
    terms: Terms,
    state: watch::Sender<State>,
    passes: Arc<RwLock<()>>,
    random: RandomState,
    seed: Option<u64>,
}

impl Election {
    /// A candidate for the Lease of this namespace and name, which is made if it is not there. `identity` says
    /// who holds it, for people; something random is added, since two processes of one identity would
    /// both believe to hold it.
    ///
    /// # Errors
    ///
    /// If a name cannot be one of the API.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as everything that makes a `kube::Client`.
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        name: impl Into<String>,
        identity: &str,
    ) -> Result<Self, Error> {
        let (namespace, name) = (namespace.into(), name.into());
        for text in [&namespace, &name] {
            if !is_path_segment(text) {
                return Err(settings(format!(
                    "{text:?} cannot name a Lease or its namespace; use letters, digits, `-` and `.`"
                )));
            }
        }
        let random = RandomState::new();
        let identity = format!("{identity}_{:016x}", random.hash_one(identity));
        Ok(Self {
            caller: Caller::new(client),
            namespace,
            name,
            identity,
            terms: Terms {
                lease_duration: limits::LEASE_DURATION,
                renew_deadline: limits::LEASE_RENEW_DEADLINE,
                retry_period: limits::LEASE_RETRY_PERIOD,
            },
            state: watch::Sender::new(State::default()),
            passes: Arc::default(),
            random,
            seed: None,
        })
    }

    /// How long others wait after the last sign of life (whole seconds), how long the leader relies on it, and how
    /// often it gives one; 15, 10 and 2 seconds if they are not set, as in client-go.
    ///
    /// The difference of the first two is the margin for acts on their way and for clocks of unequal speed: with
    /// 15 and 10 seconds they may differ by a third.
    ///
    /// # Errors
    ///
    /// If the first is not whole seconds, or each is not longer than the next: the second by at least
    /// twice the third, so that one lost renewal is no loss of the leadership.
    pub fn terms(
        mut self,
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, Error> {
        if lease_duration.subsec_nanos() != 0 || lease_duration.is_zero() {
            return Err(settings(format!(
                "the lease duration is {lease_duration:?}; the API keeps whole seconds, at least one"
            )));
        }
        if renew_deadline >= lease_duration {
            return Err(settings(format!(
                "the renew deadline of {renew_deadline:?} is not shorter than the lease duration of \
                 {lease_duration:?}, so two could lead at once; shorten it"
            )));
        }
        if retry_period.is_zero() || retry_period.saturating_mul(2) > renew_deadline {
            return Err(settings(format!(
                "the retry period of {retry_period:?} is not within half of the renew deadline of \
                 {renew_deadline:?}; shorten it"
            )));
        }
        self.terms = Terms {
            lease_duration,
            renew_deadline,
            retry_period,
        };
        Ok(self)
    }

    /// Decides how waits are spread, so that a simulation can be run again. At random by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Who this candidate is in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What acts ask before they are done; clones of it are of the same election.
    pub fn fence(&self) -> Fence {
        Fence {
            state: self.state.subscribe(),
            passes: Arc::clone(&self.passes),
        }
    }

    /// Stands for election until `shutdown`, then releases the Lease if it is held, once the acts that have a
    /// [`Pass`](super::Pass) are done.
    ///
    /// If the future is dropped instead, the Lease is not released, and no [`Fence`] lets anything pass after the
    /// renew deadline.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let start = Start::now();
        let mut core = Core::new(self.identity.clone(), self.terms);
        let mut shutdown = std::pin::pin!(shutdown);
        let mut raw = Value::Null;
        let mut turn = 0_u64;
        loop {
            turn += 1;
            let next = core.next(start.elapsed(), self.jitter(turn));
            let step = self.step(&mut core, next, &mut raw, &start);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = step => {}
            }
            self.tell(&core, &start);
        }
        self.release(&core, &start).await;
    }

    async fn step(&self, core: &mut Core, next: Next, raw: &mut Value, start: &Start) {
        match next {
            Next::Wait(wait) => tokio::time::sleep(wait).await,
            Next::Read => match self.get().await {
                Ok(found) => {
                    let seen = found.as_ref().map(seen);
                    *raw = found.unwrap_or_default();
                    core.read(start.elapsed(), seen);
                    self.at_ease();
                }
                Err(outcome) => {
                    core.failed(start.elapsed());
                    self.in_trouble("read", outcome);
                }
            },
            Next::Create | Next::Write { .. } => {
                let sent = start.elapsed();
                let lease = self.lease(&next, raw);
                match self.put(&next, lease).await {
                    Ok(written) => {
                        core.wrote(sent, start.elapsed(), seen(&written));
                        *raw = written;
                        self.at_ease();
                    }
                    Err(Outcome::Gone) if next == Next::Create => {
                        core.failed(start.elapsed());
                        let reason = format!("there is no namespace {}; make it", self.namespace);
                        self.in_trouble("made", Outcome::Rejected { code: 404, reason });
                    }
                    Err(Outcome::Changed { .. } | Outcome::Gone) => {
                        core.conflicted(start.elapsed());
                    }
                    Err(outcome) => {
                        core.failed(start.elapsed());
                        self.in_trouble("written", outcome);
                    }
                }
            }
        }
    }

    /// Tells those who ask the fence.
    fn tell(&self, core: &Core, start: &Start) {
        let leads = core.leads_until(start.elapsed()).map(|until| Leads {
            until: start.instant + until,
            until_wall: start.wall + until,
            token: core.transitions(),
        });
        let holder = core.holder();
        self.state.send_if_modified(|state| {
            let of = |leads: Option<Leads>| leads.map(|leads| leads.until);
            let is_news = of(state.leads) != of(leads) || state.holder != holder;
            if state.leads.is_none() != leads.is_none() {
                let lease = format_args!("{}/{}", self.namespace, self.name);
                match leads {
                    Some(leads) => {
                        tracing::info!(%lease, identity = %self.identity, token = leads.token, "leads");
                    }
                    None => {
                        tracing::warn!(%lease, identity = %self.identity, "leads no longer");
                    }
                }
            }
            if is_news {
                state.leads = leads;
                holder.clone_into(&mut state.holder);
            }
            is_news
        });
    }

    fn at_ease(&self) {
        self.state
            .send_if_modified(|state| state.trouble.take().is_some());
    }

    fn in_trouble(&self, attempt: &str, outcome: Outcome) {
        let lease = format_args!("{}/{}", self.namespace, self.name);
        tracing::warn!(%lease, "the Lease cannot be {attempt}: {outcome}");
        self.state
            .send_modify(|state| state.trouble = Some(outcome));
    }

    /// Ends the leadership first, then lets acts end, and only then gives the Lease away.
    async fn release(&self, core: &Core, start: &Start) {
        let until = core.leads_until(start.elapsed());
        self.state.send_modify(|state| state.leads = None);
        let left = until.map_or(Duration::ZERO, |until| until - start.elapsed());
        let quiet = tokio::time::timeout(left, self.passes.write()).await;
        if until.is_some() && quiet.is_err() {
            // Others take over by themselves.
            return;
        }
        // A write may have been cut off, so it is not known which version is the last.
        let Ok(Some(mut lease)) = self.get().await else {
            return;
        };
        let found = seen(&lease);
        if found.record.holder != self.identity {
            return;
        }
        if let Some(spec) = spec_of(&mut lease) {
            spec.insert("leaseDurationSeconds".into(), 1.into());
            spec.insert("renewTime".into(), now_in_microseconds().into());
            spec.remove("holderIdentity");
        }
        let next = Next::Write {
            version: found.version,
            transitions: found.record.transitions,
        };
        let written = self.put(&next, lease).await;
        let name = format_args!("{}/{}", self.namespace, self.name);
        match written {
            Ok(_) => tracing::info!(lease = %name, "released"),
            Err(outcome) => tracing::warn!(lease = %name, "not released: {outcome}"),
        }
    }

    async fn get(&self) -> Result<Option<Value>, Outcome> {
        let asked = self.asked("get");
        let path = format!("{}/{}", self.collection(), self.name);
        match judge(asked, self.caller.send(Call::get(path), self.limit()).await) {
            Ok(body) => read(asked, &body).map(Some),
            Err(Outcome::Gone) => Ok(None),
            Err(outcome) => Err(outcome),
        }
    }

    async fn put(&self, next: &Next, lease: Value) -> Result<Value, Outcome> {
        let body = lease.to_string().into_bytes();
        let (asked, call) = match next {
            Next::Create => {
                let call = Call::new(Method::POST, self.collection(), body);
                (self.asked("create"), call)
            }
            _ => {
                let path = format!("{}/{}", self.collection(), self.name);
                (self.asked("update"), Call::new(Method::PUT, path, body))
            }
        };
        let written = judge(asked, self.caller.send(call, self.limit()).await)?;
        read(asked, &written)
    }

    /// The object to write: the one that was read, with what this candidate says.
    fn lease(&self, next: &Next, raw: &Value) -> Value {
        let (mut lease, transitions) = match next {
            Next::Write { transitions, .. } => (raw.clone(), *transitions),
            _ => {
                let metadata = json!({"name": self.name, "namespace": self.namespace});
                let lease = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
                });
                (lease, 0)
            }
        };
        let (now, renews) = (now_in_microseconds(), holder_of(&lease) == self.identity);
        // What others have put beside it stays.
        if let Some(spec) = spec_of(&mut lease) {
            let mut say = |field: &str, value: Value| spec.insert(field.to_owned(), value);
            say("holderIdentity", self.identity.as_str().into());
            let seconds = self.terms.lease_duration.as_secs();
            say("leaseDurationSeconds", seconds.into());
            say("renewTime", now.as_str().into());
            say("leaseTransitions", transitions.into());
            if !renews {
                say("acquireTime", now.into());
            }
        }
        lease
    }

    fn collection(&self) -> String {
        let namespace = &self.namespace;
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    }

    fn asked(&self, verb: &'static str) -> Asked<'_> {
        Asked {
            verb,
            group: "coordination.k8s.io",
            resource: "leases",
            namespace: &self.namespace,
            writes: verb != "get",
        }
    }

    /// Two tries fit into the time that a leader relies on.
    fn limit(&self) -> Duration {
        self.terms.renew_deadline / 2
    }

    /// From 0 to 1.
    fn jitter(&self, turn: u64) -> f64 {
        let random = match self.seed {
            None => self.random.hash_one(turn),
            // Fibonacci hashing: the upper bits are spread well.
            Some(seed) => seed.wrapping_add(turn).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        let random = u32::try_from(random >> 32).unwrap_or_default();
        f64::from(random) / f64::from(u32::MAX)
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("lease", &format_args!("{}/{}", self.namespace, self.name))
            .field("identity", &self.identity)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// When an election began, by both clocks.
struct Start {
    instant: Instant,
    wall: SystemTime,
}

impl Start {
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            #[allow(clippy::disallowed_methods, reason = "the loop is where the clock is")]
            wall: SystemTime::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.instant.elapsed()
    }
}

fn settings(message: String) -> Error {
    Error::new(ErrorKind::Settings, message)
}

fn read(asked: Asked<'_>, body: &[u8]) -> Result<Value, Outcome> {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = object.get("kind").and_then(Value::as_str);
    if kind == Some("Lease") {
        return Ok(object);
    }
    Err(Outcome::Unavailable {
        reason: format!(
            "the answer to {asked} is no Lease; check what stands between (a proxy answers with a page)"
        ),
        retry_after: None,
        uncertain: asked.writes,
    })
}

fn spec_of(lease: &mut Value) -> Option<&mut Map<String, Value>> {
    let spec = lease.as_object_mut()?.entry("spec");
    spec.or_insert_with(|| json!({})).as_object_mut()
}

fn holder_of(lease: &Value) -> &str {
    let holder = lease.pointer("/spec/holderIdentity");
    holder.and_then(Value::as_str).unwrap_or_default()
}

fn seen(lease: &Value) -> Seen {
    let text = |pointer| lease.pointer(pointer).and_then(Value::as_str);
    let number = |pointer| lease.pointer(pointer).and_then(Value::as_u64);
    let version = text("/metadata/resourceVersion").unwrap_or_default();
    Seen {
        record: Record {
            holder: holder_of(lease).to_owned(),
            lease_duration: Duration::from_secs(
                number("/spec/leaseDurationSeconds").unwrap_or_default(),
            ),
            renewed: text("/spec/renewTime").unwrap_or_default().to_owned(),
            transitions: number("/spec/leaseTransitions").unwrap_or_default(),
        },
        version: version.to_owned(),
    }
}

/// For people, and so that a renewal changes something: nobody compares it with a clock.
fn now_in_microseconds() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}
