//! What became of an act.

use std::{fmt, time::Duration};

use crate::text::Escaped;

/// What the API server said to an act, or that it said nothing.
///
/// None of them is a fault of the program: each is an answer that a policy goes on from. Texts are one line
/// and cut at [`MAX_ANSWER_MESSAGE_BYTES`](crate::limits::MAX_ANSWER_MESSAGE_BYTES).
///
/// ```
/// use opsbox_heal::act::Outcome;
/// use std::time::Duration;
///
/// let outcome = Outcome::Blocked {
///     budget: "The disruption budget web needs 2 healthy pods and has 2 currently".into(),
///     retry_after: Some(Duration::from_secs(10)),
/// };
/// assert_eq!(outcome.as_str(), "blocked");
/// assert!(outcome.is_retryable() && !outcome.may_have_acted());
/// assert_eq!(
///     outcome.to_string(),
///     "blocked by a disruption budget, to be tried again in 10 s: \
///      The disruption budget web needs 2 healthy pods and has 2 currently"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "an act that is not recorded did not happen for anyone else"]
pub enum Outcome {
    /// Accepted; in a dry run: it would be.
    Done,
    /// A PodDisruptionBudget forbids the eviction for now (429 with the cause `DisruptionBudget`).
    Blocked {
        /// Which budget, and what it needs, as the API server puts it.
        budget: String,
        /// When to ask again, if the API server says so.
        retry_after: Option<Duration>,
    },
    /// There is no such object any more (404).
    Gone,
    /// The object is another one of the same name, or has changed since it was judged (409).
    Changed {
        /// Which precondition did not hold, as the API server puts it.
        reason: String,
    },
    /// The account may not do this (403 of the authorizer).
    Forbidden(Permission),
    /// The API server cannot be reached, is overloaded or failed (429 of API priority and fairness, 5xx).
    Unavailable {
        /// What happened.
        reason: String,
        /// When to ask again, if the API server says so.
        retry_after: Option<Duration>,
        /// Whether what was asked may have been done all the same: count it as done until it is known
        /// better. A second try is safe, since the uid is a precondition.
        uncertain: bool,
    },
    /// The API server refuses it for good: an admission plugin or webhook, an object of the wrong kind,
    /// credentials that do not hold.
    Rejected {
        /// The HTTP status; 0 if nothing was sent.
        code: u16,
        /// Why, and what to do.
        reason: String,
    },
    /// Nothing was sent: the process is not the leader, or not for long enough.
    NotLeader,
}

impl Outcome {
    /// The words of [`as_str`](Self::as_str), for those who must know them in advance.
    pub const NAMES: [&'static str; 8] = [
        "done",
        "blocked",
        "gone",
        "changed",
        "forbidden",
        "unavailable",
        "rejected",
        "not_leader",
    ];

    /// A word for it, for metrics and the audit stream.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Blocked { .. } => "blocked",
            Self::Gone => "gone",
            Self::Changed { .. } => "changed",
            Self::Forbidden(_) => "forbidden",
            Self::Unavailable { .. } => "unavailable",
            Self::Rejected { .. } => "rejected",
            Self::NotLeader => "not_leader",
        }
    }

    /// Whether it was accepted.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether the same act may succeed later with nothing changed by a person.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Blocked { .. } | Self::Unavailable { .. })
    }

    /// Whether the act counts against budgets: it was done, or nobody knows.
    pub fn may_have_acted(&self) -> bool {
        let uncertain = matches!(self, Self::Unavailable { uncertain, .. } if *uncertain);
        self.is_done() || uncertain
    }

    /// When to ask again, if the API server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Blocked { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

