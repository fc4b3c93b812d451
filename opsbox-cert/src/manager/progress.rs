//! What of the plan outlives the process: a record of each certificate that failed or whose window is known, and one
//! of each CA that could not be reached.

use std::time::SystemTime;

use super::worker::Worker;
use crate::error::{ErrorKind, Result};
use crate::observe::Event;
use crate::plan::Saved;
use crate::store::{Condition, Folder, Name, Record};

const PLAN: &str = "plan.json";

/// The folder of the records of certificates.
pub(super) const FOLDER: &str = "plan";

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
