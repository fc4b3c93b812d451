//! Answers before they are on the wire.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, RETRY_AFTER,
};
use serde_json::{Value, json};

use super::jws::ALGORITHMS;
use crate::testing::ca::faults::Fault;
use crate::testing::ca::refusal::Refusal;

const ACME: &str = "urn:ietf:params:acme:error:";

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn text(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut answer = Self::empty(status);
        let content_type = HeaderValue::from_static(content_type);
        answer.headers.insert(CONTENT_TYPE, content_type);
        answer.body = body.into();
        answer
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    pub(super) fn location(self, url: &str) -> Self {
        self.header(LOCATION, url)
    }

    pub(super) fn link(self, url: &str, relation: &str) -> Self {
        self.header(LINK, &format!("<{url}>;rel=\"{relation}\""))
    }

    pub(super) fn retry_after(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) => self.header(RETRY_AFTER, &wait.as_secs().to_string()),
            None => self,
        }
    }
}

pub(super) fn problem(refusal: &Refusal) -> Value {
    let mut problem = json!({
        "type": format!("{ACME}{}", refusal.kind()),
        "detail": refusal.detail(),
        "status": refusal.status(),
    });
    if refusal.kind() == "badSignatureAlgorithm" {
        problem["algorithms"] = json!(ALGORITHMS);
    }
    problem
}

impl From<&Refusal> for Answer {
    fn from(refusal: &Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if refusal.fault() == Some(Fault::Html) {
            let page = "<html><head><title>502 Bad Gateway</title></head><body>a page of a proxy</body></html>\n";
            return Self::text(status, "text/html", page);
        }
        let body = problem(refusal).to_string();
        let mut answer = Self::text(status, "application/problem+json", body);
        if refusal.limit().is_some() {
            answer = answer.link("https://letsencrypt.org/docs/rate-limits", "help");
        }
        answer.retry_after(refusal.retry_after())
    }
}
