//! Which rows of the server's table need a closer look.
//!
//! A row is above suspicion only if every cell says so; whatever is not understood is suspicious.
//! So a cell that a newer server writes in another way costs a request, never a finding.

use std::time::Duration;

use serde_json::Value;

use crate::diagnose::thresholds::Thresholds;

/// Which cell is which.
#[derive(Debug)]
pub(super) struct Columns {
    name: usize,
    ready: usize,
    status: usize,
    restarts: usize,
    age: usize,
    node: usize,
    gates: Option<usize>,
}

impl Columns {
    /// `None` if one that is needed is missing: then this is no table of pods.
    pub(super) fn find(names: &[String]) -> Option<Self> {
        let place = |name: &str| {
            names
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
        };
        Some(Self {
            name: place("Name")?,
            ready: place("Ready")?,
            status: place("Status")?,
            restarts: place("Restarts")?,
            age: place("Age")?,
            node: place("Node")?,
            gates: place("Readiness Gates"),
        })
    }
}

/// The cells of one pod.
pub(super) struct Row<'a> {
    pub(super) columns: &'a Columns,
    pub(super) cells: &'a [Value],
}

/// What is known of the nodes.
#[derive(Debug)]
pub(super) enum Nodes {
    /// The names of those that are ready.
    Ready(std::collections::HashSet<Box<str>>),
    /// They may not be asked for, or are not to be.
    NotKnown,
}

