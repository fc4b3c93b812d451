//! When the CAs want their certificates to be renewed: asked beside the loop, each CA at its own pace.

use std::time::SystemTime;

use super::schedule::{Begun, Schedule};
use super::task::{Cert, Done};
use super::told::Entry;
use super::worker::{Held as Known, Worker};
use crate::error::{Error, ErrorKind, Result};
use crate::issuer::RenewalInfo;
use crate::limits::{MAX_MANAGER_SLEEP, NO_ARI_TIME};
use crate::plan::{Poll, Window};

/// Which issuers have no ARI, and when they are asked again whether they have.
pub(super) struct NoAri(Vec<Option<SystemTime>>);

/// What a CA answered.
pub(super) enum Answer {
    Info(RenewalInfo),
    /// It has no ARI.
    None,
    /// There was nothing to ask it about.
    NotAsked,
}

impl NoAri {
    pub(super) fn new(issuers: usize) -> Self {
        Self(vec![None; issuers])
    }

    /// Those that said so long ago may have it now.
    fn has_ari(&self, issuer: u8, now: SystemTime) -> bool {
        let until = self.0.get(usize::from(issuer)).copied().flatten();
        until.is_none_or(|until| until <= now)
    }

    fn set(&mut self, issuer: u8, until: SystemTime) {
        if let Some(place) = self.0.get_mut(usize::from(issuer)) {
            *place = Some(until);
        }
    }
}

impl Schedule {
    /// Whether the CA of a certificate is to be asked about it.
    pub(super) fn is_polled(&self, cert: &Cert, held: &Known) -> bool {
        let now = self.worker.clock.now();
        held.ari_id.is_some() && self.is_own(cert, held) && self.no_ari.has_ari(cert.issuer, now)
    }

    pub(super) fn start_poll(&mut self, poll: Poll) {
        let cert = self.entry(poll.cert()).map(|entry| entry.cert.clone());
        let now = self.worker.clock.now();
        if !self.no_ari.has_ari(poll.issuer(), now) {
            // It has said so of another certificate meanwhile. What it said of this one before counts.
            self.planner.polled(&poll, None, None, now);
            self.stop_polling(&poll, now);
            return;
        }
        let worker = self.worker.clone();
        let begun = self.tasks.spawn(async move {
            let answer = ask(&worker, cert).await;
            Done::Poll { answer }
        });
        self.begun.insert(begun.id(), Begun::Poll(poll));
    }

    pub(super) fn poll_ended(&mut self, poll: &Poll, answer: Result<Answer>) {
        let now = self.worker.clock.now();
        match answer {
            Ok(Answer::Info(info)) => {
                let window = Window::new(info.start(), info.end());
                self.planner
                    .polled(poll, Some(window), info.retry_after(), now);
            }
            Ok(Answer::None) => {
                self.no_ari.set(poll.issuer(), now + NO_ARI_TIME);
                self.not_polled(poll, now);
            }
            Ok(Answer::NotAsked) => self.not_polled(poll, now),
            // The share of the lifetime counts, and the window that was known.
            Err(error) => self.planner.polled(poll, None, error.retry_after(), now),
        }
        self.save(poll.cert());
    }

    fn not_polled(&mut self, poll: &Poll, now: SystemTime) {
        self.planner.no_ari(poll, now);
        self.stop_polling(poll, now);
    }

    fn stop_polling(&mut self, poll: &Poll, now: SystemTime) {
        let held = self.entry_mut(poll.cert()).and_then(Entry::not_polled);
        if let Some(held) = held {
            self.planner.set_held(poll.cert(), Some(&held), now);
        }
    }
}

/// Asks the CA of a certificate for its window.
async fn ask(worker: &Worker, cert: Option<Cert>) -> Result<Answer> {
    let Some(cert) = cert else {
        return Ok(Answer::NotAsked);
    };
    let ari_id = {
        let managed = cert.managed.lock().await;
        managed.held.as_ref().and_then(|held| held.ari_id.clone())
    };
    let issuer = worker.issuers.get(usize::from(cert.issuer));
    let (Some(ari_id), Some((_, issuer))) = (ari_id, issuer) else {
        return Ok(Answer::NotAsked);
    };
    let asked = tokio::time::timeout(MAX_MANAGER_SLEEP, issuer.renewal_info(&ari_id));
    let Ok(answer) = asked.await else {
        let reason = "the issuer did not answer; it is asked again later";
        return Err(Error::store(
            ErrorKind::Unavailable,
            "ask for the renewal of",
            &*cert.id,
            reason,
        ));
    };
    Ok(answer?.map_or(Answer::None, Answer::Info))
}
