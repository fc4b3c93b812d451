//! The port without TLS: answers to challenges of HTTP-01, and for the rest the way to HTTPS.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, LOCATION};
use hyper::{Request, Response, StatusCode, Uri};

use crate::limits::ANSWER_TIME_LIMIT;

/// Where CAs ask (RFC 8555, section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

type Answer = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// Finds the answer to a challenge of HTTP-01.
#[derive(Clone)]
pub(super) struct Answers(Arc<dyn Fn(String, String) -> Answer + Send + Sync>);

impl Answers {
    pub(super) fn new<F, A>(find: F) -> Self
    where
        F: Fn(String, String) -> A + Send + Sync + 'static,
        A: Future<Output = Option<String>> + Send + 'static,
    {
        Self(Arc::new(move |host, path| Box::pin(find(host, path))))
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

/// The answer to one request.
pub(super) async fn respond(
    request: Request<Incoming>,
    answers: Option<Answers>,
    https_port: u16,
) -> Response<String> {
    let Some(host) = host(&request) else {
        return text(StatusCode::BAD_REQUEST, "the request names no host\n");
    };
    let path = request.uri().path();
    if let Some(token) = path.strip_prefix(CHALLENGES)
        && let Some(answers) = answers
    {
        // Tokens are base64url (RFC 8555, section 8.1): nothing else is worth a search.
        let good = !token.is_empty()
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !good {
            return text(StatusCode::NOT_FOUND, "no such challenge\n");
        }
        let found = (answers.0)(host, path.to_owned());
        return match tokio::time::timeout(ANSWER_TIME_LIMIT, found).await {
            Ok(Some(answer)) => {
                let mut response = text(StatusCode::OK, answer);
                let content = hyper::header::HeaderValue::from_static("application/octet-stream");
                response.headers_mut().insert(CONTENT_TYPE, content);
                response
            }
            Ok(None) => text(StatusCode::NOT_FOUND, "no such challenge\n"),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "try again\n"),
        };
    }
    let port = match https_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let rest = request
        .uri()
        .path_and_query()
        .map_or("/", |rest| rest.as_str());
    // `OPTIONS *` has no path.
    let rest = if rest.starts_with('/') { rest } else { "/" };
    let Ok(location) = format!("https://{host}{port}{rest}").parse() else {
        return text(StatusCode::BAD_REQUEST, "the request names no host\n");
    };
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Host name or address of the request, without its port.
fn host(request: &Request<Incoming>) -> Option<String> {
    let given = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST)?.to_str().ok()?,
    };
    let uri: Uri = format!("http://{given}/").parse().ok()?;
    let authority = uri
        .authority()
        .filter(|authority| authority.as_str() == given)?;
    let host = authority.host();
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    (!given.contains('@') && !host.is_empty() && host.bytes().all(good))
        .then(|| host.to_ascii_lowercase())
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let content = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}
