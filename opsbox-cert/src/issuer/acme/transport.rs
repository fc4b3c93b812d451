//! HTTP to a CA: limits in time and size, and errors that keep what the CA said.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};

use super::jws::AccountKey;
use crate::clock::Clock;
use crate::issuer::Problem;
use crate::issuer::problem::cut_text;
use crate::limits::{
    ACME_CONNECT_TIME_LIMIT, ACME_REQUEST_TIME_LIMIT, MAX_ACME_BODY_BYTES, MAX_NONCE_ATTEMPTS,
};

const AGENT: &str = concat!("opsbox-cert/", env!("CARGO_PKG_VERSION"));
const NONCE: &str = "replay-nonce";

tokio::task_local! {
    /// When the CA wants the next look, as the last answer to this task said.
    pub(crate) static NEXT_LOOK: Cell<Option<Duration>>;
}

/// An answer that is no error.
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn location(&self) -> Option<String> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        Some(location.to_owned())
    }

    /// The targets of `Link` headers of this relation (RFC 8288).
    pub(crate) fn links(&self, relation: &str) -> Vec<String> {
        let mut out = Vec::new();
        for value in self.headers.get_all("link") {
            let Ok(value) = value.to_str() else { continue };
            for link in value.split(',') {
                let Some((target, parameters)) = link.split_once(';') else {
                    continue;
                };
                let target = target.trim();
                let target = target
                    .strip_prefix('<')
                    .and_then(|rest| rest.strip_suffix('>'));
                let is = parameters.split(';').any(|parameter| {
                    let parameter = parameter.trim().strip_prefix("rel=");
                    parameter.is_some_and(|value| value.trim_matches('"') == relation)
                });
                if let Some(target) = target.filter(|_| is) {
                    out.push(target.to_owned());
                }
            }
        }
        out
    }
}

/// Why a request had no good answer.
#[derive(Debug, Clone)]
pub(crate) struct HttpFault {
    pub(crate) cause: Cause,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// No connection, or it broke.
    Unreachable(String),
    /// The certificate of the CA's server is not trusted.
    Untrusted(String),
    TimedOut(Duration),
    TooLarge,
    /// An address that is no https URL.
    BadUrl(String),
    Status {
        status: u16,
        problem: Option<Box<Problem>>,
        /// Type and start of a body that is no problem document.
        other: String,
    },
}

impl From<Cause> for HttpFault {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            retry_after: None,
        }
    }
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Unreachable(text) => {
                write!(
                    f,
                    "the CA cannot be reached ({text}); check the URL, the network and whether the CA is up"
                )
            }
            Cause::Untrusted(text) => {
                write!(
                    f,
                    "the server's certificate is not trusted ({text}); check the URL, or give the root of a private CA"
                )
            }
            Cause::TimedOut(limit) => {
                write!(
                    f,
                    "the CA did not answer within {} s; try again later",
                    limit.as_secs()
                )
            }
            Cause::TooLarge => {
                write!(
                    f,
                    "the answer is larger than {MAX_ACME_BODY_BYTES} bytes; check that the URL is that of an ACME CA"
                )
            }
            Cause::BadUrl(url) => {
                write!(
                    f,
                    "`{}` is no https URL; correct it",
                    crate::text::Escaped(url)
                )
            }
            Cause::Status {
                problem: Some(_), ..
            } => f.write_str("the CA refused"),
            Cause::Status { other, .. } => {
                write!(
                    f,
                    "the server answered with an error that is no ACME problem ({}); check the URL, and a proxy in between",
                    crate::text::Escaped(other)
                )
            }
        }
    }
}

impl StdError for HttpFault {}

/// The one way to the CA of all orders of an issuer.
pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    clock: Arc<dyn Clock>,
    /// Signs again what was refused for its nonce.
    key: Mutex<Option<Arc<AccountKey>>>,
}

impl Transport {
    pub(crate) fn new(tls: rustls::ClientConfig, clock: Arc<dyn Clock>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(ACME_CONNECT_TIME_LIMIT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            clock,
            key: Mutex::default(),
        }
    }

