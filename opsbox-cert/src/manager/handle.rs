//! Changes to a manager that runs.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::worker::Managed;
use crate::error::{Error, Reason, Result};
use crate::inventory::CertSpec;

/// Adds and removes certificates of a [`Manager`](super::Manager) while it runs: what
/// [`Manager::handle`](super::Manager::handle) gives. What is said here is done at the next moment that the
/// manager is free, and nothing of it is kept: after a restart the certificates are those that it is given then.
#[derive(Clone)]
pub struct ManagerHandle {
    tell: mpsc::UnboundedSender<Command>,
    issuers: Arc<[String]>,
}

pub(super) enum Command {
    Set(Box<Managed>),
    Remove(String),
    Renew(String),
    Revoked(String),
}

impl ManagerHandle {
    pub(super) fn new(tell: mpsc::UnboundedSender<Command>, issuers: Arc<[String]>) -> Self {
        Self { tell, issuers }
    }

    /// Manages a certificate from now on, in place of one of the same id. One that the store has is put in
    /// service, and one that lacks a name is ordered.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if its id cannot be the name of a record, or it names an
    /// issuer that is not there; [`Unavailable`](crate::ErrorKind::Unavailable) if the manager has stopped.
    pub fn set(&self, spec: CertSpec) -> Result<()> {
        let unknown = spec
            .issuer_names()
            .iter()
            .find(|name| !self.issuers.contains(name));
        if let Some(name) = unknown {
            return Err(Error::from(Reason::Spec {
                id: spec.id().to_owned(),
                why: format!("no issuer is named `{name}`; give one that the manager has"),
            }));
        }
        let id = spec.id().to_owned();
        self.send(&id, Command::Set(Box::new(Managed::new(spec)?)))
    }

    /// Takes a certificate out of service, and renews it no more. Its record stays in the store.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the manager has stopped.
    pub fn remove(&self, id: &str) -> Result<()> {
        self.send(id, Command::Remove(id.to_owned()))
    }

    /// Renews a certificate now, whatever it has left. Only the limits of the CA hold it up.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the manager has stopped.
    pub fn renew(&self, id: &str) -> Result<()> {
        self.send(id, Command::Renew(id.to_owned()))
    }

    /// Says that a certificate is revoked: it is replaced before all others.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the manager has stopped.
    pub fn revoked(&self, id: &str) -> Result<()> {
        self.send(id, Command::Revoked(id.to_owned()))
    }

    fn send(&self, id: &str, command: Command) -> Result<()> {
        self.tell.send(command).map_err(|_| {
            let reason = "the manager has stopped; start it again";
            let kind = crate::error::ErrorKind::Unavailable;
            Error::store(
                kind,
                "change the certificate",
                crate::text::Escaped(id),
                reason,
            )
        })
    }
}

impl fmt::Debug for ManagerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerHandle")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}
