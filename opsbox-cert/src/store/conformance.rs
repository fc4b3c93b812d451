//! What every [`Store`] has to do, as a test of an implementation: yours too.
//!
//! ```
//! use std::sync::Arc;
//! use opsbox_cert::store::{MemoryStore, Store, conformance};
//!
//! #[derive(Debug)]
//! struct Mine(MemoryStore);
//!
//! #[async_trait::async_trait]
//! impl conformance::Harness for Mine {
//!     async fn open(&self) -> Arc<dyn Store> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let passed = conformance::run(&Mine(MemoryStore::new())).await.expect("it conforms");
//! assert!(passed > 10);
//! # }
//! ```

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Acquired, Condition, Folder, Lease, Name, Owner, Record, Store, Version};
use crate::error::{ErrorKind, Result};
use crate::limits::{MAX_ID_BYTES, MAX_LEASE, MAX_RECORD_BYTES, MIN_LEASE};

/// Gives the suite what it tests.
#[async_trait]
pub trait Harness: Sync {
    /// A handle of an instance of its own on the same storage: what one writes, another reads. The storage
    /// is empty at first.
    async fn open(&self) -> Arc<dyn Store>;

    /// Lets time pass for all instances: a manual clock is moved here.
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Runs all checks one after another and returns how many there were.
///
/// # Errors
///
/// The names of the checks that failed, each with what was seen.
pub async fn run(harness: &dyn Harness) -> Result<usize, Failed> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(seen) = check(harness).await {
            failed.push(format!("{name}: {seen}"));
        }
    }
    if failed.is_empty() {
        return Ok(CHECKS.len());
    }
    Err(Failed(failed))
}

/// The checks that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store does not conform: {}", .0.join("; "))]
pub struct Failed(Vec<String>);

type Seen = Result<(), String>;
type Check = for<'a> fn(&'a dyn Harness) -> Pin<Box<dyn Future<Output = Seen> + Send + 'a>>;

const CHECKS: &[(&str, Check)] = &[
    ("a record is read as it was written", |h| {
        Box::pin(round_trip(h))
    }),
    ("every name is kept apart", |h| Box::pin(names(h))),
    ("a folder is listed", |h| Box::pin(lists(h))),
    ("the largest record is kept", |h| Box::pin(largest(h))),
    ("every write has a new version", |h| Box::pin(versions(h))),
    ("a condition holds back a write", |h| {
        Box::pin(conditions(h))
    }),
    ("a deleted record is gone", |h| Box::pin(deletes(h))),
    ("of writers at once one wins", |h| Box::pin(one_winner(h))),
    ("no update is lost", |h| Box::pin(no_lost_update(h))),
    ("many records are read in order", |h| Box::pin(many(h))),
    ("a lock has one holder", |h| Box::pin(one_holder(h))),
    ("of owners at once one gets the lock", |h| {
        Box::pin(one_owner(h))
    }),
    ("a lock expires and its writes are fenced", |h| {
        Box::pin(expiry(h))
    }),
    ("a renewed lock stays", |h| Box::pin(renewal(h))),
    ("a released lock fences its writes", |h| {
        Box::pin(release(h))
    }),
    ("tokens grow", |h| Box::pin(tokens(h))),
    ("locks and records are apart", |h| Box::pin(locks_apart(h))),
    ("a time that no lock can have is refused", |h| {
        Box::pin(bad_ttl(h))
    }),
];

/// Long enough for the slowest store to do some steps in, and for time to pass in a test.
const TTL: Duration = Duration::from_secs(3);

macro_rules! ensure {
    ($holds:expr, $($seen:tt)+) => {
        if !$holds {
            return Err(format!($($seen)+));
        }
    };
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn name(id: &str) -> Result<Name, String> {
    Name::certificate(&format!("{id}.conformance.example")).map_err(text)
}

fn owner(label: &str) -> Result<Owner, String> {
    Owner::random(label).map_err(text)
}

fn record(content: &str) -> Result<Record, String> {
    let record = Record::new().with("tls.key", format!("key of {content}\n"));
    let record = record.and_then(|record| record.with("tls.crt", format!("chain of {content}\n")));
    record
        .and_then(|record| record.with("metadata.json", "{}"))
        .map_err(text)
}

fn kind_is<T: Debug>(result: Result<T>, kind: ErrorKind) -> Seen {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => Err(format!("expected {kind:?}, saw {other:?}")),
    }
}

