//! A store whose failures are counted.

use std::time::Duration;

use async_trait::async_trait;

use super::Metrics;
use crate::error::{ErrorKind, Result};
use crate::store::{
    Acquired, Condition, Folder, Lease, Name, Owner, Record, Store, Stored, Version,
};

/// Any store; its failed operations are counted as `tls_certificate_store_errors_total`.
///
/// A conflict, a lost lock and an argument that no store accepts are answers, not failures of the store, and
/// are not counted.
#[derive(Debug, Clone)]
pub struct ObservedStore<S> {
    store: S,
    metrics: Metrics,
}

impl<S: Store> ObservedStore<S> {
    /// Counts the failures of `store` in `metrics`.
    pub fn new(store: S, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    fn seen<T>(&self, operation: &'static str, done: Result<T>) -> Result<T> {
        if let Err(error) = &done
            && !matches!(
                error.kind(),
                ErrorKind::Conflict | ErrorKind::Fenced | ErrorKind::Invalid
            )
        {
            self.metrics.store_failed(operation, error);
        }
        done
    }
}

#[async_trait]
impl<S: Store> Store for ObservedStore<S> {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        self.seen("load", self.store.load(name).await)
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        let loaded = self.store.load_many(names).await;
        loaded
            .into_iter()
            .map(|loaded| self.seen("load", loaded))
            .collect()
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        self.seen(
            "save",
            self.store.save(name, record, condition, lease).await,
        )
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        self.seen("delete", self.store.delete(name, condition, lease).await)
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        self.seen("list", self.store.list(folder).await)
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        self.seen("acquire", self.store.acquire(lock, owner, ttl).await)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.seen("renew", self.store.renew(lease).await)
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.seen("release", self.store.release(lease).await)
    }
}
