//! A folder on a file system that is full or read-only, in earnest: small ones are mounted for it.
//!
//! The mounts are made in a mount namespace of the test's own, so they end with it, and a user namespace where
//! the user is not root. Where neither is permitted, the trials are ignored with a line on stderr, never
//! passed; with `OPSBOX_REQUIRE_COUNTERPARTS=1` they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and its files need not survive a crash"
)]

#[path = "common/trials.rs"]
mod trials;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed};
use opsbox_cert::store::{
    Acquired, Condition, FsStore, Lease, Name, Owner, Record, Store as _, Stored,
};
use opsbox_cert::{Error, ErrorKind};

use trials::trial;

const INSIDE: &str = "OPSBOX_MOUNTS_INSIDE";
const TTL: Duration = Duration::from_secs(60);
const PAGE: usize = 4096;

type Check = fn(&Path) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let inside = env::var_os(INSIDE).is_some();
    if !inside && let Some(arguments) = namespace() {
        let mut command = Command::new("unshare");
        command.args(arguments).arg(env::current_exe().unwrap());
        let status = command.args(env::args_os().skip(1)).env(INSIDE, "1");
        let code = status.status().unwrap().code();
        return ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(1));
    }
    let trials: [(&str, Check); 3] = [
        (
            "at_every_level_of_a_full_disk_the_old_or_the_new_is_whole",
            fill,
        ),
        ("without_room_for_a_file_the_old_is_whole", inodes),
        (
            "on_a_read_only_file_system_what_is_there_is_read",
            read_only,
        ),
    ];
    let trials = trials.map(|(name, check)| {
        let missing =
            "no file system can be mounted here, not by `unshare --mount` either; run it as root";
        let needed = if inside {
            Ok(())
        } else {
            Err(missing.to_owned())
        };
        trial(name, needed, move |()| check(tempfile::tempdir()?.path()))
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// How to come into a mount namespace in which a tmpfs can be mounted.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    ways.into_iter().find(|way| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        command.args(*way).args(["mount", "-t", "tmpfs", "tmpfs"]);
        let output = command.arg(dir.path()).output();
        output.is_ok_and(|output| output.status.success())
    })
}

fn mount(arguments: &[&str], on: &Path) {
    let status = Command::new("mount").args(arguments).arg(on).status();
    assert!(status.unwrap().success(), "mount {arguments:?}");
}

/// The whole file system, or where a user namespace does not permit that, as it is mounted here.
fn remount(how: &str, on: &Path) {
    let ways = [format!("remount,{how}"), format!("remount,bind,{how}")];
    let done = ways.iter().any(|way| {
        let output = Command::new("mount").args(["-o", way]).arg(on).output();
        output.unwrap().status.success()
    });
    assert!(done, "mount -o remount,{how}");
}

fn run(test: impl Future<Output = ()>) -> Result<(), Failed> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(test);
    Ok(())
}

/// A record of about this many pages.
fn record(number: usize, pages: usize) -> Record {
    let text = |part: &str, size: usize| format!("{part} {number:08}\n").repeat(size / 13 + 1);
    Record::new()
        .with("tls.key", text("key", 200))
        .and_then(|record| record.with("tls.crt", text("crt", pages * PAGE - 800)))
        .unwrap()
}

async fn save(store: &FsStore, name: &Name, record: &Record) -> Result<(), Error> {
    let saved = store.save(name, record, &Condition::Any, None).await;
    saved.map(drop)
}

async fn load(store: &FsStore, name: &Name) -> Record {
    let stored: Option<Stored> = store.load(name).await.unwrap();
    stored.unwrap().record
}

async fn acquire(store: &FsStore, lock: &Name) -> Result<Lease, Error> {
    let owner = Owner::random("it").unwrap();
    match store.acquire(lock, &owner, TTL).await? {
        Acquired::Granted(lease) => Ok(lease),
        held => panic!("{held:?}"),
    }
}

/// What was attempted, on which path, why not, and what to do.
fn assert_says(error: &Error, kind: ErrorKind, words: [&str; 2], path: &Path) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("cannot "), "{text}");
    for word in words {
        assert!(text.contains(word), "{text}");
    }
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(!error.is_retryable(), "{text}");
}

const FULL: [&str; 2] = ["no space is left", "free some space"];
const READ_ONLY: [&str; 2] = ["is read-only", "mount it writable"];

fn leftovers(folder: PathBuf) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".tmp")).collect()
}

/// Files of a page each until there is no space; how many.
fn fill_up(dir: &Path) -> usize {
    let page = |at: &usize| dir.join(format!("page-{at}"));
    let written = (0..).take_while(|at| fs::write(page(at), [1; PAGE]).is_ok());
    let count = written.count();
    // What was written in part has its name, and no page.
    fs::remove_file(page(&count)).ok();
    count
}

/// Removes the last ones.
fn give_back(dir: &Path, pages: usize, count: usize) {
    for at in (0..pages).rev().take(count) {
        fs::remove_file(dir.join(format!("page-{at}"))).ok();
    }
}

