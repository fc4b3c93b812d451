use std::{
    collections::BTreeMap,
    error::Error as StdError,
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{AwsCredentials, credentials::variable, sign};
use crate::{
    error::Error,
    limits::{
        KMS_ATTEMPTS, KMS_CONNECT_TIME_LIMIT, KMS_FIRST_WAIT, KMS_REQUEST_TIME_LIMIT,
        MAX_KMS_ANSWER_BYTES,
    },
    mask::{DataKey, KeyContext, KeyFuture, KeyProvider, SecretKey},
    text::Escaped,
};

const CONTENT: &str = "application/x-amz-json-1.1";

/// Data keys that a key of AWS KMS wraps. Wants a tokio runtime with time and I/O where it is used.
///
/// Tenant and version are the encryption context, which KMS writes to its audit log and asks for again
/// to unwrap a key. A request has [`KMS_REQUEST_TIME_LIMIT`], and is made up to [`KMS_ATTEMPTS`] times
/// if KMS cannot be reached, is busy, or says that it failed itself.
///
/// ```no_run
/// use opsbox_log::mask::{AwsKms, KeyRing};
///
/// # async fn example() -> Result<(), opsbox_log::Error> {
/// let kms = AwsKms::from_env("alias/logs")?;
/// let mut ring = KeyRing::create("data.keys", "acme")?;
/// ring.rotate(&kms).await?;
/// let keys = ring.keys(&kms).await?;
/// # Ok(())
/// # }
/// ```
pub struct AwsKms {
    key_id: String,
    region: String,
    endpoint: Uri,
    credentials: AwsCredentials,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl AwsKms {
    /// A key, by its id, alias or ARN, in a region.
    ///
    /// # Errors
    ///
    /// `Key` if the region is no name of one. Without root certificates of the system the first request fails.
    pub fn new(key_id: &str, region: &str, credentials: AwsCredentials) -> Result<Self, Error> {
        let is_region = !region.is_empty()
            && region
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-');
        let host = format!("https://kms.{region}.amazonaws.com/");
        let endpoint = host.parse().ok().filter(|_| is_region);
        let endpoint = endpoint.ok_or_else(|| {
            setup(format!(
                "{region:?} is no region; name one such as eu-central-1"
            ))
        })?;
        Ok(Self {
            key_id: key_id.to_owned(),
            region: region.to_owned(),
            endpoint,
            credentials,
            now: Arc::new(now),
            client: client()?,
        })
    }

    /// A key with the [credentials](AwsCredentials::from_env) of the environment, the region of
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`, and, if it is set, the endpoint of `AWS_ENDPOINT_URL_KMS`
    /// or `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new) and [`endpoint`](Self::endpoint), and if a variable is missing.
    pub fn from_env(key_id: &str) -> Result<Self, Error> {
        Self::from_variables(key_id, None, None, variable)
    }

    /// A key with the credentials that variables say, and what is not given.
    pub(crate) fn from_variables(
        key_id: &str,
        region: Option<&str>,
        endpoint: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let region = region
            .map(str::to_owned)
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region
            .ok_or_else(|| setup("AWS_REGION is not set; set it, or name the region".into()))?;
        let credentials = AwsCredentials::from_variables(&variable)?;
        let kms = Self::new(key_id, &region, credentials)?;
        let endpoint = endpoint
            .map(str::to_owned)
            .or_else(|| variable("AWS_ENDPOINT_URL_KMS"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        match endpoint {
            Some(url) => kms.endpoint(&url),
            None => Ok(kms),
        }
    }

    /// Another server than that of the region: of a private network, or a compatible one. Plain HTTP is
    /// for this machine alone, since the answers hold keys.
    ///
    /// # Errors
    ///
    /// `Key` if it is no URL of a host alone, or plain HTTP to another machine.
    pub fn endpoint(mut self, url: &str) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(|_| {
            setup("endpoint: it is no URL; write one such as https://kms.example.com".into())
        })?;
        // No more of it: a URL may have a password.
        let scheme = uri
            .scheme_str()
            .map_or(String::new(), |it| format!("{it}://"));
        let shown = format!("{scheme}{}", uri.host().unwrap_or_default());
        let refuse = |message: &str| setup(format!("endpoint {shown:?}: {message}"));
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|it| it.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            Some("http") => return Err(refuse("it would send keys in the clear; write https")),
            _ => return Err(refuse("it has no scheme; write https:// before it")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('@') {
            return Err(refuse(
                "it has more than a host and port; leave the rest out",
            ));
        }
        self.endpoint = uri;
        Ok(self)
    }

    /// Tells the time by another clock than the system's, for tests.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    async fn generate_now(&self, context: &KeyContext) -> Result<DataKey, Error> {
        let attempt = format!("generate a data key by KMS key {:?}", self.key_id);
        let body = Generate {
            key_id: &self.key_id,
            key_spec: "AES_256",
            encryption_context: of(context),
        };
        let answer: Generated = self
            .call(&attempt, "TrentService.GenerateDataKey", &body)
            .await?;
        let wrapped = BASE64.decode(answer.ciphertext_blob.as_bytes());
        let wrapped = wrapped.map_err(|_| Error::key(&attempt, false, strange()))?;
        Ok(DataKey::new(secret(&attempt, &answer.plaintext)?, wrapped))
    }

    async fn unwrap_now(&self, wrapped: &[u8], context: &KeyContext) -> Result<SecretKey, Error> {
        let KeyContext { tenant, version } = context;
        let attempt = format!(
            "unwrap version {version} of the data key of tenant {tenant:?} by KMS key {:?}",
            self.key_id
        );
        let body = Decrypt {
            key_id: &self.key_id,
            ciphertext_blob: BASE64.encode(wrapped),
            encryption_context: of(context),
        };
        let answer: Decrypted = self.call(&attempt, "TrentService.Decrypt", &body).await?;
        secret(&attempt, &answer.plaintext)
    }

    async fn call<A: for<'de> Deserialize<'de>>(
        &self,
        attempt: &str,
        target: &str,
        body: &impl Serialize,
    ) -> Result<A, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::key(attempt, false, error.to_string()))?;
        let body = Bytes::from(body);
        let mut wait = KMS_FIRST_WAIT;
        for _ in 1..KMS_ATTEMPTS {
            match self.once(target, body.clone()).await {
                Err(fault) if fault.retryable => {
                    tokio::time::sleep(jittered(wait)).await;
                    wait *= 2;
                }
                other => return read(attempt, other),
            }
        }
        read(attempt, self.once(target, body).await)
    }

    /// One request within the time limit, signed anew: the signature has the time in it.
    async fn once(&self, target: &str, body: Bytes) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let fail = |message: String| Fault {
            retryable: false,
            message,
        };
        let host = self
            .endpoint
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let time = sign::timestamp((self.now)());
        let session = self.credentials.session.as_ref();
        let mut headers = vec![
            ("content-type", CONTENT),
            ("host", &*host),
            ("x-amz-date", &*time),
        ];
        headers.extend(session.map(|session| ("x-amz-security-token", session.as_str())));
        headers.push(("x-amz-target", target));
        let signed = sign::Request {
            method: "POST",
            headers: &headers,
            body: &body,
        };
        let authorization =
            sign::authorization(&signed, &self.credentials, (&time, &self.region, "kms"));
        let mut request = Request::post(&self.endpoint).header(CONTENT_TYPE, CONTENT);
        for (name, value) in headers.iter().skip(2) {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                fail("the session token is no header value; check the credentials".into())
            })?;
            value.set_sensitive(*name == "x-amz-security-token");
            request = request.header(*name, value);
        }
        let mut authorization = HeaderValue::from_str(&authorization).map_err(|_| {
            fail("the access key id is no header value; check the credentials".into())
        })?;
        authorization.set_sensitive(true);
        let request = request
            .header(AUTHORIZATION, authorization)
            .body(Full::new(body));
        let request = request.map_err(|error| fail(error.to_string()))?;
        let work = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| Fault::unreachable(&self.endpoint, &error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_KMS_ANSWER_BYTES)
                .collect()
                .await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => fail(format!("the answer is larger than {MAX_KMS_ANSWER_BYTES} bytes; check that the endpoint is KMS")),
                false => Fault::unreachable(&self.endpoint, &*error),
            })?;
            let body = Zeroizing::new(body.to_bytes().to_vec());
            match status.is_success() {
                true => Ok(body),
                false => Err(Fault::refused(status, &body)),
            }
        };
        let late = |_| Fault {
            retryable: true,
            message: format!(
                "{} did not answer within {} s; check the network, or try again later",
                self.endpoint,
                KMS_REQUEST_TIME_LIMIT.as_secs()
            ),
        };
        tokio::time::timeout(KMS_REQUEST_TIME_LIMIT, work)
            .await
            .map_err(late)?
    }
}

