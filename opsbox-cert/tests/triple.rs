//! Keys and chains that belong together, their encryption, and that no key is ever shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::store::conformance::{self, Harness};
use opsbox_cert::store::{
    Condition, Encrypted, Folder, FsStore, MemoryStore, Metadata, Name, Record, SealingKey, Store,
    Triple,
};
use opsbox_cert::{Error, ErrorKind, ManualClock, Result};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;

use common::{NOW, fresh, now, write};

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

struct Pair {
    key: String,
    leaf: String,
    issuer: String,
}

fn pair(name: &str) -> Pair {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(DnType::CommonName, "Test CA");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let leaf = params
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap()
        .pem();
    Pair {
        key: key.serialize_pem(),
        leaf,
        issuer,
    }
}

fn triple(pair: &Pair) -> Triple {
    let chain = format!("{}{}", pair.leaf, pair.issuer);
    let metadata = Metadata::new("test", now()).note("order", "https://ca.example/1");
    Triple::new(pair.key.as_bytes(), chain.as_bytes(), metadata, &provider()).unwrap()
}

#[test]
fn a_triple_is_read_as_it_was_written() {
    let name = Name::certificate("a.example").unwrap();
    let pair = pair("a.example");
    let made = triple(&pair);
    let record = made.to_record().unwrap();
    assert_eq!(record.part("tls.key"), Some(pair.key.as_bytes()));
    let chain = format!("{}{}", pair.leaf, pair.issuer).replace('\r', "");
    assert_eq!(record.part("tls.crt"), Some(chain.as_bytes()));
    let read = Triple::from_record(&name, &record, &provider()).unwrap();
    assert_eq!(read.chain(), made.chain());
    assert_eq!(read.metadata(), made.metadata());
    assert_eq!(
        (read.metadata().issuer(), read.metadata().issued_at()),
        ("test", now())
    );
    assert_eq!(read.metadata().noted("order"), Some("https://ca.example/1"));
    assert_eq!(
        read.metadata().ari_id(),
        read.facts().unwrap().ari_id().as_deref()
    );
    assert!(read.metadata().ari_id().is_some());
    assert!(read.to_record().unwrap() == record);
}

fn kind(result: Result<Triple>) -> ErrorKind {
    let error = result.unwrap_err();
    assert!(error.to_string().contains("; "), "{error}");
    error.kind()
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (one, two) = (pair("a.example"), pair("b.example"));
    let new = |key: &str, chain: &str| {
        Triple::new(
            key.as_bytes(),
            chain.as_bytes(),
            Metadata::default(),
            &provider(),
        )
    };
    let Pair { key, leaf, issuer } = &one;
    new(key, leaf).unwrap();
    assert_eq!(kind(new(&two.key, leaf)), ErrorKind::KeyMismatch);
    assert_eq!(kind(new(key, issuer)), ErrorKind::KeyMismatch);
    assert_eq!(
        kind(new(key, &format!("{issuer}{leaf}"))),
        ErrorKind::Invalid
    );
    assert_eq!(
        kind(new(key, &format!("{leaf}{}", two.leaf))),
        ErrorKind::Invalid
    );
    assert_eq!(kind(new(key, "")), ErrorKind::Empty);
    assert_eq!(kind(new(key, key)), ErrorKind::PrivateKey);
    assert_eq!(kind(new("", leaf)), ErrorKind::Invalid);
    assert_eq!(kind(new(leaf, leaf)), ErrorKind::Invalid);
    let p521 = "-----BEGIN PRIVATE KEY-----\nMCowBQYDK2VwAyEA\n-----END PRIVATE KEY-----\n";
    assert_eq!(kind(new(p521, leaf)), ErrorKind::Unsupported);

    let name = Name::certificate("a.example").unwrap();
    let read = |change: &dyn Fn(&mut Record)| {
        let mut record = triple(&one).to_record().unwrap();
        change(&mut record);
        Triple::from_record(&name, &record, &provider())
    };
    read(&|record| drop(record.remove("metadata.json"))).unwrap();
    for part in ["tls.key", "tls.crt"] {
        assert_eq!(
            kind(read(&|record| drop(record.remove(part)))),
            ErrorKind::Corrupt
        );
        assert_eq!(
            kind(read(&|record| record.insert(part, "x").unwrap())),
            ErrorKind::Corrupt
        );
    }
    assert_eq!(
        kind(read(&|record| record.insert("metadata.json", "{").unwrap())),
        ErrorKind::Corrupt
    );
    assert_eq!(
        kind(read(&|record| record
            .insert("tls.key", two.key.clone())
            .unwrap())),
        ErrorKind::KeyMismatch
    );
    let sealed = read(&|record| {
        record.remove("tls.key");
        record.insert("tls.key.sealed", "x").unwrap();
    });
    assert_eq!(kind(sealed), ErrorKind::Sealed);
}

