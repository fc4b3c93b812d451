//! SIGKILL at random moments of issue and renew, in a real folder: a child process of this program issues,
//! and this one kills it, reads what is left, and asks the CA's log what was ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opsbox_cert::challenge::Http01;
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _};
use opsbox_cert::store::{Folder, FsStore, Name, Store, Triple};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::issue::{assert_clean, patiently};
use crate::pebble::{Options, Pebble, provider};

/// Tells the program that it is the child, and what to work on.
pub(crate) const CHILD: &str = "OPSBOX_KILLED_ISSUER";

/// Names of the certificates that are issued and renewed, one after the other in any order.
const SETS: [&[&str]; 3] = [
    &["a.example"],
    &["b.example", "www.b.example"],
    &["c.example", "www.c.example", "mail.c.example"],
];

/// Kills until what was begun is finished and counted; then in a new folder, with a new account.
const KILLS_OF_A_WORLD: usize = 25;

/// Issues and renews until it is killed, or each once if it is to finish.
pub(crate) async fn child(setup: Value) {
    let text = |key: &str| setup[key].as_str().unwrap().to_owned();
    let store: Arc<dyn Store> = Arc::new(FsStore::open(text("root")).await.unwrap());
    // The lock of an order is held for as long as it is by default: nobody has to wait for that.
    let issuer = AcmeIssuer::builder(text("url"), store.clone(), provider())
        .root_pem(text("root_pem"))
        .agree_to_terms()
        .solver(Http01::new(store.clone()))
        .build()
        .unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "up").unwrap();
    let finish = setup["finish"] == true;
    for life in 0.. {
        let set = if finish {
            life
        } else {
            fastrand::usize(..SETS.len())
        };
        let Some(names) = SETS.get(set) else { return };
        writeln!(out, "begin {set}").unwrap();
        let name = name_of(set);
        let mut request = CertRequest::new(names.iter().copied()).unwrap();
        if let Some(old) = read(&*store, &name).await
            && let Some(id) = old.metadata().ari_id()
        {
            request = request.replaces(id);
        }
        // Pebble does not find the order of about one certificate in 128, it seems of those whose serial
        // number begins with a zero byte.
        let new = patiently("could not find an order", || {
            issuer.issue_into(&request, &*store, &name)
        });
        let new = new.await;
        writeln!(out, "saved {set} {}", serial(&new)).unwrap();
    }
}

fn name_of(set: usize) -> Name {
    Name::certificate(SETS[set][0]).unwrap()
}

/// Fails unless it is there whole, the key with its chain, or not at all.
async fn read(store: &dyn Store, name: &Name) -> Option<Triple> {
    let stored = store.load(name).await.unwrap()?;
    Some(Triple::from_record(name, &stored.record, &provider()).unwrap())
}

fn serial(triple: &Triple) -> String {
    let serial = triple.facts().unwrap().serial();
    serial.trim_start_matches('0').to_owned()
}

pub(crate) async fn kills_at_random_moments_lose_nothing_and_order_nothing_twice() {
    let kills = std::env::var("OPSBOX_KILLS");
    let kills = kills.ok().and_then(|kills| kills.parse().ok());
    let mut left: usize = kills.unwrap_or(20);
    let mut counts = Counts::default();
    while left > 0 {
        let kills = left.min(KILLS_OF_A_WORLD);
        World::start().await.run(kills, &mut counts).await;
        left -= kills;
    }
    let states: usize = counts.states.values().sum();
    assert_eq!(states, counts.kills, "each kill was in some state");
    assert!(counts.states.len() > 1, "they are spread: {counts:?}");
    eprintln!("{counts:#?}");
}

/// What is told at the end.
#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    /// How far the work was that the kills cut off.
    states: BTreeMap<&'static str, usize>,
    reads: usize,
    orders: usize,
    certificates: usize,
}

/// A folder, a CA, and what is known of both.
struct World {
    pebble: Pebble,
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    /// Of each certificate.
    seen: [Seen; SETS.len()],
}

/// Serial numbers: the last that was read, and all that were read or told.
#[derive(Default)]
struct Seen {
    current: Option<String>,
    all: BTreeSet<String>,
}

impl World {
    async fn start() -> Self {
        let pebble = Pebble::start(&Options::default());
        let dir = tempfile::tempdir().unwrap();
        let store = FsStore::open(dir.path().join("store")).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        // In this process, as behind a balancer.
        pebble.serve_http(Http01::new(store.clone())).await;
        Self {
            pebble,
            dir,
            store,
            seen: Default::default(),
        }
    }