impl KeyProvider for AwsKms {
    fn generate<'a>(&'a self, context: &'a KeyContext) -> KeyFuture<'a, DataKey> {
        Box::pin(self.generate_now(context))
    }

    fn unwrap_key<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> KeyFuture<'a, SecretKey> {
        Box::pin(self.unwrap_now(wrapped, context))
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("key_id", &self.key_id)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Generate<'a> {
    key_id: &'a str,
    key_spec: &'a str,
    encryption_context: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    key_id: &'a str,
    ciphertext_blob: String,
    encryption_context: BTreeMap<&'static str, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Generated {
    plaintext: Zeroizing<String>,
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Zeroizing<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

/// Why a request had no good answer.
#[derive(Debug)]
struct Fault {
    retryable: bool,
    message: String,
}

impl Fault {
    fn unreachable(endpoint: &Uri, error: &(dyn StdError + 'static)) -> Self {
        let mut said = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if !said.contains(&text) {
                said.push_str(if said.is_empty() { "" } else { ": " });
                said.push_str(&text);
            }
            next = error.source();
        }
        let message = format!(
            "{endpoint} cannot be reached ({said}); check the endpoint, the network and the region"
        );
        Self {
            retryable: true,
            message,
        }
    }

    fn refused(status: StatusCode, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let kind = problem.kind.rsplit('#').next().unwrap_or_default();
        let busy = [
            "ThrottlingException",
            "LimitExceededException",
            "KMSInternalException",
            "DependencyTimeoutException",
        ];
        let shown: String = problem.message.chars().take(200).collect();
        let what_to_do = match kind {
            "InvalidCiphertextException" | "IncorrectKeyException" => {
                "the key was wrapped by another KMS key, or for another tenant or version"
            }
            "AccessDeniedException" => "allow kms:GenerateDataKey and kms:Decrypt on the key",
            "NotFoundException" => "check the key's id and the region",
            "DisabledException" | "KMSInvalidStateException" => "enable the key",
            _ if status.is_server_error() || busy.contains(&kind) => "try again later",
            _ => "check the credentials, the region and the key",
        };
        Self {
            retryable: status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || busy.contains(&kind),
            message: format!(
                "KMS answered {} {} ({}); {what_to_do}",
                status.as_u16(),
                Escaped(kind.as_bytes()),
                Escaped(shown.as_bytes())
            ),
        }
    }
}

fn read<A: for<'de> Deserialize<'de>>(
    attempt: &str,
    answer: Result<Zeroizing<Vec<u8>>, Fault>,
) -> Result<A, Error> {
    let body = answer.map_err(|fault| Error::key(attempt, fault.retryable, fault.message))?;
    // What serde says may have a part of the answer in it, and that has a key.
    serde_json::from_slice(&body).map_err(|_| Error::key(attempt, false, strange()))
}

fn strange() -> String {
    "the answer is none of KMS; check the endpoint".to_owned()
}

fn secret(attempt: &str, text: &str) -> Result<SecretKey, Error> {
    let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| {
        Some(SecretKey::new(
            *bytes.first_chunk::<32>().filter(|_| bytes.len() == 32)?,
        ))
    });
    key.ok_or_else(|| Error::key(attempt, false, strange()))
}

fn of(context: &KeyContext) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("opsbox-log:tenant", context.tenant.clone()),
        ("opsbox-log:version", context.version.to_string()),
    ])
}

/// Half of it to all of it, so that many processes do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut random = [0];
    let share = getrandom::fill(&mut random).map_or(255, |()| u32::from(random[0]));
    wait / 2 + wait / 2 * share / 255
}

fn setup(message: String) -> Error {
    Error::key("use KMS", false, message)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the time of day is part of a signature; tests set their own"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn client() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Error> {
    let mut roots = rustls::RootCertStore::empty();
    // Stores of systems hold broken ones too. Without any, plain HTTP to this machine still works.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(io::Error::other(error).to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(KMS_CONNECT_TIME_LIMIT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