impl Row<'_> {
    pub(super) fn name(&self) -> &str {
        self.text(self.columns.name)
    }

    /// The node; `None` if it has none yet.
    pub(super) fn node(&self) -> Option<&str> {
        Some(self.text(self.columns.node)).filter(|node| !matches!(*node, "" | "<none>"))
    }

    fn text(&self, place: usize) -> &str {
        self.cells
            .get(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether the pod may be anything but healthy.
    pub(super) fn is_suspicious(&self, thresholds: &Thresholds, nodes: &Nodes) -> bool {
        match self.text(self.columns.status) {
            "Running" => {
                !is_complete(self.text(self.columns.ready))
                    || self.restarted_lately(thresholds)
                    || self.node_is_bad(nodes)
                    || self.gate_is_shut()
            }
            // One that ended well may still be unable to go, or be there for too long; neither can
            // be if it was only just made.
            "Completed" | "Succeeded" => {
                let young = thresholds.terminating_margin.min(thresholds.leftover_after);
                age(self.text(self.columns.age)).is_none_or(|age| age >= young)
            }
            _ => true,
        }
    }

    fn restarted_lately(&self, thresholds: &Thresholds) -> bool {
        let restarts = match self.cells.get(self.columns.restarts) {
            Some(Value::Number(number)) => return number.as_u64() != Some(0),
            Some(Value::String(text)) => text.as_str(),
            _ => return true,
        };
        if restarts == "0" {
            return false;
        }
        // A loop is known by its last run and this one; between them is the kubelet's back-off.
        let loops = thresholds.crash_loop_quiet.saturating_add(BACK_OFF);
        let lately = thresholds.oom_recent.max(loops).saturating_add(CLOCKS);
        let ago = restarts
            .split_once(" (")
            .and_then(|(_, ago)| ago.strip_suffix(" ago)"))
            .and_then(age);
        ago.is_none_or(|ago| ago <= lately)
    }

    /// The pods of a node that does not answer look as they did when it last did.
    fn node_is_bad(&self, nodes: &Nodes) -> bool {
        match nodes {
            Nodes::Ready(ready) => self.node().is_none_or(|node| !ready.contains(node)),
            Nodes::NotKnown => false,
        }
    }

    fn gate_is_shut(&self) -> bool {
        let gates = self.columns.gates.map(|place| self.text(place));
        gates.is_some_and(|gates| !matches!(gates, "" | "<none>") && !is_complete(gates))
    }
}

/// The longest pause of the kubelet between two runs.
const BACK_OFF: Duration = Duration::from_secs(300);
/// How far the clocks of server and nodes may differ.
const CLOCKS: Duration = Duration::from_secs(60);

/// `2/2`, but not `0/0` or `1/2`.
fn is_complete(ready: &str) -> bool {
    let parts = ready.split_once('/');
    let numbers =
        parts.and_then(|(ready, all)| Some((ready.parse::<u32>().ok()?, all.parse::<u32>().ok()?)));
    numbers.is_some_and(|(ready, all)| ready == all && all > 0)
}

/// `45s`, `3m5s`, `2d4h`, `1y20d` as the server prints it, always rounded down; `None` for anything
/// else, such as `<unknown>`.
fn age(text: &str) -> Option<Duration> {
    let (mut seconds, mut number, mut any) = (0_u64, None::<u64>, false);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let more = number.unwrap_or(0).checked_mul(10)?;
            number = Some(more.checked_add(digit.into())?);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'y' => 31_536_000,
            _ => return None,
        };
        seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
        any = true;
    }
    (any && number.is_none()).then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns() -> Columns {
        let names = [
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "IP",
            "Node",
            "Nominated Node",
            "Readiness Gates",
        ];
        Columns::find(&names.map(str::to_owned)).unwrap()
    }

    fn suspicious(ready: &str, status: &str, restarts: Value, age: &str, gates: &str) -> bool {
        let cells = json!([
            "web", ready, status, restarts, age, "<none>", "a", "<none>", gates
        ]);
        let cells = cells.as_array().unwrap().clone();
        let columns = columns();
        let row = Row {
            columns: &columns,
            cells: &cells,
        };
        let nodes = Nodes::Ready([Box::from("a")].into_iter().collect());
        row.is_suspicious(&Thresholds::default(), &nodes)
    }

    #[test]
    fn only_what_is_plainly_well_is_above_suspicion() {
        let never = |ready, status| suspicious(ready, status, json!("0"), "5d", "<none>");
        assert!(!never("2/2", "Running"));
        assert!(never("1/2", "Running"));
        assert!(never("0/0", "Running"));
        assert!(never("?", "Running"));
        for status in [
            "CrashLoopBackOff",
            "Pending",
            "Terminating",
            "Evicted",
            "Init:0/1",
            "New",
        ] {
            assert!(never("1/1", status), "{status}");
        }
        let gates = |gates| suspicious("1/1", "Running", json!("0"), "5d", gates);
        assert!(gates("0/1") && !gates("1/1"));
    }

    #[test]
    fn restarts_count_while_they_are_recent() {
        let restarts = |restarts| suspicious("1/1", "Running", restarts, "5d", "<none>");
        for no in [
            json!(0),
            json!("0"),
            json!("3 (2h ago)"),
            json!("12 (4d3h ago)"),
        ] {
            assert!(!restarts(no.clone()), "{no}");
        }
        for yes in [
            json!(3),
            json!("3"),
            json!("1 (59m ago)"),
            json!("1 (61m ago)"),
            json!("2 (<invalid> ago)"),
            json!(null),
        ] {
            assert!(restarts(yes.clone()), "{yes}");
        }
    }

    #[test]
    fn what_is_done_is_looked_at_unless_it_is_new() {
        let done = |age| suspicious("0/1", "Completed", json!("0"), age, "<none>");
        assert!(!done("119s"));
        assert!(done("2m") && done("9d") && done("<unknown>"));
    }

    #[test]
    fn ages_are_read() {
        let seconds = |text| age(text).map(|age| age.as_secs());
        assert_eq!(seconds("45s"), Some(45));
        assert_eq!(seconds("3m5s"), Some(185));
        assert_eq!(seconds("2d4h"), Some(187_200));
        assert_eq!(seconds("1y20d"), Some(33_264_000));
        for odd in [
            "",
            "<unknown>",
            "5",
            "s",
            "1w",
            "99999999999999999999s",
            "9999999999999999999y",
        ] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }

    #[test]
    fn pods_of_a_node_that_is_not_ready_are_suspicious() {
        let columns = columns();
        let cells = json!(["web", "1/1", "Running", "0", "5d", "<none>", "lost"]);
        let row = Row {
            columns: &columns,
            cells: cells.as_array().unwrap(),
        };
        let thresholds = Thresholds::default();
        let ready = Nodes::Ready([Box::from("a")].into_iter().collect());
        assert!(row.is_suspicious(&thresholds, &ready));
        assert!(!row.is_suspicious(&thresholds, &Nodes::NotKnown));
    }
}
