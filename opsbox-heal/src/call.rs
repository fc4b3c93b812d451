//! Requests that are sent by hand: once each, within a time limit, with the headers of the answer kept.
//!
//! `kube::Api` loses fields of an Eviction, and a `kube::Client` as it comes repeats what is answered with
//! 429, 503 or 504 up to 15 times. A disruption budget answers with 429, so an eviction must be sent once.

use std::{convert::Infallible, fmt, io, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::{Client, client::Body};

use crate::{limits, text::Escaped};

/// Waits until a request may be sent: what keeps the load on the API server low.
///
/// A rate limiter that watches and sweeps share implements it; [`Remediator`](crate::act::Remediator) asks
/// it before each request. Time spent in it does not count towards the time limit of the request.
///
/// ```
/// use opsbox_heal::act::Gate;
/// use tokio::sync::Semaphore;
///
/// /// Never more than a few requests at once.
/// struct AtOnce(Semaphore);
///
/// #[async_trait::async_trait]
/// impl Gate for AtOnce {
///     async fn pass(&self) {
///         drop(self.0.acquire().await);
///     }
/// }
/// ```
#[async_trait::async_trait]
pub trait Gate: Send + Sync {
    /// Returns when one more request may be sent.
    async fn pass(&self);
}

/// Sends requests by hand.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    /// Gives a body back in a form that cannot be cloned, so that nothing between here and the wire can send
    /// it twice.
    once: Client,
    gate: Option<Arc<dyn Gate>>,
}

/// What is asked of the API server.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, without a timeout.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    /// JSON; empty for none.
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Vec::new())
    }

    pub(crate) fn new(method: Method, path: String, body: Vec<u8>) -> Self {
        Self {
            method,
            path,
            content_type: "application/json",
            body,
        }
    }

    pub(crate) fn content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }
}

/// What the API server answered, good or bad.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The header, in seconds.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It did not come in time; what was asked may have been done.
    TimedOut(Duration),
    /// The connection could not be made, so nothing was sent.
    NotConnected(String),
    /// The connection failed; what was asked may have been done.
    Unreachable(String),
    /// The client cannot prove who it is; nothing was sent.
    Credentials(String),
    /// It is no request; nothing was sent.
    Malformed(String),
}

impl Caller {
    /// Has to be called within a runtime, as everything that makes a `kube::Client`.
    pub(crate) fn new(client: Client) -> Self {
        let give_back =
            async |request: Request<Body>| Ok::<_, Infallible>(Response::new(request.into_body()));
        let once = Client::new(tower::service_fn(give_back), "");
        Self {
            client,
            once,
            gate: None,
        }
    }

    pub(crate) fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Waits for its turn.
    pub(crate) async fn pass(&self) {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }

    /// Sends it once. The API server is told the time limit too, so that what arrives late is given up there.
    pub(crate) async fn send(&self, call: Call, time_limit: Duration) -> Result<Answer, NoAnswer> {
        let work = self.send_without_limit(call, time_limit);
        match tokio::time::timeout(time_limit, work).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::TimedOut(time_limit)),
        }
    }

    async fn send_without_limit(
        &self,
        call: Call,
        time_limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        let joint = if call.path.contains('?') { '&' } else { '?' };
        let milliseconds = time_limit.as_millis().max(1);
        let uri = format!("{}{joint}timeout={milliseconds}ms", call.path);
        let request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, call.content_type)
            .header(
                header::USER_AGENT,
                concat!("opsbox-heal/", env!("CARGO_PKG_VERSION")),
            )
            .body(self.sent_once(call.body).await?)
            .map_err(|error| NoAnswer::Malformed(shown(&error)))?;
        let response = self.client.send(request).await.map_err(no_answer)?;
        let (head, body) = response.into_parts();
        let seconds = head.headers.get(header::RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(body, limits::MAX_ANSWER_BYTES).collect().await;
        // A status without its text is better than none.
        let body = body.map_or_else(|_| Vec::new(), |body| body.to_bytes().to_vec());
        Ok(Answer {
            status: head.status,
            retry_after: seconds.map(Duration::from_secs),
            body,
        })
    }

    async fn sent_once(&self, body: Vec<u8>) -> Result<Body, NoAnswer> {
        let given = self.once.send(Request::new(Body::from(body))).await;
        given
            .map(Response::into_body)
            .map_err(|error| NoAnswer::Malformed(shown(&error)))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

fn no_answer(error: kube::Error) -> NoAnswer {
    match error {
        kube::Error::Auth(error) => NoAnswer::Credentials(shown(&error)),
        error if is_refused(&error) => NoAnswer::NotConnected(shown(&error)),
        error => NoAnswer::Unreachable(shown(&error)),
    }
}

/// Whether nobody listens there. A connection that was reset was there once, and is another matter.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes, on one short line.
fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    short(&causes(error))
}

