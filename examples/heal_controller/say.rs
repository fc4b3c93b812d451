//! What happens, a line each.

use std::{io::Write as _, time::Duration};

use opsbox_heal::{
    Timestamp,
    act::{Outcome, Recovery},
    controller::Observer,
    decide::{Action, Decision, UnderWay},
    observe::live::WatchState,
};

pub(crate) fn say(text: &str) {
    // Nobody may be there to read it.
    let _gone = writeln!(std::io::stdout(), "{text}");
}

/// Tells the terminal.
pub(crate) struct Say {
    /// Of pods that are left alone, too.
    pub(crate) all: bool,
}

impl Observer for Say {
    fn decided(&self, decision: &Decision, now: Timestamp) {
        let is_told_elsewhere =
            decision.action == Action::Escalate || decision.action.is_act() && !decision.dry_run;
        if !is_told_elsewhere && (self.all || decision.action.is_act()) {
            say(&format!("{now} {decision}"));
        }
    }

    fn acted(&self, decision: &Decision, outcome: &Outcome, _: Duration, now: Timestamp) {
        say(&format!("{now} {decision}: {outcome}"));
    }

    fn recovered(&self, act: &UnderWay, recovery: &Recovery, now: Timestamp) {
        say(&format!(
            "{now} {} ({}): {recovery}",
            act.target.workload, act.condition
        ));
    }

    fn escalated(&self, decision: &Decision, now: Timestamp) {
        say(&format!("{now} {decision}: {}", decision.summary));
    }

    fn interrupted(&self, state: &WatchState) {
        if let Some(error) = &state.last_error {
            eprintln!("heal_controller: {error}");
        }
    }

    fn leads(&self, leads: bool) {
        say(if leads { "leads" } else { "leads no longer" });
    }
}