async fn content(store: &dyn Store, name: &Name) -> Result<Option<Record>, String> {
    Ok(store
        .load(name)
        .await
        .map_err(text)?
        .map(|stored| stored.record))
}

async fn is(store: &dyn Store, name: &Name, expected: &str) -> Seen {
    let found = content(store, name).await?;
    ensure!(
        found.as_ref() == Some(&record(expected)?),
        "expected {expected}, found {found:?}"
    );
    Ok(())
}

async fn save(
    store: &dyn Store,
    name: &Name,
    content: &str,
    condition: &Condition,
) -> Result<Version, String> {
    store
        .save(name, &record(content)?, condition, None)
        .await
        .map_err(text)
}

async fn lock(store: &dyn Store, name: &Name) -> Result<Lease, String> {
    match store
        .acquire(name, &owner("lock")?, TTL)
        .await
        .map_err(text)?
    {
        Acquired::Granted(lease) => Ok(lease),
        Acquired::Held(holder) => Err(format!("a free lock is held by {holder:?}")),
    }
}

async fn round_trip(harness: &dyn Harness) -> Seen {
    let (store, other) = (harness.open().await, harness.open().await);
    let name = name("round-trip")?;
    ensure!(
        content(&*store, &name).await?.is_none(),
        "a record is there before it is written"
    );
    let mut written = record("one")?;
    let bytes: Vec<u8> = (0..=255).collect();
    written.insert("all-bytes.bin", bytes).map_err(text)?;
    written.insert("empty", "").map_err(text)?;
    written.insert("own.key", "\r\n\0").map_err(text)?;
    let version = store
        .save(&name, &written, &Condition::Any, None)
        .await
        .map_err(text)?;
    for store in [&store, &other] {
        let read = store
            .load(&name)
            .await
            .map_err(text)?
            .ok_or("it is not there")?;
        ensure!(
            read.record == written,
            "{:?} was written, {:?} read",
            written,
            read.record
        );
        ensure!(
            read.version == version,
            "version {version} was written, {} read",
            read.version
        );
    }
    // Parts that are no longer there go away.
    save(&*store, &name, "two", &Condition::Any).await?;
    is(&*other, &name, "two").await?;
    let nothing = Record::new();
    store
        .save(&name, &nothing, &Condition::Any, None)
        .await
        .map_err(text)?;
    let read = content(&*other, &name)
        .await?
        .ok_or("an empty record is not there")?;
    ensure!(read.is_empty(), "an empty record has {read:?}");
    Ok(())
}

async fn names(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let folder = Folder::new("conformance-names").map_err(text)?;
    let longest = ["a", "A", "*"].map(|c| c.repeat(MAX_ID_BYTES));
    let ids = [
        "example.com",
        "Example.com",
        "*.example.com",
        "wildcard.example.com",
        "2001:db8::1",
        "-",
        "_",
        "a_b",
        "a-b",
        "a.b",
        ".a",
        "a.",
        "%2a".trim_start_matches('%'),
        "con",
        "a+b=c,d~e@f",
    ];
    let ids: Vec<&str> = ids
        .into_iter()
        .chain(longest.iter().map(String::as_str))
        .collect();
    let mut all = Vec::new();
    for id in ids {
        let name = Name::new(&folder, id).map_err(text)?;
        let made = save(
            &*store,
            &name,
            id.get(..1).unwrap_or_default(),
            &Condition::Absent,
        )
        .await;
        made.map_err(|seen| format!("{id}: {seen}"))?;
        all.push(name);
    }
    for name in &all {
        is(&*store, name, name.id().get(..1).unwrap_or_default())
            .await
            .map_err(|seen| format!("{name}: {seen}"))?;
    }
    all.sort();
    let listed = store.list(&folder).await.map_err(text)?;
    ensure!(listed == all, "{all:?} were written, {listed:?} listed");
    Ok(())
}

async fn lists(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let [short, long, empty] =
        ["conformance-l", "conformance-long", "conformance-none"].map(Folder::new);
    let (short, long) = (short.map_err(text)?, long.map_err(text)?);
    let mut expected = Vec::new();
    for number in 0..25 {
        let name = Name::new(&short, &format!("{number}.example")).map_err(text)?;
        save(&*store, &name, "x", &Condition::Any).await?;
        expected.push(name);
    }
    save(
        &*store,
        &Name::new(&long, "other").map_err(text)?,
        "x",
        &Condition::Any,
    )
    .await?;
    expected.sort();
    let listed = store.list(&short).await.map_err(text)?;
    ensure!(listed == expected, "{listed:?}");
    let listed = store.list(&empty.map_err(text)?).await.map_err(text)?;
    ensure!(listed.is_empty(), "a folder without records has {listed:?}");
    Ok(())
}

