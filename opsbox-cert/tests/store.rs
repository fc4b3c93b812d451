//! The stores that need no server: what every store has to do, and what a folder has to bear.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::store::conformance::{self, Harness};
use opsbox_cert::store::{
    Acquired, Condition, Folder, FsOptions, FsStore, MemoryStore, Name, Owner, Record, Store,
};
use opsbox_cert::{Clock, ErrorKind, ManualClock};

use common::{NOW, fresh};

const TTL: Duration = Duration::from_secs(60);

fn clock(seconds: u64) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(seconds)))
}

struct Memory(MemoryStore, Arc<ManualClock>);

#[async_trait]
impl Harness for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn wait(&self, time: Duration) {
        self.1.advance(time);
    }
}

struct Fs(tempfile::TempDir, Arc<ManualClock>);

#[async_trait]
impl Harness for Fs {
    async fn open(&self) -> Arc<dyn Store> {
        let options = FsOptions::new().clock(self.1.clone());
        Arc::new(options.open(self.0.path().join("store")).await.unwrap())
    }

    async fn wait(&self, time: Duration) {
        self.1.advance(time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    let clock = clock(NOW);
    conformance::run(&Memory(MemoryStore::with_clock(clock.clone()), clock))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    conformance::run(&Fs(tempfile::tempdir().unwrap(), clock(NOW)))
        .await
        .unwrap();
}

fn record(number: u32) -> Record {
    let text = |part: &str| format!("{part} {number}\n").repeat(100);
    Record::new()
        .with("tls.key", text("key"))
        .and_then(|record| record.with("tls.crt", text("chain")))
        .and_then(|record| record.with("metadata.json", text("metadata")))
        .unwrap()
}

fn number(record: &Record) -> u32 {
    let text = std::str::from_utf8(record.part("tls.key").unwrap()).unwrap();
    let number = text
        .lines()
        .next()
        .unwrap()
        .strip_prefix("key ")
        .unwrap()
        .parse()
        .unwrap();
    assert!(*record == self::record(number), "parts of two records");
    number
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn files_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = FsStore::open(&root).await.unwrap();
    let name = Name::certificate("*.example.com").unwrap();
    store
        .save(&name, &record(1), &Condition::Any, None)
        .await
        .unwrap();
    store
        .acquire(&name, &Owner::new("a").unwrap(), TTL)
        .await
        .unwrap()
        .lease()
        .unwrap();
    let path = root.join("certificates/%2a.example.com.pem");
    assert_eq!(store.path(&name), path);
    assert_eq!(
        [
            mode(&root),
            mode(root.join("certificates")),
            mode(root.join(".locks"))
        ],
        [0o700; 3]
    );
    assert_eq!([mode(&path), mode(root.join(".lock"))], [0o600; 2]);
    for bad in [0o640, 0o604, 0o660, 0o644] {
        set_mode(&path, bad);
        let error = store.load(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("chmod 0600"), "{error}");
    }
    let lenient = FsOptions::new()
        .dangerous_accept_any_mode()
        .open(&root)
        .await
        .unwrap();
    assert!(lenient.load(&name).await.unwrap().is_some());
    // A write replaces the file, so it heals the permissions; a condition on it cannot hold.
    let error = store
        .save(&name, &record(2), &Condition::Absent, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    store
        .save(&name, &record(2), &Condition::Any, None)
        .await
        .unwrap();
    assert_eq!(
        (
            mode(&path),
            number(&store.load(&name).await.unwrap().unwrap().record)
        ),
        (0o600, 2)
    );
    for (folder, bad) in [
        (root.clone(), 0o770),
        (root.clone(), 0o702),
        (root.join("certificates"), 0o750),
    ] {
        set_mode(&folder, bad);
        let error = FsStore::open(&root).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("chmod 0700"), "{error}");
        set_mode(&folder, 0o700);
    }
    set_mode(&root, 0o755);
    FsStore::open(&root).await.unwrap();
}

#[tokio::test]
async fn what_does_not_belong_to_the_store_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = FsStore::open(dir.path()).await.unwrap();
    let name = Name::certificate("a.example").unwrap();
    store
        .save(&name, &record(1), &Condition::Any, None)
        .await
        .unwrap();
    let folder = dir.path().join("certificates");
    for other in ["README", "x.pem", ".hidden.pem", "UPPER.pem", "%zz.pem"] {
        common::write(&folder, other, "something");
    }
    common::write(&folder, ".tmp-0123", "half a recor");
    let store = FsStore::open(dir.path()).await.unwrap();
    let listed = store.list(&Folder::CERTIFICATES).await.unwrap();
    assert_eq!(listed, [name.clone(), Name::certificate("x").unwrap()]);
    assert!(folder.join("README").exists() && !folder.join(".tmp-0123").exists());
    set_mode(folder.join("x.pem"), 0o600);
    let error = store.load(&listed[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // A record under another name, as after a careless copy.
    fs::copy(store.path(&name), store.path(&listed[1])).unwrap();
    let error = store.load(&listed[1]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is the record certificates/a.example"),
        "{error}"
    );
    // Truncated, as other programs leave files.
    for length in [0, 10, 100, 500] {
        fs::File::options()
            .write(true)
            .open(store.path(&name))
            .unwrap()
            .set_len(length)
            .unwrap();
        let error = store.load(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error
                .to_string()
                .contains(&store.path(&name).display().to_string()),
            "{error}"
        );
    }
    let error = store
        .save(&name, &record(2), &Condition::Absent, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    store
        .save(&name, &record(2), &Condition::Any, None)
        .await
        .unwrap();
    assert_eq!(number(&store.load(&name).await.unwrap().unwrap().record), 2);
}

#[tokio::test]
async fn a_place_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = common::write(dir.path(), "file", "x");
    for root in [file.clone(), file.join("store"), dir.path().join("a/b/c")] {
        let error = FsStore::open(&root).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(
            error.to_string().starts_with("cannot open the store ("),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_writer_that_hangs_does_not_hang_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(300);
    let store = FsOptions::new()
        .time_limit(limit)
        .open(dir.path())
        .await
        .unwrap();
    let name = Name::certificate("a.example").unwrap();
    let held = fs::File::options()
        .write(true)
        .open(dir.path().join(".lock"))
        .unwrap();
    held.lock().unwrap();
    let error = store
        .save(&name, &record(1), &Condition::Any, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    drop(held);
    for _ in 0..10 {
        if store
            .save(&name, &record(1), &Condition::Any, None)
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("it stays unavailable");
}

#[tokio::test]
async fn no_clock_makes_a_lock_last_for_ever() {
    let (own, ahead, behind) = (
        clock(NOW),
        clock(NOW + 100 * 86_400),
        clock(NOW - 100 * 86_400),
    );
    let memory = MemoryStore::with_clock(own.clone());
    let dir = tempfile::tempdir().unwrap();
    let folder = async |clock: &Arc<ManualClock>| {
        let options = FsOptions::new().clock(clock.clone());
        Arc::new(options.open(dir.path()).await.unwrap()) as Arc<dyn Store>
    };
    let memories: [Arc<dyn Store>; 3] = [
        Arc::new(memory.clone()),
        Arc::new(memory.seen_by(ahead.clone())),
        Arc::new(memory.seen_by(behind.clone())),
    ];
    let folders = [
        folder(&own).await,
        folder(&ahead).await,
        folder(&behind).await,
    ];
    for [store, ahead_store, behind_store] in [memories, folders] {
        let name = Name::certificate("skew.example").unwrap();
        let ask = async |store: &Arc<dyn Store>| {
            store
                .acquire(&name, &Owner::random("x").unwrap(), TTL)
                .await
                .unwrap()
        };
        let first = ask(&store).await.lease().unwrap();
        // Behind: it seems to be held for 100 days more, and is free once it was watched for its time.
        assert!(matches!(ask(&behind_store).await, Acquired::Held(_)));
        behind.advance(TTL / 2);
        assert!(matches!(ask(&behind_store).await, Acquired::Held(_)));
        let first = store.renew(&first).await.unwrap();
        own.advance(Duration::from_secs(1));
        let first = store.renew(&first).await.unwrap();
        behind.advance(TTL / 2);
        assert!(
            matches!(ask(&behind_store).await, Acquired::Held(_)),
            "it was renewed"
        );
        behind.advance(TTL);
        let second = ask(&behind_store).await.lease().unwrap();
        assert!(second.token() > first.token());
        // Ahead: taken too early, and the former owner is fenced off.
        let third = ask(&ahead_store).await.lease().unwrap();
        assert!(third.token() > second.token());
        let late = behind_store
            .save(&name, &record(1), &Condition::Any, Some(&second))
            .await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Fenced);
        ahead_store
            .save(&name, &record(2), &Condition::Any, Some(&third))
            .await
            .unwrap();
        assert!(ahead.now() > own.now());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_see_half_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let name = Name::certificate("a.example").unwrap();
    let store = FsStore::open(dir.path()).await.unwrap();
    store
        .save(&name, &record(0), &Condition::Any, None)
        .await
        .unwrap();
    let (writer, written) = (store.clone(), name.clone());
    let writes = tokio::spawn(async move {
        for number in 1..300 {
            writer
                .save(&written, &record(number), &Condition::Any, None)
                .await
                .unwrap();
        }
    });
    let mut last = 0;
    while !writes.is_finished() {
        let read = number(&store.load(&name).await.unwrap().unwrap().record);
        assert!(read >= last);
        last = read;
    }
    writes.await.unwrap();
}

const CHILD: &str = "OPSBOX_KILLED_CHILD";

/// Renewals of one name without end: what [`killed_at_any_moment_the_record_is_whole`] kills.
async fn renew_for_ever(root: &Path, mut saved: impl FnMut(u32) -> ControlFlow<()>) {
    let store = FsStore::open(root).await.unwrap();
    let name = Name::certificate("a.example").unwrap();
    let order = Name::order("a.example").unwrap();
    let owner = Owner::random("child").unwrap();
    // That of the dead one before is free already.
    let lease = store
        .acquire(&order, &owner, TTL)
        .await
        .unwrap()
        .lease()
        .unwrap();
    let mut last = store
        .load(&name)
        .await
        .unwrap()
        .map_or(0, |stored| number(&stored.record));
    loop {
        // As in a renewal: the order and the new key first, then the certificate, then the order goes.
        store
            .save(&order, &record(last + 1), &Condition::Any, Some(&lease))
            .await
            .unwrap();
        store
            .save(&name, &record(last + 1), &Condition::Any, Some(&lease))
            .await
            .unwrap();
        last += 1;
        let flow = saved(last);
        store
            .delete(&order, &Condition::Any, Some(&lease))
            .await
            .unwrap();
        if flow.is_break() {
            return;
        }
    }
}

/// Also the program that other tests start, in the folder that they name, and kill.
#[tokio::test]
async fn renewals_leave_a_certificate_and_no_order() {
    if let Ok(root) = env::var(CHILD) {
        let mut out = std::io::stdout();
        renew_for_ever(Path::new(&root), |last| {
            writeln!(out, "saved {last}").unwrap();
            ControlFlow::Continue(())
        })
        .await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    renew_for_ever(dir.path(), |last| {
        seen.push(last);
        match last {
            20 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })
    .await;
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    let store = FsStore::open(dir.path()).await.unwrap();
    let certificate = Name::certificate("a.example").unwrap();
    let kept = store.load(&certificate).await.unwrap().unwrap();
    assert_eq!(number(&kept.record), 20);
    let order = Name::order("a.example").unwrap();
    assert!(store.load(&order).await.unwrap().is_none());
}

/// The program at work in a folder.
struct Child {
    process: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Child {
    fn start(root: &Path) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "renewals_leave_a_certificate_and_no_order",
                "--nocapture",
            ])
            .env(CHILD, root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits for the next write that it tells.
    fn saved(&mut self) -> Option<u32> {
        self.lines.find_map(|line| {
            let line = line.unwrap();
            let (_, number) = line.split_once("saved ")?;
            number.parse().ok()
        })
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_lock_ends_with_the_process_that_held_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let (lock, owner) = (Name::order("a.example").unwrap(), Owner::new("it").unwrap());
    let other = FsStore::open(&root).await.unwrap();
    let is_held = async |store: &FsStore| match store.acquire(&lock, &owner, TTL).await.unwrap() {
        Acquired::Held(holder) => {
            assert!(holder.owner.as_str().starts_with("child"), "{holder:?}");
            true
        }
        Acquired::Granted(lease) => {
            store.release(&lease).await.unwrap();
            false
        }
        other => panic!("{other:?}"),
    };
    // It is killed while it has the lock; the file of the lock is given back.
    let killed = async || {
        let mut child = Child::start(&root);
        child.saved().unwrap();
        assert!(is_held(&other).await, "its process is there");
        let opened = FsStore::open(&root).await.unwrap();
        assert!(is_held(&opened).await, "its process is there");
        child.kill();
        fs::read_to_string(root.join(".locks/orders+a.example")).unwrap()
    };
    // One that runs already gets it.
    killed().await;
    assert!(!is_held(&other).await);
    // One that starts clears it away.
    killed().await;
    let opened = FsStore::open(&root).await.unwrap();
    let files = fs::read_dir(root.join(".locks")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let (processes, files): (Vec<_>, Vec<_>) = files.partition(|file| file.starts_with("process-"));
    assert_eq!((processes.len(), files), (1, vec!["token".to_owned()]));
    // A process of another machine, or of before a restart, cannot be told to be dead.
    let text = killed().await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let elsewhere = text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555");
    assert_ne!(text, elsewhere);
    common::write(&root, ".locks/orders+a.example", elsewhere);
    assert!(is_held(&other).await && is_held(&opened).await);
    assert!(is_held(&FsStore::open(&root).await.unwrap()).await);
    // Nor can one whose file is gone, or leads elsewhere.
    let (text, _) = text.split_once("\"process\"").unwrap();
    for process in ["0123", "../token", ""] {
        let text = format!("{text}\"process\":\"{} {process}\"}}", boot.trim());
        common::write(&root, ".locks/orders+a.example", text);
        assert!(is_held(&other).await, "{process}");
    }
}

/// `OPSBOX_KILLS=1000` for more of them.
#[test]
fn killed_at_any_moment_the_record_is_whole() {
    let kills = env::var("OPSBOX_KILLS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60);
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let (name, order) = (
        Name::certificate("a.example").unwrap(),
        Name::order("a.example").unwrap(),
    );
    let mut last = 0;
    for kill in 0..kills {
        let mut child = Child::start(&root);
        // Now and then while it starts; else once it is at work.
        if kill % 5 != 0 {
            last = child.saved().unwrap();
        }
        std::thread::sleep(Duration::from_micros(rng.u64(0..12_000)));
        child.kill();
        while let Some(number) = child.saved() {
            last = number;
        }
        runtime.block_on(async {
            let store = FsStore::open(&root).await.unwrap();
            let read = store
                .load(&name)
                .await
                .unwrap()
                .map_or(0, |stored| number(&stored.record));
            assert!(
                read == last || read == last + 1,
                "{last} was saved, {read} is there"
            );
            if let Some(stored) = store.load(&order).await.unwrap() {
                let ordered = number(&stored.record);
                assert!(
                    ordered == read || ordered == read + 1,
                    "order {ordered}, certificate {read}"
                );
            }
            last = read;
        });
        for folder in fs::read_dir(&root)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
        {
            let entries = fs::read_dir(folder.unwrap().path()).unwrap();
            let left = entries
                .map(|entry| entry.unwrap().file_name())
                .find(|name| name.to_string_lossy().starts_with(".tmp"));
            assert_eq!(left, None);
        }
    }
    assert!(
        last > kills / 2,
        "the program got to work: {last} saves in {kills} lives"
    );
}

#[tokio::test]
async fn the_file_of_a_record_is_pem_for_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let store = FsStore::open(dir.path()).await.unwrap();
    let fresh = fresh("pem.example");
    let key = fresh.key.serialize_pem();
    let record = Record::new()
        .with("metadata.json", "{}\n")
        .and_then(|record| record.with("tls.crt", fresh.pem.clone()))
        .and_then(|record| record.with("tls.key", key))
        .unwrap();
    let name = Name::certificate("pem.example").unwrap();
    store
        .save(&name, &record, &Condition::Any, None)
        .await
        .unwrap();
    let bundle = opsbox_cert::read_file(store.path(&name)).unwrap();
    assert_eq!((bundle.certificates().len(), bundle.private_keys()), (1, 1));
    assert!(bundle.problems().is_empty());
}
