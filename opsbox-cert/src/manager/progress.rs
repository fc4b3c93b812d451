//! What of the plan outlives the process: a record of each certificate that failed or whose window is known, and one
//! of each CA that could not be reached.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use tokio::sync::OnceCell;

use super::claim::book_id;
use super::schedule::{Begun, Schedule};
use super::task::Done;
use super::worker::Worker;
use crate::error::{ErrorKind, Result};
use crate::observe::Event;
use crate::plan::{CertId, Outage, Saved};
use crate::store::{Condition, Folder, Name, Record};

const PLAN: &str = "plan.json";

/// The folder of the records of certificates.
pub(super) const FOLDER: &str = "plan";

/// What of the plan is on its way into the store.
pub(super) struct Saving {
    text: Vec<u8>,
    /// It is newer than what is being written.
    is_newer: bool,
}

/// The record of a certificate.
pub(super) fn of_certificate(id: &str) -> Result<Name> {
    Name::new(&Folder::new(FOLDER)?, id)
}

/// The record of an issuer, by the id of its ledger.
pub(super) fn of_issuer(id: &str) -> Result<Name> {
    Name::new(&Folder::new("outages")?, id)
}

/// What was saved of a certificate.
pub(super) async fn load(worker: &Worker, id: &str) -> Option<Saved> {
    let name = of_certificate(id).ok()?;
    load_all(worker, &[name]).await.pop().flatten()
}

/// What was saved under each of these names. A record that cannot be read is none: what it said is found out anew.
pub(super) async fn load_all<T: serde::de::DeserializeOwned>(
    worker: &Worker,
    names: &[Name],
) -> Vec<Option<T>> {
    let loaded = worker.store.load_many(names).await.into_iter();
    loaded
        .map(|stored| match stored {
            Ok(stored) => {
                let record = stored?.record;
                serde_json::from_slice(record.part(PLAN)?).ok()
            }
            Err(error) => {
                if error.kind() != ErrorKind::Corrupt {
                    worker.tell(Event::SourceFailed { error });
                }
                None
            }
        })
        .collect()
}

/// Of which certificates something was saved, if that can be seen: looked up by the first that wants to know.
#[derive(Default)]
pub(super) struct Listed(OnceCell<Option<HashSet<Name>>>);

impl Listed {
    async fn names(&self, worker: &Worker) -> Option<&HashSet<Name>> {
        let list = async || {
            let names = worker.store.list(&Folder::new(FOLDER).ok()?).await.ok()?;
            Some(names.into_iter().collect())
        };
        self.0.get_or_init(list).await.as_ref()
    }
}

/// What was saved under these names, as far as something was.
pub(super) async fn load_some(
    worker: &Worker,
    mut names: Vec<Name>,
    listed: Option<&Listed>,
) -> HashMap<Name, Saved> {
    if let Some(listed) = listed
        && !names.is_empty()
        && let Some(listed) = listed.names(worker).await
    {
        names.retain(|name| listed.contains(name));
    }
    let loaded = load_all(worker, &names).await;
    let loaded = names.into_iter().zip(loaded);
    loaded
        .filter_map(|(name, saved)| Some((name, saved?)))
        .collect()
}

/// What a record says.
pub(super) fn text(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Saves it. What is not saved costs a try too many after a restart, so it is told and no more.
pub(super) async fn save(worker: &Worker, name: &Name, text: Vec<u8>) {
    let saved = async {
        let record = Record::new().with(PLAN, text)?;
        let save = worker.store.save(name, &record, &Condition::Any, None);
        save.await.map(drop)
    };
    if let Err(error) = saved.await {
        worker.tell(Event::SourceFailed { error });
    }
}

/// Whether a certificate has to wait, by what another instance or an earlier life of this one has saved of it.
pub(super) fn has_to_wait(known: &Saved, stored: &Saved, now: SystemTime) -> bool {
    stored.is_of_same(known) && stored.waits_until() > now
}

impl Schedule {
    /// The record of an issuer by its place.
    pub(super) fn outage_name(&self, issuer: usize) -> Option<Name> {
        let (label, issuer) = self.worker.issuers.get(issuer)?;
        of_issuer(&book_id(label, &**issuer)).ok()
    }

    /// Saves what a certificate waits for, and what its CA said.
    pub(super) fn save(&mut self, cert: CertId) {
        let known = self.entry(cert);
        let name = known.and_then(|known| of_certificate(&known.cert.id).ok());
        if let (Some(name), Some(saved)) = (name, self.planner.saved(cert)) {
            self.write(name, text(&saved));
        }
    }

    /// Saves how often a CA could not be reached, if that is another number now.
    pub(super) fn save_outage(&mut self, issuer: u8) {
        let outage = self.planner.outage(issuer);
        let place = usize::from(issuer);
        let known = self.outages.as_mut().and_then(|it| it.get_mut(place));
        let Some(known) = known.filter(|known| **known != outage) else {
            return;
        };
        *known = outage;
        if let Some(name) = self.outage_name(place) {
            self.write(name, text(&outage));
        }
    }

    pub(super) fn restore_outages(&mut self, loaded: Vec<Outage>) {
        if self.outages.is_some() {
            return;
        }
        for (issuer, outage) in (0..).zip(&loaded) {
            self.planner.restore_outage(issuer, outage);
        }
        self.outages = Some(loaded);
    }

    /// Writes a record, after what is being written to it.
    fn write(&mut self, name: Name, text: Vec<u8>) {
        if let Some(saving) = self.saving.get_mut(&name) {
            (saving.text, saving.is_newer) = (text, true);
            return;
        }
        let (worker, record, written) = (self.worker.clone(), name.clone(), text.clone());
        let is_newer = false;
        self.saving.insert(name.clone(), Saving { text, is_newer });
        let begun = self.tasks.spawn(async move {
            save(&worker, &record, written).await;
            Done::Saved
        });
        self.begun.insert(begun.id(), Begun::Save(name));
    }

    pub(super) fn written(&mut self, name: Name) {
        let newer = self.saving.remove(&name).filter(|saving| saving.is_newer);
        if let Some(newer) = newer {
            self.write(name, newer.text);
        }
    }

    /// Saves what was being saved when the tasks were ended.
    pub(super) async fn save_all(&mut self) {
        for (name, Saving { text, .. }) in std::mem::take(&mut self.saving) {
            save(&self.worker, &name, text).await;
        }
    }
}
