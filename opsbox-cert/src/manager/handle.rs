//! Changes to a manager that runs.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::reserved::Ids;
use super::worker::Managed;
use crate::error::{Error, Reason, Result};
use crate::inventory::CertSpec;
use crate::text::Escaped;

/// Adds and removes certificates of a [`Manager`](super::Manager) while it runs: what
/// [`Manager::handle`](super::Manager::handle) gives. What is said here is done at the next moment that the
/// manager is free, and nothing of it is kept: after a restart the certificates are those that it is given then.
///
/// # Several instances
///
/// With [`Manager::share_work`](super::Manager::share_work) any instance can be told to [`renew`](Self::renew), to
/// replace what is [`revoked`](Self::revoked), or to [`unpause`](Self::unpause): one that does not plan the
/// certificate takes it over until there is a new one, under its lock. What is in service at the instance that is
/// told is what is replaced: if another instance has got a newer one meanwhile, that is taken, and none is
/// ordered. So to tell one of them is enough, and to tell all of them at once orders one certificate; one that is told
/// when it has that in service, which may be seconds later, orders another. [`set`](Self::set) and [`remove`](Self::remove) are for the
/// instance that is told: all of them need the same certificates.
#[derive(Clone)]
pub struct ManagerHandle {
    tell: mpsc::UnboundedSender<Command>,
    issuers: Arc<[String]>,
    ids: Ids,
}

pub(super) enum Command {
    Set(Box<Managed>),
    Remove(String),
    Wish(String, Wish),
}

/// A new certificate that is wanted; of two, the greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum New {
    Renew,
    Replace,
}

/// What is wanted of a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) new: Option<New>,
    /// Its names are to be unpaused, which goes before.
    pub(super) is_unpaused: bool,
}

impl Wish {
    pub(super) const UNPAUSE: Self = Self {
        new: None,
        is_unpaused: true,
    };

    pub(super) fn new(new: New) -> Self {
        Self {
            new: Some(new),
            is_unpaused: false,
        }
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            new: self.new.max(other.new),
            is_unpaused: self.is_unpaused || other.is_unpaused,
        }
    }
}

impl ManagerHandle {
    pub(super) fn new(
        tell: mpsc::UnboundedSender<Command>,
        issuers: Arc<[String]>,
        ids: Ids,
    ) -> Self {
        Self { tell, issuers, ids }
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
        let managed = Box::new(Managed::new(spec)?);
        let mut ids = self.ids.lock();
        self.send(&id, Command::Set(managed))?;
        ids.insert(id);
        Ok(())
    }

    /// Takes a certificate out of service, and renews it no more. Its records, of the certificate and of what is
    /// planned, stay in the store. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the manager has stopped.
    pub fn remove(&self, id: &str) -> Result<()> {
        let mut ids = self.ids.lock();
        self.send(id, Command::Remove(id.to_owned()))?;
        ids.remove(id);
        Ok(())
    }

    /// Renews a certificate now, whatever it has left. Only the limits of the CA hold it up.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the manager has no certificate of this id: those on demand are
    /// not its own. [`Unavailable`](crate::ErrorKind::Unavailable) if it has stopped.
    pub fn renew(&self, id: &str) -> Result<()> {
        self.wish(id, Wish::new(New::Renew))
    }

    /// Says that a certificate is revoked: it is replaced before all others.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub fn revoked(&self, id: &str) -> Result<()> {
        self.wish(id, Wish::new(New::Replace))
    }

    /// Lets a certificate be tried again whose names failed validation so often in a row that Let's Encrypt
    /// has paused them ([`Scope::ConsecutiveFailures`](crate::budget::Scope::ConsecutiveFailures), told by
    /// [`Event::Limited`](crate::observe::Event::Limited)). Nothing else ends that.
    ///
    /// Repair the names first, and unpause them at the CA, by the link that its error has. It is forgotten in the
    /// ledger that all instances share, and the certificate is tried at once, whatever time its failures would have it
    /// wait. All other limits hold.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub fn unpause(&self, id: &str) -> Result<()> {
        self.wish(id, Wish::UNPAUSE)
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<()> {
        let ids = self.ids.lock();
        if !ids.contains(id) {
            return Err(Error::from(Reason::Spec {
                id: Escaped(id).to_string(),
                why: "the manager has no certificate of this id; give it one with `set`, or see how it is spelled".into(),
            }));
        }
        self.send(id, Command::Wish(id.to_owned(), wish))
    }

    fn send(&self, id: &str, command: Command) -> Result<()> {
        self.tell.send(command).map_err(|_| {
            let reason = "the manager has stopped; start it again";
            let kind = crate::error::ErrorKind::Unavailable;
            Error::store(kind, "change the certificate", Escaped(id), reason)
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
