//! Memory of the watch, and bytes of the sweep, on generated clusters.
//!
//! ```sh
//! cargo bench -p opsbox-benches --features live --bench live -- 10000 150000
//! ```
//!
//! For each size a server process generates the cluster (9 kB a pod) and serves it; each client is a process of
//! its own, so that its peak memory is its own. `--no-reflector` leaves out kube's reflector of typed pods, which
//! takes 11 GB for 150,000 of them. Without a size (as `cargo bench -- --test` calls it) it runs on 500 pods.

#![allow(clippy::print_stdout, reason = "it is a program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "it ends at the first thing that is wrong"
)]

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    runtime::{
        reflector::{self, reflector},
        watcher::{self, watcher},
    },
};
use opsbox_heal::{
    Pass, Timestamp,
    controller::{Clock, Controller, Observer},
    decide::{Mode, Policy},
    diagnose,
    observe::live::{PodChange, PodScope, PodWatch, Sweep, Swept, WatchConfig},
    testing::{ApiDouble, GeneratedCluster, Profile},
};
use tokio::{net::TcpListener, sync::Notify};

const NOW: &str = "2026-03-01T12:00:00Z";

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["server", pods, sick] => serve(pods.parse().unwrap(), sick.parse().unwrap()),
        ["client", what, port] => on_runtime(client(what, port)),
        _ => {
            let with_reflector = !words.contains(&"--no-reflector");
            let mut sizes: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
            if sizes.is_empty() {
                sizes.push(500);
            }
            for pods in sizes {
                measure(pods, with_reflector);
            }
        }
    }
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

fn measure(pods: u32, with_reflector: bool) {
    println!("{pods} pods, 10 of 1,000 in trouble");
    let mut server = Server::start(pods, 10);
    for what in ["nothing", "watch", "watch-pages", "relist", "controller"] {
        println!("  {what:12} {}", server.client(what));
    }
    if with_reflector {
        println!("  {:12} {}", "reflector", server.client("reflector"));
    }
    drop(server);
    for sick in [0, 2, 5, 10, 50] {
        server = Server::start(pods.min(20_000), sick);
        let bytes = |said: &str| -> f64 { said.split(' ').next().unwrap().parse().unwrap() };
        let sweep = server.client("sweep");
        if sick == 0 {
            println!(
                "  bytes of a sweep against full lists, {} pods",
                pods.min(20_000)
            );
        }
        let full = server.client("full");
        let ratio = bytes(&full) / bytes(&sweep);
        println!("  {sick:3} of 1,000 in trouble: 1/{ratio:.0}; sweep {sweep}; full {full}");
        drop(server);
    }
}

/// A server in a process of its own.
struct Server {
    process: Child,
    port: String,
}

impl Server {
    fn start(pods: u32, sick: u32) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["server", &pods.to_string(), &sick.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let port = port.trim().to_owned();
        Self { process, port }
    }

