//! One ledger of several instances, whose clocks are wrong and whose store is slow.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "common/gated.rs"]
mod gated;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::budget::{Charge, Denied, Ledger, Limits, Rate, Scope, SharedLedger, Subject};
use opsbox_cert::store::{FsStore, MemoryStore, Store};
use opsbox_cert::{Clock, ManualClock, Result};

use gated::{Gate, Gated};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + DAY * 25_000 + Duration::from_secs(seconds)
}

/// Of the 300, one comes back in 36 s.
fn ledger(store: &Arc<impl Store + 'static>) -> SharedLedger {
    let limits = Limits::none().account(Rate::new(300, HOUR * 3));
    SharedLedger::new(store.clone(), "ca", limits).unwrap()
}

async fn take(ledger: &mut SharedLedger, n: u64, now: SystemTime) -> Result<(), Denied> {
    let subject = Subject::single(n, n);
    let take = |ledger: &mut Ledger| ledger.take(&Charge::new(&subject), now);
    ledger.update(now, take).await.unwrap()
}

async fn take_by(ledger: &mut SharedLedger, n: u64, clock: &ManualClock) -> Result<(), Denied> {
    let subject = Subject::single(n, n);
    let take = |ledger: &mut Ledger, now| ledger.take(&Charge::new(&subject), now);
    ledger.update_by(clock, take).await.unwrap()
}