/// One line.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = |f: &mut fmt::Formatter<'_>| match self.retry_after() {
            Some(after) => write!(f, ", to be tried again in {} s", after.as_secs()),
            None => Ok(()),
        };
        match self {
            Self::Done => f.write_str("done"),
            Self::Blocked { budget, .. } => {
                f.write_str("blocked by a disruption budget")?;
                again(f)?;
                write!(f, ": {}", Escaped(budget))
            }
            Self::Gone => f.write_str("gone before anything was done"),
            Self::Changed { reason } => {
                write!(f, "changed since it was judged: {}", Escaped(reason))
            }
            Self::Forbidden(permission) => {
                write!(f, "forbidden: {permission}; {}", permission.advice())
            }
            Self::Unavailable {
                reason, uncertain, ..
            } => {
                f.write_str("the API server is not available")?;
                again(f)?;
                write!(f, ": {}", Escaped(reason))?;
                match uncertain {
                    true => f.write_str(" (it may have been done all the same)"),
                    false => Ok(()),
                }
            }
            Self::Rejected { code: 0, reason } => {
                write!(f, "nothing was sent: {}", Escaped(reason))
            }
            Self::Rejected { code, reason } => {
                write!(f, "rejected (HTTP {code}): {}", Escaped(reason))
            }
            Self::NotLeader => f.write_str("nothing was sent: this process is not the leader"),
        }
    }
}

/// Something that an account may do to a kind of object, or may not.
///
/// ```
/// use opsbox_heal::act::Permission;
///
/// let missing = Permission::new("create", "", "pods/eviction").namespace("shop");
/// assert_eq!(missing.to_string(), "cannot create pods/eviction in namespace shop");
/// assert_eq!(
///     missing.rule(),
///     r#"{apiGroups: [""], resources: [pods/eviction], verbs: [create]}"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Permission {
    /// The verb, such as `create`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource with its subresource, such as `pods/eviction`.
    pub resource: String,
    /// The namespace, or `None` for all of them or for what has none.
    pub namespace: Option<String>,
}

impl Permission {
    /// To do this to such objects, in all namespaces.
    pub fn new(
        verb: impl Into<String>,
        group: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            namespace: None,
        }
    }

    /// In this namespace only.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The RBAC rule that grants it, as a line of YAML.
    pub fn rule(&self) -> String {
        let group = if self.group.is_empty() {
            "\"\""
        } else {
            &self.group
        };
        format!(
            "{{apiGroups: [{group}], resources: [{}], verbs: [{}]}}",
            self.resource, self.verb
        )
    }

    fn advice(&self) -> String {
        let kind = match self.namespace {
            Some(_) => "Role or ClusterRole",
            None => "ClusterRole",
        };
        format!(
            "add {} to the {kind} of this account",
            Escaped(&self.rule())
        )
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = Escaped(&self.resource);
        write!(f, "cannot {} {resource}", Escaped(&self.verb))?;
        if !self.group.is_empty() {
            write!(f, " in API group {}", Escaped(&self.group))?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {}", Escaped(namespace)),
            None => f.write_str(" in any namespace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_whether_it_counts_and_whether_to_try_again() {
        let unavailable = |uncertain| Outcome::Unavailable {
            reason: "x".into(),
            retry_after: None,
            uncertain,
        };
        let rejected = Outcome::Rejected {
            code: 403,
            reason: "x".into(),
        };
        let changed = Outcome::Changed { reason: "x".into() };
        let blocked = Outcome::Blocked {
            budget: "x".into(),
            retry_after: None,
        };
        let forbidden = Outcome::Forbidden(Permission::new("delete", "", "pods"));
        for (outcome, counts, again) in [
            (Outcome::Done, true, false),
            (blocked, false, true),
            (Outcome::Gone, false, false),
            (changed, false, false),
            (forbidden, false, false),
            (unavailable(true), true, true),
            (unavailable(false), false, true),
            (rejected, false, false),
            (Outcome::NotLeader, false, false),
        ] {
            assert_eq!(outcome.may_have_acted(), counts, "{outcome}");
            assert_eq!(outcome.is_retryable(), again, "{outcome}");
            assert!(Outcome::NAMES.contains(&outcome.as_str()));
        }
    }

    #[test]
    fn a_missing_permission_names_the_rule_to_add() {
        let missing = Permission::new("create", "events.k8s.io", "events").namespace("shop");
        assert_eq!(
            Outcome::Forbidden(missing).to_string(),
            "forbidden: cannot create events in API group events.k8s.io in namespace shop; add {apiGroups: \
             [events.k8s.io], resources: [events], verbs: [create]} to the Role or ClusterRole of this account"
        );
    }
}