#[test]
fn the_usual_kinds_of_keys_are_known() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let leaf = params.self_signed(&key).unwrap().pem();
        let key = key.serialize_pem();
        Triple::new(
            key.as_bytes(),
            leaf.as_bytes(),
            Metadata::default(),
            &provider(),
        )
        .unwrap();
    }
}

fn sealing_key(byte: u8) -> SealingKey {
    SealingKey::new([byte; 32])
}

struct Sealed(MemoryStore, Arc<ManualClock>);

#[async_trait]
impl Harness for Sealed {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Encrypted::new(self.0.clone(), sealing_key(1)))
    }

    async fn wait(&self, time: Duration) {
        self.1.advance(time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_store_conforms() {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(NOW)));
    conformance::run(&Sealed(MemoryStore::with_clock(clock.clone()), clock))
        .await
        .unwrap();
}

async fn put(store: &dyn Store, name: &Name, record: &Record) {
    store
        .save(name, record, &Condition::Any, None)
        .await
        .unwrap();
}

async fn get(store: &dyn Store, name: &Name) -> Result<Record> {
    Ok(store.load(name).await?.unwrap().record)
}

fn sealed_error(result: Result<Record>, kind: ErrorKind, part: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{error}");
    error
}

#[tokio::test]
async fn keys_can_be_changed_and_a_wrong_one_opens_nothing() {
    let inner = MemoryStore::new();
    let (a, b) = (
        Name::certificate("a.example").unwrap(),
        Name::certificate("b.example").unwrap(),
    );
    let record = |text: &str| Record::new().with("tls.key", text).unwrap();
    let old = Encrypted::new(inner.clone(), sealing_key(1));
    put(&old, &a, &record("first")).await;
    let both = Encrypted::new(inner.clone(), sealing_key(2)).also_open_with(sealing_key(1));
    assert!(get(&both, &a).await.unwrap() == record("first"));
    put(&both, &b, &record("second")).await;
    let new = Encrypted::new(inner.clone(), sealing_key(2));
    assert!(get(&new, &b).await.unwrap() == record("second"));
    let error = sealed_error(get(&new, &a).await, ErrorKind::Sealed, sealing_key(1).id());
    assert!(error.to_string().contains("give that key too"), "{error}");
    sealed_error(get(&old, &b).await, ErrorKind::Sealed, sealing_key(2).id());
    assert!(old.load_many(&[a.clone(), b.clone()]).await[0].is_ok());

    // Moved to another record, to another part, changed, or not encrypted at all.
    let kept = get(&inner, &a).await.unwrap();
    put(&inner, &b, &kept).await;
    sealed_error(get(&both, &b).await, ErrorKind::Corrupt, "tls.key");
    let bytes = kept.part("tls.key.sealed").unwrap();
    put(
        &inner,
        &b,
        &Record::new().with("other.key.sealed", bytes).unwrap(),
    )
    .await;
    sealed_error(get(&both, &b).await, ErrorKind::Corrupt, "other.key");
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        put(
            &inner,
            &a,
            &Record::new().with("tls.key.sealed", changed).unwrap(),
        )
        .await;
        let error = get(&old, &a).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Sealed),
            "{error}"
        );
    }
    put(&inner, &a, &record("plain")).await;
    sealed_error(get(&old, &a).await, ErrorKind::Sealed, "tls.key");
    let lenient = Encrypted::new(inner.clone(), sealing_key(1)).dangerous_accept_plaintext();
    assert!(get(&lenient, &a).await.unwrap() == record("plain"));
    put(&lenient, &a, &record("plain")).await;
    assert!(get(&old, &a).await.unwrap() == record("plain"));
}

#[test]
fn a_sealing_key_is_read_from_the_usual_forms() {
    let dir = tempfile::tempdir().unwrap();
    let id = sealing_key(0xab).id().to_owned();
    let forms: [&[u8]; 5] = [
        &[0xab; 32],
        &[b"ab".repeat(32), b"\n".to_vec()].concat(),
        &b"AB".repeat(32),
        b"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
        b"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n",
    ];
    for form in forms {
        let path = write(dir.path(), "key", form);
        assert_eq!(SealingKey::from_file(&path).unwrap().id(), id);
    }
    for bad in [&b""[..], b"password", &[b'x'; 64], &[0; 31], &[0; 2000]] {
        let error = SealingKey::from_file(write(dir.path(), "key", bad)).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit),
            "{error}"
        );
        assert!(error.to_string().contains("; "), "{error}");
    }
    SealingKey::from_file(dir.path().join("none")).unwrap_err();
}