    /// What a client in a process of its own says.
    fn client(&self, what: &str) -> String {
        let output = Command::new(env::current_exe().unwrap())
            .args(["client", what, &self.port])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the client {what} failed");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn serve(pods: u32, sick: u32) {
    on_runtime(async {
        let now: Timestamp = NOW.parse().unwrap();
        let api = ApiDouble::with_profile(now, Profile::current());
        for object in GeneratedCluster::new(pods, now)
            .sick_per_thousand(sick)
            .objects()
        {
            api.put(object);
        }
        api.forget_history();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        api.serve_tcp(listener).await.unwrap();
    });
}

async fn client(what: &str, port: &str) {
    let config = Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
    let client = Client::try_from(config).unwrap();
    let start = Instant::now();
    match what {
        "nothing" => {
            let mut watch = PodWatch::new(client, PodScope::namespace("none"));
            until_synced(&mut watch).await;
            say("", start);
        }
        "watch" => watched(client, WatchConfig::default(), start).await,
        "watch-pages" => {
            watched(client, WatchConfig::default().streaming_lists(false), start).await;
        }
        "relist" => {
            let config = WatchConfig::default().resync_after(Duration::from_secs(1));
            let mut watch = PodWatch::with_config(client, PodScope::all(), config);
            until_synced(&mut watch).await;
            until_synced(&mut watch).await;
            say("after a second list", start);
        }
        "controller" => controller(client, start).await,
        "reflector" => {
            let (store, writer) = reflector::store::<Pod>();
            let events = watcher(Api::<Pod>::all(client), watcher::Config::default());
            let mut events = std::pin::pin!(reflector(writer, events));
            while !matches!(
                events.next().await.unwrap().unwrap(),
                watcher::Event::InitDone
            ) {}
            say(&format!("{} typed pods", store.len()), start);
        }
        "sweep" | "full" => {
            let mut sweep = Sweep::new(client, PodScope::all()).tables(what == "sweep");
            let (mut sick, now) = (0, NOW.parse().unwrap());
            while let Some(swept) = sweep.next().await {
                let Swept::Pod(pod) = swept.unwrap() else {
                    panic!("a pod that cannot be read")
                };
                sick += u32::from(diagnose(&pod, now).is_sick());
            }
            let stats = sweep.stats();
            println!(
                "{} bytes, {} pods, {} read, {sick} sick, {} calls, {:.1} s, peak {:.1} MB",
                stats.bytes,
                stats.pods,
                stats.fetched,
                stats.calls,
                start.elapsed().as_secs_f64(),
                memory("VmHWM") / 1e6
            );
        }
        other => panic!("{other}?"),
    }
}

async fn watched(client: Client, config: WatchConfig, start: Instant) {
    let mut watch = PodWatch::with_config(client, PodScope::all(), config);
    until_synced(&mut watch).await;
    let pods = watch.store().len();
    let heap = watch.store().heap_bytes();
    let judging = Instant::now();
    let now = NOW.parse().unwrap();
    let sick = watch
        .store()
        .iter()
        .filter(|pod| diagnose(pod, now).is_sick())
        .count();
    let what = format!(
        "{pods} pods, {sick} sick (judged in {:.0} ms), {:.0} bytes a pod counted, {} shared values",
        judging.elapsed().as_secs_f64() * 1e3,
        f64::from(u32::try_from(heap).unwrap()) / f64::from(u32::try_from(pods).unwrap()),
        watch.store().shared_values(),
    );
    say(&what, start);
}

/// Stops a controller after some passes, and says how long they took.
#[derive(Default)]
struct Passes {
    took: Mutex<Vec<Duration>>,
    reasons: Mutex<String>,
    enough: Notify,
}

impl Observer for Passes {
    fn passed(&self, pass: &Pass, _: Timestamp, took: Duration) {
        *self.reasons.lock().unwrap() = format!("{:?}", pass.plan.counts());
        let mut all = self.took.lock().unwrap();
        all.push(took);
        if all.len() == 10 {
            self.enough.notify_one();
        }
    }
}

/// The time of the generated cluster.
struct Then(Instant);

impl Clock for Then {
    fn now(&self) -> SystemTime {
        let begin: Timestamp = NOW.parse().unwrap();
        let seconds = u64::try_from(begin.unix_seconds()).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + self.0.elapsed()
    }
}

/// All of it: it evicts what its policy allows.
async fn controller(client: Client, start: Instant) {
    let passes = Arc::new(Passes::default());
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    let controller = Controller::new(client, policy)
        .clock(Arc::new(Then(start)))
        .pass_interval(Duration::from_millis(500))
        .observer(passes.clone());
    let history = controller.run(passes.enough.notified()).await;
    let mut took = passes.took.lock().unwrap().clone();
    took.sort();
    let what = format!(
        "{} acts under way, of the last pass {}; a pass in {:.0} ms (median)",
        history.under_way().count(),
        passes.reasons.lock().unwrap(),
        took[took.len() / 2].as_secs_f64() * 1e3
    );
    say(&what, start);
}

async fn until_synced(watch: &mut PodWatch) {
    loop {
        match watch.next().await {
            PodChange::Synced { .. } => return,
            PodChange::Interrupted { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
}

fn say(what: &str, start: Instant) {
    println!(
        "peak {:.1} MB, now {:.1} MB, {:.1} s {what}",
        memory("VmHWM") / 1e6,
        memory("VmRSS") / 1e6,
        start.elapsed().as_secs_f64()
    );
}

/// A line of the process's status, in bytes.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|known| known.starts_with(line))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}
