//! A configuration put together, against Pebble and Knot.

use opsbox_cert::challenge::Http01;
use opsbox_cert::config::{Format, Source};
use opsbox_cert::issuer::{CertRequest, Issuer as _};
use opsbox_cert::{CertFacts, ChallengeType, ErrorKind};
use serde_json::json;

use crate::dns::{SECRET, knot};
use crate::issue::memory;
use crate::pebble::{Options, Pebble, provider};

pub(crate) async fn a_configuration_is_all_it_takes() {
    let knot = knot();
    let server = format!("127.0.0.1:{}", knot.port);
    let by_dns = Pebble::start(&Options {
        dns: Some(server.parse().unwrap()),
        ..Options::default()
    });
    let by_web = Pebble::start(&Options::default());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let acme = |pebble: &Pebble, name: &str| {
        json!({
            "kind": "acme", "directory": pebble.url, "terms_of_service_agreed": true,
            "root_file": write(name, &pebble.root_pem), "profile": "shortlived",
        })
    };
    let text = json!({
        "store": {
            "kind": "folder", "path": folder.path().join("store"),
            "encryption_key_file": write("key", &"a1".repeat(32)),
        },
        "issuers": {
            "web": acme(&by_web, "web.pem"),
            "zone": acme(&by_dns, "zone.pem"),
            "internal": {"kind": "local-ca", "common_name": "Ours", "lifetime": "36h"},
        },
        "dns": {"knot": {
            "kind": "rfc2136", "server": server, "tsig_key_name": "acme-key",
            "tsig_secret_file": write("tsig", &format!("{SECRET}\n")),
            "resolvers": [server], "authorities": [server],
        }},
        "certificates": [
            {"names": ["a.example"], "issuers": ["web"]},
            {"names": ["b.example"], "issuers": ["web"], "challenge": "tls-alpn-01"},
            {"names": ["*.c.example"], "issuers": ["zone"], "dns": "knot"},
            {"names": ["*.e.example"], "issuers": ["zone"], "dns": "knot", "challenge": "dns-persist-01"},
            {"names": ["db.internal"], "issuers": ["internal"]},
        ],
    });
    let source = Source::parse("opsbox.json", &text.to_string(), Format::Json).unwrap();
    let config = source.config().unwrap();
    let mut all = config.assemble(provider()).await.unwrap();
    // http-01 is not answered for the second name, and need not be.
    let http01 = all.http01.clone();
    let _web = by_web.serve_http(http01).await;
    by_web.serve_tls(all.tls_alpn01.clone()).await;

    all.manager.pass().await;
    for name in [
        "a.example",
        "b.example",
        "*.c.example",
        "*.e.example",
        "db.internal",
    ] {
        assert!(all.certificates.in_service(name).is_some(), "{name}");
    }
    let orders = (by_web.orders(), by_dns.orders());
    assert_eq!(orders, (2, 2), "{}", by_dns.log());
    let [(name, root)] = &all.roots[..] else {
        panic!("one CA of our own: {:?}", all.roots)
    };
    assert_eq!(name, "internal");
    let root = CertFacts::from_pem(root.as_bytes()).unwrap();
    let subject = root.subject().to_string();
    assert!(subject.contains("Ours"), "{subject}");

    // Started again it finds all that, and no key is there to be read.
    drop(all);
    let mut again = config.assemble(provider()).await.unwrap();
    again.manager.pass().await;
    assert!(again.certificates.in_service("*.c.example").is_some());
    assert_eq!((by_web.orders(), by_dns.orders()), orders);
    let mut keys = 0;
    let mut folders = vec![folder.path().join("store")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
            keys += 1;
        }
    }
    assert!(keys > 4, "{keys} files");
}

pub(crate) async fn a_challenge_that_is_asked_for_is_the_only_one() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let by_tls = request.clone().challenge(ChallengeType::TlsAlpn01);
    let error = issuer.issue(&by_tls).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let text = error.to_string();
    assert!(text.contains("to be proved by tls-alpn-01 alone"), "{text}");
    let by_http = request.challenge(ChallengeType::Http01);
    issuer.issue(&by_http).await.unwrap();
}
