//! Carrying out a decision.

use crate::{
    act::{ActOptions, Outcome, OwnerTarget, Remediator, Target},
    decide::{Action, Decision},
    time::Timestamp,
};

/// Makes the request of an act.
pub(super) async fn carry_out(
    remediator: &Remediator,
    decision: &Decision,
    now: Timestamp,
) -> Outcome {
    let target = &decision.target;
    let pod = Target::new(&target.namespace, &target.name, &target.uid)
        .resource_version(&target.resource_version);
    let options = ActOptions::real();
    match decision.action {
        Action::Evict => remediator.evict(&pod, &options).await,
        Action::Delete => remediator.delete(&pod, &options).await,
        Action::RestartOwner => match target.workload.kind.parse() {
            Ok(kind) => {
                let owner =
                    OwnerTarget::new(kind, &target.workload.namespace, &target.workload.name);
                remediator.restart_owner(&owner, now, &options).await
            }
            Err(error) => refused(&error.to_string()),
        },
        other => refused(&format!("{other} is no act")),
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Rejected {
        code: 0,
        reason: reason.to_owned(),
    }
}
