use serde_json::{Value, json};

use super::*;
use crate::PodSnapshot;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000_000 + second)
}

#[derive(Clone)]
struct Pod(Value);

impl Pod {
    fn new(name: &str, uid: &str, created: i64) -> Self {
        Self(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": uid,
                "creationTimestamp": at(created).to_string()},
            "spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Running"},
        }))
    }

    fn ready(mut self, since: i64) -> Self {
        self.0["status"]["conditions"] = json!([
            {"type": "Ready", "status": "True", "lastTransitionTime": at(since).to_string()}]);
        self
    }

    fn leaving(mut self, due: i64) -> Self {
        self.0["metadata"]["deletionTimestamp"] = at(due).to_string().into();
        self
    }
}

fn pods(of: &[Pod]) -> PodSnapshot {
    let items: Vec<&Value> = of.iter().map(|pod| &pod.0).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    PodSnapshot::from_json(list.to_string().as_bytes()).unwrap()
}

fn see(verifier: &mut Verifier, uid: &str, of: &[Pod], second: i64) -> Option<Recovery> {
    verifier.observe(uid, pods(of).pods(), at(second))
}

fn evicted(uid: &str) -> Act {
    Act::new("shop", format!("web-{uid}"), uid, at(0)).knowing(["a", "b", "c"])
}

fn begun(expect: Expect) -> Verifier {
    let mut verifier = Verifier::new(RecoveryLimits::default());
    verifier.begin(evicted("a"), expect);
    verifier
}

