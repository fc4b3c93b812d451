//! The joint matrix of the three probes: startup x readiness x liveness.

use std::fmt;

use super::{
    container::{Container, ContainerState, Termination},
    pod::PodState,
};
use crate::{diagnose::thresholds::Thresholds, time::Timestamp};

/// The state of one probe, from better to worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProbeState {
    /// The spec has no such probe.
    NotDeclared,
    /// It passes.
    Passing,
    /// Nothing tells.
    Unknown,
    /// It fails, or is suspected to have failed.
    Failing,
}

impl fmt::Display for ProbeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotDeclared => "-",
            Self::Passing => "passing",
            Self::Unknown => "unknown",
            Self::Failing => "failing",
        })
    }
}

/// What the three probes say together, from better to worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum JointState {
    /// Takes requests.
    Serving,
    /// The startup probe has not passed yet.
    Starting,
    /// Has started, but takes no requests.
    NotReady,
    /// Has started, but whether it takes requests is not reported.
    Unclear,
    /// Does not run, and no probe is known to be why.
    Stopped,
    /// Killed because it did not start in time (suspected).
    StartupFailing,
    /// Killed because it did not live (suspected).
    Restarting,
}

impl fmt::Display for JointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Serving => "Serving",
            Self::Starting => "Starting",
            Self::NotReady => "NotReady",
            Self::Unclear => "Unclear",
            Self::Stopped => "Stopped",
            Self::StartupFailing => "StartupFailing",
            Self::Restarting => "Restarting",
        })
    }
}

/// A row of the matrix: the three probes of a container, or of a pod, and what they come to.
///
/// # From the status to the state of a probe
///
/// The API reports the outcome of two probes, `started` and `ready`, and of the third nothing. So
/// a [`ProbeState`] is an inference, by these rules:
///
/// | probe | rule, the first that fits | state |
/// |---|---|---|
/// | any | not in the spec | `NotDeclared` |
/// | startup | `started` or `ready` is true | `Passing` |
/// | startup | the last run was *killed lately* | `Failing` (suspected) |
/// | startup | otherwise: still trying, or not running | `Unknown` |
/// | readiness | `ready` is true | `Passing` |
/// | readiness | not running, or startup is not over | `Unknown` |
/// | readiness | otherwise | `Failing` (or not probed yet: the API does not tell them apart) |
/// | liveness | running and startup is not over: not probed yet | `Unknown` |
/// | liveness | the last run was *killed lately* | `Failing` (suspected) |
/// | liveness | running, and the last run did not end lately | `Passing` |
/// | liveness | otherwise | `Unknown` |
///
/// *Killed lately*: ended by SIGKILL or SIGTERM (exit code 137 or 143) and not `OOMKilled`, and
/// either waiting in `CrashLoopBackOff` or ended within
/// [`crash_loop_quiet`](crate::Thresholds::crash_loop_quiet). The kubelet kills after a failed
/// startup or liveness probe, but a node that shuts down kills too, and a program that handles
/// SIGTERM and exits with a code of its own is not recognized. That is why `Failing` of startup
/// and liveness is a suspicion, and of a container that waits both are suspected.
///
/// # From the three states to the joint one
///
/// | startup | readiness | liveness | joint state |
/// |---|---|---|---|
/// | any | any | `Failing` | `Restarting` |
/// | `Failing` | any | other | `StartupFailing` |
/// | `Unknown` | `Passing` | other | `Serving` (a container that is ready has started) |
/// | `Unknown` | other | other | `Starting` |
/// | `NotDeclared`, `Passing` | `NotDeclared`, `Passing` | other | `Serving` |
/// | `NotDeclared`, `Passing` | `Failing` | other | `NotReady` |
/// | `NotDeclared`, `Passing` | `Unknown` | other | `Unclear` |
///
/// A container that does not run is `Stopped`, unless its probes are why (`StartupFailing`,
/// `Restarting`).
///
/// # From the containers to the pod
///
/// Counted are regular containers and sidecars that have not done their work; each column of the
/// pod is the worst of theirs (`Failing`, `Unknown`, `Passing`, `NotDeclared`), and so is the joint
/// state, which is therefore that of one of the containers:
///
/// | some container is | and none is | the pod is |
/// |---|---|---|
/// | `Restarting` | | `Restarting` |
/// | `StartupFailing` | `Restarting` | `StartupFailing` |
/// | `Stopped` | `StartupFailing`, `Restarting` | `Stopped` |
/// | `Unclear` | of those | `Unclear` |
/// | `NotReady` | of those | `NotReady` |
/// | `Starting` | of those | `Starting` |
/// | `Serving` | of those | `Serving` |
/// | (no container counts) | | `Stopped` |
///
/// ```
/// use opsbox_heal::{JointState, ProbeMatrix, ProbeState};
///
/// let matrix =
///     ProbeMatrix::new(ProbeState::Passing, ProbeState::Failing, ProbeState::NotDeclared);
/// assert_eq!(matrix.joint(), JointState::NotReady);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeMatrix {
    startup: ProbeState,
    readiness: ProbeState,
    liveness: ProbeState,
    joint: JointState,
}

