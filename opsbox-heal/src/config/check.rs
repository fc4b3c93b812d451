//! What each field by itself cannot see.

use crate::decide::Policy;

/// The first field that does not fit, and why.
pub(super) fn check(policy: &Policy) -> Option<(String, String)> {
    for (index, response) in policy.responses.iter().enumerate() {
        let at = |field: &str| format!("responses[{index}].{field}");
        if response.steps.is_empty() {
            let message = "there is no step; give at least one, such as \"ignore\"";
            return Some((at("steps"), message.to_owned()));
        }
        let still = response.steps.iter().position(|step| !step.is_act());
        if let Some(end) = still
            && end + 1 < response.steps.len()
        {
            let step = response.steps.get(end)?;
            let message = format!("nothing can follow {step}; make it the last step");
            return Some((format!("{}[{end}]", at("steps")), message));
        }
        if let Some(cause) = response.cause
            && cause.condition() != response.condition
        {
            let message = format!(
                "{cause} is a cause of {}, not of {}",
                cause.condition(),
                response.condition
            );
            return Some((at("cause"), message));
        }
        let same = |other: &crate::decide::Response| {
            (other.condition, other.cause) == (response.condition, response.cause)
        };
        if policy.responses.iter().take(index).any(same) {
            let message = format!(
                "there is a response to {} already; keep one",
                response.name()
            );
            return Some((at("condition"), message));
        }
    }
    let unprotected = &policy.protection.unprotected_namespaces;
    for (index, name) in unprotected.iter().enumerate() {
        if !crate::decide::PROTECTED_NAMESPACES.contains(&name.as_str()) {
            let message = format!("{name:?} is not protected by itself; leave it out");
            let field = format!("protection.unprotected_namespaces[{index}]");
            return Some((field, message));
        }
    }
    let zero = [
        ("rate.period", policy.rate.period),
        ("backoff.initial", policy.backoff.initial),
        ("recovery_timeout", policy.recovery_timeout),
        ("stale_after", policy.stale_after),
    ];
    for (field, period) in zero {
        if period.is_zero() {
            return Some((
                field.to_owned(),
                "it must be longer than nothing".to_owned(),
            ));
        }
    }
    if policy.backoff.max < policy.backoff.initial {
        return Some((
            "backoff.max".to_owned(),
            "it is shorter than backoff.initial".to_owned(),
        ));
    }
    None
}