/// A canary in every place where a key can be, and everything that can be shown of it.
#[tokio::test]
async fn no_key_is_shown() {
    let pair = pair("a.example");
    let secret: String = pair
        .key
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let body = |at: usize| &secret[at..at + 8];
    let dir = tempfile::tempdir().unwrap();
    let name = Name::certificate("a.example").unwrap();
    let mut shown = Vec::new();
    let triple = triple(&pair);
    let record = triple.to_record().unwrap();
    shown.push(format!(
        "{triple:?} {triple:#?} {record:?} {record:#?} {:?}",
        sealing_key(1)
    ));
    let fs = FsStore::open(dir.path().join("store")).await.unwrap();
    let memory = MemoryStore::new();
    let stores: [Box<dyn Store>; 3] = [
        Box::new(fs.clone()),
        Box::new(memory.clone()),
        Box::new(Encrypted::new(memory.clone(), sealing_key(1))),
    ];
    for store in &stores {
        put(&**store, &name, &record).await;
        let stored = store.load(&name).await;
        shown.push(format!("{store:?} {stored:?} {stored:#?}"));
    }
    // Damage of every kind to what is stored, and errors of every kind from it.
    let path = fs.path(&name);
    let bytes = std::fs::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(7) {
        std::fs::remove_file(&path).unwrap();
        fs_write(&path, &bytes[..cut]);
        let error = fs.load(&name).await.unwrap_err();
        shown.push(format!("{error} {error:?} {error:#?} {}", error.reason()));
    }
    let key = pair.key.as_str();
    let lines: Vec<&str> = key.lines().collect();
    let damaged = [
        key.replace("-----", "----"),
        key.replace('\n', ""),
        lines[1..].join("\n"),
        key[..key.len() / 2].to_owned(),
        key.replace(body(20), "!!!!"),
        format!("x{key}"),
        secret.clone(),
    ];
    for key in damaged {
        for (key, chain) in [
            (key.as_str(), pair.leaf.as_str()),
            (pair.key.as_str(), key.as_str()),
            (key.as_str(), key.as_str()),
        ] {
            if let Err(error) = Triple::new(
                key.as_bytes(),
                chain.as_bytes(),
                Metadata::default(),
                &provider(),
            ) {
                shown.push(format!("{error} {error:?} {error:#?} {}", error.reason()));
            }
        }
        let record = Record::new()
            .with("tls.key", key.clone())
            .unwrap()
            .with("tls.crt", pair.leaf.clone())
            .unwrap();
        if let Err(error) = Triple::from_record(&name, &record, &provider()) {
            shown.push(format!("{error} {error:?}"));
        }
        let error = Record::new().with(&key, "x").unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let canary = "AbAbAbAbAbAbAbAb";
    let error = SealingKey::from_file(write(dir.path(), "key", canary)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(canary));
    for shown in shown {
        for at in 0..secret.len() - 8 {
            assert!(!shown.contains(body(at)), "{} is shown: {shown}", body(at));
        }
        // Nor as a list of numbers.
        assert!(
            !shown.contains("45, 45, 45, 45, 45") && !shown.contains("45,\n"),
            "{shown}"
        );
    }
}

fn fs_write(path: &std::path::Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    write(
        path.parent().unwrap(),
        path.file_name().unwrap().to_str().unwrap(),
        bytes,
    );
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `OPSBOX_LOAD=10000` in a release build measures what is promised of that.
#[tokio::test]
async fn many_certificates_are_loaded_with_their_keys() {
    let count: usize = std::env::var("OPSBOX_LOAD")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(200);
    let dir = tempfile::tempdir().unwrap();
    let store = FsStore::open(dir.path().join("store")).await.unwrap();
    let record = triple(&pair("many.example")).to_record().unwrap();
    for number in 0..count {
        put(
            &store,
            &Name::certificate(&format!("{number}.example")).unwrap(),
            &record,
        )
        .await;
    }
    let (cpu, memory) = usage();
    let names = store.list(&Folder::CERTIFICATES).await.unwrap();
    let mut loaded = Vec::with_capacity(count);
    for names in names.chunks(256) {
        for (name, stored) in names.iter().zip(store.load_many(names).await) {
            loaded.push(
                Triple::from_record(name, &stored.unwrap().unwrap().record, &provider()).unwrap(),
            );
        }
    }
    let (cpu_after, memory_after) = usage();
    assert_eq!(loaded.len(), count);
    let kept = memory_after.saturating_sub(memory);
    println!(
        "{count} certificates: {} CPU ms, {} bytes each",
        (cpu_after - cpu) * 10,
        kept / count
    );
    drop(fresh("x"));
}

/// CPU time of the process in ticks of 10 ms, and its resident bytes.
fn usage() -> (u64, usize) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (ticks, fields[21].parse::<usize>().unwrap() * 4096)
}