fn after(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn replaced_and_ready_for_long_enough() {
    let mut verifier = begun(Expect::Replacement);
    let old = Pod::new("web-a", "a", -900);
    let other = Pod::new("web-b", "b", -900).ready(-800);
    let new = Pod::new("web-n", "n", 1);
    assert_eq!(
        see(&mut verifier, "a", &[old.clone(), other.clone()], 1),
        None
    );
    // The old one takes its grace period; the new one is there already.
    let leaving = old.leaving(30);
    let all = [leaving.clone(), other.clone(), new.clone()];
    assert_eq!(see(&mut verifier, "a", &all, 2), None);
    let ready = new.ready(5);
    let all = [leaving, other, ready];
    assert_eq!(see(&mut verifier, "a", &all, 14), None);
    let recovered = Recovery::Recovered {
        after: after(5),
        replacement: Some("web-n".into()),
    };
    assert_eq!(recovered.to_string(), "recovered after 5 s by web-n");
    assert_eq!(see(&mut verifier, "a", &all, 15), Some(recovered));
    assert_eq!(see(&mut verifier, "a", &all, 16), None, "told once");
    assert_eq!(verifier.open().count(), 0);
}

#[test]
fn each_step_that_fails_has_its_name() {
    let old = Pod::new("web-a", "a", -900);
    let mut verifier = begun(Expect::Replacement);
    assert_eq!(
        see(&mut verifier, "a", std::slice::from_ref(&old), 119),
        None
    );
    let found = see(&mut verifier, "a", &[old], 120);
    assert_eq!(found, Some(Recovery::NotGone { after: after(120) }));

    let mut verifier = begun(Expect::Replacement);
    let older = [Pod::new("web-b", "b", -900).ready(-800)];
    assert_eq!(see(&mut verifier, "a", &older, 10), None);
    assert_eq!(see(&mut verifier, "a", &older, 69), None);
    let found = see(&mut verifier, "a", &older, 70);
    assert_eq!(found, Some(Recovery::NotReplaced { after: after(70) }));

    let mut verifier = begun(Expect::Replacement);
    let new = [Pod::new("web-n", "n", 10)];
    assert_eq!(see(&mut verifier, "a", &new, 10), None);
    assert_eq!(see(&mut verifier, "a", &new, 309), None);
    let found = see(&mut verifier, "a", &new, 310);
    let not_ready = Recovery::NotReady {
        replacement: "web-n".into(),
        after: after(310),
    };
    assert_eq!(found, Some(not_ready));
}

#[test]
fn one_new_pod_counts_for_one_act() {
    let mut verifier = begun(Expect::Replacement);
    verifier.begin(evicted("b"), Expect::Replacement);
    let first = Pod::new("web-n", "n", 1).ready(2);
    let one = std::slice::from_ref(&first);
    assert_eq!(see(&mut verifier, "a", one, 5), None);
    assert_eq!(see(&mut verifier, "b", one, 5), None);
    // The second act waits for another, as long as the first claims this one.
    assert_eq!(see(&mut verifier, "b", one, 30), None);
    let second = Pod::new("web-m", "m", 31).ready(33);
    let two = [first, second];
    let by = |recovery: Option<Recovery>| match recovery {
        Some(Recovery::Recovered { replacement, .. }) => replacement.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(see(&mut verifier, "b", &two, 34), None);
    assert_eq!(by(see(&mut verifier, "a", &two, 34)), "web-n");
    assert_eq!(by(see(&mut verifier, "b", &two, 60)), "web-m");
}

#[test]
fn a_replacement_that_dies_is_none() {
    let mut verifier = begun(Expect::Replacement);
    let first = Pod::new("web-n", "n", 1).ready(2);
    assert_eq!(
        see(&mut verifier, "a", std::slice::from_ref(&first), 5),
        None
    );
    let all = [first.leaving(40), Pod::new("web-m", "m", 8).ready(9)];
    let found = see(&mut verifier, "a", &all, 30);
    assert_eq!(found.unwrap().to_string(), "recovered after 9 s by web-m");
}

#[test]
fn of_a_stateful_set_the_same_name_counts() {
    let mut verifier = Verifier::new(RecoveryLimits::default());
    let act = Act::new("shop", "db-1", "a", at(0)).knowing(["a"]);
    verifier.begin(act, Expect::Replacement);
    let scaled = Pod::new("db-7", "x", 1).ready(1);
    let same = Pod::new("db-1", "n", 3).ready(4);
    let found = see(&mut verifier, "a", &[scaled, same], 20);
    assert_eq!(found.unwrap().to_string(), "recovered after 4 s by db-1");
}

#[test]
fn gone_and_rolled_out() {
    let mut verifier = begun(Expect::Gone);
    let old = [Pod::new("web-a", "a", -900).leaving(30)];
    assert_eq!(see(&mut verifier, "a", &old, 20), None);
    let found = see(&mut verifier, "a", &[], 31).unwrap();
    assert_eq!(found.to_string(), "recovered after 31 s");

    let mut verifier = Verifier::new(RecoveryLimits::default());
    verifier.begin(Act::new("shop", "web", "owner", at(0)), Expect::Rollout);
    let old = Pod::new("web-b", "b", -900).ready(-800);
    let new = Pod::new("web-n", "n", 5).ready(9);
    assert_eq!(see(&mut verifier, "owner", &[old, new.clone()], 60), None);
    assert_eq!(see(&mut verifier, "owner", &[], 61), None);
    let found = see(&mut verifier, "owner", &[new], 62).unwrap();
    assert!(found.is_recovered() && found.after() == after(62));

    let mut verifier = Verifier::new(RecoveryLimits::default());
    verifier.begin(Act::new("shop", "web", "owner", at(0)), Expect::Rollout);
    let stuck = [Pod::new("web-n", "n", 5)];
    assert_eq!(see(&mut verifier, "owner", &stuck, 419), None);
    let found = see(&mut verifier, "owner", &stuck, 420).unwrap();
    assert_eq!(
        found.to_string(),
        "replaced by web-n, which is not ready after 420 s"
    );
}

/// A replacement that is gone before it is ready is replaced itself, which takes a moment.
#[test]
fn a_replacement_that_went_may_be_replaced() {
    let mut verifier = begun(Expect::Replacement);
    assert_eq!(see(&mut verifier, "a", &[], 1), None);
    let new = [Pod::new("web-n", "n", 5)];
    assert_eq!(see(&mut verifier, "a", &new, 70), None);
    assert_eq!(see(&mut verifier, "a", &[], 71), None);
    let found = see(&mut verifier, "a", &[], 131).unwrap();
    assert_eq!(found.as_str(), "not_replaced");
}

#[test]
fn every_open_act_ends() {
    let longest = Verifier::new(RecoveryLimits::default()).longest();
    let longest = i64::try_from(longest.as_secs()).unwrap();
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut verifier = begun(Expect::Replacement);
        let mut second = 0;
        // A pod that flaps or not, or is made anew now and then.
        let stays = random.i64(0..200);
        loop {
            second += random.i64(1..20);
            let mut all = vec![];
            if second < stays {
                all.push(Pod::new("web-a", "a", -900));
            } else if random.u8(0..10) > 0 {
                let uid = format!("n{}", random.u8(0..3));
                let new = Pod::new("web-n", &uid, stays.max(1));
                let flaps = random.bool();
                all.push(if flaps { new.ready(second - 1) } else { new });
            }
            if see(&mut verifier, "a", &all, second).is_some() {
                break;
            }
            // It is asked about every 20 seconds at most.
            assert!(second < longest + 20, "seed {seed} is open at {second}");
        }
    }
}
