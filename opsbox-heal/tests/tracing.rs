//! What a subscriber sees: the documented fields.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use opsbox_heal::act::{ActOptions, OwnerKind, OwnerTarget, Remediator, Target};
use opsbox_heal::lease::Election;
use opsbox_heal::record::{Event, EventRecorder};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Metadata, Subscriber};

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

    fn take(&self) -> String {
        std::mem::take(&mut self.text.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("opsbox_heal")
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

    fn event(&self, event: &tracing::Event<'_>) {
        self.line(event.metadata().level().to_string(), |fields| {
            event.record(fields);
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A server that answers all requests like this.
fn answering(status: u16, body: &'static str) -> Client {
    let service = tower::service_fn(move |_: Request<Body>| async move {
        let body = Body::from(body.as_bytes().to_vec());
        let response = Response::builder().status(status).body(body).unwrap();
        Ok::<_, Infallible>(response)
    });
    Client::new(service, "default")
}

#[test]
fn the_documented_fields_are_there() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new("shop", "web-1", "0b0e");
        let real = ActOptions::real();
        let acts = Remediator::new(answering(201, "{}"));
        assert!(acts.evict(&target, &real).await.is_done());
        assert_eq!(
            lines.take(),
            "span act action=\"evict\" namespace=shop pod=web-1 uid=0b0e dry_run=false\n\
             record outcome=\"done\"\nINFO message=done\n"
        );
        let acts = Remediator::new(answering(503, "a\u{1b}[31m\nb"));
        assert!(!acts.delete(&target, &ActOptions::dry_run()).await.is_done());
        assert_eq!(
            lines.take(),
            "span act action=\"delete\" namespace=shop pod=web-1 uid=0b0e dry_run=true\n\
             record outcome=\"unavailable\"\n\
             WARN message=the API server is not available: HTTP 503 to delete pods: a\\u{1b}[31m\\u{a}b\n"
        );
        let owner = OwnerTarget::new(OwnerKind::Deployment, "shop", "web");
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        assert!(!acts.restart_owner(&owner, now, &real).await.is_done());
        let said = lines.take();
        let span = "span act action=\"restart_owner\" namespace=shop owner=web owner_kind=\"Deployment\" dry_run=false\n";
        assert!(said.starts_with(span), "{said}");

        let events = EventRecorder::new(answering(500, ""), "heal-1");
        let event = Event::normal(&target, "Evict", "CrashLoopBackOff");
        assert!(!events.record(&event, now).await.is_done());
        let said = lines.take();
        let start = "WARN message=the Event is not recorded: the API server is not available: HTTP 500 to create events: \
                     no reason given";
        assert!(said.starts_with(start), "{said}");
        let fields = " namespace=\"shop\" regarding=web-1 reason=CrashLoopBackOff\n";
        assert!(said.ends_with(fields), "{said}");

        let lease = r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "heal", "namespace": "ops", "resourceVersion": "1"}}"#;
        let election = Election::new(answering(200, lease), "ops", "heal", "me").unwrap();
        let identity = election.identity().to_owned();
        let fence = election.fence();
        let shutdown = async {
            while !fence.is_leader() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        election.run(shutdown).await;
        let leads = format!("INFO message=leads lease=ops/heal identity={identity} token=0\n");
        assert_eq!(lines.take(), leads);

        let election = Election::new(answering(500, "no"), "ops", "heal", "me").unwrap();
        let mut fence = election.fence();
        let trouble = async {
            while fence.trouble().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        election.run(trouble).await;
        let said = lines.take();
        let start = "WARN message=the Lease cannot be read: the API server is not available";
        assert!(said.starts_with(start) && said.ends_with(" lease=ops/heal\n"), "{said}");
        assert!(tokio::time::timeout(Duration::from_millis(5), fence.leading()).await.is_err());
    });
}
