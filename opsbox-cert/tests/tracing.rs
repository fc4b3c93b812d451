//! What a subscriber sees: the documented fields, and no key.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;
#[path = "common/issue.rs"]
mod issue;

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use opsbox_cert::install::{Certificates, Policy};
use opsbox_cert::serve::Acceptor;
use opsbox_cert::store::{Condition, MemoryStore, Name, Record, Store as _};
use opsbox_cert::watch::{FileWatcher, StoreWatcher};
use opsbox_cert::{Clock as _, SystemClock};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Metadata, Subscriber};

use common::write;
use issue::{Ca, Order, provider};

/// Writes all of it down, a line a span, record or event.
#[derive(Clone, Default)]
struct Lines {
    text: Arc<Mutex<String>>,
    last: Arc<AtomicU64>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Lines {
    fn line(&self, start: String, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(start);
        record(&mut fields);
        writeln!(self.text.lock().unwrap(), "{}", fields.0).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "opsbox_cert"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.line(format!("span {}", span.metadata().name()), |fields| {
            span.record(fields);
        });
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &SpanRecord<'_>) {
        self.line("record".into(), |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata().level().to_string(), |fields| {
            event.record(fields);
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn the_documented_fields_are_there_and_no_key() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let ca = Ca::new();
    let pair = ca.issue(&Order::new(&["a.example"], SystemClock.now(), 30));
    let other = ca.issue(&Order::new(&["a.example"], SystemClock.now(), 30));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let all = Certificates::new();
        all.install("a", pair.candidate(), &Policy::new()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let chain = write(dir.path(), "tls.crt", &other.chain);
        let key = write(dir.path(), "tls.key", &pair.key);
        let mut files = FileWatcher::new(all.clone(), provider())
            .without_notices()
            .pair("a", &chain, &key)
            .pair("key as chain", &key, &key);
        files.first().await;
        let store = MemoryStore::new();
        let record = Record::new().with("tls.key", other.key.clone()).unwrap();
        let name = Name::certificate("b").unwrap();
        store
            .save(&name, &record, &Condition::Any, None)
            .await
            .unwrap();
        StoreWatcher::new(Arc::new(store), all.clone(), provider())
            .look()
            .await;

        let acceptor = Acceptor::new(all.clone(), provider()).unwrap();
        let (client, server) = tokio::io::duplex(64 * 1024);
        let mut roots = RootCertStore::empty();
        roots.add(ca.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("a.example").unwrap();
        let address = Some("192.0.2.1".parse().unwrap());
        let (client, server) = tokio::join!(
            connector.connect(name, client),
            acceptor.accept_at(server, address)
        );
        drop((client.unwrap(), server.unwrap()));
        let (client, server) = tokio::io::duplex(64);
        drop(client);
        acceptor.accept_at(server, None).await.unwrap_err();
        all.remove("a");
    });
    let text = lines.text.lock().unwrap().clone();
    for line in [
        "INFO message=certificate a is in service (new) event=\"installed\" id=\"a\" reason=\"new\"",
        "event=\"refused\" id=\"a\" reason=\"key_mismatch\"",
        "event=\"refused\" id=\"b\" reason=\"unusable\"",
        "event=\"removed\" id=\"a\"",
        "span watch_files certificates=2",
        "span watch_store certificates=0",
        "span tls_handshake address=192.0.2.1\n",
        "record server_name=\"a.example\"\nrecord protocol=\"h2\"\nrecord outcome=\"done\"",
        "span tls_handshake\nrecord outcome=\"failed\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for pair in [&pair, &other] {
        let body: String = pair
            .key
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        for at in 0..body.len() - 8 {
            assert!(!text.contains(body.get(at..at + 8).unwrap()), "{text}");
        }
    }
}
