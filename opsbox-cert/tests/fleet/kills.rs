//! Two instances that share the work over one folder, child processes of this program, one of which is killed by
//! SIGKILL again and again and started anew. This process watches the folder, and asks the CA what was ordered.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsbox_cert::CertSpec;
use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::challenge::Http01;
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::AcmeIssuer;
use opsbox_cert::manager::Manager;
use opsbox_cert::plan::{Band, Policy};
use opsbox_cert::store::{Folder, FsStore, Name, Record, Store, Triple};
use opsbox_cert::testing::ca::{CaLimits, CaOptions, Fault, Faults, TestCa};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::pebble::{Options, Pebble, provider};

/// Tells the program that it is the child, and what to work on.
pub(crate) const CHILD: &str = "OPSBOX_KILLED_MANAGER";

/// How many names there are, unless `OPSBOX_NAMES` says it.
const NAMES: usize = 40;

/// For a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// Manages all names with whoever else does, until it is killed.
pub(crate) async fn child(setup: Value) {
    let text = |key: &str| setup[key].as_str().unwrap().to_owned();
    let number = |key: &str| u32::try_from(setup[key].as_u64().unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(FsStore::open(text("root")).await.unwrap());
    let issuer = AcmeIssuer::builder(text("url"), store.clone(), provider())
        .root_pem(text("root_pem"))
        .agree_to_terms()
        .solver(Http01::new(store.clone()))
        .build()
        .unwrap();
    let bands = [Band::Immediate, Band::Critical, Band::Urgent];
    let policy = bands.into_iter().fold(Policy::default(), |policy, band| {
        policy.at_once(band, number("at_once"))
    });
    // All may be ordered, and what kills may cost, and it is counted.
    let rate = Rate::new(number("names") * 2, Duration::from_secs(3600));
    let manager = Manager::new(store, Certificates::new(), provider())
        .issuer("ca", issuer)
        .policy(policy.spread(false))
        .limits(
            "ca",
            Limits::none().account(rate).exact_set(rate).domain(rate),
        )
        .share_work()
        .member_time(Duration::from_secs(6));
    let manager = (0..setup["names"].as_u64().unwrap()).fold(manager, |manager, n| {
        let name = name_of(usize::try_from(n).unwrap()).parse().unwrap();
        manager.certificate(CertSpec::new([name]).unwrap()).unwrap()
    });
    let mut out = std::io::stdout();
    writeln!(out, "up").unwrap();
    manager.run(std::future::pending()).await;
}

fn name_of(n: usize) -> String {
    format!("www.n{n}.example")
}

fn size() -> usize {
    let names = std::env::var("OPSBOX_NAMES").ok();
    names.and_then(|names| names.parse().ok()).unwrap_or(NAMES)
}

struct Fleet {
    _dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    setup: Value,
    names: usize,
    started: Instant,
    /// Orders of which nobody knew, when their instance was killed, whether the CA had them.
    unknown: usize,
    kills: usize,
}

impl Fleet {
    async fn new(url: &str, root_pem: &str, at_once: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let store: Arc<dyn Store> = Arc::new(FsStore::open(&root).await.unwrap());
        let names = size();
        let setup = json!({
            "root": root, "url": url, "root_pem": root_pem, "names": names, "at_once": at_once,
        });
        Self {
            _dir: dir,
            store,
            setup,
            names,
            started: Instant::now(),
            unknown: 0,
            kills: 0,
        }
    }

    async fn spawn(&self) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(CHILD, self.setup.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"));
        child
    }

    /// How many certificates there are.
    async fn served(&self) -> usize {
        self.store.list(&Folder::CERTIFICATES).await.unwrap().len()
    }

    async fn until(&self, served: usize) {
        while self.served().await < served {
            let took = self.started.elapsed();
            assert!(took < PATIENCE, "{} of {}", self.served().await, self.names);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills an instance, and says how many orders it leaves of which it is not known whether they were placed.
    async fn kill(&mut self, child: &mut Child) -> usize {
        child.start_kill().unwrap();
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
        self.kills += 1;
        let unknown = self.unknown_orders().await;
        self.unknown += unknown;
        unknown
    }

    async fn unknown_orders(&self) -> usize {
        let mut unknown = 0;
        for name in self.store.list(&Folder::ORDERS).await.unwrap() {
            // It may be done meanwhile.
            let Some(stored) = self.store.load(&name).await.unwrap() else {
                continue;
            };
            let state = stored.record.part("order.json").unwrap();
            let state: Value = serde_json::from_slice(state).unwrap();
            unknown += usize::from(state["url"].is_null());
        }
        unknown
    }

    /// Every name has a certificate with its key, and nothing is left over.
    async fn check(&self) {
        for n in 0..self.names {
            let name = Name::certificate(&name_of(n)).unwrap();
            let stored = self.store.load(&name).await.unwrap().unwrap();
            let triple = Triple::from_record(&name, &stored.record, &provider()).unwrap();
            let facts = triple.facts().unwrap();
            let names: Vec<String> = facts.names().map(|name| name.into_owned()).collect();
            assert_eq!(names, [name_of(n)]);
        }
        // The last ones are confirmed after they are stored. An instance that was killed between the two leaves an
        // order that is done.
        let clean = async {
            while self.undone().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), clean)
            .await
            .unwrap();
        let left = self.store.list(&Folder::ORDERS).await.unwrap().len();
        assert!(
            left <= self.kills * usize::try_from(self.setup["at_once"].as_u64().unwrap()).unwrap()
        );
    }

    /// Whether there are answers to challenges, or orders that are not those of the stored certificates.
    async fn undone(&self) -> bool {
        if !self
            .store
            .list(&Folder::CHALLENGES)
            .await
            .unwrap()
            .is_empty()
        {
            return true;
        }
        for order in self.store.list(&Folder::ORDERS).await.unwrap() {
            let Some(stored) = self.store.load(&order).await.unwrap() else {
                continue;
            };
            let (first, _) = order.id().split_once(',').unwrap();
            let name = Name::certificate(first).unwrap();
            let certificate = self.store.load(&name).await.unwrap().unwrap();
            let chain = |record: &Record| record.part("tls.crt").map(<[u8]>::to_vec);
            if chain(&stored.record) != chain(&certificate.record) {
                return true;
            }
        }
        false
    }
}

/// Each name is ordered once, whatever is killed: an order of which the killed instance had not stored the URL is
/// found in the CA's list.
///
/// Each instance orders one at a time, and where such an order is left, the other instance is killed too: Pebble locks
/// itself up where one lists its orders while another's certificate is issued.
pub(crate) async fn two_managers_of_pebble_are_killed_and_order_each_name_once() {
    let pebble = Pebble::start(&Options {
        nonce_reject: 20,
        ..Options::default()
    });
    let mut fleet = Fleet::new(&pebble.url, &pebble.root_pem, 1).await;
    pebble.serve_http(Http01::new(fleet.store.clone())).await;
    let kills = (fleet.names / 8).clamp(4, 25);
    let (mut a, mut b) = (fleet.spawn().await, fleet.spawn().await);
    for kill in 1..=kills {
        fleet.until(fleet.names * kill / (kills + 1)).await;
        // Anywhere in an order.
        let pause = Duration::from_micros(fastrand::u64(..400_000));
        tokio::time::sleep(pause).await;
        let unknown = fleet.kill(&mut a).await;
        if unknown > 0 {
            fleet.kill(&mut b).await;
            a = fleet.spawn().await;
            let one = async {
                while fleet.unknown_orders().await > 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(300), one)
                .await
                .expect("what was begun is gone on with");
            b = fleet.spawn().await;
        } else {
            a = fleet.spawn().await;
        }
        // Either of the two next.
        std::mem::swap(&mut a, &mut b);
    }
    fleet.until(fleet.names).await;
    fleet.check().await;
    let took = fleet.started.elapsed();
    // Pebble does not say so, but what it is sent once more for that is in its log.
    let refused = pebble.log().matches("POST /order-plz").count() - pebble.orders();
    eprintln!(
        "Pebble: {} names, {} kills, {} s, {} orders, {} unknown at a kill, {refused} new orders sent again for their nonce",
        fleet.names,
        fleet.kills,
        took.as_secs(),
        pebble.orders(),
        fleet.unknown,
    );
    assert_eq!(pebble.orders(), fleet.names);
    let log = pebble.log();
    assert!(!log.contains("There are now 2 accounts"), "one account");
    drop((a, b));
}

/// At most one order for each name, one more for each that the CA judged by a fault, and one for each of which nobody
/// knew whether it was placed when its instance was killed: if 64 others are placed before it is looked for, it is not
/// found any more, and expires. No certificate is issued twice.
pub(crate) async fn two_managers_of_a_ca_with_faults_are_killed_and_order_each_name_once() {
    const RARE: f64 = 0.001;
    let nonces = Faults::new(29).rate(Fault::BadNonce, 0.2);
    let all = [
        Fault::TooManyRequests,
        Fault::Unavailable,
        Fault::ServerInternal,
        Fault::Html,
        Fault::CutBody,
        Fault::LostAnswer,
        Fault::RefusedChallenge,
    ];
    let faults = all
        .into_iter()
        .fold(nonces.clone(), |faults, fault| faults.rate(fault, RARE))
        .rate(Fault::Processing, 0.05)
        .rate(Fault::Slow, 0.02)
        .slow_for(Duration::from_millis(20));
    let options = CaOptions::new()
        .limits(CaLimits::unlimited())
        .faults(faults);
    let ca = TestCa::builder(provider())
        .options(options)
        .start()
        .await
        .unwrap();
    let mut fleet = Fleet::new(ca.directory_url(), ca.tls_root_pem(), 8).await;
    let kills = (fleet.names / 10).clamp(4, 25);
    let (mut a, mut b) = (fleet.spawn().await, fleet.spawn().await);
    for kill in 1..=kills {
        // Names that failed wait for a minute, or ten: the last of them would hold up everything.
        fleet.until(fleet.names * 3 * kill / (kills + 1) / 4).await;
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..200_000))).await;
        fleet.kill(&mut a).await;
        a = fleet.spawn().await;
        std::mem::swap(&mut a, &mut b);
    }
    fleet.until(fleet.names * 3 / 4).await;
    ca.set_faults(nonces);
    fleet.until(fleet.names).await;
    fleet.check().await;
    let (report, took) = (ca.report(), fleet.started.elapsed());
    eprintln!(
        "CA for tests: {} names, {} kills, {} s, {} unknown at a kill\n{report}",
        fleet.names,
        fleet.kills,
        took.as_secs(),
        fleet.unknown,
    );
    let names = fleet.names as u64;
    assert_eq!(report.certificates(), names, "{report}");
    let most = names + report.failed_authorizations() + fleet.unknown as u64;
    assert!(
        (names..=most).contains(&report.orders()),
        "{most}: {report}"
    );
    assert_eq!(report.accounts(), 1, "{report}");
    assert!(report.fault(Fault::BadNonce) > names, "{report}");
    for set in ca.sets() {
        assert_eq!(set.certificates(), 1, "{set:?}");
    }
    drop((a, b));
}
