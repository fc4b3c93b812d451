//! What of the plan outlives the process: a record of each certificate that failed or whose window is known, and one
//! of each CA that could not be reached.

use std::collections::HashSet;
use std::time::SystemTime;

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

/// From how many certificates on it is looked up first of which something was saved.
const LISTED_FROM: usize = 16;

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

/// What was saved of many certificates, as far as something was.
pub(super) async fn load_some(worker: &Worker, ids: &[&str]) -> Vec<Option<Saved>> {
    let names: Vec<Option<Name>> = ids.iter().map(|id| of_certificate(id).ok()).collect();
    let mut listed: Option<HashSet<Name>> = None;
    if names.len() > LISTED_FROM
        && let Ok(folder) = Folder::new(FOLDER)
        && let Ok(names) = worker.store.list(&folder).await
    {
        listed = Some(names.into_iter().collect());
    }
    let has = |name: &Name| listed.as_ref().is_none_or(|listed| listed.contains(name));
    let names: Vec<Option<Name>> = names.into_iter().map(|name| name.filter(has)).collect();
    let asked: Vec<Name> = names.iter().flatten().cloned().collect();
    let mut loaded = load_all(worker, &asked).await.into_iter();
    names
        .iter()
        .map(|name| name.as_ref().and_then(|_| loaded.next().flatten()))
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
