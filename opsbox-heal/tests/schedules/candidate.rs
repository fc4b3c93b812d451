//! A controller with all that is seen of it from outside: its requests, its audit stream, what it tells.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use opsbox_heal::Timestamp;
use opsbox_heal::act::Outcome;
use opsbox_heal::controller::{Clock, Controller, Observer};
use opsbox_heal::decide::{Decision, History, Policy};
use opsbox_heal::lease::Election;
use opsbox_heal::observe::live::{RateLimit, WatchConfig};
use opsbox_heal::record::{AuditLog, Entry, EventRecorder};
use opsbox_heal::testing::ApiDouble;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};

use crate::world::text;

/// How long a request may be under way after its sender has given it up: what the terms of the
/// Lease leave between the end of one leader and the begin of the next.
const LATEST: Duration = Duration::from_millis(4_500);

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What was seen, and when since the begin.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<(Duration, Entry)>,
    pub(crate) acting: Vec<(Duration, Decision)>,
    pub(crate) acted: Vec<(Duration, String, Outcome)>,
    pub(crate) escalated: Vec<(Duration, Decision)>,
    /// Requests to remove a pod of this uid.
    pub(crate) sent: Vec<(Duration, String)>,
    /// When Events were asked for that were then read, and when they were.
    pub(crate) recalled: Vec<(Duration, Duration)>,
    pub(crate) led: Vec<Duration>,
    /// By how much its clock was wrong from when on.
    pub(crate) skews: Vec<(Duration, i64)>,
}

impl Log {
    /// When it asked for Events after this moment, so that it knew them when it decided at that one.
    pub(crate) fn asked_between(&self, from: Duration, decided: Duration) -> Option<Duration> {
        let mut recalls = self.recalled.iter().enumerate();
        let recall = recalls.find(|(index, (asked, read))| {
            // A leader waits for the first answer. Others come beside the loop, so that a decision of
            // the same moment may be older.
            let led = self.led.iter().rev().find(|led| *led <= asked);
            let before = index.checked_sub(1).map(|before| self.recalled[before].0);
            let is_first = before.is_none_or(|before| led.is_some_and(|led| before < *led));
            let in_time = if is_first {
                *read <= decided
            } else {
                *read < decided
            };
            *asked > from && in_time
        });
        recall.map(|(_, (asked, _))| *asked)
    }

    /// Whether its clock was right all the time from one moment to another.
    pub(crate) fn clock_was_right(&self, from: Duration, to: Duration) -> bool {
        let mut ends = self.skews.iter().skip(1).map(|(at, _)| *at);
        let mut skews = self.skews.iter();
        // The controller looks at its clock once a pass.
        let slack = Duration::from_secs(12);
        skews.all(|(begin, by)| {
            let end = ends.next().unwrap_or(Duration::MAX);
            *by == 0 || *begin > to || end.saturating_add(slack) < from
        })
    }
}

/// The connection of one process to the API server.
pub(crate) struct Wire {
    pub(crate) name: String,
    start: Instant,
    inner: Client,
    pub(crate) log: Arc<Mutex<Log>>,
    dead: AtomicBool,
    hangs: watch::Sender<bool>,
    rng: Mutex<Rng>,
    /// In thousandths of the removals.
    late: u32,
    pub(crate) late_requests: Mutex<u64>,
    late_tasks: Mutex<Vec<AbortHandle>>,
    skew: Arc<AtomicI64>,
}

impl Wire {
    fn client(self: &Arc<Self>) -> Client {
        let wire = Arc::clone(self);
        let service = tower::service_fn(move |request| Arc::clone(&wire).send(request));
        Client::new(service, "default")
    }

    async fn send(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let mut hangs = self.hangs.subscribe();
        drop(hangs.wait_for(|hangs| !hangs).await);
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(header::USER_AGENT, self.name.parse()?);
        let body = body.collect().await?.to_bytes();
        let path = parts.uri.path();
        let is_eviction = path.ends_with("/eviction");
        let removes = is_eviction || parts.method == Method::DELETE;
        let reads_events = parts.method == Method::GET && path.contains("events.k8s.io");
        let now = self.start.elapsed();
        if removes {
            let asked: Value = serde_json::from_slice(&body)?;
            let options = asked.get("deleteOptions").unwrap_or(&asked);
            let uid = text(options, "/preconditions/uid");
            self.log.lock().unwrap().sent.push((now, uid));
        }
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let late = removes && self.rng.lock().unwrap().u32(..1_000) < self.late;
        if late {
            *self.late_requests.lock().unwrap() += 1;
            return self.send_late(request).await;
        }
        let response = self.inner.send(request).await?;
        if !reads_events {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if parts.status.is_success() {
            let read = self.start.elapsed();
            self.log.lock().unwrap().recalled.push((now, read));
        }
        Ok(Response::from_parts(parts, Body::from(body.to_vec())))
    }

    /// The network has it: it arrives, late, also if the sender has given it up or is dead.
    async fn send_late(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let delay = Duration::from_millis(self.rng.lock().unwrap().u64(..4_000));
        let client = self.inner.clone();
        let sent = tokio::spawn(timeout(LATEST, async move {
            sleep(delay).await;
            client.send(request).await
        }));
        self.late_tasks.lock().unwrap().push(sent.abort_handle());
        Ok(sent.await???)
    }

    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    pub(crate) fn skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
        let now = self.start.elapsed();
        self.log.lock().unwrap().skews.push((now, seconds));
    }
}