/// An error and its causes, each said once: outer ones like to repeat inner ones.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next.filter(|_| said.len() < 8) {
        said.push(error.to_string());
        next = error.source();
    }
    let mut kept: Vec<&str> = Vec::new();
    for text in said.iter().rev() {
        if kept.iter().all(|inner| !text.contains(*inner)) {
            kept.push(text);
        }
    }
    kept.reverse();
    kept.join(": ")
}

/// Text of the API server or a library as it goes into an outcome: one line, cut at a character.
pub(crate) fn short(text: &str) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(limits::MAX_ANSWER_MESSAGE_BYTES);
    let (kept, rest) = text.split_at(end);
    let dots = if rest.is_empty() { "" } else { "..." };
    format!("{}{dots}", Escaped(kept))
}

/// Whether a text can stand for a name in a path. Kubernetes' own rules are narrower; this keeps a hostile
/// name from being another path.
pub(crate) fn is_path_segment(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(is_plain)
}

/// Text in a path or a query: percent-encoded but for the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::client::retry::RetryPolicy;
    use tower::{ServiceBuilder, retry::RetryLayer};

    use super::*;

    fn answering(status: u16, count: &Arc<AtomicUsize>) -> Client {
        let count = Arc::clone(count);
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(RetryPolicy::server_retry()))
            .service(tower::service_fn(move |request: Request<Body>| {
                count.fetch_add(1, Ordering::Relaxed);
                async move {
                    let sent = request.into_body().collect().await?.to_bytes();
                    let response = Response::builder()
                        .status(status)
                        .header("retry-after", "7")
                        .body(http_body_util::Full::new(sent));
                    Ok::<_, tower::BoxError>(response?)
                }
            }));
        Client::new(service, "default")
    }

    fn call(body: &str) -> Call {
        Call::new(Method::POST, "/x".into(), body.into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_kube_would_repeat_is_sent_once() {
        let limit = Duration::from_secs(3_600);
        for status in [429, 503, 504] {
            let count = Arc::default();
            let caller = Caller::new(answering(status, &count));
            let answer = caller.send(call("{}"), limit).await.unwrap();
            assert_eq!(answer.status, status);
            assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
            assert_eq!(answer.body, b"{}");
            assert_eq!(count.load(Ordering::Relaxed), 1);

            // The same client by itself.
            let count = Arc::default();
            let request = Request::post("/x").body(Body::from(b"{}".to_vec()));
            let client = answering(status, &count);
            assert_eq!(
                client.send(request.unwrap()).await.unwrap().status(),
                status
            );
            assert_eq!(count.load(Ordering::Relaxed), 16);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_floods_end() {
        let silent = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let caller = Caller::new(Client::new(silent, "default"));
        let limit = Duration::from_secs(5);
        let answer = caller.send(call(""), limit).await;
        assert!(matches!(answer, Err(NoAnswer::TimedOut(after)) if after == limit));

        let flood = tower::service_fn(async |_: Request<Body>| {
            let body = vec![b'x'; limits::MAX_ANSWER_BYTES + 1];
            Ok::<_, Infallible>(Response::new(Body::from(body)))
        });
        let caller = Caller::new(Client::new(flood, "default"));
        let answer = caller.send(call(""), limit).await.unwrap();
        assert!(answer.status.is_success() && answer.body.is_empty());
    }

    #[test]
    fn a_hostile_name_is_no_path() {
        for good in ["web-1", "a.b-c", "system:node", "A_b"] {
            assert!(is_path_segment(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a?dryRun=",
            "a b",
            "a%2fb",
            "ü",
            "a\n",
        ] {
            assert!(!is_path_segment(bad), "{bad}");
        }
        assert_eq!(encoded("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }

    #[test]
    fn causes_are_said_once() {
        let inner = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        let outer = kube::Error::Service(Box::new(inner));
        assert_eq!(causes(&outer), "refused");
    }

    #[test]
    fn text_is_cut_and_one_line() {
        assert_eq!(short(" a\nb "), "a\\u{a}b");
        let long = short(&"ü".repeat(10_000));
        assert!(long.ends_with("...") && long.len() < limits::MAX_ANSWER_MESSAGE_BYTES + 4);
    }
}
