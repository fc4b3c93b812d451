//! Files and stores that change as those of real programs do.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and its files need no atomic write"
)]

mod common;
#[path = "common/gated.rs"]
mod gated;
#[path = "common/issue.rs"]
mod issue;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opsbox_cert::install::{Candidate, Certificates, Policy};
use opsbox_cert::observe::Event;
use opsbox_cert::store::{Condition, MemoryStore, Metadata, Name, Record, Store, Triple};
use opsbox_cert::watch::{FileWatcher, StoreWatcher};
use opsbox_cert::{Clock as _, Error, ErrorKind, Result, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use common::write;
use gated::{Gate, Gated};
use issue::{Ca, Order, Pair, provider};

const SETTLE: Duration = Duration::from_millis(60);

struct Scene {
    ca: Ca,
    dir: TempDir,
    certificates: Certificates,
    events: Arc<Mutex<Vec<Event>>>,
    task: Option<JoinHandle<()>>,
}

impl Scene {
    fn new() -> Self {
        let certificates = Certificates::new();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = events.clone();
        certificates
            .events()
            .hook(move |event| log.lock().unwrap().push(event.clone()));
        Self {
            ca: Ca::new(),
            dir: tempfile::tempdir().unwrap(),
            certificates,
            events,
            task: None,
        }
    }

    fn issue(&self, name: &str) -> Pair {
        self.ca.issue(&Order::new(&[name], SystemClock.now(), 30))
    }

    fn watcher(&self) -> FileWatcher {
        FileWatcher::new(self.certificates.clone(), provider()).settle(SETTLE)
    }

    /// By the notices of the system alone, or by polling alone.
    async fn start(&mut self, notices: bool, add: impl FnOnce(FileWatcher) -> FileWatcher) {
        let watcher = add(self.watcher());
        let mut watcher = if notices {
            watcher.poll(Duration::from_secs(3_600))
        } else {
            watcher.without_notices().poll(SETTLE)
        };
        watcher.first().await;
        self.task = Some(tokio::spawn(watcher.run()));
    }

    fn served(&self, id: &str) -> Option<Candidate> {
        self.certificates.in_service(id)
    }

    /// How many events of each kind there were; the reason of a refusal is its kind.
    fn count(&self, label: &str) -> usize {
        let events = self.events.lock().unwrap();
        let of_kind = |event: &&Event| match event {
            Event::Refused { refusal, .. } => refusal.label() == label,
            other => other.label() == label,
        };
        events.iter().filter(of_kind).count()
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            let events = self.events.lock().unwrap().clone();
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{what}: {events:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_served(&self, id: &str, pair: &Pair) {
        let candidate = pair.candidate();
        self.until("it is served", |scene| {
            scene.served(id).as_ref() == Some(&candidate)
        })
        .await;
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

fn put(dir: &Path, pair: &Pair) {
    write(dir, "tls.crt", &pair.chain);
    write(dir, "tls.key", &pair.key);
}

/// As the kubelet does: a new folder, and the link to it renamed over the old one.
fn generation(dir: &Path, number: u32, pair: &Pair) {
    let folder = format!("..2026_{number}");
    put(&dir.join(&folder), pair);
    symlink(&folder, dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        if number == 1 {
            symlink(Path::new("..data").join(file), dir.join(file)).unwrap();
        }
    }
    if number > 1 {
        fs::remove_dir_all(dir.join(format!("..2026_{}", number - 1))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_of_a_mounted_secret_are_followed() {
    for notices in [true, false] {
        let mut scene = Scene::new();
        let mounted = scene.dir.path().join("a.example");
        fs::create_dir(&mounted).unwrap();
        let first = scene.issue("a.example");
        generation(&mounted, 1, &first);
        let root = scene.dir.path().to_path_buf();
        scene.start(notices, |watcher| watcher.folder(root)).await;
        assert_eq!(scene.served("a.example"), Some(first.candidate()));
        for number in 2..6 {
            let next = scene.issue("a.example");
            generation(&mounted, number, &next);
            scene.until_served("a.example", &next).await;
        }
        // Each pair was of one generation.
        assert_eq!((scene.count("key_mismatch"), scene.count("gone")), (0, 0));

        // A second Secret is found, a hidden folder is none.
        let other = scene.issue("b.example");
        put(&scene.dir.path().join(".hidden"), &other);
        put(&scene.dir.path().join("b.example"), &other);
        if notices {
            // Files of a folder that is new itself: the notice was that of the folder.
            write(scene.dir.path(), "touch", "");
        }
        scene.until_served("b.example", &other).await;
        assert_eq!(scene.certificates.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_renamed_over_the_old_one_is_followed() {
    for notices in [true, false] {
        let mut scene = Scene::new();
        let dir = scene.dir.path().to_path_buf();
        let both = |pair: &Pair| format!("{}{}", pair.key, pair.chain);
        let first = scene.issue("a.example");
        let path = write(&dir, "both.pem", both(&first));
        scene
            .start(notices, |watcher| watcher.pair("a", &path, &path))
            .await;
        assert_eq!(scene.served("a"), Some(first.candidate()));
        for _ in 0..3 {
            let next = scene.issue("a.example");
            let new = write(&dir, "new", both(&next));
            fs::rename(new, &path).unwrap();
            scene.until_served("a", &next).await;
        }
        assert_eq!(scene.events.lock().unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_the_middle_of_being_written_is_not_served() {
    for notices in [true, false] {
        let mut scene = Scene::new();
        let dir = scene.dir.path().to_path_buf();
        let old = scene.issue("a.example");
        put(&dir, &old);
        let (chain, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        scene
            .start(notices, |watcher| watcher.pair("a", &chain, &key))
            .await;
        let new = scene.issue("a.example");

        let mut file = fs::File::create(&key).unwrap();
        file.write_all(new.key.as_bytes()).unwrap();
        let mut file = fs::File::create(&chain).unwrap();
        for piece in new.chain.as_bytes().chunks(100) {
            file.write_all(piece).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            if scene.served("a") != Some(old.candidate()) {
                // Nothing but the last piece makes it whole, so this must be the whole.
                assert_eq!(scene.served("a"), Some(new.candidate()));
            }
        }
        scene.until_served("a", &new).await;

        // Chain and key one after the other, with a long time between.
        let next = scene.issue("a.example");
        let before = scene.count("key_mismatch");
        write(&dir, "tls.crt", &next.chain);
        scene
            .until("the mismatch is told", |scene| {
                scene.count("key_mismatch") > before
            })
            .await;
        assert_eq!(scene.served("a"), Some(new.candidate()));
        write(&dir, "tls.key", &next.key);
        scene.until_served("a", &next).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_stays_in_service() {
    for notices in [true, false] {
        let mut scene = Scene::new();
        let dir = scene.dir.path().join("sub");
        let old = scene.issue("a.example");
        put(&dir, &old);
        let (chain, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        scene
            .start(notices, |watcher| watcher.pair("a", &chain, &key))
            .await;
        fs::remove_file(&key).unwrap();
        scene
            .until("it is told", |scene| scene.count("gone") == 1)
            .await;
        assert_eq!(scene.served("a"), Some(old.candidate()));
        let new = scene.issue("a.example");
        put(&dir, &new);
        scene.until_served("a", &new).await;
        assert_eq!((scene.count("gone"), scene.count("unusable")), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_comes_back_is_followed_again() {
    let mut scene = Scene::new();
    let dir = scene.dir.path().join("sub");
    let first = scene.issue("a.example");
    put(&dir, &first);
    let (chain, key) = (dir.join("tls.crt"), dir.join("tls.key"));
    let mut watcher = scene.watcher().pair("a", &chain, &key).poll(SETTLE * 3);
    watcher.first().await;
    scene.task = Some(tokio::spawn(watcher.run()));
    for _ in 0..2 {
        fs::remove_dir_all(&dir).unwrap();
        let next = scene.issue("a.example");
        put(&dir, &next);
        scene.until_served("a", &next).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_worse_is_refused_and_told_once() {
    let scene = Scene::new();
    let dir = scene.dir.path();
    let old = scene.issue("a.example");
    put(dir, &old);
    let mut watcher = scene
        .watcher()
        .without_notices()
        .pair("a", dir.join("tls.crt"), dir.join("tls.key"))
        .pair("never", dir.join("never.crt"), dir.join("never.key"))
        .folder(dir.join("no-folder"));
    watcher.first().await;
    let other = scene.issue("a.example");
    let expired = Order {
        begin: SystemClock.now() - issue::DAY * 9,
        ..Order::new(&["a.example"], SystemClock.now() - issue::DAY, 0)
    };
    let shorter = scene
        .ca
        .issue(&Order::new(&["a.example"], SystemClock.now(), 3));
    let mixed = |chain: &str, key: &str| Pair {
        chain: chain.into(),
        key: key.into(),
    };
    let torn: String = other.chain.chars().take(other.chain.len() - 100).collect();
    for (bad, label) in [
        (mixed(&other.chain, &old.key), "key_mismatch"),
        (scene.ca.issue(&expired), "expired"),
        (shorter, "ends_earlier"),
        (scene.issue("b.example"), "names_lost"),
        (mixed(&torn, &other.key), "unusable"),
        (mixed("", &other.key), "unusable"),
        (mixed(&other.chain, "x"), "unusable"),
    ] {
        let before = scene.count(label);
        put(dir, &bad);
        for _ in 0..3 {
            watcher.first().await;
        }
        assert_eq!(scene.count(label), before + 1, "{label}");
        assert_eq!(scene.served("a"), Some(old.candidate()), "{label}");
    }
    let events = scene.events.lock().unwrap().clone();
    for event in &events {
        let text = event.to_string();
        assert!(
            !text.contains("PRIVATE") && !format!("{event:?}").contains("PRIVATE"),
            "{text}"
        );
        match event {
            Event::Installed { .. } => continue,
            Event::SourceFailed { .. } => assert!(text.contains("no-folder"), "{text}"),
            Event::Refused { id, .. } if &**id == "never" => {
                assert!(text.contains("never.crt"), "{text}");
            }
            _ => assert!(text.contains("certificate a "), "{text}"),
        }
        assert!(text.contains("; "), "{text}");
    }
    // Those seven, one that is good, the pair and the folder that are not there.
    assert_eq!(events.len(), 10, "{events:#?}");
    put(dir, &other);
    watcher.first().await;
    assert_eq!(scene.served("a"), Some(other.candidate()));
}

/// Makes a store be out of order.
#[derive(Debug, Default)]
struct Down(AtomicBool);

#[async_trait]
impl Gate for Down {
    async fn before(&self, operation: &'static str) -> Result<usize> {
        if self.0.load(Ordering::Relaxed) && operation == "list" {
            let (kind, reason) = (ErrorKind::Unavailable, "it is down; start it");
            return Err(Error::store(kind, operation, "certificates", reason));
        }
        Ok(0)
    }
}

#[tokio::test]
async fn what_a_store_gets_is_served() {
    let scene = Scene::new();
    let store = Arc::new(Gated {
        store: Arc::new(MemoryStore::new()),
        gate: Down::default(),
    });
    let save = async |id: &str, record: Record| {
        let name = Name::certificate(id).unwrap();
        store
            .save(&name, &record, &Condition::Any, None)
            .await
            .unwrap();
        name
    };
    let record = |pair: &Pair| {
        let metadata = Metadata::new("test", SystemClock.now());
        let (key, chain) = (pair.key.as_bytes(), pair.chain.as_bytes());
        Triple::new(key, chain, metadata, &provider())
            .unwrap()
            .to_record()
            .unwrap()
    };
    let mut watcher = StoreWatcher::new(store.clone(), scene.certificates.clone(), provider())
        .policy(Policy::new().min_remaining(Duration::from_secs(60)));
    let first = scene.issue("a.example");
    let name = save("a.example", record(&first)).await;
    let other = scene.issue("b.example");
    save("b.example", record(&other)).await;
    save(
        "order.example",
        Record::new().with("order.json", "{}").unwrap(),
    )
    .await;
    for _ in 0..2 {
        watcher.look().await;
    }
    assert_eq!(scene.served("a.example"), Some(first.candidate()));
    assert_eq!(scene.served("b.example"), Some(other.candidate()));
    assert_eq!((scene.count("installed"), scene.count("unusable")), (2, 1));

    store.gate.0.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        watcher.look().await;
    }
    assert_eq!(scene.count("source_failed"), 1);
    let next = scene.issue("a.example");
    save("a.example", record(&next)).await;
    store.gate.0.store(false, Ordering::Relaxed);
    watcher.look().await;
    assert_eq!(scene.served("a.example"), Some(next.candidate()));

    // Two records whose keys were mixed up.
    let mixed = record(&next).with("tls.key", other.key.clone()).unwrap();
    save("a.example", mixed).await;
    for _ in 0..2 {
        watcher.look().await;
    }
    assert_eq!(scene.count("key_mismatch"), 1);
    store.delete(&name, &Condition::Any, None).await.unwrap();
    for _ in 0..2 {
        watcher.look().await;
    }
    assert_eq!(scene.count("gone"), 1);
    assert_eq!(scene.served("a.example"), Some(next.candidate()));
    let last = scene.issue("a.example");
    save("a.example", record(&last)).await;
    watcher.look().await;
    assert_eq!(scene.served("a.example"), Some(last.candidate()));
}
