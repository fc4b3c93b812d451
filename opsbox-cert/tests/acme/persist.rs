//! dns-persist-01: a record that is there once for all orders.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::challenge::{Answer, DnsPersist01, Solver as _};
use opsbox_cert::dns::{
    DnsProvider as _, MemoryZone, Rfc2136, TsigAlgorithm, TxtRecord, ZoneServer,
};
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _, Step};
use opsbox_cert::store::Store;
use opsbox_cert::{ChallengeType, Clock as _, ErrorKind, SystemClock};

use crate::dns::{SECRET, knot};
use crate::issue::{assert_clean, memory};
use crate::pebble::{CAA_IDENTITY, Options, Pebble};

const NAME: &str = "_validation-persist.a.example";

struct World {
    zone: MemoryZone,
    server: ZoneServer,
    pebble: Pebble,
    store: Arc<dyn Store>,
}

impl World {
    async fn new() -> Self {
        let zone = MemoryZone::new("example").unwrap();
        let server = zone.serve("127.0.0.1:0").await.unwrap();
        let pebble = Pebble::start(&Options {
            dns: Some(server.address()),
            ..Options::default()
        });
        Self {
            zone,
            server,
            pebble,
            store: memory(),
        }
    }

    fn solver(&self) -> DnsPersist01 {
        let address = self.server.address();
        DnsPersist01::new()
            .resolvers([address])
            .authorities([address])
    }

    fn issuer(&self, solver: DnsPersist01) -> AcmeIssuer {
        self.pebble
            .builder(&self.store)
            .solver(solver)
            .build()
            .unwrap()
    }

    async fn publish(&self, text: &str) {
        let record = TxtRecord::new(NAME, text, "a.example").in_zone("example");
        self.zone.add(&record).await.unwrap();
    }

    async fn issue(&self, issuer: &AcmeIssuer, names: &[&str]) -> opsbox_cert::Result<()> {
        let request = CertRequest::new(names).unwrap();
        issuer.issue(&request).await?;
        issuer.confirm(&request).await
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) async fn dns_persist_01_writes_a_record_that_stays() {
    let world = World::new().await;
    let issuer = world.issuer(world.solver().provider(world.zone.clone()));
    let account = issuer.account_url().await.unwrap();
    let narrow = format!("{CAA_IDENTITY}; accounturi={account}");
    let wide = format!("{narrow}; policy=wildcard");
    world.issue(&issuer, &["a.example"]).await.unwrap();
    assert_eq!(world.zone.texts(NAME), [narrow.as_str()]);
    // Of others nothing is touched, though it is about the same CA.
    let other = format!("{CAA_IDENTITY}; accounturi={account}9");
    world.publish(&other).await;
    world
        .publish("third.example; accounturi=https://third.example/1")
        .await;
    world
        .issue(&issuer, &["a.example", "*.a.example"])
        .await
        .unwrap();
    let texts = world.zone.texts(NAME);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts.contains(&wide) && texts.contains(&other), "{texts:?}");
    assert_clean(&world.store).await;

    // Now it needs no provider: not for the next instance, nor for a renewal.
    let checked = world.issuer(world.solver());
    world.issue(&checked, &["*.a.example"]).await.unwrap();
    world.issue(&checked, &["a.example"]).await.unwrap();
    assert_eq!(world.zone.texts(NAME), texts);
    assert_eq!(world.pebble.orders(), 4);
}

pub(crate) async fn dns_persist_01_says_which_record_is_missing() {
    let world = World::new().await;
    let issuer = world.issuer(world.solver());
    let account = issuer.account_url().await.unwrap();
    world
        .publish(&format!("{CAA_IDENTITY}; accounturi={account}"))
        .await;
    let error = world.issue(&issuer, &["*.a.example"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(error.step(), Some(Step::Present));
    assert_eq!(error.identifier(), Some("*.a.example"));
    let text = format!("{CAA_IDENTITY}; accounturi={account}; policy=wildcard");
    for says in [NAME, &format!("publish the TXT record \"{text}\"")] {
        assert!(error.to_string().contains(says), "{error}");
    }
    // The operator does so, and the same order is gone on with.
    let narrow = format!("{CAA_IDENTITY}; accounturi={account}");
    let narrow = TxtRecord::new(NAME, narrow, "a.example").in_zone("example");
    world.zone.remove(&narrow).await.unwrap();
    world.publish(&text).await;
    world.issue(&issuer, &["*.a.example"]).await.unwrap();
    assert_eq!(world.pebble.orders(), 1);
}

pub(crate) async fn dns_persist_01_replaces_a_record_that_has_ended() {
    let world = World::new().await;
    let hour = Duration::from_secs(60 * 60);
    let solver = world.solver().provider(world.zone.clone()).keep_for(hour);
    let issuer = world.issuer(solver.with_wildcards());
    let account = issuer.account_url().await.unwrap();
    let text = format!("{CAA_IDENTITY}; accounturi={account}; policy=wildcard; persistUntil=");
    let past = seconds(SystemClock.now() - hour);
    world.publish(&format!("{text}{past}")).await;
    let error = world
        .issue(&world.issuer(world.solver()), &["a.example"])
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("no authoritative server shows")
    );

    let begun = seconds(SystemClock.now());
    world.issue(&issuer, &["a.example"]).await.unwrap();
    let texts = world.zone.texts(NAME);
    let [only] = &*texts else {
        panic!("one record: {texts:?}");
    };
    let until: u64 = only.strip_prefix(&text).unwrap().parse().unwrap();
    assert!((begun + 3600..begun + 3900).contains(&until), "{only}");
}

pub(crate) async fn dns_persist_01_is_written_to_knot() {
    let knot = knot();
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], knot.port));
    let pebble = Pebble::start(&Options {
        dns: Some(server),
        ..Options::default()
    });
    let store = memory();
    let sha256 = TsigAlgorithm::HmacSha256;
    let provider = Rfc2136::new(server, "acme-key", sha256, SECRET).unwrap();
    let solver = || {
        DnsPersist01::new()
            .resolvers([server])
            .authorities([server])
    };
    let written = pebble.builder(&store).solver(solver().provider(provider));
    let issuer = written.build().unwrap();
    let request = CertRequest::new(["a.example", "*.a.example", "b.example"]).unwrap();
    issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    assert_clean(&store).await;
    let checked = pebble.builder(&store).solver(solver()).build().unwrap();
    let request = CertRequest::new(["*.a.example"]).unwrap();
    checked.issue(&request).await.unwrap();
}

/// The answer of another challenge is none to this one.
pub(crate) async fn dns_persist_01_takes_its_own_answers_alone() {
    let kind = ChallengeType::Dns01;
    let answer = Answer::new(kind, "a.example".parse().unwrap(), "t", "t.k");
    let error = DnsPersist01::new().present(&answer).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot solve a dns-01 answer"),
        "{error}"
    );
}
