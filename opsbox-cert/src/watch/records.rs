//! What became of the records of a source: told once, and put in service if it is better.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::error::{Error, Result};
use crate::install::{Candidate, Certificates, Policy, Refusal};
use crate::observe::Event;
use crate::store::{Name, Stored, Triple, Version};

/// Puts records in service, under the id of each.
pub(super) struct Records {
    certificates: Certificates,
    provider: Arc<CryptoProvider>,
    pub(super) policy: Policy,
    failed: bool,
    known: BTreeMap<Name, Known>,
}

/// What became of a record.
#[derive(Default)]
struct Known {
    version: Option<Version>,
    refused: Option<&'static str>,
    gone: bool,
}

impl Records {
    pub(super) fn new(certificates: Certificates, provider: Arc<CryptoProvider>) -> Self {
        Self {
            certificates,
            provider,
            policy: Policy::new(),
            failed: false,
            known: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What was read of a record; an error that can be tried again is given back.
    pub(super) fn read(&mut self, name: &Name, stored: Result<Option<Stored>>) -> Result<()> {
        match stored {
            Ok(Some(stored)) => self.stored(name, &stored),
            // Deleted since it was listed.
            Ok(None) => self.gone(name),
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => self.refused(name, None, error.into()),
        }
        Ok(())
    }

    fn stored(&mut self, name: &Name, stored: &Stored) {
        let known = self.known.get(name);
        let is_known = known.is_some_and(|known| {
            known.version.as_ref() == Some(&stored.version)
                && known.refused.is_none()
                && !known.gone
        });
        if is_known {
            return;
        }
        let put = Triple::from_record(name, &stored.record, &self.provider)
            .and_then(|triple| Candidate::from_triple(&triple))
            .map_err(Refusal::from)
            .and_then(|candidate| self.certificates.put(name.id(), candidate, &self.policy));
        match put {
            Err(refusal) => self.refused(name, Some(&stored.version), refusal),
            put => {
                self.certificates.tell(name.id(), put.as_ref());
                let known = self.known.entry(name.clone()).or_default();
                *known = Known {
                    version: Some(stored.version.clone()),
                    ..Known::default()
                };
            }
        }
    }

    /// Told once for each version and reason.
    fn refused(&mut self, name: &Name, version: Option<&Version>, refusal: Refusal) {
        let known = self.known.entry(name.clone()).or_default();
        let now = Known {
            version: version.cloned(),
            refused: Some(refusal.label()),
            gone: false,
        };
        if known.version != now.version || known.refused != now.refused {
            self.certificates.tell(name.id(), Err(&refusal));
        }
        *known = now;
    }

    /// Told once.
    pub(super) fn gone(&mut self, name: &Name) {
        if let Some(known) = self.known.get_mut(name)
            && !std::mem::replace(&mut known.gone, true)
        {
            let id = name.id().into();
            self.certificates.events().tell(Event::Gone { id });
        }
    }

    /// All that are not among these names, which are sorted, are gone.
    pub(super) fn only(&mut self, names: &[Name]) {
        let listed = |name: &Name| names.binary_search(name).is_ok();
        let gone: Vec<Name> = self
            .known
            .keys()
            .filter(|name| !listed(name))
            .cloned()
            .collect();
        for name in gone {
            self.gone(&name);
        }
    }

    /// Those that were refused: time may make them good.
    #[cfg(feature = "store-kube")]
    pub(super) fn refused_ones(&self) -> Vec<Name> {
        let known = self.known.iter();
        let refused = known.filter(|(_, known)| known.refused.is_some() && !known.gone);
        refused.map(|(name, _)| name.clone()).collect()
    }

    /// Whether the source could be used; of failures in a row the first one is told.
    pub(super) fn source(&mut self, done: Result<(), Error>) {
        match done {
            Ok(()) => self.failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    self.certificates
                        .events()
                        .tell(Event::SourceFailed { error });
                }
            }
        }
    }
}
