//! The state of one container of a pod.

use std::sync::Arc;

use super::{pod::RestartPolicy, pod_condition::Detail};
use crate::time::Timestamp;

/// A container: what its spec declares joined with what its status reports.
///
/// Its texts are those of the input as they are; see [`PodState`](crate::PodState).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub(crate) spec: Arc<ContainerSpec>,
    pub(crate) state: ContainerState,
    pub(crate) last_state: Option<Box<Termination>>,
    pub(crate) restarts: u32,
    /// Index in the spec's or, if reported, in the status's list of its kind.
    pub(crate) index: u16,
    pub(crate) flags: Flags,
}

/// What the spec says of a container, which pods made from one template have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContainerSpec {
    pub(crate) name: Arc<str>,
    pub(crate) image: Arc<str>,
    pub(crate) kind: ContainerKind,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) probes: Probes,
}

/// The truth values of a status, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    const REPORTED: u8 = 1;
    const READY: u8 = 2;
    const STARTED: u8 = 4;
    const NOT_STARTED: u8 = 8;

    /// Those of a container that has a status.
    pub(crate) fn of_status(ready: bool, started: Option<bool>) -> Self {
        let ready = if ready { Self::READY } else { 0 };
        let started = match started {
            Some(true) => Self::STARTED,
            Some(false) => Self::NOT_STARTED,
            None => 0,
        };
        Self(Self::REPORTED | ready | started)
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl Container {
    /// Name, unique in the pod.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Image as the spec asks for it.
    pub fn image(&self) -> &str {
        &self.spec.image
    }

    /// Which list of the spec it is in, and what that makes it.
    pub fn kind(&self) -> ContainerKind {
        self.spec.kind
    }

    /// `restartCount`. The kubelet counts within what it remembers, so it may go down.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// `state`.
    pub fn state(&self) -> &ContainerState {
        &self.state
    }

    /// `lastState.terminated`: how the run before this one ended.
    pub fn last_termination(&self) -> Option<&Termination> {
        self.last_state.as_deref()
    }

    /// Which probes the spec declares.
    pub fn probes(&self) -> Probes {
        self.spec.probes
    }

    /// `ready`: the readiness probe passes, or there is none and the container has started.
    pub fn ready(&self) -> bool {
        self.flags.has(Flags::READY)
    }

    /// `started`: the startup probe has passed, or there is none and the container runs.
    /// `None` if the status does not say.
    pub fn started(&self) -> Option<bool> {
        if self.flags.has(Flags::STARTED) {
            return Some(true);
        }
        self.flags.has(Flags::NOT_STARTED).then_some(false)
    }

    /// Restart policy in force: the container's own, or else the pod's.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.spec.restart_policy
    }

    /// Path of a field of its status (of its spec if there is no status yet), as in
    /// `status.containerStatuses[0].state.waiting.reason`.
    pub fn field_path(&self, field: &str) -> String {
        let (status, spec) = match self.spec.kind {
            ContainerKind::Regular => ("containerStatuses", "containers"),
            ContainerKind::Init | ContainerKind::Sidecar => {
                ("initContainerStatuses", "initContainers")
            }
            ContainerKind::Ephemeral => ("ephemeralContainerStatuses", "ephemeralContainers"),
        };
        if self.flags.has(Flags::REPORTED) {
            format!("status.{status}[{}].{field}", self.index)
        } else {
            format!("spec.{spec}[{}]", self.index)
        }
    }

    /// Whether it has ended and, by its restart policy, will not be started again.
    pub fn is_done(&self) -> bool {
        let ContainerState::Terminated(end) = &self.state else {
            return false;
        };
        match self.spec.restart_policy {
            RestartPolicy::Always => false,
            RestartPolicy::OnFailure => end.exit_code == 0,
            RestartPolicy::Never => true,
        }
    }
}

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerKind {
    /// One of `spec.containers`.
    Regular,
    /// One of `spec.initContainers` that must end before the regular ones start.
    Init,
    /// One of `spec.initContainers` with `restartPolicy: Always`: runs beside the regular ones.
    Sidecar,
    /// One of `spec.ephemeralContainers`, for debugging; no verdict depends on it.
    Ephemeral,
}

/// `state` of a container status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerState {
    /// There is no status of the container yet.
    NotReported,
    /// Not running yet, or not again.
    Waiting(Waiting),
    /// Running.
    Running(Running),
    /// Ended.
    Terminated(Box<Termination>),
    /// A state that this crate does not know, by its name in the API.
    Other(Arc<str>),
}

impl ContainerState {
    /// Whether the container runs.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// `waiting.reason`, if the container waits and says why.
    pub fn waiting_reason(&self) -> Option<&str> {
        match self {
            Self::Waiting(waiting) => waiting.reason(),
            _ => None,
        }
    }
}

/// `state.waiting`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub(crate) detail: Option<Box<Detail>>,
}

impl Waiting {
    /// `reason`, such as `ContainerCreating` or `CrashLoopBackOff`.
    pub fn reason(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.reason.as_deref())
    }

    /// `message`, cut at [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn message(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.message.as_deref())
    }
}

/// `state.running`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub(crate) started_at: Option<Timestamp>,
}

impl Running {
    /// `startedAt`.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }
}

/// `terminated`, of `state` or `lastState`: how a run of the container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    pub(crate) exit_code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) message: Option<Box<str>>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
}

impl Termination {
    /// `exitCode`; 128 + n if signal n ended it.
    pub fn exit_code(&self) -> i32 {
        self.exit_code
    }

    /// `signal`, which most container runtimes leave out; see [`exit_code`](Self::exit_code).
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// `reason`, such as `Completed`, `Error` or `OOMKilled`.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// `message`, cut at [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// `startedAt`.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// `finishedAt`.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.finished_at
    }

    /// Whether the kernel ended it for want of memory.
    pub fn is_oom_killed(&self) -> bool {
        self.reason() == Some("OOMKilled")
    }

    /// Whether somebody else ended it, by SIGKILL or SIGTERM, and not for want of memory.
    ///
    /// That is what the kubelet does after a failed liveness or startup probe, but also when a
    /// node shuts down. A container that handles SIGTERM and exits by itself is not seen here.
    pub fn is_killed(&self) -> bool {
        let signal = self
            .signal
            .unwrap_or_else(|| self.exit_code.saturating_sub(128));
        matches!(signal, 9 | 15) && !self.is_oom_killed()
    }
}

/// Which probes a container declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Probes {
    pub(crate) startup: bool,
    pub(crate) readiness: bool,
    pub(crate) liveness: bool,
}

impl Probes {
    /// Whether there is a `startupProbe`.
    pub fn startup(self) -> bool {
        self.startup
    }

    /// Whether there is a `readinessProbe`.
    pub fn readiness(self) -> bool {
        self.readiness
    }

    /// Whether there is a `livenessProbe`.
    pub fn liveness(self) -> bool {
        self.liveness
    }
}
