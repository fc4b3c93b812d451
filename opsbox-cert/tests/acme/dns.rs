//! dns-01: by a zone in memory, by a real server that takes updates, and by programs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use opsbox_cert::ErrorKind;
use opsbox_cert::challenge::{Dns01, Http01};
use opsbox_cert::dns::{DnsProvider, Hook, MemoryZone, Rfc2136, TsigAlgorithm, TxtRecord};
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _, Step};
use opsbox_cert::store::{Folder, Store};

use crate::async_trials::program;
use crate::issue::{assert_clean, memory};
use crate::pebble::{Options, Pebble, wait_for};
use crate::ports::free_port;

fn issuer<P: DnsProvider + 'static>(
    pebble: &Pebble,
    store: &Arc<dyn Store>,
    solver: Dns01<P>,
) -> AcmeIssuer {
    // http-01 comes first, and cannot do wildcards.
    pebble
        .builder(store)
        .solver(Http01::new(store.clone()))
        .solver(solver)
        .build()
        .unwrap()
}

pub(crate) async fn dns_01_issues_wildcards_and_follows_aliases() {
    let zone = MemoryZone::new("example").unwrap();
    zone.alias("_acme-challenge.b.example", "1.auth.example")
        .unwrap();
    zone.alias("1.auth.example", "2.auth.example").unwrap();
    let server = zone.serve("127.0.0.1:0").await.unwrap();
    let pebble = Pebble::start(&Options {
        dns: Some(server.address()),
        ..Options::default()
    });
    let store = memory();
    let solver = Dns01::new(zone.clone())
        .resolvers([server.address()])
        .authorities([server.address()]);
    let issuer = pebble.builder(&store).solver(solver).build().unwrap();
    // The first two have their record at the same name, at the same time.
    let request = CertRequest::new(["a.example", "*.a.example", "*.b.example"]).unwrap();
    let triple = issuer.issue(&request).await.unwrap();
    assert_eq!(triple.facts().unwrap().subject_alt_names().len(), 3);
    for name in ["_acme-challenge.a.example", "2.auth.example"] {
        assert!(zone.texts(name).is_empty(), "{name}");
    }
    issuer.confirm(&request).await.unwrap();
    assert_clean(&store).await;

    // A name that was not proved before: of a hundred authorizations Pebble uses one again even at 0 %.
    zone.alias("_acme-challenge.c.example", "1.auth.example")
        .unwrap();
    zone.alias("2.auth.example", "1.auth.example").unwrap();
    let request = CertRequest::new(["*.c.example"]).unwrap();
    let error = issuer.issue(&request).await.unwrap_err();
    assert!(error.to_string().contains("remove the loop"), "{error}");
}

pub(crate) async fn what_never_propagates_is_said_and_taken_away() {
    let zone = MemoryZone::new("example").unwrap();
    let server = zone.serve("127.0.0.1:0").await.unwrap();
    let other = MemoryZone::new("example").unwrap();
    let behind = other.serve("127.0.0.1:0").await.unwrap();
    let pebble = Pebble::start(&Options {
        dns: Some(server.address()),
        ..Options::default()
    });
    let store = memory();
    let solver = || Dns01::new(zone.clone()).resolvers([server.address()]);
    let late = solver()
        .authorities([server.address(), behind.address()])
        .propagation_limit(Duration::from_millis(10));
    let request = CertRequest::new(["*.a.example"]).unwrap();
    let failing = issuer(&pebble, &store, late);
    let error = failing.issue(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.step(), Some(Step::Present));
    assert_eq!(error.identifier(), Some("*.a.example"));
    let says = format!("{}: not there", behind.address());
    assert!(error.to_string().contains(&says), "{error}");
    assert!(zone.texts("_acme-challenge.a.example").is_empty());

    // The CA has judged nothing, so the order is gone on with; a server that is down is no obstacle.
    drop(behind);
    let down = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let solver = solver().authorities([down, server.address()]);
    let working = issuer(&pebble, &store, solver);
    working.issue(&request).await.unwrap();
    assert_eq!(pebble.orders(), 1);
    assert!(store.list(&Folder::CHALLENGES).await.unwrap().is_empty());

    let nobody = Dns01::new(zone.clone()).resolvers([down]);
    let request = CertRequest::new(["*.c.example"]).unwrap();
    let error = issuer(&pebble, &store, nobody).issue(&request).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no resolver answers"), "{error}");
}

