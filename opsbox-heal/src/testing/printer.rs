//! The columns that the API server prints of a pod and of a node.
//!
//! What each cell says was taken from the API server's printers; the tests compare it with a real
//! server's.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Timestamp;

/// `columnDefinitions` of pods. Servers up to 1.21 print restarts as a number.
pub(super) fn pod_columns(restarts_ago: bool) -> Value {
    let restarts = if restarts_ago { "string" } else { "integer" };
    columns(&[
        ("Name", "string", "name", 0),
        ("Ready", "string", "", 0),
        ("Status", "string", "", 0),
        ("Restarts", restarts, "", 0),
        ("Age", "string", "", 0),
        ("IP", "string", "", 1),
        ("Node", "string", "", 1),
        ("Nominated Node", "string", "", 1),
        ("Readiness Gates", "string", "", 1),
    ])
}

/// `columnDefinitions` of nodes, of which only the first are filled in.
pub(super) fn node_columns() -> Value {
    columns(&[
        ("Name", "string", "name", 0),
        ("Status", "string", "", 0),
        ("Roles", "string", "", 0),
        ("Age", "string", "", 0),
        ("Version", "string", "", 0),
    ])
}

/// `columnDefinitions` of what has no printer of its own.
pub(super) fn other_columns() -> Value {
    columns(&[
        ("Name", "string", "name", 0),
        ("Status", "string", "", 0),
        ("Age", "string", "", 0),
    ])
}

