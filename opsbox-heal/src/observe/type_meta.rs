//! What a document says it is.

use super::wire::Text;
use crate::error::{Error, ErrorKind};

/// What ends every message about an object of the wrong kind.
pub(super) const WHAT_TO_DO: &str = "save one with `kubectl get pods -A -o json`";

/// What a document says it is, for the message if it could not be read as pods.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct TypeMeta<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

impl TypeMeta<'_> {
    /// The error to report instead of a misfit deep inside an object that is no pod at all.
    pub(super) fn wrong_kind(&self) -> Option<Error> {
        let kind = self.kind.as_str();
        if matches!(kind, "" | "Pod" | "PodList" | "List") {
            return None;
        }
        let mut message = format!("expected a PodList, a List or a Pod but found a {kind}");
        if kind == "Status" && !self.message.as_str().is_empty() {
            // The API server's answer to a request that it refused.
            message = format!("{message} saying {:?}", self.message.as_str());
        }
        Some(Error::new(
            ErrorKind::WrongKind,
            format!("{message}: {WHAT_TO_DO}"),
        ))
    }
}