/// A clock that goes with virtual time, and that somebody sets.
struct Wall {
    start: Instant,
    skew: Arc<AtomicI64>,
}

impl Clock for Wall {
    fn now(&self) -> SystemTime {
        let begin: Timestamp = crate::BEGIN.parse().unwrap();
        let seconds = begin.unix_seconds() + self.skew.load(Ordering::Relaxed);
        let begin = Duration::from_secs(u64::try_from(seconds).unwrap());
        SystemTime::UNIX_EPOCH + begin + self.start.elapsed()
    }
}

/// What the audit stream is written to.
struct Tape(Instant, Arc<Mutex<Log>>);

impl Write for Tape {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let entry = serde_json::from_slice(line)?;
        self.1.lock().unwrap().lines.push((self.0.elapsed(), entry));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Seen(Instant, Arc<Mutex<Log>>);

impl Observer for Seen {
    fn acting(&self, decision: &Decision, _: Timestamp) -> Result<(), String> {
        let mut log = self.1.lock().unwrap();
        log.acting.push((self.0.elapsed(), decision.clone()));
        Ok(())
    }

    fn acted(&self, decision: &Decision, outcome: &Outcome, _: Duration, _: Timestamp) {
        let uid = decision.target.uid.clone();
        let mut log = self.1.lock().unwrap();
        log.acted.push((self.0.elapsed(), uid, outcome.clone()));
    }

    fn escalated(&self, decision: &Decision, _: Timestamp) {
        let mut log = self.1.lock().unwrap();
        log.escalated.push((self.0.elapsed(), decision.clone()));
    }

    fn leads(&self, leads: bool) {
        if leads {
            self.1.lock().unwrap().led.push(self.0.elapsed());
        }
    }
}

/// One process.
pub(crate) struct Candidate {
    pub(crate) wire: Arc<Wire>,
    task: JoinHandle<History>,
    stop: Option<oneshot::Sender<()>>,
    /// Whether it was let finish what it had begun.
    pub(crate) ends_well: bool,
}

/// What the processes of a seed have in common.
pub(crate) struct Setting {
    pub(crate) policy: Policy,
    pub(crate) elects: bool,
    pub(crate) late: u32,
}

impl Candidate {
    pub(crate) fn start(
        api: &ApiDouble,
        start: Instant,
        name: String,
        setting: &Setting,
        seed: u64,
    ) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let skew = Arc::new(AtomicI64::new(0));
        let wire = Arc::new(Wire {
            name: name.clone(),
            start,
            inner: api.client(),
            log: Arc::clone(&log),
            dead: AtomicBool::new(false),
            hangs: watch::Sender::new(false),
            rng: Mutex::new(Rng::with_seed(seed)),
            late: setting.late,
            late_requests: Mutex::new(0),
            late_tasks: Mutex::new(Vec::new()),
            skew: Arc::clone(&skew),
        });
        let audit = AuditLog::to_writer(Tape(start, Arc::clone(&log)));
        let mut controller = Controller::new(wire.client(), setting.policy.clone())
            .watch_config(WatchConfig::default().seed(seed))
            .rate_limit(RateLimit::new(20.0, 10))
            .events(EventRecorder::new(wire.client(), &*name))
            .observer(Arc::new(Seen(start, Arc::clone(&log))))
            .observer(Arc::new(Mutex::new(audit)))
            .clock(Arc::new(Wall { start, skew }));
        if setting.elects {
            let election = Election::new(wire.client(), "ops", "heal", &name).unwrap();
            controller = controller.election(election.seed(seed));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(controller.run(async { drop(stopped.await) }));
        Self {
            wire,
            task,
            stop: Some(stop),
            ends_well: false,
        }
    }

    /// As `kill -9`: nothing more comes from it but what the network has.
    pub(crate) fn kill(&mut self) {
        self.wire.dead.store(true, Ordering::Relaxed);
        self.task.abort();
    }

    /// Its loop ends in the middle, but not its process: the Lease is released. What the network has
    /// of it is lost, since nothing waits for that before the release.
    pub(crate) fn abort(&mut self) {
        let mut late = self.wire.late_tasks.lock().unwrap();
        late.drain(..).for_each(|task| task.abort());
        self.task.abort();
    }

    pub(crate) fn stop(&mut self) {
        self.ends_well = true;
        self.stop = None;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}