async fn largest(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let name = name("largest")?;
    let bytes: Vec<u8> = (0_u8..=250).cycle().take(MAX_RECORD_BYTES).collect();
    let written = Record::new().with("data", bytes).map_err(text)?;
    store
        .save(&name, &written, &Condition::Any, None)
        .await
        .map_err(text)?;
    ensure!(
        content(&*store, &name).await? == Some(written),
        "the largest record came back changed"
    );
    Ok(())
}

async fn versions(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let name = name("versions")?;
    let mut seen = HashSet::new();
    for round in 0..6 {
        // The same bytes every time, and the record deleted in between.
        let version = save(&*store, &name, "same", &Condition::Any).await?;
        ensure!(seen.insert(version.clone()), "version {version} came twice");
        if round % 2 == 1 {
            store
                .delete(&name, &Condition::Version(version), None)
                .await
                .map_err(text)?;
        }
    }
    Ok(())
}

async fn conditions(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let name = name("conditions")?;
    let first = save(&*store, &name, "first", &Condition::Absent).await?;
    kind_is(
        store
            .save(&name, &record("x")?, &Condition::Absent, None)
            .await,
        ErrorKind::Conflict,
    )?;
    is(&*store, &name, "first").await?;
    let second = save(&*store, &name, "second", &Condition::Version(first.clone())).await?;
    for stale in [first, Version::new("none"), Version::new("1")] {
        let stale = Condition::Version(stale);
        kind_is(
            store.save(&name, &record("x")?, &stale, None).await,
            ErrorKind::Conflict,
        )?;
        kind_is(store.delete(&name, &stale, None).await, ErrorKind::Conflict)?;
    }
    kind_is(
        store.delete(&name, &Condition::Absent, None).await,
        ErrorKind::Conflict,
    )?;
    is(&*store, &name, "second").await?;
    store
        .delete(&name, &Condition::Any, None)
        .await
        .map_err(text)?;
    let gone = Condition::Version(second);
    kind_is(
        store.save(&name, &record("x")?, &gone, None).await,
        ErrorKind::Conflict,
    )?;
    kind_is(store.delete(&name, &gone, None).await, ErrorKind::Conflict)?;
    ensure!(
        content(&*store, &name).await?.is_none(),
        "a refused write was done"
    );
    Ok(())
}

async fn deletes(harness: &dyn Harness) -> Seen {
    let (store, other) = (harness.open().await, harness.open().await);
    let name = name("deletes")?;
    let delete = |condition| {
        let (store, name) = (&store, &name);
        async move { store.delete(name, &condition, None).await.map_err(text) }
    };
    ensure!(
        !delete(Condition::Any).await?,
        "what is not there was deleted"
    );
    let version = save(&*store, &name, "one", &Condition::Absent).await?;
    ensure!(
        delete(Condition::Version(version)).await?,
        "nothing was deleted"
    );
    ensure!(!delete(Condition::Absent).await?, "it was deleted twice");
    ensure!(
        content(&*other, &name).await?.is_none(),
        "it can still be read"
    );
    let folder = Folder::CERTIFICATES;
    ensure!(
        !other.list(&folder).await.map_err(text)?.contains(&name),
        "it is still listed"
    );
    save(&*other, &name, "two", &Condition::Absent).await?;
    is(&*store, &name, "two").await
}

async fn one_winner(harness: &dyn Harness) -> Seen {
    let name = name("one-winner")?;
    let mut tasks = Vec::new();
    for writer in 0..8 {
        let (store, name, record) = (
            harness.open().await,
            name.clone(),
            record(&writer.to_string())?,
        );
        tasks.push(tokio::spawn(async move {
            store.save(&name, &record, &Condition::Absent, None).await
        }));
    }
    let mut winners = Vec::new();
    for (writer, task) in tasks.into_iter().enumerate() {
        match task.await.map_err(text)? {
            Ok(_) => winners.push(writer),
            lost => kind_is(lost, ErrorKind::Conflict)?,
        }
    }
    let [winner] = winners.as_slice() else {
        return Err(format!("winners: {winners:?}"));
    };
    is(&*harness.open().await, &name, &winner.to_string()).await
}

