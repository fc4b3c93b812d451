//! What the controller does, for Prometheus.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode_registry},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    act::{Outcome, Recovery},
    model::verdict::Condition,
    time::Timestamp,
};

/// A request of the part that observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A list of pods, page by page or as a table.
    List,
    /// One pod.
    Get,
    /// A watch, its begin or its end before its time.
    Watch,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::List, Self::Get, Self::Watch];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Watch => "watch",
        }
    }
}

/// The metrics of a controller. Clones count into the same series.
///
/// | name | type | labels | what |
/// |---|---|---|---|
/// | `opsbox_heal_pods` | gauge | `condition` | pods by condition, as last observed |
/// | `opsbox_heal_decisions_total` | counter | `action`, `reason` | decisions, those to do nothing included |
/// | `opsbox_heal_acts_total` | counter | `action`, `outcome` | acts by what the API server said; `outcome="blocked"` is a disruption budget |
/// | `opsbox_heal_act_duration_seconds` | histogram | `action` | how long the API server took for one |
/// | `opsbox_heal_recoveries_total` | counter | `result` | acts by whether they helped |
/// | `opsbox_heal_recovery_duration_seconds` | histogram | | from an act until another pod was ready, where it helped |
/// | `opsbox_heal_escalations_total` | counter | `reason` | how often a person was asked to look |
/// | `opsbox_heal_breaker_open` | gauge | `cause` | 1 while acts are stopped because of a common cause of this kind |
/// | `opsbox_heal_observe_errors_total` | counter | `operation` | lists, gets and watches that failed |
/// | `opsbox_heal_last_sweep_timestamp_seconds` | gauge | | when all pods were last looked at, in Unix seconds; 0 before |
/// | `opsbox_heal_sweep_duration_seconds` | gauge | | how long that took |
/// | `opsbox_heal_leader` | gauge | | 1 while this process leads |
/// | `opsbox_heal_records_total` | counter | `record`, `result` | Events and audit lines, `done` or `failed` |
///
/// All labels have few values: names of pods, namespaces or nodes are in none. What is known in advance begins at zero,
/// so that the first failure is an increase.
///
/// ```
/// use opsbox_heal::{Condition, act::Outcome, record::Metrics};
/// use std::time::Duration;
///
/// let metrics = Metrics::new();
/// metrics.pods(Condition::CrashLoopBackOff, 3);
/// metrics.decided("evict", "CrashLoopBackOff");
/// metrics.acted("evict", &Outcome::Done, Duration::from_millis(20));
/// let text = metrics.encode();
/// assert!(text.contains("opsbox_heal_pods{condition=\"CrashLoopBackOff\"} 3\n"));
/// assert!(text.contains("opsbox_heal_acts_total{action=\"evict\",outcome=\"done\"} 1\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    pods: Family<OfCondition, Gauge>,
    decisions: Family<OfDecision, Counter>,
    acts: Family<OfAct, Counter>,
    act_duration: Family<OfAction, Histogram>,
    recoveries: Family<OfResult, Counter>,
    recovery_duration: Histogram,
    escalations: Family<OfReason, Counter>,
    breaker_open: Family<OfCause, Gauge>,
    observe_errors: Family<OfOperation, Counter>,
    last_sweep: Gauge,
    sweep_duration: Gauge<f64, std::sync::atomic::AtomicU64>,
    leader: Gauge,
    records: Family<OfRecord, Counter>,
}

macro_rules! labels {
    ($($name:ident { $($label:ident),* })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($label: &'static str),* }
    )*};
}