    fn spawn(&self, finish: bool) -> (Child, Lines<BufReader<ChildStdout>>) {
        let setup = json!({
            "root": self.dir.path().join("store"),
            "url": self.pebble.url,
            "root_pem": self.pebble.root_pem,
            "finish": finish,
        });
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(CHILD, setup.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    }

    async fn run(mut self, kills: usize, counts: &mut Counts) {
        for kill in 0..kills {
            let (mut child, mut lines) = self.spawn(false);
            // Now and then while it starts.
            if kill % 8 != 0 {
                assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"));
            }
            self.wait(counts).await;
            child.start_kill().unwrap();
            let status = child.wait().await.unwrap();
            assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
            self.look(counts).await;
            let begun = self.take_lines(&mut lines).await;
            let log = Log::of(&self.pebble);
            counts.kills += 1;
            *counts
                .states
                .entry(self.state(begun, &log).await)
                .or_default() += 1;
            self.check_orders(&log).await;
        }
        let (mut child, mut lines) = self.spawn(true);
        assert!(child.wait().await.unwrap().success());
        self.look(counts).await;
        self.take_lines(&mut lines).await;
        assert_clean(&self.store).await;
        let locks = fs::read_dir(self.dir.path().join("store/.locks")).unwrap();
        let locks = locks.map(|file| file.unwrap().file_name().into_string().unwrap());
        let locks: Vec<String> = locks.filter(|file| file.contains('+')).collect();
        assert!(locks.is_empty(), "{locks:?}");
        // Each order that was ever placed became one certificate, and each of these was kept.
        let log = Log::of(&self.pebble);
        assert_eq!(log.orders, log.issued.keys().cloned().collect());
        let issued: BTreeSet<&String> = log.issued.values().collect();
        assert_eq!(
            issued,
            self.seen.iter().flat_map(|seen| &seen.all).collect()
        );
        assert!(!self.pebble.log().contains("There are now 2 accounts"));
        counts.orders += log.orders.len();
        counts.certificates += issued.len();
    }

    /// For a random time, or until some writes were seen and a moment more; reading all the while.
    async fn wait(&mut self, counts: &mut Counts) {
        let pause = Duration::from_micros(500);
        let (writes, micros) = if fastrand::bool() {
            (fastrand::usize(1..30), fastrand::u64(..3_000))
        } else {
            (0, fastrand::u64(..1_500_000))
        };
        let (mut last, mut seen) = (self.changed(), 0);
        let started = tokio::time::Instant::now();
        // Each issuance has more than ten.
        while seen < writes {
            assert!(started.elapsed() < Duration::from_secs(60), "it hangs");
            tokio::time::sleep(pause).await;
            let now = self.changed();
            seen += usize::from(now != last);
            last = now;
            self.look(counts).await;
        }
        let end = tokio::time::Instant::now() + Duration::from_micros(micros);
        while tokio::time::Instant::now() + pause < end {
            self.look(counts).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// When the folders of the store were changed.
    fn changed(&self) -> Vec<SystemTime> {
        let folders = ["accounts", "certificates", "challenges", "orders", ".locks"];
        let root = self.dir.path().join("store");
        let times = folders.map(|folder| modified(&root.join(folder)));
        times.into_iter().flatten().collect()
    }

    /// Reads all certificates: each is the last one or a new one.
    async fn look(&mut self, counts: &mut Counts) {
        for (set, seen) in self.seen.iter_mut().enumerate() {
            counts.reads += 1;
            let found = read(&*self.store, &name_of(set)).await;
            let found = found.as_ref().map(serial);
            if found == seen.current {
                continue;
            }
            let serial = found.expect("the certificate is still there");
            assert!(
                seen.all.insert(serial.clone()),
                "an old certificate is back"
            );
            seen.current = Some(serial);
        }
    }

    /// What the dead child said, after what it left was read; gives what it was at.
    async fn take_lines(&mut self, lines: &mut Lines<BufReader<ChildStdout>>) -> Option<usize> {
        let mut at = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            let mut words = line.split(' ');
            let (word, set, serial) = (words.next(), words.next(), words.next());
            let Some(set) = set.and_then(|set| set.parse::<usize>().ok()) else {
                continue;
            };
            match (word, serial) {
                (Some("begin"), None) => at = Some(set),
                // It may have been replaced again before it was read.
                (Some("saved"), Some(serial)) => {
                    self.seen[set].all.insert(serial.to_owned());
                }
                _ => {}
            }
        }
        at
    }

    /// The records of orders by their certificate: the URL, how many answers, and the chain.
    async fn orders(&self) -> BTreeMap<String, Kept> {
        let mut kept = BTreeMap::new();
        for name in self.store.list(&Folder::ORDERS).await.unwrap() {
            let record = self.store.load(&name).await.unwrap().unwrap().record;
            let state: Value = serde_json::from_slice(record.part("order.json").unwrap()).unwrap();
            let id = state["url"].as_str().and_then(|url| url.rsplit('/').next());
            let order = Kept {
                id: id.map(str::to_owned),
                answers: state["answers"].as_array().map_or(0, Vec::len),
                chain: record.part("tls.crt").map(<[u8]>::to_vec),
            };
            let (first, _) = name.id().split_once(',').unwrap();
            assert!(kept.insert(first.to_owned(), order).is_none(), "{name}");
        }
        kept
    }

    async fn state(&self, begun: Option<usize>, log: &Log) -> &'static str {
        let accounts = self.store.list(&Folder::ACCOUNTS).await.unwrap();
        let Some(account) = accounts.first() else {
            return "0 no account";
        };
        let account = self.store.load(account).await.unwrap().unwrap().record;
        let state: Value = serde_json::from_slice(account.part("account.json").unwrap()).unwrap();
        if state["url"].is_null() {
            return "1 account key stored, account not opened";
        }
        let Some(set) = begun else {
            return "2 starting again";
        };
        let orders = self.orders().await;
        // Records are named by the first name in the order of the alphabet.
        let first = SETS[set].iter().min().unwrap();
        let Some(kept) = orders.get(*first) else {
            return "3 no order under way";
        };
        let Some(id) = &kept.id else {
            return "4 key stored, order not known to be placed";
        };
        match (&kept.chain, kept.answers) {
            (Some(chain), _) => {
                let saved = read(&*self.store, &name_of(set)).await;
                let saved = saved.map(|triple| triple.to_record().unwrap());
                match saved.is_some_and(|saved| saved.part("tls.crt") == Some(chain)) {
                    true => "9 certificate saved, order not confirmed",
                    false => "8 chain stored, certificate not saved",
                }
            }
            _ if log.issued.contains_key(id) => "7 issued by the CA, chain not stored",
            (None, 0) => "5 order placed, no answers out",
            (None, _) => "6 answers out",
        }
    }

    /// Of the orders at the CA that are no certificate yet, each is the one that a record names. Of a record
    /// that names none, there is at most one.
    async fn check_orders(&self, log: &Log) {
        let kept = self.orders().await;
        let named: BTreeSet<&String> = kept.values().filter_map(|kept| kept.id.as_ref()).collect();
        let pending = log.orders.iter().filter(|id| !log.issued.contains_key(*id));
        let unnamed: Vec<&String> = pending.filter(|id| !named.contains(id)).collect();
        let open = kept.values().filter(|kept| kept.id.is_none()).count();
        assert!(unnamed.len() <= open, "{unnamed:?} of {open}");
    }
}

struct Kept {
    id: Option<String>,
    answers: usize,
    chain: Option<Vec<u8>>,
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// What the CA says of itself.
struct Log {
    orders: BTreeSet<String>,
    /// Serial numbers by order.
    issued: BTreeMap<String, String>,
}

impl Log {
    fn of(pebble: &Pebble) -> Self {
        let log = pebble.log();
        let quoted = |line: &str| Some(line.split('"').nth(1)?.to_owned());
        let after = |line: &str, word: &str| {
            let rest = line.split_once(word)?.1;
            Some(rest.split_whitespace().next()?.to_owned())
        };
        let mut found = Self {
            orders: BTreeSet::new(),
            issued: BTreeMap::new(),
        };
        for line in log.lines() {
            if line.contains("Added order ") {
                found.orders.extend(quoted(line));
            } else if line.contains("Issued certificate serial ") {
                let serial = after(line, " serial ").unwrap();
                let serial = serial.trim_start_matches('0').to_owned();
                let again = found.issued.insert(after(line, " order ").unwrap(), serial);
                assert!(again.is_none(), "{line}");
            }
        }
        found
    }
}