/// Instances count up in one record by reading, and writing what they read plus one.
async fn no_lost_update(harness: &dyn Harness) -> Seen {
    const INSTANCES: u32 = 4;
    const STEPS: u32 = 5;
    let name = name("no-lost-update")?;
    let mut tasks = Vec::new();
    for _ in 0..INSTANCES {
        let (store, name) = (harness.open().await, name.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..STEPS {
                while !count_up(&*store, &name).await? {}
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await.map_err(text)??;
    }
    let found = content(&*harness.open().await, &name)
        .await?
        .ok_or("nothing was written")?;
    let expected = (INSTANCES * STEPS).to_string();
    ensure!(
        found.part("count") == Some(expected.as_bytes()),
        "updates were lost: {:?}",
        found.part("count")
    );
    Ok(())
}

async fn count_up(store: &dyn Store, name: &Name) -> Result<bool, String> {
    let stored = store.load(name).await.map_err(text)?;
    let count = stored
        .as_ref()
        .and_then(|stored| std::str::from_utf8(stored.record.part("count")?).ok());
    let count: u32 = count.unwrap_or("0").parse().map_err(text)?;
    let condition = stored.map_or(Condition::Absent, |stored| {
        Condition::Version(stored.version)
    });
    let record = Record::new()
        .with("count", (count + 1).to_string())
        .map_err(text)?;
    match store.save(name, &record, &condition, None).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(text(error)),
    }
}

async fn many(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let names = (0..40)
        .map(|number| name(&format!("many-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    for (number, name) in names
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 3 != 0)
    {
        save(&*store, name, &number.to_string(), &Condition::Any).await?;
    }
    let found = store.load_many(&names).await;
    ensure!(
        found.len() == names.len(),
        "{} answers for {} names",
        found.len(),
        names.len()
    );
    for (number, found) in found.into_iter().enumerate() {
        let found = found.map_err(text)?.map(|stored| stored.record);
        let expected = if number % 3 == 0 {
            None
        } else {
            Some(record(&number.to_string())?)
        };
        ensure!(found == expected, "number {number} is {found:?}");
    }
    Ok(())
}

async fn one_holder(harness: &dyn Harness) -> Seen {
    let (store, other) = (harness.open().await, harness.open().await);
    let name = name("one-holder")?;
    let lease = lock(&*store, &name).await?;
    ensure!(lease.lock() == &name && lease.ttl() >= TTL, "{lease:?}");
    for asking in [lease.owner().clone(), owner("other")?] {
        for store in [&store, &other] {
            match store.acquire(&name, &asking, TTL).await.map_err(text)? {
                Acquired::Held(holder) => ensure!(
                    &holder.owner == lease.owner(),
                    "{holder:?} is not {lease:?}"
                ),
                Acquired::Granted(second) => {
                    return Err(format!("granted twice: {lease:?}, {second:?}"));
                }
            }
        }
    }
    // A lock is no bar to those who do not ask for it, and good for any record.
    save(&*other, &name, "other", &Condition::Any).await?;
    store
        .save(&name, &record("own")?, &Condition::Any, Some(&lease))
        .await
        .map_err(text)?;
    store.release(&lease).await.map_err(text)?;
    let second = lock(&*other, &name).await?;
    ensure!(
        second.token() > lease.token(),
        "{second:?} is not after {lease:?}"
    );
    other.release(&second).await.map_err(text)
}

async fn one_owner(harness: &dyn Harness) -> Seen {
    let name = name("one-owner")?;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (store, name, owner) = (harness.open().await, name.clone(), owner("many")?);
        tasks.push(tokio::spawn(async move {
            store.acquire(&name, &owner, TTL).await
        }));
    }
    let mut granted = 0;
    for task in tasks {
        if let Acquired::Granted(_) = task.await.map_err(text)?.map_err(text)? {
            granted += 1;
        }
    }
    ensure!(granted == 1, "{granted} owners got the lock");
    Ok(())
}

async fn expiry(harness: &dyn Harness) -> Seen {
    let (store, other) = (harness.open().await, harness.open().await);
    let (name, kept) = (name("expiry")?, name("expiry-kept")?);
    let dead = lock(&*store, &name).await?;
    store
        .save(&name, &record("dead")?, &Condition::Any, Some(&dead))
        .await
        .map_err(text)?;
    store
        .save(&kept, &record("dead")?, &Condition::Any, Some(&dead))
        .await
        .map_err(text)?;
    harness.wait(TTL + Duration::from_millis(1_500)).await;
    let alive = lock(&*other, &name).await?;
    ensure!(
        alive.token() > dead.token(),
        "{alive:?} is not after {dead:?}"
    );
    other
        .save(&name, &record("alive")?, &Condition::Any, Some(&alive))
        .await
        .map_err(text)?;
    // The dead one comes back: neither the record of the new owner nor another one is its to write.
    for name in [&name, &kept] {
        kind_is(
            store
                .save(name, &record("late")?, &Condition::Any, Some(&dead))
                .await,
            ErrorKind::Fenced,
        )?;
        kind_is(
            store.delete(name, &Condition::Any, Some(&dead)).await,
            ErrorKind::Fenced,
        )?;
    }
    kind_is(store.renew(&dead).await, ErrorKind::Fenced)?;
    store.release(&dead).await.map_err(text)?;
    is(&*store, &name, "alive").await?;
    is(&*store, &kept, "dead").await?;
    let renewed = other.renew(&alive).await.map_err(text)?;
    ensure!(
        renewed.token() == alive.token(),
        "another's release took the lock: {renewed:?}"
    );
    other
        .save(&kept, &record("alive")?, &Condition::Any, Some(&renewed))
        .await
        .map_err(text)?;
    Ok(())
}

async fn renewal(harness: &dyn Harness) -> Seen {
    let (store, other) = (harness.open().await, harness.open().await);
    let name = name("renewal")?;
    let mut lease = lock(&*store, &name).await?;
    for _ in 0..2 {
        harness.wait(TTL * 6 / 10).await;
        lease = store.renew(&lease).await.map_err(text)?;
    }
    let asked = other
        .acquire(&name, &owner("other")?, TTL)
        .await
        .map_err(text)?;
    ensure!(
        matches!(asked, Acquired::Held(_)),
        "a renewed lock was lost: {asked:?}"
    );
    store
        .save(&name, &record("own")?, &Condition::Any, Some(&lease))
        .await
        .map_err(text)?;
    store.release(&lease).await.map_err(text)
}

async fn release(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let name = name("release")?;
    let lease = lock(&*store, &name).await?;
    store
        .save(&name, &record("own")?, &Condition::Any, Some(&lease))
        .await
        .map_err(text)?;
    store.release(&lease).await.map_err(text)?;
    store
        .release(&lease)
        .await
        .map_err(|error| format!("a second release: {error}"))?;
    kind_is(
        store
            .save(&name, &record("late")?, &Condition::Any, Some(&lease))
            .await,
        ErrorKind::Fenced,
    )?;
    kind_is(
        store.delete(&name, &Condition::Any, Some(&lease)).await,
        ErrorKind::Fenced,
    )?;
    kind_is(store.renew(&lease).await, ErrorKind::Fenced)?;
    is(&*store, &name, "own").await
}

async fn tokens(harness: &dyn Harness) -> Seen {
    let stores = [harness.open().await, harness.open().await];
    let name = name("tokens")?;
    let mut last = 0;
    for store in stores.iter().cycle().take(6) {
        let lease = lock(&**store, &name).await?;
        ensure!(lease.token() > last, "token {} after {last}", lease.token());
        last = lease.token();
        store.release(&lease).await.map_err(text)?;
    }
    Ok(())
}

async fn locks_apart(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let folder = Folder::new("conformance-locks").map_err(text)?;
    let name = Name::new(&folder, "*.Apart").map_err(text)?;
    let lease = lock(&*store, &name).await?;
    ensure!(
        content(&*store, &name).await?.is_none(),
        "a lock is read as a record"
    );
    ensure!(
        store.list(&folder).await.map_err(text)?.is_empty(),
        "a lock is listed as a record"
    );
    let other = Name::new(&folder, "*.apart").map_err(text)?;
    let second = lock(&*store, &other).await?;
    for lease in [lease, second] {
        store.release(&lease).await.map_err(text)?;
    }
    Ok(())
}

async fn bad_ttl(harness: &dyn Harness) -> Seen {
    let store = harness.open().await;
    let name = name("bad-ttl")?;
    for ttl in [Duration::ZERO, MIN_LEASE / 2, MAX_LEASE * 2, Duration::MAX] {
        kind_is(
            store.acquire(&name, &owner("x")?, ttl).await,
            ErrorKind::Invalid,
        )?;
    }
    Ok(())
}
