//! What happens to the world from outside, as the scenario has it.

use super::engine::{Job, Simulation, duration};
use super::instance::time;
use super::scenario::Event;

/// After so long without a sign of life an instance is gone for the others.
const LEASE: u64 = 60 * 1_000_000;

impl Simulation {
    pub(super) fn happens(&mut self, event: &Event) {
        let now = time(self.now);
        match event {
            // It is one of the faults of the CA from the beginning.
            Event::Outage { .. } => {}
            Event::Revoke { issued_within } => {
                let since = now.checked_sub(*issued_within).unwrap_or(now);
                self.ca.revoke_issued(since..now, now);
            }
            Event::MoveWindows {
                issued_within,
                after,
                lasts,
            } => {
                let since = now.checked_sub(*issued_within).unwrap_or(now);
                self.ca
                    .move_windows(since..now, now + *after, now + *after + *lasts);
            }
            Event::Lifetime { from, to } => {
                for profile in &mut self.ca.options.profiles {
                    if profile.lifetime == *from {
                        profile.lifetime = *to;
                    }
                }
            }
            Event::Crash { instance, down_for } => {
                let (instance, down_for) = (*instance, *down_for);
                if !self.instances[instance].is_up {
                    return;
                }
                self.instances[instance].crash(&self.scenario.policy);
                if let Some(down_for) = down_for {
                    self.push(
                        self.now.saturating_add(duration(down_for)),
                        Job::Start(instance),
                    );
                }
                if self.instances.iter().all(|it| !it.is_up) {
                    self.nobody_since = Some(self.now);
                    if down_for.is_none() {
                        self.tally.is_down(self.now, u64::MAX);
                    }
                }
                self.tell_others(instance, LEASE);
            }
            Event::Clock { instance, seconds } => {
                let instance = *instance;
                self.clocks_differ = true;
                // It reads the ledgers every minute.
                self.instances[instance].meet(&mut self.store.ledgers, self.now);
                let micros = seconds.saturating_mul(1_000_000);
                let ahead = &mut self.instances[instance].ahead;
                *ahead = ahead.saturating_add(micros);
                if self.instances[instance].is_up {
                    self.drive(instance);
                }
            }
            Event::Repair => self.repair(),
        }
    }

    /// The names that were doomed are not any more, and the CA is asked to end their pauses.
    fn repair(&mut self) {
        self.tally.repaired = Some(self.now);
        for account in &self.accounts {
            self.ca.unpause(*account);
        }
        for index in 0..self.scenario.population.count {
            let truth = &mut self.truths[index as usize];
            if !std::mem::take(&mut truth.is_doomed) {
                continue;
            }
            truth.was_doomed = true;
            let member = self.scenario.member(index);
            for name in 0..member.names {
                self.store.ledgers[usize::from(member.account)].unpause(member.key(name));
            }
        }
    }
}