labels! {
    OfCondition { condition }
    OfDecision { action, reason }
    OfAct { action, outcome }
    OfAction { action }
    OfResult { result }
    OfReason { reason }
    OfCause { cause }
    OfOperation { operation }
    OfRecord { record, result }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let new = Self {
            pods: Family::default(),
            decisions: Family::default(),
            acts: Family::default(),
            // 5 ms to 10 s.
            act_duration: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.005, 2.0, 12))
            }),
            recoveries: Family::default(),
            // 1 s to half an hour.
            recovery_duration: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            escalations: Family::default(),
            breaker_open: Family::default(),
            observe_errors: Family::default(),
            last_sweep: Gauge::default(),
            sweep_duration: Gauge::default(),
            leader: Gauge::default(),
            records: Family::default(),
        };
        for condition in Condition::ALL {
            new.pods(condition, 0);
        }
        for action in ["evict", "delete", "restart_owner"] {
            for outcome in Outcome::NAMES {
                drop(new.acts.get_or_create(&OfAct { action, outcome }));
            }
        }
        for result in Recovery::NAMES {
            drop(new.recoveries.get_or_create(&OfResult { result }));
        }
        for operation in Operation::ALL {
            let operation = operation.as_str();
            drop(new.observe_errors.get_or_create(&OfOperation { operation }));
        }
        for record in ["event", "audit"] {
            for result in ["done", "failed"] {
                drop(new.records.get_or_create(&OfRecord { record, result }));
            }
        }
        new
    }

    /// Puts them into a registry, to be told with others.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("opsbox_heal");
        let seconds = || Unit::Seconds;
        registry.register(
            "pods",
            "Pods by condition, as last observed",
            self.pods.clone(),
        );
        registry.register(
            "decisions",
            "Decisions, those to do nothing included",
            self.decisions.clone(),
        );
        registry.register(
            "acts",
            "Acts by what the API server said to them",
            self.acts.clone(),
        );
        registry.register_with_unit(
            "act_duration",
            "How long the API server took for an act",
            seconds(),
            self.act_duration.clone(),
        );
        registry.register(
            "recoveries",
            "Acts by whether they helped",
            self.recoveries.clone(),
        );
        registry.register_with_unit(
            "recovery_duration",
            "From an act until another pod was ready",
            seconds(),
            self.recovery_duration.clone(),
        );
        registry.register(
            "escalations",
            "How often a person was asked to look",
            self.escalations.clone(),
        );
        registry.register(
            "breaker_open",
            "Whether acts are stopped because of a common cause of this kind",
            self.breaker_open.clone(),
        );
        registry.register(
            "observe_errors",
            "Lists, gets and watches that failed",
            self.observe_errors.clone(),
        );
        registry.register_with_unit(
            "last_sweep_timestamp",
            "When all pods were last looked at, in Unix time",
            seconds(),
            self.last_sweep.clone(),
        );
        registry.register_with_unit(
            "sweep_duration",
            "How long the last look at all pods took",
            seconds(),
            self.sweep_duration.clone(),
        );
        registry.register("leader", "Whether this process leads", self.leader.clone());
        registry.register(
            "records",
            "Events and audit lines by whether they were written",
            self.records.clone(),
        );
    }

    /// The text of these alone, in the OpenMetrics format, which Prometheus asks for first.
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &registry);
        debug_assert!(
            encoded.is_ok(),
            "only the writer can fail, and a String does not"
        );
        text
    }

    /// So many pods have this condition now.
    pub fn pods(&self, condition: Condition, count: u64) {
        let condition = condition.as_str();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.pods
            .get_or_create(&OfCondition { condition })
            .set(count);
    }

    /// This was decided. The reasons are the codes of a program, not texts.
    pub fn decided(&self, action: &'static str, reason: &'static str) {
        self.decisions
            .get_or_create(&OfDecision { action, reason })
            .inc();
    }

    /// The API server said this to an act, after this time.
    pub fn acted(&self, action: &'static str, outcome: &Outcome, took: Duration) {
        let outcome = outcome.as_str();
        self.acts.get_or_create(&OfAct { action, outcome }).inc();
        let durations = self.act_duration.get_or_create(&OfAction { action });
        durations.observe(took.as_secs_f64());
    }

    /// It is known whether an act helped.
    pub fn recovered(&self, recovery: &Recovery) {
        let result = recovery.as_str();
        self.recoveries.get_or_create(&OfResult { result }).inc();
        if recovery.is_recovered() {
            self.recovery_duration
                .observe(recovery.after().as_secs_f64());
        }
    }

    /// A person was asked to look, for this reason.
    pub fn escalated(&self, reason: &'static str) {
        self.escalations.get_or_create(&OfReason { reason }).inc();
    }

    /// Acts are stopped because of a common cause of this kind (`image`, `node`, ...), or no longer.
    pub fn breaker(&self, cause: &'static str, is_open: bool) {
        self.breaker_open
            .get_or_create(&OfCause { cause })
            .set(i64::from(is_open));
    }

    /// A request of the part that observes failed.
    pub fn observe_failed(&self, operation: Operation) {
        let operation = operation.as_str();
        self.observe_errors
            .get_or_create(&OfOperation { operation })
            .inc();
    }

    /// All pods were looked at, which took this long.
    pub fn swept(&self, at: Timestamp, took: Duration) {
        self.last_sweep.set(at.unix_seconds());
        self.sweep_duration.set(took.as_secs_f64());
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// An Event was recorded, or not.
    pub fn event(&self, outcome: &Outcome) {
        self.record("event", outcome.is_done());
    }

    /// An audit line was written, or not.
    pub fn audit(&self, is_written: bool) {
        self.record("audit", is_written);
    }

    fn record(&self, record: &'static str, is_done: bool) {
        let result = if is_done { "done" } else { "failed" };
        self.records
            .get_or_create(&OfRecord { record, result })
            .inc();
    }
}
