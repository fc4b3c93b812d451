//! The leader is killed in the middle, as by `kill -9`: a process of its own, which is this program again.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::config::AuthInfo;
use kube::{Client, Config};
use libtest_mimic::Failed;
use opsbox_heal::controller::Controller;
use opsbox_heal::lease::Election;
use opsbox_heal::observe::live::{PodScope, RateLimit};
use opsbox_heal::record::{AuditLog, Entry, EntryKind, EventRecorder, entries};

use crate::api_server::{ApiServer, LIMIT, block_on, eventually};
use crate::kubelet::crash_loop;
use crate::world::{World, eager};

const NAMESPACE: &str = "killed";
const URL: &str = "OPSBOX_HEAL_TEST_URL";
const IDENTITY: &str = "OPSBOX_HEAL_TEST_IDENTITY";
const AUDIT: &str = "OPSBOX_HEAL_TEST_AUDIT";

/// Whether this process is to be a controller; then it is one until it is killed.
pub(crate) fn controller() -> bool {
    let Ok(url) = env::var(URL) else {
        return false;
    };
    let identity = env::var(IDENTITY).unwrap();
    let audit = AuditLog::open(env::var_os(AUDIT).unwrap()).unwrap();
    block_on(async {
        let mut config = Config::new(url.parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info = AuthInfo {
            token: Some("admintoken".to_owned().into()),
            ..AuthInfo::default()
        };
        let client = Client::try_from(config).unwrap();
        let seconds = Duration::from_secs;
        let election = Election::new(client.clone(), NAMESPACE, "heal", &identity).unwrap();
        let election = election.terms(seconds(4), seconds(3), seconds(1)).unwrap();
        Controller::new(client.clone(), eager())
            .scope(PodScope::namespace(NAMESPACE))
            .rate_limit(RateLimit::new(200.0, 50))
            .pass_interval(Duration::from_millis(500))
            .events(EventRecorder::new(client, &identity))
            .election(election)
            .observer(Arc::new(Mutex::new(audit)))
            .run(std::future::pending())
            .await;
    });
    true
}

/// A controller, killed at the end.
struct Process(Child);

impl Process {
    fn start(server: &ApiServer, identity: &str, audit: &Path) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .env(URL, server.config("admintoken").cluster_url.to_string())
            .env(IDENTITY, identity)
            .env(AUDIT, audit)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn read(audit: &Path) -> Vec<Entry> {
    let Ok(text) = std::fs::read(audit) else {
        return Vec::new();
    };
    // A line may be in the middle of being written.
    entries(text.as_slice()).filter_map(Result::ok).collect()
}

fn acts(audit: &Path) -> Vec<Entry> {
    let act = |entry: &Entry| entry.kind == EntryKind::Decision && entry.action == "evict";
    read(audit).into_iter().filter(act).collect()
}

pub(crate) fn leader(server: &ApiServer) -> Result<(), Failed> {
    let folder = tempfile::tempdir().unwrap();
    let audits = ["first", "second"].map(|name| folder.path().join(name));
    block_on(async {
        let world = World::new(server, NAMESPACE, 24).await;
        let first = Process::start(server, "first", &audits[0]);
        world.sicken(0, |pod| crash_loop(pod, 9)).await;
        eventually("the first leads", async || !acts(&audits[0]).is_empty()).await;
        world.well("it heals").await;
        let second = Process::start(server, "second", &audits[1]);
        for index in [1, 4, 7] {
            world.sicken(index, |pod| crash_loop(pod, 9)).await;
        }
        eventually("the first is in the middle", async || {
            acts(&audits[0]).len() >= 2
        })
        .await;
        // SIGKILL.
        drop(first);
        for index in [3, 6] {
            world.sicken(index, |pod| crash_loop(pod, 9)).await;
        }
        let went_on = tokio::time::timeout(LIMIT / 2, world.well("the second goes on")).await;
        if went_on.is_err() {
            for entry in audits.iter().flat_map(|audit| read(audit)) {
                println!("{entry:?}");
            }
            panic!("the second does not go on");
        }
        drop(second);
        // What the server has accepted, by the name of the pod: names of a Deployment are never used again.
        let mut evicted: BTreeMap<String, usize> = BTreeMap::new();
        for request in server.requests("admin") {
            let is_ours = request["objectRef"]["namespace"] == NAMESPACE
                && request["objectRef"]["subresource"] == "eviction"
                && request["responseStatus"]["code"] == 201;
            if is_ours {
                let name = request["objectRef"]["name"].as_str().unwrap();
                *evicted.entry(name.to_owned()).or_default() += 1;
            }
        }
        assert!(evicted.len() >= 4, "{evicted:?}");
        assert!(evicted.values().all(|&times| times == 1), "{evicted:?}");
        // Each was written down before it was made, and once.
        let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
        for entry in audits.iter().flat_map(|audit| acts(audit)) {
            *recorded.entry(entry.target.unwrap().name).or_default() += 1;
        }
        for name in evicted.keys() {
            assert!(recorded.contains_key(name), "{name} is not recorded");
        }
        let seconds = acts(&audits[1]).len();
        println!(
            "{} evictions, {} recorded by the first, {seconds} by the second",
            evicted.len(),
            acts(&audits[0]).len()
        );
        assert!(seconds > 0);
    });
    Ok(())
}
