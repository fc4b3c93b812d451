//! What goes wrong, and how it is said.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use opsbox_cert::challenge::Http01;
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _, Step};
use opsbox_cert::store::{Folder, Store};
use opsbox_cert::{Error, ErrorKind};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::issue::{assert_clean, memory};
use crate::pebble::{EAB_ID, EAB_KEY, Options, Pebble, provider};

pub(crate) async fn a_failed_challenge_shows_what_the_ca_says() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let error = issuer.issue(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(error.step(), Some(Step::Validate));
    assert_eq!(error.identifier(), Some("a.example"));
    let problem = error.problem().unwrap();
    assert_eq!(problem.acme_type(), Some("connection"), "{problem:?}");
    let text = error.to_string();
    let start = format!("cannot prove control of a.example at {}: ", pebble.url);
    assert!(text.starts_with(&start), "{text}");
    assert!(
        text.contains("the CA says: ") && text.contains("port"),
        "{text}"
    );
    assert!(!error.is_retryable());
    // Nothing is left, and the next attempt is a new order.
    assert_clean(&store).await;
    pebble.serve_http(Http01::new(store.clone())).await;
    issuer.issue(&request).await.unwrap();
    assert_eq!(pebble.orders(), 2);
}

pub(crate) async fn a_blocked_name_is_refused() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example", "www.blocked.example"]).unwrap();
    let error = issuer.issue(&request).await.unwrap_err();
    assert_eq!(error.step(), Some(Step::Order), "{error}");
    let problem = error.problem().unwrap();
    assert_eq!(problem.acme_type(), Some("rejectedIdentifier"), "{error}");
    assert!(error.to_string().contains("www.blocked.example"), "{error}");
    assert_clean(&store).await;
    let wildcard = CertRequest::new(["*.a.example"]).unwrap();
    let error = issuer.issue(&wildcard).await.unwrap_err();
    assert_eq!(error.identifier(), Some("*.a.example"));
    assert!(
        error.to_string().contains("a wildcard needs dns-01"),
        "{error}"
    );
}

/// An https server that gives one answer to everything; its URL and its root.
async fn answering(answer: String) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|n| n == 0) {
                    return;
                }
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            });
        }
    });
    (format!("https://localhost:{port}/"), certificate.pem())
}

fn issuer(url: &str, root: &str) -> AcmeIssuer {
    let store = memory();
    AcmeIssuer::builder(url, store.clone(), provider())
        .root_pem(root)
        .solver(Http01::new(store))
        .build()
        .unwrap()
}

async fn error_of(issuer: &AcmeIssuer) -> Error {
    let request = CertRequest::new(["a.example"]).unwrap();
    issuer.issue(&request).await.unwrap_err()
}

pub(crate) async fn a_wrong_server_is_explained() {
    let html = "<html><body>It works!</body></html>";
    let answer = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let kind = "Content-Type: text/html\r\n";
    let limited = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"}"#;
    let date = "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n";
    let seconds = "Retry-After: 7\r\n";
    let huge = "x".repeat(2 << 20);
    let mut root = String::new();
    for (answer, kind, status, wait, says) in [
        (
            answer("200 OK", kind, html),
            ErrorKind::Protocol,
            None,
            false,
            "no ACME directory (200 text/html: <html>",
        ),
        (
            answer("404 Not Found", kind, html),
            ErrorKind::Protocol,
            Some(404),
            false,
            "no ACME problem (404 text/html",
        ),
        (
            answer("502 Bad Gateway", kind, html),
            ErrorKind::Unavailable,
            Some(502),
            false,
            "It works!",
        ),
        (
            answer("503 Busy", seconds, ""),
            ErrorKind::Unavailable,
            Some(503),
            true,
            "[try again in 7 s]",
        ),
        (
            answer("429 Slow", seconds, limited),
            ErrorKind::RateLimited,
            Some(429),
            true,
            "too many (urn:",
        ),
        (
            answer("429 Slow", date, ""),
            ErrorKind::RateLimited,
            Some(429),
            true,
            "try again in",
        ),
        (
            answer("200 OK", "", &huge),
            ErrorKind::Protocol,
            None,
            false,
            "larger than 1048576 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into(),
            ErrorKind::Unavailable,
            None,
            false,
            "cannot be reached",
        ),
    ] {
        let (url, pem) = answering(answer).await;
        root = pem;
        let error = error_of(&issuer(&url, &root)).await;
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "cannot read the directory for certificates at {url}: "
            )),
            "{text}"
        );
        assert!(text.contains(says), "{text}");
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(error.status(), status, "{text}");
        assert_eq!(error.retry_after().is_some(), wait, "{text}");
        assert_eq!(error.step(), Some(Step::Directory));
    }
    let (url, _) = answering(String::new()).await;
    let error = error_of(&issuer(&url, &root)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(
        error.to_string().contains("certificate is not trusted"),
        "{error}"
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = error_of(&issuer(
        &format!("https://localhost:{}/dir", closed.port()),
        &root,
    ))
    .await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.is_retryable());
}