#[tokio::test]
async fn a_clock_that_is_put_right_gives_nothing_back() {
    let store = Arc::new(MemoryStore::new());
    let (mut one, mut other) = (ledger(&store), ledger(&store));
    for n in 0..300 {
        take(&mut one, n, at(0)).await.unwrap();
    }
    for _ in 0..3 {
        one.read(at(0) - HOUR * 5).await.unwrap();
        let denied = take(&mut one, 300, at(1)).await.unwrap_err();
        assert!(denied.until() > at(30), "{denied:?}");
        // While it is wrong, the limit is no other one.
        let denied = take(&mut one, 300, at(1) - HOUR * 5).await.unwrap_err();
        assert!(denied.until() <= at(40) - HOUR * 5, "{denied:?}");
    }
    take(&mut one, 300, at(1)).await.unwrap_err();
    take(&mut one, 300, at(40)).await.unwrap();
    take(&mut other, 301, at(41)).await.unwrap_err();
    take(&mut other, 301, at(80)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_nothing_back() {
    let store = Arc::new(MemoryStore::new());
    let (mut right, mut set_back) = (ledger(&store), ledger(&store));
    let (clock, wrong) = (ManualClock::new(at(0)), ManualClock::new(at(0)));
    clock.advance(HOUR * 10);
    wrong.advance(HOUR * 10);
    take_by(&mut set_back, 0, &wrong).await.unwrap();
    wrong.set(at(1) + HOUR * 5);
    for n in 1..300 {
        take_by(&mut set_back, n, &wrong).await.unwrap();
    }
    clock.advance(Duration::from_secs(2));
    let denied = take_by(&mut right, 300, &clock).await.unwrap_err();
    assert!(denied.until() <= at(50) + HOUR * 10, "{denied:?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_days_goes_on_all_the_same() {
    let store = Arc::new(MemoryStore::new());
    let clock = ManualClock::new(at(0));
    let mut one = ledger(&store);
    for n in 0..300 {
        take_by(&mut one, n, &clock).await.unwrap();
    }
    clock.set(at(0) - HOUR * 5);
    let mut n = 300;
    for _ in 0..48 {
        clock.advance(HOUR);
        // A hundred have come back, whatever it shows.
        for _ in 0..99 {
            take_by(&mut one, n, &clock).await.unwrap();
            n += 1;
        }
    }
    clock.set(at(48 * 3600));
    let mut taken = 0;
    while take_by(&mut one, n, &clock).await.is_ok() {
        (n, taken) = (n + 1, taken + 1);
    }
    assert!((30..=50).contains(&taken), "{taken}: one of each hour");
}

/// Each operation takes ten minutes.
#[derive(Debug)]
struct Waits(Arc<ManualClock>);

#[async_trait]
impl Gate for Waits {
    async fn before(&self, _: &'static str) -> Result<usize> {
        self.0.advance(Duration::from_secs(600));
        Ok(0)
    }
}

#[tokio::test]
async fn who_waits_for_the_store_drives_nobodys_time_ahead() {
    let clock = Arc::new(ManualClock::new(at(0)));
    let memory = Arc::new(MemoryStore::new());
    let store = Arc::new(Gated {
        store: memory.clone(),
        gate: Waits(clock.clone()),
    });
    let (mut one, mut other) = (ledger(&store), ledger(&store));
    for n in 0..40 {
        for shared in [&mut one, &mut other] {
            take_by(shared, n, &clock).await.unwrap();
            shared.read_by(&*clock).await.unwrap();
        }
    }
    // From here on time stands still.
    let mut right = ledger(&memory);
    let (mut n, mut taken) = (1000, 0);
    while take_by(&mut right, n, &clock).await.is_ok() {
        (n, taken) = (n + 1, taken + 1);
    }
    assert!((290..=300).contains(&taken), "{taken}");
    // What is used of a right clock's ledger has come back by nobody's.
    for shared in [right, ledger(&memory)] {
        let now = clock.now();
        let known = { shared }.read(now).await.unwrap().clone();
        let subject = Subject::single(n, n);
        let denied = known.check(&Charge::new(&subject), now).unwrap_err();
        // With the margin of 20 s.
        let wait = denied.until().duration_since(now).unwrap();
        assert!((20..=60).contains(&wait.as_secs()), "{wait:?}");
    }
    let told = ledger(&memory);
    let behind = { told }.read(clock.now() - HOUR).await.unwrap().clone();
    let subject = Subject::single(n, n);
    let early = behind.check(&Charge::new(&subject), clock.now() - HOUR);
    let until = early.unwrap_err().until();
    assert!(until <= clock.now() - HOUR + Duration::from_secs(60));
}

#[tokio::test]
async fn a_clock_far_behind_wipes_nothing() {
    for days in [55 * 365, 60] {
        let store = Arc::new(MemoryStore::new());
        let (mut right, mut dead) = (ledger(&store), ledger(&store));
        for n in 0..300 {
            take(&mut right, n, at(0)).await.unwrap();
        }
        // A machine that boots in another year, and orders.
        let then = |seconds: u64| at(seconds) - DAY * days;
        take(&mut dead, 300, then(1)).await.unwrap_err();
        take(&mut dead, 300, then(40)).await.unwrap();
        let mut others = ledger(&store);
        for shared in [&mut right, &mut others] {
            let denied = take(shared, 301, at(40)).await.unwrap_err();
            assert!(denied.until() > at(60), "{denied:?}");
        }
        // Its clock is put right.
        let denied = take(&mut dead, 301, at(41)).await.unwrap_err();
        assert!(denied.until() > at(60), "{denied:?}");
        take(&mut others, 301, at(85)).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_clock_that_cannot_be_right_sees_is_no_loss() {
    let store = Arc::new(MemoryStore::new());
    take(&mut ledger(&store), 0, at(0)).await.unwrap();
    let mut dead = ledger(&store);
    for n in 1..300 {
        take(&mut dead, n, UNIX_EPOCH).await.unwrap();
    }
    take(&mut dead, 300, UNIX_EPOCH).await.unwrap_err();
    take(&mut ledger(&store), 300, at(1)).await.unwrap_err();
}

#[tokio::test]
async fn of_a_time_that_cannot_be_all_is_lost_once() {
    let store = Arc::new(MemoryStore::new());
    take(&mut ledger(&store), 0, at(0) + DAY * 9_000)
        .await
        .unwrap();
    let clock = ManualClock::new(at(0));
    let mut right = ledger(&store);
    take_by(&mut right, 0, &clock).await.unwrap_err();
    for n in 1..100 {
        clock.advance(HOUR * 6);
        for nth in 0..5 {
            take_by(&mut right, n * 10 + nth, &clock).await.unwrap();
            right.read_by(&clock).await.unwrap();
        }
        // Nor by one that comes later.
        take(&mut ledger(&store), n * 10 + 5, clock.now())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_is_hours_ahead_holds_up_nobody() {
    let store = Arc::new(MemoryStore::new());
    let (mut ahead, mut right) = (ledger(&store), ledger(&store));
    let five_hours = Duration::from_secs(5 * 3600);
    for n in 0..10 {
        take(&mut ahead, n, at(n) + five_hours).await.unwrap();
    }
    // The rest of the burst is there, and no more.
    for n in 10..300 {
        take(&mut right, n, at(10)).await.unwrap();
    }
    let denied = take(&mut right, 300, at(10)).await.unwrap_err();
    let wait = denied.until().duration_since(at(10)).unwrap();
    assert!((26..=36).contains(&wait.as_secs()), "{wait:?}");
    take(&mut right, 300, denied.until()).await.unwrap();
    // One that begins later sees the same, and so does the one that was ahead.
    let denied = take(&mut ledger(&store), 301, at(50)).await.unwrap_err();
    assert!(denied.until() <= at(100), "{denied:?}");
    let denied = take(&mut ahead, 301, at(50) + five_hours)
        .await
        .unwrap_err();
    assert!(denied.until() <= at(100) + five_hours, "{denied:?}");
}

#[tokio::test]
async fn what_a_clock_takes_that_is_hours_behind_is_taken() {
    let store = Arc::new(MemoryStore::new());
    let (mut right, mut behind) = (ledger(&store), ledger(&store));
    let five_hours = Duration::from_secs(5 * 3600);
    take(&mut right, 0, at(0)).await.unwrap();
    for n in 1..300 {
        take(&mut behind, n, at(1) - five_hours).await.unwrap();
    }
    let denied = take(&mut right, 300, at(2)).await.unwrap_err();
    assert!(denied.until() <= at(40), "{denied:?}");
    let denied = take(&mut behind, 300, at(2) - five_hours)
        .await
        .unwrap_err();
    assert!(denied.until() <= at(40) - five_hours, "{denied:?}");
}

/// Each tells a time that is some seconds old when it is heard: in a year of that the ledger's clock is no faster.
#[tokio::test]
async fn small_differences_of_clocks_do_not_add_up() {
    let store = Arc::new(MemoryStore::new());
    let mut both = [ledger(&store), ledger(&store)];
    for n in 0..600 {
        let late = Duration::from_secs(if n % 2 == 0 { 20 } else { 0 });
        let denied = take(
            &mut both[usize::try_from(n % 2).unwrap()],
            n,
            at(1_000) - late,
        )
        .await;
        assert_eq!(denied.is_ok(), n < 300, "{n}: {denied:?}");
    }
}

#[tokio::test]
async fn of_a_time_that_cannot_be_nothing_is_believed() {
    let store = Arc::new(MemoryStore::new());
    take(&mut ledger(&store), 0, at(0) + DAY * 10_000)
        .await
        .unwrap();
    let mut right = ledger(&store);
    let denied = take(&mut right, 1, at(0)).await.unwrap_err();
    assert_eq!(denied.until(), at(36));
    take(&mut right, 1, at(36)).await.unwrap();
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, out),
            false => out.push(path),
        }
    }
}

#[tokio::test]
async fn a_ledger_that_was_damaged_is_used_up_for_all_instances() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(FsStore::open(folder.path()).await.unwrap());
    take(&mut ledger(&store), 0, at(0)).await.unwrap();
    let mut all = Vec::new();
    files(folder.path(), &mut all);
    let is_record =
        |path: &&PathBuf| std::fs::read(path).is_ok_and(|it| it.windows(4).any(|it| it == b"OBL2"));
    let damaged: Vec<_> = all.iter().filter(is_record).collect();
    assert!(!damaged.is_empty(), "{all:?}");
    for path in damaged {
        let bytes = std::fs::read(path).unwrap();
        #[allow(clippy::disallowed_methods, reason = "it is to be damaged")]
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
    // The first only looks; the second was full before.
    ledger(&store).read(at(10)).await.unwrap();
    let denied = take(&mut ledger(&store), 1, at(11)).await.unwrap_err();
    assert_eq!((denied.scope(), denied.until()), (Scope::Account, at(46)));
    take(&mut ledger(&store), 1, at(46)).await.unwrap();
}