fn columns(columns: &[(&str, &str, &str, u8)]) -> Value {
    let column = |&(name, kind, format, priority): &(&str, &str, &str, u8)| {
        json!({
            "name": name, "type": kind, "format": format, "description": name,
            "priority": priority,
        })
    };
    columns.iter().map(column).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Meta,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    node_name: String,
    containers: Vec<ContainerSpec>,
    init_containers: Vec<ContainerSpec>,
    readiness_gates: Vec<Gate>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerSpec {
    name: String,
    restart_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gate {
    condition_type: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    reason: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    nominated_node_name: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<Status>,
    init_container_statuses: Vec<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    name: String,
    state: State,
    last_state: State,
    ready: bool,
    started: Option<bool>,
    restart_count: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct State {
    waiting: Option<Waiting>,
    running: Option<Value>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    exit_code: i64,
    signal: i64,
    finished_at: Option<String>,
}

/// The cells of a pod.
pub(super) fn pod_cells(item: &str, now: Timestamp, restarts_ago: bool) -> Value {
    let pod: Pod = serde_json::from_str(item).unwrap_or_default();
    let printed = print(&pod);
    let restarts = match (restarts_ago, printed.last_restart) {
        (false, _) => json!(printed.restarts),
        (true, Some(at)) if printed.restarts > 0 => {
            json!(format!("{} ({} ago)", printed.restarts, human(now, at)))
        }
        (true, _) => json!(printed.restarts.to_string()),
    };
    let or_none = |text: &str| if text.is_empty() { "<none>" } else { text }.to_owned();
    let gates = &pod.spec.readiness_gates;
    let passed = gates.iter().filter(|gate| {
        let is_true = |c: &Condition| c.kind == gate.condition_type && c.status == "True";
        pod.status.conditions.iter().any(is_true)
    });
    let gates = match gates.len() {
        0 => "<none>".to_owned(),
        all => format!("{}/{all}", passed.count()),
    };
    json!([
        pod.metadata.name,
        format!("{}/{}", printed.ready, printed.containers),
        printed.status,
        restarts,
        age(pod.metadata.creation_timestamp.as_deref(), now),
        or_none(&pod.status.pod_ip),
        or_none(&pod.spec.node_name),
        or_none(&pod.status.nominated_node_name),
        gates,
    ])
}

struct Printed {
    status: String,
    ready: usize,
    containers: usize,
    restarts: u32,
    last_restart: Option<Timestamp>,
}

fn print(pod: &Pod) -> Printed {
    let condition = |kind: &str| pod.status.conditions.iter().find(|c| c.kind == kind);
    let is_true = |kind| condition(kind).is_some_and(|c| c.status == "True");
    let mut printed = Printed {
        status: pod.status.phase.clone(),
        ready: 0,
        containers: pod.spec.containers.len(),
        restarts: 0,
        last_restart: None,
    };
    if !pod.status.reason.is_empty() {
        printed.status.clone_from(&pod.status.reason);
    }
    if condition("PodScheduled").is_some_and(|c| c.reason == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut printed.status);
    }
    let is_sidecar = |name: &str| {
        let mut specs = pod.spec.init_containers.iter();
        specs.any(|spec| spec.name == name && spec.restart_policy == "Always")
    };
    let sidecars = pod
        .spec
        .init_containers
        .iter()
        .filter(|c| c.restart_policy == "Always");
    printed.containers += sidecars.count();

    let mut initializing = false;
    let (mut sidecar_restarts, mut sidecar_restarted) = (0, None);
    for (index, status) in pod.status.init_container_statuses.iter().enumerate() {
        printed.restarts += status.restart_count;
        printed.last_restart = printed.last_restart.max(restarted(status));
        if is_sidecar(&status.name) {
            sidecar_restarts += status.restart_count;
            sidecar_restarted = restarted(status).max(sidecar_restarted);
        }
        let state = &status.state;
        let ended_well = state.terminated.as_ref().is_some_and(|t| t.exit_code == 0);
        if ended_well {
            continue;
        }
        if is_sidecar(&status.name) && status.started == Some(true) {
            printed.ready += usize::from(status.ready);
            continue;
        }
        printed.status = match (&state.terminated, &state.waiting) {
            (Some(terminated), _) => format!("Init:{}", ended(terminated)),
            (None, Some(waiting))
                if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" =>
            {
                format!("Init:{}", waiting.reason)
            }
            _ => format!("Init:{index}/{}", pod.spec.init_containers.len()),
        };
        initializing = true;
        break;
    }
    if !initializing || is_true("Initialized") {
        printed.restarts = sidecar_restarts;
        printed.last_restart = sidecar_restarted;
        let mut has_running = false;
        for status in pod.status.container_statuses.iter().rev() {
            printed.restarts += status.restart_count;
            printed.last_restart = printed.last_restart.max(restarted(status));
            let state = &status.state;
            match (&state.waiting, &state.terminated) {
                (Some(waiting), _) if !waiting.reason.is_empty() => {
                    printed.status.clone_from(&waiting.reason);
                }
                (_, Some(terminated)) => printed.status = ended(terminated),
                _ if status.ready && state.running.is_some() => {
                    has_running = true;
                    printed.ready += 1;
                }
                _ => {}
            }
        }
        if printed.status == "Completed" && has_running {
            let status = if is_true("Ready") {
                "Running"
            } else {
                "NotReady"
            };
            status.clone_into(&mut printed.status);
        }
    }
    let is_terminal = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    if pod.metadata.deletion_timestamp.is_some() {
        if pod.status.reason == "NodeLost" {
            "Unknown".clone_into(&mut printed.status);
        } else if !is_terminal {
            "Terminating".clone_into(&mut printed.status);
        }
    }
    printed
}

fn ended(terminated: &Terminated) -> String {
    match (terminated.reason.as_str(), terminated.signal) {
        ("", 0) => format!("ExitCode:{}", terminated.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn restarted(status: &Status) -> Option<Timestamp> {
    let ended = status.last_state.terminated.as_ref()?;
    ended.finished_at.as_ref()?.parse().ok()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Node {
    metadata: Meta,
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    conditions: Vec<Condition>,
}

/// The cells of a node.
pub(super) fn node_cells(item: &str, now: Timestamp) -> Value {
    let node: Node = serde_json::from_str(item).unwrap_or_default();
    let ready = node.status.conditions.iter().find(|c| c.kind == "Ready");
    let mut status = match ready {
        None => "Unknown",
        Some(ready) if ready.status == "True" => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if node.spec.unschedulable {
        status.push_str(",SchedulingDisabled");
    }
    let age = age(node.metadata.creation_timestamp.as_deref(), now);
    json!([node.metadata.name, status, "<none>", age, ""])
}

/// The cells of a namespace.
pub(super) fn other_cells(item: &str, now: Timestamp) -> Value {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Other {
        metadata: Meta,
        status: Phase,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Phase {
        phase: String,
    }

    let other: Other = serde_json::from_str(item).unwrap_or_default();
    let age = age(other.metadata.creation_timestamp.as_deref(), now);
    json!([other.metadata.name, other.status.phase, age])
}

fn age(created: Option<&str>, now: Timestamp) -> String {
    let created = created.and_then(|text| text.parse().ok());
    created.map_or_else(|| "<unknown>".to_owned(), |created| human(now, created))
}

/// A duration as the API server writes it: two units while the first is small.
fn human(now: Timestamp, at: Timestamp) -> String {
    if at.unix_seconds() > now.unix_seconds() + 1 {
        return "<invalid>".to_owned();
    }
    let seconds = now.since(at).max(Duration::ZERO).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match hours {
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        0..8 => two(hours, "h", minutes % 60, "m"),
        8..48 => format!("{hours}h"),
        48..192 => two(days, "d", hours % 24, "h"),
        192..17_520 => format!("{days}d"),
        17_520..70_080 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_the_server_writes_them() {
        let now = Timestamp::from_unix_seconds(2_000_000_000);
        let ago = |seconds: i64| human(now, Timestamp::from_unix_seconds(2_000_000_000 - seconds));
        let day = 86_400;
        for (seconds, text) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (8 * 3_600, "8h"),
            (2 * day, "2d"),
            (3 * day + 7_200, "3d2h"),
            (9 * day, "9d"),
            (800 * day, "2y70d"),
            (9 * 365 * day, "9y"),
        ] {
            assert_eq!(ago(seconds), text, "{seconds}");
        }
    }
}
