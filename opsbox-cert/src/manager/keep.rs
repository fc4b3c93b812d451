//! What the plan waits for, on its way into the store beside the loop, and back after a restart.

use std::collections::HashMap;

use super::claim::book_id;
use super::progress;
use super::schedule::{Begun, Schedule};
use super::task::Done;
use super::worker::Worker;
use crate::plan::{CertId, Outage};
use crate::store::Name;

/// What was saved, and what is on its way.
#[derive(Default)]
pub(super) struct Keeping {
    /// Of each issuer as it was saved last, once that is known.
    outages: Option<Vec<Outage>>,
    saving: HashMap<Name, Saving>,
}

struct Saving {
    text: Vec<u8>,
    /// It is newer than what is being written.
    is_newer: bool,
}

/// What was saved of each issuer.
pub(super) async fn load_outages(worker: &Worker) -> Vec<Outage> {
    let names: Vec<Name> = (0..worker.issuers.len())
        .filter_map(|issuer| outage_name(worker, issuer))
        .collect();
    let loaded: Vec<Option<Outage>> = progress::load_all(worker, &names).await;
    loaded.into_iter().map(Option::unwrap_or_default).collect()
}

fn outage_name(worker: &Worker, issuer: usize) -> Option<Name> {
    let (label, issuer) = worker.issuers.get(issuer)?;
    progress::of_issuer(&book_id(label, &**issuer)).ok()
}

impl Schedule {
    pub(super) fn restore_outages(&mut self, outages: Vec<Outage>) {
        for (issuer, outage) in (0..).zip(&outages) {
            self.planner.restore_outage(issuer, outage);
        }
        self.keeping.outages = Some(outages);
    }

    /// Saves what a certificate waits for, and what its CA said.
    pub(super) fn save(&mut self, cert: CertId) {
        let entry = self.entry(cert);
        let name = entry.and_then(|it| progress::of_certificate(&it.cert.id).ok());
        if let (Some(name), Some(saved)) = (name, self.planner.saved(cert)) {
            self.write(name, progress::text(&saved));
        }
    }

    /// Saves how often a CA could not be reached, if that is another number now.
    pub(super) fn save_outage(&mut self, issuer: u8) {
        let outage = self.planner.outage(issuer);
        let place = usize::from(issuer);
        let known = self.keeping.outages.as_mut();
        let known = known.and_then(|known| known.get_mut(place));
        let Some(known) = known.filter(|known| **known != outage) else {
            return;
        };
        *known = outage;
        if let Some(name) = outage_name(&self.worker, place) {
            self.write(name, progress::text(&outage));
        }
    }

    /// Writes a record, after what is being written to it.
    fn write(&mut self, name: Name, text: Vec<u8>) {
        if let Some(saving) = self.keeping.saving.get_mut(&name) {
            (saving.text, saving.is_newer) = (text, true);
            return;
        }
        let (worker, record, written) = (self.worker.clone(), name.clone(), text.clone());
        let is_newer = false;
        let saving = Saving { text, is_newer };
        self.keeping.saving.insert(name.clone(), saving);
        let begun = self.tasks.spawn(async move {
            progress::save(&worker, &record, written).await;
            Done::Saved
        });
        self.begun.insert(begun.id(), Begun::Save(name));
    }

    pub(super) fn written(&mut self, name: Name) {
        let saving = self.keeping.saving.remove(&name);
        if let Some(newer) = saving.filter(|saving| saving.is_newer) {
            self.write(name, newer.text);
        }
    }

    /// Writes what was on its way when its tasks were ended.
    pub(super) async fn save_rest(&mut self) {
        for (name, saving) in std::mem::take(&mut self.keeping.saving) {
            progress::save(&self.worker, &name, saving.text).await;
        }
    }
}
