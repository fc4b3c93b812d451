//! From what the API server answers to an [`Outcome`].

use std::{fmt, time::Duration};

use kube::core::Status;

use super::outcome::{Outcome, Permission};
use crate::call::{Answer, NoAnswer, short};

/// What was asked, to be named if it is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    /// With the subresource, such as `pods/eviction`.
    pub(crate) resource: &'static str,
    pub(crate) namespace: &'a str,
    /// Whether it changes anything: a read that fails leaves nothing uncertain.
    pub(crate) writes: bool,
}

impl Asked<'_> {
    fn permission(&self) -> Permission {
        Permission::new(self.verb, self.group, self.resource).namespace(self.namespace)
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// The body of a success, or what else became of it.
pub(crate) fn judge(
    asked: Asked<'_>,
    answer: Result<Answer, NoAnswer>,
) -> Result<Vec<u8>, Outcome> {
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(answer.body),
        Ok(answer) => Err(refused(asked, &answer)),
        Err(none) => Err(unanswered(asked, none)),
    }
}

fn unanswered(asked: Asked<'_>, none: NoAnswer) -> Outcome {
    let uncertain = asked.writes;
    match none {
        NoAnswer::TimedOut(limit) => Outcome::Unavailable {
            reason: format!("no answer to {asked} within {} ms", limit.as_millis()),
            retry_after: None,
            uncertain,
        },
        NoAnswer::NotConnected(reason) => Outcome::Unavailable {
            reason: format!("{asked} failed: {reason}; check the address"),
            retry_after: None,
            uncertain: false,
        },
        NoAnswer::Unreachable(reason) => Outcome::Unavailable {
            reason: format!("{asked} failed: {reason}; check the address and the certificate"),
            retry_after: None,
            uncertain,
        },
        NoAnswer::Credentials(reason) => Outcome::Rejected {
            code: 0,
            reason: format!(
                "the client has no valid credentials ({reason}); check its kubeconfig, or the token that is mounted"
            ),
        },
        NoAnswer::Malformed(reason) => Outcome::Rejected { code: 0, reason },
    }
}

fn refused(asked: Asked<'_>, answer: &Answer) -> Outcome {
    // What stands between may answer with a page, and API priority and fairness does with plain text.
    let status: Status = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = if status.message.is_empty() {
        let said = String::from_utf8_lossy(&answer.body);
        short(if said.is_empty() {
            "no reason given"
        } else {
            &said
        })
    } else {
        short(&status.message)
    };
    let details = status.details.as_ref();
    let is_about = |kind: &str| details.is_some_and(|details| details.kind == kind);
    let after = details.map_or(0, |details| details.retry_after_seconds);
    let after = (after > 0).then(|| Duration::from_secs(after.into()));
    let retry_after = after
        .or(answer.retry_after)
        .filter(|after| !after.is_zero());
    let code = answer.status.as_u16();
    let rejected = |advice: &str| Outcome::Rejected {
        code,
        reason: if advice.is_empty() {
            message.clone()
        } else {
            format!("{}; {advice}", message.trim_end_matches('.'))
        },
    };
    let unavailable = |uncertain| Outcome::Unavailable {
        reason: format!("HTTP {code} to {asked}: {message}"),
        retry_after,
        uncertain: uncertain && asked.writes,
    };
    match code {
        429 => match disruption_budget(&status) {
            Some(budget) => Outcome::Blocked {
                budget: short(&budget),
                retry_after,
            },
            None => unavailable(false),
        },
        403 if is_of_authorizer(&status.message) => Outcome::Forbidden(asked.permission()),
        // Without a name it is the path that is unknown, not the object.
        404 if details.is_some_and(|details| !details.name.is_empty()) => Outcome::Gone,
        404 => {
            rejected("the API server does not know this resource; check its version and address")
        }
        // An eviction writes to the budget first, and gives up if others do too.
        409 if is_about("poddisruptionbudgets") => unavailable(false),
        409 => Outcome::Changed { reason: message },
        401 => rejected("the token or certificate does not hold; see that it is not expired"),
        500 if message.contains("more than one PodDisruptionBudget") => {
            rejected("leave one budget over the pod")
        }
        // Before the request was worked on, or when the time for it was over.
        503 => unavailable(false),
        500.. => unavailable(true),
        _ => rejected(""),
    }
}

/// `User "..." cannot create resource "pods/eviction" ...`: the authorizer, not an admission plugin or a webhook, which may
/// say that something cannot be done, too.
fn is_of_authorizer(message: &str) -> bool {
    let user = message.split_once("User \"").map(|(_, rest)| rest);
    user.is_some_and(|rest| rest.contains("\" cannot "))
}

