//! One call to the API server, and what it means if it fails.

use std::{error::Error as StdError, fmt, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    call::{causes, encoded},
    error::{Error, ErrorKind},
    limits::MAX_STATUS_BYTES,
};

/// What is asked for, in the words of RBAC, so that a refusal can name what is missing.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `list`, `watch` or `get`.
    pub(super) verb: &'static str,
    /// `pods`, `nodes` or `namespaces`.
    pub(super) resource: &'static str,
    pub(super) namespace: Option<Box<str>>,
    pub(super) name: Option<Box<str>>,
    pub(super) query: Query,
    pub(super) accept: &'static str,
}

/// JSON of the objects themselves.
pub(super) const JSON: &str = "application/json";
/// A table made by the server; JSON of the objects if it cannot make one.
pub(super) const TABLE: &str =
    "application/json;as=Table;g=meta.k8s.io;v=v1,application/json;q=0.9";

impl Call {
    pub(super) fn new(verb: &'static str, resource: &'static str, namespace: Option<&str>) -> Self {
        Self {
            verb,
            resource,
            namespace: namespace.map(Into::into),
            name: None,
            query: Query::default(),
            accept: JSON,
        }
    }

    pub(super) fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(super) fn query(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.query.add(key, &value.to_string());
        self
    }

    pub(super) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    fn uri(&self) -> String {
        let mut uri = "/api/v1".to_owned();
        if let Some(namespace) = &self.namespace {
            uri.push_str("/namespaces/");
            uri.push_str(&encoded(namespace));
        }
        uri.push('/');
        uri.push_str(self.resource);
        if let Some(name) = &self.name {
            uri.push('/');
            uri.push_str(&encoded(name));
        }
        if !self.query.0.is_empty() {
            uri.push('?');
            uri.push_str(&self.query.0);
        }
        uri
    }

    /// Sends it and waits for the head of the answer, at most `limit`.
    pub(super) async fn send(&self, client: &Client, limit: Duration) -> Result<Answer, Error> {
        let mut request = Request::get(self.uri()).header(header::ACCEPT, self.accept);
        if self.verb == "watch" {
            // Servers from 1.37 on compress each event of a watch by itself, and kube's
            // decompression does not read beyond the first.
            request = request.header(header::ACCEPT_ENCODING, "identity");
        }
        let request = request
            .body(Body::empty())
            .map_err(|error| self.error(ErrorKind::Api, &error.to_string()))?;
        let answer = match timeout(limit, client.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unsent(&error)),
            Err(_) => return Err(self.silent(limit)),
        };
        if answer.status().is_success() {
            return Ok(Answer {
                call: self.clone(),
                body: answer.into_body(),
            });
        }
        Err(self.refused(answer, limit).await)
    }

    /// What is wrong with an answer that is an error, be it a `Status` of the API server or the
    /// page of some proxy.
    async fn refused(&self, answer: Response<Body>, limit: Duration) -> Error {
        let code = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut answer = Answer {
            call: self.clone(),
            body: answer.into_body(),
        };
        let body = answer.collect(MAX_STATUS_BYTES, limit).await;
        let status = body
            .ok()
            .and_then(|body| serde_json::from_slice::<Status>(&body).ok())
            .unwrap_or_default();
        self.status(&Status { code, ..status }, retry_after)
    }

    /// The error of a `Status`, as an answer or within a watch.
    pub(super) fn status(&self, status: &Status, retry_after: Option<Duration>) -> Error {
        let said = match status.message.as_str() {
            "" => format!("status {}", status.code),
            message => message.to_owned(),
        };
        let (kind, message) = match status.code {
            401 => (
                ErrorKind::Unauthorized,
                format!("the API server does not accept the credentials: {said}"),
            ),
            403 => (
                ErrorKind::Forbidden,
                format!(
                    "no permission for the verb {:?} on the resource {:?}: grant it in {}; the \
                     API server says: {said}",
                    self.verb,
                    self.resource,
                    match &self.namespace {
                        Some(namespace) => format!("a Role of the namespace {namespace:?}"),
                        None => "a ClusterRole, or name the namespaces to look at".to_owned(),
                    },
                ),
            ),
            410 => (ErrorKind::Gone, said),
            429 => (
                ErrorKind::TooManyRequests,
                format!("the API server is busy: {said}"),
            ),
            _ => (
                ErrorKind::Api,
                format!("the API server answered {}: {said}", status.code),
            ),
        };
        let asked = status
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into()));
        self.error(kind, &message)
            .with_status(status.code, retry_after.or(asked))
    }

    fn unsent(&self, error: &kube::Error) -> Error {
        match error {
            // What an exec plug-in printed may be a token, so nothing of it is passed on.
            kube::Error::Auth(_) => self.error(
                ErrorKind::Unauthorized,
                "the client could not make its credentials: look at the token file or the exec \
                 plug-in of the kubeconfig",
            ),
            kube::Error::TlsRequired => self.error(
                ErrorKind::Tls,
                "the address of the API server is https, and the client has no TLS: enable \
                 kube's feature rustls-tls",
            ),
            kube::Error::Api(status) => self.status(
                &Status {
                    code: status.code,
                    message: status.message.clone(),
                    details: None,
                },
                None,
            ),
            other => self.broken(other),
        }
    }

    /// A connection that could not be made or broke.
    fn broken(&self, error: &(dyn StdError + 'static)) -> Error {
        let chain = causes(error);
        let lower = chain.to_ascii_lowercase();
        // A connection that ends without the farewell of TLS was cut, which is nothing unsafe.
        let is_tls = !lower.contains("close_notify")
            && ["certificate", "handshake", "fatal alert", "corrupt message"]
                .iter()
                .any(|word| lower.contains(word));
        if is_tls {
            return self.error(
                ErrorKind::Tls,
                &format!(
                    "the connection to the API server cannot be made safe: {chain}: look at the \
                     certificate authority and the client certificate of the kubeconfig"
                ),
            );
        }
        self.error(
            ErrorKind::Unreachable,
            &format!("the API server cannot be reached: {chain}"),
        )
    }

    pub(super) fn silent(&self, limit: Duration) -> Error {
        self.error(
            ErrorKind::TimedOut,
            &format!(
                "the API server said nothing for {} s: the connection is taken for dead",
                limit.as_secs()
            ),
        )
    }

    /// An error of this call: what was attempted on which object, then `what`.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("cannot {self}: {what}"))
    }
}