    pub(crate) fn set_key(&self, key: Arc<AccountKey>) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    fn key(&self) -> Option<Arc<AccountKey>> {
        self.key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Reply, HttpFault> {
        self.call(Method::GET, url, Bytes::new()).await
    }

    /// A nonce to sign with.
    pub(crate) async fn nonce(&self, url: &str) -> Result<String, HttpFault> {
        let reply = self.call(Method::HEAD, url, Bytes::new()).await?;
        nonce(&reply.headers).ok_or_else(|| {
            let status = 200;
            let other = "no Replay-Nonce header".into();
            Cause::Status {
                status,
                problem: None,
                other,
            }
            .into()
        })
    }

    /// Posts a signed message, and signs it again with `key` as often as its nonce is refused.
    pub(crate) async fn post(
        &self,
        url: &str,
        message: Vec<u8>,
        key: &AccountKey,
    ) -> Result<Reply, HttpFault> {
        self.patient(Method::POST, url, message.into(), Some(key))
            .await
    }

    async fn call(&self, method: Method, url: &str, body: Bytes) -> Result<Reply, HttpFault> {
        self.patient(method, url, body, None).await
    }

    async fn patient(
        &self,
        method: Method,
        url: &str,
        mut body: Bytes,
        key: Option<&AccountKey>,
    ) -> Result<Reply, HttpFault> {
        let target: Uri = match url.parse() {
            Ok(uri) if Uri::scheme_str(&uri) == Some("https") => uri,
            _ => return Err(Cause::BadUrl(url.to_owned()).into()),
        };
        for _ in 1..MAX_NONCE_ATTEMPTS {
            let answer = self.once(&method, &target, body.clone()).await?;
            let fresh = nonce(answer.headers());
            match self.judge(answer) {
                Err(fault) if is_bad_nonce(&fault) => {
                    let again = key
                        .zip(fresh)
                        .and_then(|(key, fresh)| key.sign_again(&body, &fresh));
                    match again {
                        Some(again) => body = again.into(),
                        None => return Err(fault),
                    }
                }
                judged => return judged,
            }
        }
        let answer = self.once(&method, &target, body).await?;
        self.judge(answer)
    }

    /// One request, within all limits.
    async fn once(
        &self,
        method: &Method,
        target: &Uri,
        body: Bytes,
    ) -> Result<Response<Bytes>, HttpFault> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, http::HeaderValue::from_static(AGENT));
        if method == Method::POST {
            let jose = http::HeaderValue::from_static("application/jose+json");
            headers.insert(CONTENT_TYPE, jose);
        }
        let work = async {
            let response = self.client.request(request).await;
            let (parts, body) = response
                .map_err(|error| connect_fault(&error))?
                .into_parts();
            let body = Limited::new(body, MAX_ACME_BODY_BYTES).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    HttpFault::from(Cause::TooLarge)
                } else {
                    connect_fault(&*error)
                }
            })?;
            Ok::<_, HttpFault>(Response::from_parts(parts, body.to_bytes()))
        };
        let answer = tokio::time::timeout(ACME_REQUEST_TIME_LIMIT, work)
            .await
            .map_err(|_| HttpFault::from(Cause::TimedOut(ACME_REQUEST_TIME_LIMIT)))??;
        tracing::debug!(
            method = method.as_str(),
            path = target.path(),
            status = answer.status().as_u16(),
            "request to the CA"
        );
        Ok(answer)
    }

    /// Tells an answer from an error.
    fn judge(&self, answer: Response<Bytes>) -> Result<Reply, HttpFault> {
        let (parts, body) = answer.into_parts();
        let retry_after = self.retry_after(&parts.headers);
        let hint = retry_after;
        NEXT_LOOK.try_with(|next| next.set(hint)).ok();
        if parts.status.is_success() {
            return Ok(Reply {
                headers: parts.headers,
                body,
            });
        }
        let problem = Problem::from_json(&body).map(Box::new);
        let other = match problem {
            Some(_) => String::new(),
            None => what_it_is(parts.status, &parts.headers, &body),
        };
        let cause = Cause::Status {
            status: parts.status.as_u16(),
            problem,
            other,
        };
        Err(HttpFault { cause, retry_after })
    }

    /// RFC 9110, section 10.2.3: seconds or a date.
    pub(crate) fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        Some(
            date.duration_since(self.clock.now())
                .unwrap_or(Duration::ZERO),
        )
    }
}

/// The same for instant-acme.
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Arc<Transport>);

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let transport = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let key = transport.key();
            let url = parts.uri.to_string();
            let key = key.as_deref();
            let reply = transport.patient(parts.method, &url, body, key).await;
            let reply = reply.map_err(|fault| instant_acme::Error::Other(Box::new(fault)))?;
            let (mut parts, ()) = Response::new(()).into_parts();
            parts.headers = reply.headers;
            Ok(BytesResponse {
                parts,
                body: Box::new(reply.body),
            })
        })
    }
}

fn nonce(headers: &HeaderMap) -> Option<String> {
    let nonce = headers.get(NONCE)?.to_str().ok()?;
    Some(nonce.to_owned())
}

fn is_bad_nonce(fault: &HttpFault) -> bool {
    matches!(&fault.cause, Cause::Status { problem: Some(problem), .. } if problem.acme_type() == Some("badNonce"))
}

/// Status, type and start of a body that no one expected.
pub(crate) fn what_it_is(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    const SHOWN: usize = 120;
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("no content type");
    let start: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
    format!("{} {kind}: {}", status.as_u16(), start.trim())
}

/// The whole chain of causes in one line, since the first of them says nothing.
fn connect_fault(error: &(dyn StdError + 'static)) -> HttpFault {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let mut inner = error;
        // An error of rustls is packed in one of I/O, which is packed in another.
        while let Some(packed) = inner
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref())
        {
            inner = packed;
        }
        let tls = inner.downcast_ref();
        if let Some(tls @ rustls::Error::InvalidCertificate(_)) = tls {
            return Cause::Untrusted(tls.to_string()).into();
        }
        let said = error.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        next = error.source();
    }
    cut_text(&mut text);
    Cause::Unreachable(text).into()
}