pub(crate) struct Knot {
    child: std::process::Child,
    pub(crate) port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Knot {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// 32 bytes, in base64.
pub(crate) const SECRET: &str = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYzE=";

pub(crate) fn knot() -> Knot {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = dir.path().display();
    let zone = "example. 60 SOA ns.example. admin.example. 1 60 60 60 60\n\
                example. 60 NS ns.example.\n\
                ns.example. 60 A 127.0.0.1\n\
                _acme-challenge.b.example. 60 CNAME b.auth.example.\n";
    std::fs::write(dir.path().join("example.zone"), zone).unwrap();
    let config = format!(
        "server:\n    rundir: \"{path}\"\n    listen: 127.0.0.1@{port}\n\
         database:\n    storage: \"{path}/db\"\n\
         key:\n  - id: acme-key\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
         acl:\n  - id: update\n    key: acme-key\n    action: update\n\
         zone:\n  - domain: example\n    storage: \"{path}\"\n    file: example.zone\n    acl: update\n"
    );
    std::fs::create_dir(dir.path().join("db")).unwrap();
    let file = dir.path().join("knot.conf");
    std::fs::write(&file, config).unwrap();
    let child = Command::new(program("KNOTD", "knotd").unwrap())
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let knot = Knot {
        child,
        port,
        _dir: dir,
    };
    wait_for(port, "knotd");
    knot
}

pub(crate) async fn dynamic_updates_are_taken_by_knot() {
    let knot = knot();
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], knot.port));
    let pebble = Pebble::start(&Options {
        dns: Some(server),
        ..Options::default()
    });
    let store = memory();
    let sha256 = TsigAlgorithm::HmacSha256;
    let provider = Rfc2136::new(server, "acme-key", sha256, SECRET).unwrap();
    let solver = Dns01::new(provider.clone())
        .resolvers([server])
        .authorities([server]);
    let issuer = issuer(&pebble, &store, solver);
    let request = CertRequest::new(["*.a.example", "*.b.example"]).unwrap();
    issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    assert_clean(&store).await;
    // Nothing is left: a look for the record of the first name says so.
    let look = Dns01::new(provider.clone())
        .resolvers([server])
        .authorities([server])
        .propagation_limit(Duration::ZERO);
    let answer = opsbox_cert::challenge::Answer::new(
        opsbox_cert::ChallengeType::Dns01,
        "c.example".parse().unwrap(),
        "t",
        "t.k",
    );
    use opsbox_cert::challenge::Solver as _;
    look.present(&answer).await.unwrap();
    look.present(&answer).await.unwrap();
    look.wait(&answer).await.unwrap();
    look.cleanup(&answer).await.unwrap();
    look.cleanup(&answer).await.unwrap();
    let error = look.wait(&answer).await.unwrap_err();
    assert!(error.to_string().contains("not there"), "{error}");

    let record = TxtRecord::new("x.example", "v", "x.example").in_zone("example");
    let wrong = SECRET.replace("MTE", "MTI").replace("c2V", "c2W");
    let other_secret = Rfc2136::new(server, "acme-key", sha256, &wrong).unwrap();
    let other_name = Rfc2136::new(server, "nobody", sha256, SECRET).unwrap();
    for provider in [other_secret, other_name] {
        let error = provider.add(&record).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        let shown = format!("{error} {error:?} {provider:?}");
        assert!(shown.contains("compare the name"), "{shown}");
        assert!(!shown.contains("2VjcmV0"), "{shown}");
    }
    let elsewhere = TxtRecord::new("x.test", "v", "x.test").in_zone("example");
    let error = provider.add(&elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let nowhere = TxtRecord::new("x.example", "v", "x.example");
    let error = provider.add(&nowhere).await.unwrap_err();
    assert!(
        error.to_string().contains("its zone is not known"),
        "{error}"
    );
    let error = Rfc2136::new(server, "k", sha256, "?c2VjcmV0?").unwrap_err();
    assert!(!format!("{error:?}").contains("c2Vj"), "{error:?}");
}

fn script(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub(crate) async fn hooks_are_called_as_lego_and_certbot_call_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let shown = out.display();
    let record = TxtRecord::new("_acme-challenge.a.example", "v-1", "a.example");
    let lego = script(
        dir.path(),
        "lego",
        &format!("echo \"$#:$1:$2:$3\" >>{shown}"),
    );
    let environment =
        format!("echo \"$0:$CERTBOT_DOMAIN:$CERTBOT_VALIDATION:$OPSBOX_NAME\" >>{shown}");
    let auth = script(dir.path(), "auth", &environment);
    let clean = script(dir.path(), "clean", &environment);
    for hook in [Hook::lego(&lego), Hook::certbot(&auth, &clean)] {
        hook.add(&record).await.unwrap();
        hook.remove(&record).await.unwrap();
    }
    let name = "_acme-challenge.a.example";
    let written = std::fs::read_to_string(&out).unwrap();
    let written: Vec<&str> = written.lines().collect();
    assert_eq!(
        written,
        [
            format!("3:present:{name}.:v-1"),
            format!("3:cleanup:{name}.:v-1"),
            format!("{}:a.example:v-1:{name}", auth.display()),
            format!("{}:a.example:v-1:{name}", clean.display()),
        ]
    );
}

pub(crate) async fn failing_hooks_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let record = TxtRecord::new("_acme-challenge.a.example", "v", "a.example");
    let broken = script(dir.path(), "broken", "echo 'no such zone' >&2; exit 3");
    let slow = script(dir.path(), "slow", "exec sleep 600");
    let slow = Hook::lego(slow).time_limit(Duration::from_millis(50));
    for (hook, kind, says) in [
        (
            Hook::lego(broken),
            ErrorKind::Unavailable,
            "exit status: 3; it says: no such zone",
        ),
        (
            slow,
            ErrorKind::Unavailable,
            "did not end within 0.05 s and was killed",
        ),
        (
            Hook::lego(dir.path().join("none")),
            ErrorKind::Invalid,
            "cannot be run",
        ),
    ] {
        let error = hook.add(&record).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
