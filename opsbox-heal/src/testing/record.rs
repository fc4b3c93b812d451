//! What the double was asked for.

use std::time::Duration;

use serde_json::Value;

/// One request that the double got, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiRequest {
    /// When it came, since the double was made.
    pub at: Duration,
    /// The verb of RBAC: `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// `pods`, or `deployments.apps`; with `/eviction` or such if it is of a subresource.
    pub resource: String,
    /// The path and query.
    pub uri: String,
    /// The code that was answered; 0 if the connection was refused or broke before an answer.
    pub code: u16,
}

/// One request to write that the double got, in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApiWrite {
    /// When it came, since the double was made.
    pub at: Duration,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// `pods`, or `deployments.apps`.
    pub resource: String,
    /// As `eviction` or `status`.
    pub subresource: Option<String>,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The name; of a creation that leaves it to the server, empty.
    pub name: String,
    /// The uid of the object as it was when the request was done; of what was created its new one.
    pub uid: Option<String>,
    /// The header `User-Agent`: who asked, as a client calls itself.
    pub user_agent: String,
    /// The body as it came.
    pub body: Value,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// The code that was decided on.
    pub code: u16,
    /// Whether the answer reached the client, as far as the double can tell.
    pub answered: bool,
}

impl ApiWrite {
    /// Whether it was accepted and was no dry run: whether it took effect. True also if the client
    /// never got the answer.
    pub fn took_effect(&self) -> bool {
        (200..300).contains(&self.code) && !self.dry_run
    }

    /// Whether it evicted or deleted a pod.
    pub fn removed_pod(&self) -> bool {
        let is_removal = self.verb == "delete" || self.subresource.as_deref() == Some("eviction");
        self.resource == "pods" && is_removal && self.took_effect()
    }
}