/// Leaves from no page to enough of them free, and renews each time.
fn fill(dir: &Path) -> Result<(), Failed> {
    const FREE: usize = 10;
    mount(&["-t", "tmpfs", "-o", "size=128k", "tmpfs"], dir);
    run(async {
        let root = dir.join("store");
        let store = FsStore::open(&root).await.unwrap();
        let (name, lock) = (
            Name::certificate("a.example").unwrap(),
            Name::order("a").unwrap(),
        );
        save(&store, &name, &record(0, 3)).await.unwrap();
        let mut last = 0;
        let (mut refused, mut done, mut locks_refused) = (0, 0, 0);
        for (number, free) in (0..FREE).chain((0..FREE).rev()).enumerate() {
            // As another program fills it: to the last page, and some given back.
            let pages = fill_up(dir);
            give_back(dir, pages, free);
            let new = record(number + 1, 3);
            match save(&store, &name, &new).await {
                Ok(()) => (last, done) = (number + 1, done + 1),
                Err(error) => {
                    assert_says(&error, ErrorKind::Full, FULL, &store.path(&name));
                    refused += 1;
                }
            }
            assert_eq!(
                load(&store, &name).await,
                record(last, 3),
                "{free} pages free"
            );
            assert!(leftovers(root.join("certificates")).is_empty());
            match acquire(&store, &lock).await {
                Ok(lease) => store.release(&lease).await.unwrap(),
                Err(error) => {
                    assert_says(&error, ErrorKind::Full, FULL, &root.join(".locks"));
                    locks_refused += 1;
                }
            }
            // A full disk is no reason not to open the store, and to read.
            let opened = FsStore::open(&root).await.unwrap();
            assert_eq!(load(&opened, &name).await, record(last, 3));
            give_back(dir, pages, pages);
        }
        assert!(refused >= 4 && done >= 4, "{refused} refused, {done} done");
        assert!(locks_refused >= 2, "{locks_refused}");
        // With room again, all is as before; a deletion needs none.
        save(&store, &name, &record(99, 3)).await.unwrap();
        fill_up(dir);
        assert!(store.delete(&name, &Condition::Any, None).await.unwrap());
        assert!(store.load(&name).await.unwrap().is_none());
    })
}

/// No more files, though there is space.
fn inodes(dir: &Path) -> Result<(), Failed> {
    mount(&["-t", "tmpfs", "-o", "size=1m,nr_inodes=32", "tmpfs"], dir);
    run(async {
        let root = dir.join("store");
        let store = FsStore::open(&root).await.unwrap();
        let name = Name::certificate("a.example").unwrap();
        let lock = Name::order("a.example").unwrap();
        save(&store, &name, &record(1, 1)).await.unwrap();
        let files = (0..).take_while(|at| fs::write(dir.join(format!("{at}")), "").is_ok());
        assert!(files.count() > 10);
        let error = save(&store, &name, &record(2, 1)).await.unwrap_err();
        assert_says(&error, ErrorKind::Full, FULL, &store.path(&name));
        let error = acquire(&store, &lock).await.unwrap_err();
        assert_says(&error, ErrorKind::Full, FULL, &root.join(".locks"));
        assert_eq!(load(&store, &name).await, record(1, 1));
        let opened = FsStore::open(&root).await.unwrap();
        assert_eq!(load(&opened, &name).await, record(1, 1));
        fs::remove_file(dir.join("0")).unwrap();
        save(&store, &name, &record(2, 1)).await.unwrap();
        assert_eq!(load(&store, &name).await, record(2, 1));
    })
}

fn read_only(dir: &Path) -> Result<(), Failed> {
    mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], dir);
    run(async {
        let root = dir.join("store");
        let store = FsStore::open(&root).await.unwrap();
        let name = Name::certificate("a.example").unwrap();
        let (held, other) = (Name::order("a").unwrap(), Name::order("b").unwrap());
        save(&store, &name, &record(1, 1)).await.unwrap();
        // A process that holds a lock does not keep the file system from being made read-only.
        let lease = acquire(&store, &held).await.unwrap();
        let new = record(2, 1);
        remount("ro", dir);
        let says = |error: Error, path: &Path| {
            assert_says(&error, ErrorKind::ReadOnly, READ_ONLY, path);
        };
        says(save(&store, &name, &new).await.unwrap_err(), &root);
        let under = store.save(&name, &new, &Condition::Any, Some(&lease));
        says(under.await.unwrap_err(), &root);
        let deleted = store.delete(&name, &Condition::Any, None).await;
        says(deleted.unwrap_err(), &root);
        says(acquire(&store, &other).await.unwrap_err(), &root);
        says(store.renew(&lease).await.unwrap_err(), &root);
        says(store.release(&lease).await.unwrap_err(), &root);
        says(FsStore::open(&root).await.unwrap_err(), &root);
        says(FsStore::open(dir.join("new")).await.unwrap_err(), dir);
        assert_eq!(load(&store, &name).await, record(1, 1));
        remount("rw", dir);
        let under = store.save(&name, &new, &Condition::Any, Some(&lease));
        under.await.unwrap();
        store.release(&lease).await.unwrap();
        assert_eq!(load(&store, &name).await, new);
    })
}