/// `list pods in namespace shop`, for messages.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, " {namespace}/{name}"),
            (Some(namespace), None) => write!(f, " in namespace {namespace}"),
            (None, Some(name)) => write!(f, " {name}"),
            (None, None) if self.resource == "pods" => f.write_str(" in all namespaces"),
            (None, None) => Ok(()),
        }
    }
}

/// The body of an answer that is not an error.
pub(super) struct Answer {
    pub(super) call: Call,
    body: Body,
}

impl Answer {
    /// The next bytes; `None` at the end. Fails if nothing comes for `limit`.
    pub(super) async fn next(&mut self, limit: Duration) -> Result<Option<Bytes>, Error> {
        loop {
            return match timeout(limit, self.body.frame()).await {
                Err(_) => Err(self.call.silent(limit)),
                Ok(None) => Ok(None),
                Ok(Some(Err(error))) => Err(self.call.broken(&error)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Ok(Some(data)),
                    // Trailers.
                    Err(_) => continue,
                },
            };
        }
    }

    /// All of it, if it is not more than `max_bytes`.
    pub(super) async fn collect(
        &mut self,
        max_bytes: usize,
        limit: Duration,
    ) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next(limit).await? {
            if all.len() + bytes.len() > max_bytes {
                let what = format!("the answer is larger than {max_bytes} bytes");
                return Err(self.call.error(ErrorKind::TooLarge, &what));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }
}

/// What is read of a `Status`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) message: String,
    pub(super) details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    retry_after_seconds: u32,
}

/// The query of a URI.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(String);

impl Query {
    fn add(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(&encoded(key));
        self.0.push('=');
        self.0.push_str(&encoded(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_encoded() {
        let call = Call::new("list", "pods", Some("shop"))
            .query("labelSelector", "app in (a,b)")
            .query("limit", 5);
        assert_eq!(
            call.uri(),
            "/api/v1/namespaces/shop/pods?labelSelector=app%20in%20%28a%2Cb%29&limit=5"
        );
        let odd = Call::new("get", "pods", Some("a/b?")).name("../x");
        assert_eq!(odd.uri(), "/api/v1/namespaces/a%2Fb%3F/pods/..%2Fx");
    }

    #[test]
    fn refusals_name_verb_and_resource() {
        let call = Call::new("watch", "pods", None);
        let status = |code| Status {
            code,
            message: "no".to_owned(),
            details: None,
        };
        let error = call.status(&status(403), None);
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert!(!error.is_retryable());
        assert_eq!(
            error.to_string(),
            "cannot watch pods in all namespaces: no permission for the verb \"watch\" on the \
             resource \"pods\": grant it in a ClusterRole, or name the namespaces to look at; the \
             API server says: no"
        );
        assert_eq!(call.status(&status(410), None).kind(), ErrorKind::Gone);
        let busy = call.status(&status(429), Some(Duration::from_secs(3)));
        assert!(busy.is_retryable());
        assert_eq!(busy.retry_after(), Some(Duration::from_secs(3)));
        assert!(call.status(&status(503), None).is_retryable());
        assert!(!call.status(&status(400), None).is_retryable());
    }
}
