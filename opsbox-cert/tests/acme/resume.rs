//! What is left when an instance stops at any step, and what two of them do at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opsbox_cert::challenge::Http01;
use opsbox_cert::issuer::{CertRequest, Issuer as _};
use opsbox_cert::store::{
    Acquired, Condition, Folder, Lease, MemoryStore, Name, Owner, Record, Store, Stored, Version,
};
use opsbox_cert::{ErrorKind, Result};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::gated::{Gate, Gated};
use crate::issue::{assert_clean, memory};
use crate::pebble::{Options, Pebble};

/// Kills the user of a store at its n-th write or lock, before or after it is done.
#[derive(Debug)]
struct Kills {
    at: usize,
    after: bool,
    seen: AtomicUsize,
    killed: Notify,
}

impl Kills {
    fn new(store: &Arc<dyn Store>, at: usize, after: bool) -> Arc<Gated<Self>> {
        let gate = Self {
            at,
            after,
            seen: AtomicUsize::new(0),
            killed: Notify::new(),
        };
        let store = store.clone();
        Arc::new(Gated { store, gate })
    }

    async fn stop(&self) {
        self.killed.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Gate for Kills {
    async fn before(&self, operation: &'static str) -> Result<usize> {
        if matches!(operation, "load" | "list" | "renew") {
            return Ok(usize::MAX);
        }
        let step = self.seen.fetch_add(1, Ordering::SeqCst);
        if step == self.at && !self.after {
            self.stop().await;
        }
        Ok(step)
    }

    async fn after(&self, step: usize) {
        if step == self.at {
            self.stop().await;
        }
    }
}

/// One that is killed at a step, and one that comes after it. Tells whether there was such a step.
async fn killed_in(pebble: &Pebble, store: Arc<dyn Store>, at: usize, after: bool) -> bool {
    let request = CertRequest::new([format!("k{at}-{after}.example")]).unwrap();
    let name = Name::certificate("it").unwrap();
    let kills = Kills::new(&store, at, after);
    let seen: Arc<dyn Store> = kills.clone();
    let first = pebble.http01(&seen);
    tokio::select! {
        done = first.issue_into(&request, &*seen, &name) => {
            done.unwrap();
            return false;
        }
        () = kills.gate.killed.notified() => {}
    }
    drop(first);
    let next = pebble.http01(&store);
    let ordering = !store.list(&Folder::ORDERS).await.unwrap().is_empty();
    let done = store.load(&name).await.unwrap().is_some();
    if ordering || !done {
        loop {
            match next.issue_into(&request, &*store, &name).await {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Busy => {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => panic!("killed at {at}, after {after}: {error}"),
            }
        }
    }
    assert!(store.load(&name).await.unwrap().is_some());
    true
}

/// The same in a store of its own, in which nothing is left then.
async fn killed_at(pebble: &Pebble, store: Arc<dyn Store>, at: usize, after: bool) -> bool {
    let killed = killed_in(pebble, store.clone(), at, after).await;
    assert_clean(&store).await;
    killed
}

pub(crate) async fn a_kill_at_each_step_leaves_one_order() {
    // Many at once, since each waits for a lock to expire, and each of them with a CA of its own:
    // Pebble can lock itself up where one lists its orders while another's certificate is issued.
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(killed_at_each(
            (worker..STEPS * 2)
                .step_by(WORKERS)
                .map(|n| (n / 2, n % 2 == 1)),
        ));
    }
    let mut steps = 0;
    while let Some(killed) = workers.join_next().await {
        steps = steps.max(killed.unwrap());
    }
    assert!((10..STEPS).contains(&steps), "{steps} steps of {STEPS}");
}

/// Tells the highest number of steps at which there was something to kill.
async fn killed_at_each(kills: impl ExactSizeIterator<Item = (usize, bool)>) -> usize {
    let pebble = Pebble::start(&Options::default());
    let tokens = Arc::new(Tokens::default());
    pebble.serve_http(Http01::new(tokens.clone())).await;
    let total = kills.len();
    let mut steps = 0;
    for (at, after) in kills {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        tokens.0.lock().unwrap().push(store.clone());
        if killed_at(&pebble, store, at, after).await {
            steps = steps.max(at + 1);
        }
    }
    assert_eq!(pebble.orders(), total, "each name was ordered once");
    let accounts = format!("There are now {total} accounts");
    assert!(pebble.log().contains(&accounts), "each key has one account");
    let more = format!("There are now {} accounts", total + 1);
    assert!(!pebble.log().contains(&more));
    steps
}

/// The URL of an order is lost in a kill, and the account has more orders than there are on a page.
pub(crate) async fn an_order_on_a_later_page_is_found() {
    let pebble = Pebble::start(&Options {
        orders_per_page: Some(2),
        ..Options::default()
    });
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    for n in 0..5 {
        let request = CertRequest::new([format!("a{n}.example")]).unwrap();
        pebble.http01(&store).issue(&request).await.unwrap();
    }
    // One of these steps is that between the order and its URL.
    for at in 3..7 {
        assert!(killed_in(&pebble, store.clone(), at, false).await);
    }
    assert_eq!(pebble.orders(), 9, "each name was ordered once");
}

/// More than an order has.
const STEPS: usize = 24;

const WORKERS: usize = 8;

/// The stores of all runs, as the web server sees them.
#[derive(Debug, Default)]
struct Tokens(std::sync::Mutex<Vec<Arc<dyn Store>>>);

#[async_trait]
impl Store for Tokens {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let stores = self.0.lock().unwrap().clone();
        for store in stores {
            if let Some(found) = store.load(name).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn save(
        &self,
        _: &Name,
        _: &Record,
        _: &Condition,
        _: Option<&Lease>,
    ) -> Result<Version> {
        unreachable!("the server reads only")
    }

    async fn delete(&self, _: &Name, _: &Condition, _: Option<&Lease>) -> Result<bool> {
        unreachable!("the server reads only")
    }

    async fn list(&self, _: &Folder) -> Result<Vec<Name>> {
        unreachable!("the server reads only")
    }

    async fn acquire(&self, _: &Name, _: &Owner, _: Duration) -> Result<Acquired> {
        unreachable!("the server reads only")
    }

    async fn renew(&self, _: &Lease) -> Result<Lease> {
        unreachable!("the server reads only")
    }

    async fn release(&self, _: &Lease) -> Result<()> {
        unreachable!("the server reads only")
    }
}

pub(crate) async fn a_kill_while_the_account_key_changes_keeps_the_account() {
    let pebble = Arc::new(Pebble::start(&Options::default()));
    let mut runs = JoinSet::new();
    for at in 0..KEY_STEPS {
        for after in [false, true] {
            let pebble = pebble.clone();
            runs.spawn(async move {
                let store = memory();
                let account = pebble.http01(&store).account_url().await.unwrap();
                let kills = Kills::new(&store, at, after);
                let seen: Arc<dyn Store> = kills.clone();
                let first = pebble.http01(&seen);
                let killed = tokio::select! {
                    done = first.roll_account_key() => { done.unwrap(); false }
                    () = kills.gate.killed.notified() => true,
                };
                drop(first);
                let next = pebble.http01(&store);
                assert_eq!(next.account_url().await.unwrap(), account);
                // The key is the right one only if the CA takes what it signs.
                next.roll_account_key().await.unwrap();
                assert_eq!(next.account_url().await.unwrap(), account);
                let name = store.list(&Folder::ACCOUNTS).await.unwrap().remove(0);
                let stored = store.load(&name).await.unwrap().unwrap();
                assert!(stored.record.part("next.key").is_none());
                if killed { at + 1 } else { 0 }
            });
        }
    }
    let mut steps = 0;
    while let Some(run) = runs.join_next().await {
        steps = steps.max(run.unwrap());
    }
    assert!(
        (4..KEY_STEPS).contains(&steps),
        "{steps} steps of {KEY_STEPS}"
    );
}

/// More than a change of keys has.
const KEY_STEPS: usize = 9;

pub(crate) async fn two_instances_order_once() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let request = CertRequest::new(["a.example"]).unwrap();
    let get = async || {
        let issuer = pebble.http01(&store);
        let mut waited = 0;
        loop {
            match issuer.issue(&request).await {
                Ok(triple) => return (triple, waited),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    assert!(error.retry_after().is_some());
                    waited += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    let ((one, waited), (two, waited_too)) = tokio::join!(get(), get());
    assert_eq!(one.chain(), two.chain());
    assert!(waited + waited_too > 0);
    assert_eq!(pebble.orders(), 1);
    assert_eq!(store.list(&Folder::ACCOUNTS).await.unwrap().len(), 1);
}
