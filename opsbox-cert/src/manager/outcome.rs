//! What an error of an issuer means for the plan and the limits.

use std::time::{Duration, SystemTime};

use crate::budget::{Ledger, Scope, key, limit_in};
use crate::error::{Error, ErrorKind};
use crate::identifier::Identifier;
use crate::issuer::Step;
use crate::limits::MAX_CA_PAUSE;
use crate::plan::Failure;

/// How long a limit is taken to be met if the CA does not say.
const UNSAID: Duration = Duration::from_secs(60 * 60);

/// What the plan is told of a failure.
pub(super) fn failure(error: &Error) -> Failure {
    let retry_after = error.retry_after();
    let step = error.step();
    let failure = match error.kind() {
        // No CA was asked, or its answer could not be kept.
        ErrorKind::Unavailable if step.is_none() => Failure::unknown(),
        ErrorKind::Unavailable if matches!(step, Some(Step::Finalize | Step::Download)) => {
            Failure::outage().uncertain()
        }
        // The names are at fault too where one of several issuers refused.
        ErrorKind::Unavailable if step == Some(Step::Chain) => Failure::refused(),
        ErrorKind::Unavailable => Failure::outage(),
        _ if matches!(step, Some(Step::Validate | Step::Authorize)) => {
            Failure::validation(names(error))
        }
        _ if matches!(step, Some(Step::Finalize | Step::Download)) => Failure::unknown(),
        _ => Failure::refused(),
    };
    failure.retry_after(retry_after)
}

/// The keys of the names that an error is about.
fn names(error: &Error) -> Vec<u64> {
    let base = |name: &str| {
        let name: Identifier = name.parse().ok()?;
        Some(key(name.base().as_bytes()))
    };
    let subproblems = error.problem().map(|problem| problem.subproblems());
    let named = subproblems
        .unwrap_or_default()
        .iter()
        .filter_map(|it| it.identifier());
    let mut keys: Vec<u64> = error
        .identifier()
        .into_iter()
        .chain(named)
        .filter_map(base)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A limit that was met after all is blocked for as long as the CA says.
pub(super) fn block(ledger: &mut Ledger, error: &Error, set: u64, now: SystemTime) {
    if error.kind() != ErrorKind::RateLimited {
        return;
    }
    let detail = error
        .problem()
        .and_then(|problem| problem.detail())
        .unwrap_or_default();
    let (scope, name) = limit_in(detail);
    let name = name.map(|name| key(name.trim_start_matches("*.").as_bytes()));
    let key = match scope {
        Scope::ExactSet => Some(set),
        _ => name,
    };
    let wait = error.retry_after().unwrap_or(UNSAID).min(MAX_CA_PAUSE);
    ledger.block(scope, key, now + wait, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Charge, Limits, Outcome, Subject};
    use std::time::UNIX_EPOCH;

    fn error(kind: ErrorKind, step: Step) -> Error {
        Error::issuance(kind, step, "a CA", "a.example", "it says so")
    }

    #[test]
    fn what_failed_counts_where_the_ca_counts_it() {
        for (kind, step, wanted) in [
            (ErrorKind::Unavailable, Step::Order, Failure::outage()),
            (
                ErrorKind::Unavailable,
                Step::Download,
                Failure::outage().uncertain(),
            ),
            (ErrorKind::Unavailable, Step::Chain, Failure::refused()),
            (ErrorKind::Refused, Step::Order, Failure::refused()),
            (
                ErrorKind::Refused,
                Step::Validate,
                Failure::validation(Vec::new()),
            ),
            (ErrorKind::Refused, Step::Finalize, Failure::unknown()),
            (ErrorKind::RateLimited, Step::Order, Failure::refused()),
        ] {
            assert_eq!(failure(&error(kind, step)), wanted, "{kind:?} {step:?}");
        }
        assert_eq!(*Failure::outage().outcome(), Outcome::Refused);
    }

    #[test]
    fn a_limit_that_was_met_is_blocked() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut ledger = Ledger::new(Limits::lets_encrypt());
        let subject = Subject::new(&["a.example".parse().unwrap()]);
        block(
            &mut ledger,
            &error(ErrorKind::Refused, Step::Order),
            subject.set(),
            now,
        );
        ledger.check(&Charge::new(&subject), now).unwrap();
        block(
            &mut ledger,
            &error(ErrorKind::RateLimited, Step::Order),
            subject.set(),
            now,
        );
        let denied = ledger.check(&Charge::new(&subject), now).unwrap_err();
        assert_eq!(denied.scope(), Scope::Account);
        assert!(denied.until() >= now + UNSAID);
    }

    #[test]
    fn a_ca_that_asks_for_ages_is_asked_again_in_days() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut ledger = Ledger::new(Limits::none());
        let failure = crate::issuer::Failure::new(ErrorKind::RateLimited, Step::Order, "later")
            .retry_after(Some(Duration::MAX));
        block(&mut ledger, &failure.into(), 7, now);
        let subject = Subject::single(7, 8);
        let denied = ledger.check(&Charge::new(&subject), now).unwrap_err();
        assert!(denied.until() <= now + MAX_CA_PAUSE);
    }
}
