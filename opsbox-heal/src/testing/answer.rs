//! What the double answers, as the API server writes it.

use serde_json::{Value, json};

/// An answer before it becomes bytes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<u32>,
}

impl Answer {
    pub(super) fn json(code: u16, body: String) -> Self {
        Self {
            code,
            body: body.into_bytes(),
            retry_after: None,
        }
    }

    /// A `Status` of failure.
    pub(super) fn failure(code: u16, reason: &str, message: &str) -> Self {
        Self::status(code, reason, message, &json!({}))
    }

    pub(super) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Self {
        let status = status(code, reason, message, details);
        Self::json(code, status.to_string())
    }

    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// The object `Status`.
pub(super) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    if details
        .as_object()
        .is_some_and(|details| !details.is_empty())
    {
        status["details"] = details.clone();
    }
    status
}

/// The usual answer of a code that a fault asks for.
pub(super) fn of_code(code: u16) -> Answer {
    match code {
        401 => Answer::failure(401, "Unauthorized", "Unauthorized"),
        403 => Answer::failure(403, "Forbidden", "forbidden"),
        409 => Answer::failure(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        ),
        410 => gone(0, 1),
        429 => Answer::status(
            429,
            "TooManyRequests",
            "Too many requests, please try again later.",
            &json!({"retryAfterSeconds": 1}),
        )
        .retry_after(1),
        503 => Answer::failure(503, "ServiceUnavailable", "the server is currently unable"),
        code => Answer::failure(code, "InternalError", "Internal error occurred"),
    }
}

pub(super) fn gone(asked: u64, oldest: u64) -> Answer {
    Answer::failure(410, "Expired", &too_old(asked, oldest))
}

pub(super) fn too_old(asked: u64, oldest: u64) -> String {
    format!("too old resource version: {asked} ({oldest})")
}