pub(crate) async fn settings_are_checked() {
    let store = memory();
    let builder = |url: &str| AcmeIssuer::builder(url, store.clone(), provider());
    let solver = || Http01::new(store.clone());
    let good = "https://ca.example/dir";
    for (builder, says) in [
        (
            builder("http://ca.example/dir").solver(solver()),
            "no https URL",
        ),
        (builder("ca.example").solver(solver()), "no https URL"),
        (
            builder(good).solver(solver()).root_pem("nonsense"),
            "a root has no certificate",
        ),
        (builder(good).root_pem(any_root()), "no solver"),
        (
            builder(good)
                .solver(solver())
                .external_account("id", "?!secret-key?!"),
            "MAC key",
        ),
        (builder(good).solver(solver()).account_id("../x"), "id"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = format!("{error} {error:?} {shown}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("secret-key"), "{text}");
    }
}

fn any_root() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// Keeps the text of every event and span.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Every text that any of the secrets could be shown as.
fn forms(secret: &[u8]) -> Vec<String> {
    let mut out = vec![
        BASE64.encode(secret),
        BASE64URL_NOPAD.encode(secret),
        HEXLOWER.encode(secret),
        format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
    ];
    out.extend(std::str::from_utf8(secret).map(|text| text.replace('\n', "")));
    out
}

#[track_caller]
fn assert_hidden(secret: &[u8], shown: &str) {
    const LONGEST: usize = 24;
    for form in forms(secret) {
        let form: Vec<char> = form.chars().collect();
        // The first bytes of a key in PKCS#8 are those of every key.
        for part in form.windows(LONGEST).skip(64) {
            let part: String = part.iter().collect();
            assert!(!shown.contains(&part), "`{part}` is shown");
        }
    }
}

pub(crate) async fn no_key_is_shown() {
    // With a second one about, events that another thread meets first are not switched off for all.
    let _second = tracing::Dispatch::new(Everything::default());
    let everything = Everything::default();
    let guard = tracing::subscriber::set_default(everything.clone());
    let pebble = Pebble::start(&Options {
        external: true,
        nonce_reject: 20,
        ..Options::default()
    });
    let store = memory();
    let make = || {
        pebble
            .builder(&store)
            .external_account(EAB_ID, EAB_KEY)
            .solver(Http01::new(store.clone()))
    };
    let mut shown = format!("{:?}", make());
    let issuer = make().build().unwrap();
    let request = CertRequest::new(["a.example"]).unwrap();
    let error = issuer.issue(&request).await.unwrap_err();
    shown.push_str(&format!("{error} {error:#?}"));
    pebble.serve_http(Http01::new(store.clone())).await;
    let triple = issuer.issue(&request).await.unwrap();
    shown.push_str(&format!("{issuer:?} {triple:?} {request:?}"));

    let mut secrets = Vec::new();
    for folder in [Folder::ACCOUNTS, Folder::ORDERS] {
        for name in store.list(&folder).await.unwrap() {
            let mut record = store.load(&name).await.unwrap().unwrap().record;
            shown.push_str(&format!("{record:?}"));
            let keys: Vec<String> = record
                .parts()
                .filter(|(part, _)| part.ends_with(".key"))
                .map(|(part, _)| part.to_owned())
                .collect();
            for part in keys {
                let key = record.remove(&part).unwrap();
                let lines = String::from_utf8_lossy(&key);
                let lines: String = lines.lines().filter(|l| !l.starts_with('-')).collect();
                secrets.extend([key.to_vec(), lines.into_bytes()]);
                // A damaged one is named, and not shown.
                record.insert(&part, &key[..key.len() / 2]).unwrap();
            }
            let any = opsbox_cert::store::Condition::Any;
            store.save(&name, &record, &any, None).await.unwrap();
        }
    }
    assert_eq!(secrets.len(), 4);
    secrets.push(EAB_KEY.as_bytes().to_vec());
    secrets.push(BASE64URL_NOPAD.decode(EAB_KEY.as_bytes()).unwrap());
    let error = make().build().unwrap().issue(&request).await.unwrap_err();
    shown.push_str(&format!("{error} {error:#?}"));
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(guard);
    let traced = everything.0.lock().unwrap().clone();
    assert!(traced.contains("certificate issued"), "{traced}");
    shown.push_str(&traced);
    for secret in secrets {
        assert_hidden(&secret, &shown);
    }
}