impl ProbeMatrix {
    /// The row of a running container with these probes: the second table of this page.
    pub const fn new(startup: ProbeState, readiness: ProbeState, liveness: ProbeState) -> Self {
        use ProbeState::{Failing, NotDeclared, Passing, Unknown};
        let joint = match (startup, readiness, liveness) {
            (_, _, Failing) => JointState::Restarting,
            (Failing, _, _) => JointState::StartupFailing,
            (Unknown, NotDeclared | Unknown | Failing, _) => JointState::Starting,
            (_, NotDeclared | Passing, _) => JointState::Serving,
            (_, Failing, _) => JointState::NotReady,
            (_, Unknown, _) => JointState::Unclear,
        };
        Self {
            startup,
            readiness,
            liveness,
            joint,
        }
    }

    /// The row of a container.
    pub fn of_container(container: &Container, now: Timestamp, thresholds: &Thresholds) -> Self {
        let probes = container.probes();
        let running = container.state().is_running();
        let killed = was_killed_lately(container, now, thresholds);
        let startup = if !probes.startup() {
            ProbeState::NotDeclared
        } else if container.started() == Some(true) || container.ready() {
            ProbeState::Passing
        } else if killed {
            ProbeState::Failing
        } else {
            ProbeState::Unknown
        };
        let startup_is_over = matches!(startup, ProbeState::NotDeclared | ProbeState::Passing);
        let readiness = if !probes.readiness() {
            ProbeState::NotDeclared
        } else if container.ready() {
            ProbeState::Passing
        } else if !running || !startup_is_over {
            ProbeState::Unknown
        } else {
            ProbeState::Failing
        };
        let liveness = if !probes.liveness() {
            ProbeState::NotDeclared
        } else if running && !startup_is_over {
            ProbeState::Unknown
        } else if killed {
            ProbeState::Failing
        } else if running && !ended_lately(last_end(container), now, thresholds) {
            ProbeState::Passing
        } else {
            ProbeState::Unknown
        };
        let mut row = Self::new(startup, readiness, liveness);
        if !running && row.joint < JointState::Stopped {
            row.joint = JointState::Stopped;
        }
        row
    }

    /// The row of a pod: the worst of its containers; `Stopped` if there is none.
    pub fn of_pod(pod: &PodState, now: Timestamp, thresholds: &Thresholds) -> Self {
        pod.serving_containers()
            .filter(|container| !container.is_done())
            .map(|container| Self::of_container(container, now, thresholds))
            .reduce(Self::worst)
            .unwrap_or(Self {
                startup: ProbeState::NotDeclared,
                readiness: ProbeState::NotDeclared,
                liveness: ProbeState::NotDeclared,
                joint: JointState::Stopped,
            })
    }

    /// The worse of two rows, column by column.
    pub fn worst(self, other: Self) -> Self {
        Self {
            startup: self.startup.max(other.startup),
            readiness: self.readiness.max(other.readiness),
            liveness: self.liveness.max(other.liveness),
            joint: self.joint.max(other.joint),
        }
    }

    /// The startup probe.
    pub fn startup(self) -> ProbeState {
        self.startup
    }

    /// The readiness probe.
    pub fn readiness(self) -> ProbeState {
        self.readiness
    }

    /// The liveness probe.
    pub fn liveness(self) -> ProbeState {
        self.liveness
    }

    /// All three together.
    pub fn joint(self) -> JointState {
        self.joint
    }
}

impl fmt::Display for ProbeMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            startup,
            readiness,
            liveness,
            joint,
        } = self;
        write!(
            f,
            "startup {startup}, readiness {readiness}, liveness {liveness}: {joint}"
        )
    }
}

/// How the latest run that is over ended.
fn last_end(container: &Container) -> Option<&Termination> {
    match container.state() {
        ContainerState::Terminated(end) => Some(end),
        _ => container.last_termination(),
    }
}

fn was_killed_lately(container: &Container, now: Timestamp, thresholds: &Thresholds) -> bool {
    let in_back_off = container.state().waiting_reason() == Some("CrashLoopBackOff");
    let end = last_end(container);
    end.is_some_and(Termination::is_killed) && (in_back_off || ended_lately(end, now, thresholds))
}

fn ended_lately(end: Option<&Termination>, now: Timestamp, thresholds: &Thresholds) -> bool {
    end.and_then(Termination::finished_at)
        .is_some_and(|at| now.since(at) <= thresholds.crash_loop_quiet)
}