/// What the budget that blocks an eviction needs, if it is one that does.
fn disruption_budget(status: &Status) -> Option<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let told: Vec<&str> = causes
        .filter(|cause| cause.reason == "DisruptionBudget")
        .map(|cause| cause.message.as_str())
        .collect();
    if !told.is_empty() {
        return Some(told.join("; "));
    }
    let by_words = status.message.contains("disruption budget");
    by_words.then(|| status.message.clone())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    const ASKED: Asked<'static> = Asked {
        verb: "create",
        group: "",
        resource: "pods/eviction",
        namespace: "shop",
        writes: true,
    };

    fn outcome(code: u16, body: &[u8], header: Option<u64>) -> Outcome {
        let answer = Answer {
            status: StatusCode::from_u16(code).unwrap(),
            retry_after: header.map(Duration::from_secs),
            body: body.to_vec(),
        };
        judge(ASKED, Ok(answer)).unwrap_err()
    }

    fn status(code: u16, message: &str, details: Value) -> Outcome {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code,
            "details": details,
        });
        outcome(code, body.to_string().as_bytes(), None)
    }

    #[test]
    fn a_budget_is_told_from_an_overloaded_server() {
        let blocked = status(
            429,
            "Cannot evict pod as it would violate the pod's disruption budget.",
            json!({"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2"}],
                "retryAfterSeconds": 10}),
        );
        let Outcome::Blocked {
            budget,
            retry_after,
        } = blocked
        else {
            panic!("{blocked}")
        };
        assert_eq!(budget, "The disruption budget web needs 2");
        assert_eq!(retry_after, Some(Duration::from_secs(10)));

        let busy = outcome(
            429,
            b"Too many requests, please try again later.\n",
            Some(1),
        );
        assert_eq!(busy.as_str(), "unavailable");
        assert_eq!(busy.retry_after(), Some(Duration::from_secs(1)));
        assert!(!busy.may_have_acted());
        assert_eq!(
            busy.to_string(),
            "the API server is not available, to be tried again in 1 s: HTTP 429 to create pods/eviction: \
             Too many requests, please try again later."
        );
    }

    #[test]
    fn no_permission_is_told_from_an_admission_plugin() {
        let forbidden = status(
            403,
            "pods \"web-1\" is forbidden: User \"system:serviceaccount:ops:heal\" cannot create resource \
             \"pods/eviction\" in API group \"\" in the namespace \"shop\"",
            json!({"name": "web-1", "kind": "pods"}),
        );
        assert_eq!(
            forbidden,
            Outcome::Forbidden(Permission::new("create", "", "pods/eviction").namespace("shop"))
        );
        let hook = status(
            403,
            "admission webhook \"keep.example\" denied the request: you cannot evict this",
            json!({}),
        );
        assert_eq!(hook.as_str(), "rejected");
    }

    #[test]
    fn a_pod_that_is_gone_is_told_from_a_path_that_is_not_there() {
        let gone = status(
            404,
            "pods \"web-1\" not found",
            json!({"name": "web-1", "kind": "pods"}),
        );
        assert_eq!(gone, Outcome::Gone);
        let path = status(
            404,
            "the server could not find the requested resource",
            json!({}),
        );
        assert_eq!(path.as_str(), "rejected");
    }

    #[test]
    fn what_may_have_been_done_is_uncertain() {
        for (code, words, uncertain) in [
            (500, "unavailable", true),
            (503, "unavailable", false),
            (504, "unavailable", true),
            (400, "rejected", false),
            (401, "rejected", false),
            (422, "rejected", false),
        ] {
            let outcome = outcome(code, b"<html>\nproxy</html>", None);
            assert_eq!(outcome.as_str(), words, "{code}");
            assert_eq!(outcome.may_have_acted(), uncertain, "{code}");
            assert!(!outcome.to_string().contains('\n'));
        }
        let two = status(
            500,
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            json!({}),
        );
        assert_eq!(two.as_str(), "rejected");
        let busy = status(409, "x", json!({"kind": "poddisruptionbudgets"}));
        assert_eq!(busy.as_str(), "unavailable");

        let limit = Duration::from_secs(5);
        let silent = judge(ASKED, Err(NoAnswer::TimedOut(limit))).unwrap_err();
        assert!(silent.may_have_acted() && silent.is_retryable());
        let read = Asked {
            writes: false,
            ..ASKED
        };
        let silent = judge(read, Err(NoAnswer::TimedOut(limit))).unwrap_err();
        assert!(!silent.may_have_acted() && silent.is_retryable());
    }

    proptest::proptest! {
        #[test]
        fn any_answer_has_an_outcome(
            code in 300_u16..1_000,
            body in "(?s)(.{0,80}|\\{\"message\":\".{0,40}\",\"details\":\\{\"name\":\"x\"\\}\\})",
            bytes in proptest::collection::vec(0_u8.., 0..20),
        ) {
            for body in [body.as_bytes(), &bytes] {
                let outcome = outcome(code, body, Some(u64::MAX));
                let said = outcome.to_string();
                proptest::prop_assert!(!outcome.is_done());
                proptest::prop_assert!(!said.contains(char::is_control), "{said:?}");
                proptest::prop_assert!(said.len() < 2_000, "{said}");
            }
        }
    }
}
