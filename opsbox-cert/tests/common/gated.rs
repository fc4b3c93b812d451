//! A store behind a gate: a test decides before and after each operation whether it goes on.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsbox_cert::Result;
use opsbox_cert::store::{
    Acquired, Condition, Folder, Lease, Name, Owner, Record, Store, Stored, Version,
};

/// What a test does around the operations of a store, which are named as the methods of [`Store`].
#[async_trait]
pub(crate) trait Gate: Debug + Send + Sync {
    /// An error is the answer in place of the store's. What is given else is told to `after`.
    async fn before(&self, operation: &'static str) -> Result<usize>;

    /// When the store has done it.
    async fn after(&self, _mark: usize) {}

    /// A lock was not granted, since another has it.
    fn held(&self) {}
}

#[derive(Debug)]
pub(crate) struct Gated<G> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gate: G,
}

impl<G: Gate> Gated<G> {
    async fn pass<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mark = self.gate.before(operation).await?;
        let done = work.await;
        self.gate.after(mark).await;
        done
    }
}

#[async_trait]
impl<G: Gate> Store for Gated<G> {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        self.pass("load", self.store.load(name)).await
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let work = self.store.save(name, record, condition, lease);
        self.pass("save", work).await
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        let work = self.store.delete(name, condition, lease);
        self.pass("delete", work).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        self.pass("list", self.store.list(folder)).await
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        let work = self.store.acquire(lock, owner, ttl);
        let acquired = self.pass("acquire", work).await?;
        if matches!(acquired, Acquired::Held(_)) {
            self.gate.held();
        }
        Ok(acquired)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.pass("renew", self.store.renew(lease)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.pass("release", self.store.release(lease)).await
    }
}
