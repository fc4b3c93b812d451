//! The store in Kubernetes against a real API server with etcd.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `etcd` and `kube-apiserver`, as it does for envtest. Without
//! them the trials are ignored, with a line on stderr, never passed. With `OPSBOX_REQUIRE_COUNTERPARTS=1`
//! they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "files of a test may be half written"
)]

#[path = "common/issue.rs"]
mod issue;
#[path = "common/ports.rs"]
mod ports;
#[path = "kube/secrets.rs"]
mod secrets;
#[path = "common/trials.rs"]
mod trials;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease as KubeLease;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota, Secret};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config, ResourceExt as _};
use libtest_mimic::{Arguments, Failed};
use opsbox_cert::store::conformance::{self, Harness};
use opsbox_cert::store::{
    Acquired, Condition, Folder, KubeChange, KubeStore, KubeWatch, Name, Owner, Record, Store,
};
use opsbox_cert::{ErrorKind, ManualClock};
use ports::free_port;
use serde_json::json;
use trials::trial;

const LIMIT: Duration = Duration::from_secs(120);

type Check = fn(&Path) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let assets = assets();
    let none = Ok(PathBuf::new());
    let trials: [(&str, Check); 13] = [
        ("kube_conforms", conforms),
        ("kube_faults_are_named", faults),
        ("the_documented_role_is_enough", role),
        ("a_secret_is_what_others_expect", shape),
        ("a_lock_is_a_lease", lease_object),
        ("a_late_write_is_never_over_a_newer_one", late_write),
        ("a_write_that_is_overtaken_is_fenced", overtaken),
        ("changes_are_told_even_over_a_restart", changes),
        ("a_secret_of_others_is_followed", secrets::followed),
        ("a_quiet_secret_costs_no_request", secrets::quiet),
        ("a_role_for_one_secret_is_enough", secrets::role),
        ("encrypted_records_are_followed", secrets::encrypted),
        ("no_answer_reaches_a_log", unlogged),
    ];
    let has = |name| {
        if name == "no_answer_reaches_a_log" {
            none.clone()
        } else {
            assets.clone()
        }
    };
    let trials = trials.map(|(name, check)| trial(name, has(name), move |assets| check(&assets)));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn assets() -> Result<PathBuf, String> {
    let folder = env::var_os("KUBEBUILDER_ASSETS").map_or_else(
        || PathBuf::from("/usr/local/kubebuilder/bin"),
        PathBuf::from,
    );
    for program in ["etcd", "kube-apiserver"] {
        if !folder.join(program).is_file() {
            return Err(format!(
                "there is no `{program}` in {}; run setup-envtest and set KUBEBUILDER_ASSETS",
                folder.display()
            ));
        }
    }
    Ok(folder)
}

/// A process of this test alone, killed at its end.
struct Process(Child);

impl Process {
    fn start(program: &Path, arguments: &[String]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An API server with its etcd.
struct Server {
    api: Option<Process>,
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    _etcd: Process,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start(assets: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(path("sa.key"), key.serialize_pem()).unwrap();
        fs::write(path("sa.pub"), key.public_key_pem()).unwrap();
        fs::write(
            path("tokens.csv"),
            "admintoken,admin,1,\"system:masters\"\nnobodytoken,nobody,2\n",
        )
        .unwrap();
        let (client, peer, port) = (free_port(), free_port(), free_port());
        let etcd = [
            format!("--data-dir={}", path("etcd")),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync".into(),
        ];
        let arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{client}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", path("certificates")),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", path("sa.pub")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            "--disable-admission-plugins=ServiceAccount".into(),
            "--endpoint-reconciler-type=none".into(),
        ];
        let mut server = Self {
            api: None,
            _etcd: Process::start(&assets.join("etcd"), &etcd),
            program: assets.join("kube-apiserver"),
            arguments,
            port,
            _folder: folder,
        };
        server.up().await;
        let namespaces: Api<Namespace> = Api::all(server.client("admintoken"));
        let namespace = serde_json::from_value(json!({"metadata": {"name": "tls"}})).unwrap();
        let made = async || namespaces.create(&PostParams::default(), &namespace).await;
        eventually("the namespace is made", async || match made().await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) => status.code == 409,
            Err(_) => false,
        })
        .await;
        server
    }

    async fn up(&mut self) {
        self.api = Some(Process::start(&self.program, &self.arguments));
        let client = self.client("admintoken");
        eventually("the API server is ready", async || {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            client.request_text(request).await.is_ok()
        })
        .await;
    }

    fn client(&self, token: &str) -> Client {
        let url = format!("https://127.0.0.1:{}", self.port);
        let mut config = Config::new(url.parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        Client::try_from(config).unwrap()
    }

    fn store(&self) -> KubeStore {
        KubeStore::new(self.client("admintoken"), "tls", "web").unwrap()
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

async fn merge(secrets: &Api<Secret>, name: &str, patch: &serde_json::Value) {
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    let patched = secrets.patch(name, &parameters, &patch);
    patched.await.unwrap();
}

fn record(text: &str) -> Record {
    Record::new().with("tls.key", text).unwrap()
}

#[async_trait]
impl Harness for Server {
    async fn open(&self) -> Arc<dyn Store> {
        // A client of its own, as another instance has.
        Arc::new(self.store())
    }
}

fn conforms(assets: &Path) -> Result<(), Failed> {
    block_on(async { conformance::run(&Server::start(assets).await).await })?;
    Ok(())
}

fn faults(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let mut server = Server::start(assets).await;
        let name = Name::certificate("a.example").unwrap();
        let kind = async |store: &KubeStore, kind: ErrorKind| {
            let canary = record("CANARY");
            let saved = store.save(&name, &canary, &Condition::Any, None);
            let error = saved.await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
            error
        };
        for token in ["nobodytoken", "wrong"] {
            let store = KubeStore::new(server.client(token), "tls", "web").unwrap();
            kind(&store, ErrorKind::Denied).await;
            let listed = store.list(&Folder::CERTIFICATES).await;
            assert_eq!(listed.unwrap_err().kind(), ErrorKind::Denied);
            let watched = store.watch(&Folder::CERTIFICATES).next().await;
            assert_eq!(watched.unwrap_err().kind(), ErrorKind::Denied);
        }
        let none = KubeStore::new(server.client("admintoken"), "none", "web").unwrap();
        let error = kind(&none, ErrorKind::Io).await;
        assert!(error.to_string().contains("no such namespace"), "{error}");
        for (namespace, prefix) in [("tls", ""), ("tls", "A"), ("tls", "a-"), ("a/b", "web")] {
            let store = KubeStore::new(server.client("admintoken"), namespace, prefix);
            assert_eq!(store.unwrap_err().kind(), ErrorKind::Invalid);
        }

        let store = server.store();
        let first = store
            .save(&name, &record("first"), &Condition::Any, None)
            .await
            .unwrap();

        // Made by hand, without its name.
        let secrets: Api<Secret> = Api::namespaced(server.client("admintoken"), "tls");
        let object_name = store.object_name(&name);
        let patch = json!({"metadata": {"annotations": {"opsbox-cert/name": null}}});
        merge(&secrets, &object_name, &patch).await;
        let error = store.load(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let stale = Condition::Version(first);
        let refused = store.save(&name, &record("b"), &stale, None).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
        let any = &Condition::Any;
        store
            .save(&name, &record("again"), any, None)
            .await
            .unwrap();
        assert!(store.load(&name).await.unwrap().unwrap().record == record("again"));

        let patch = json!({"immutable": true});
        merge(&secrets, &object_name, &patch).await;
        let error = kind(&store, ErrorKind::Invalid).await;
        assert!(error.to_string().contains("immutable"), "{error}");
        assert!(store.delete(&name, any, None).await.unwrap());

        quota(&server).await;
        kind(&store, ErrorKind::Full).await;

        server.api = None;
        let store = store.time_limit(Duration::from_secs(5));
        let error = kind(&store, ErrorKind::Unavailable).await;
        assert!(error.is_retryable());
    });
    Ok(())
}

/// As the controller of quotas, which does not run here, would leave it.
async fn quota(server: &Server) {
    let quotas: Api<ResourceQuota> = Api::namespaced(server.client("admintoken"), "tls");
    let hard = json!({"secrets": "0"});
    let quota = json!({"metadata": {"name": "full"}, "spec": {"hard": hard}});
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let status = json!({"status": {"hard": hard, "used": {"secrets": "0"}}});
    let (parameters, status) = (PatchParams::default(), Patch::Merge(&status));
    let patched = quotas.patch_status("full", &parameters, &status);
    patched.await.unwrap();
    // The server reads quotas from a cache of its own.
    let secrets: Api<Secret> = Api::namespaced(server.client("admintoken"), "tls");
    let probe = serde_json::from_value(json!({"metadata": {"generateName": "probe-"}})).unwrap();
    eventually("the quota holds", async || {
        secrets
            .create(&PostParams::default(), &probe)
            .await
            .is_err()
    })
    .await;
}

/// A user with the permissions that the module page names, and no other.
fn role(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let admin = server.client("admintoken");
        let role = json!({"metadata": {"name": "store"}, "rules": [
            {"apiGroups": [""], "resources": ["secrets"],
             "verbs": ["get", "list", "create", "update", "delete", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
             "verbs": ["get", "create", "update"]},
        ]});
        let binding = json!({
            "metadata": {"name": "store"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "store"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
        });
        let roles: Api<Role> = Api::namespaced(admin.clone(), "tls");
        let bindings: Api<RoleBinding> = Api::namespaced(admin, "tls");
        let post = PostParams::default();
        let role = serde_json::from_value(role).unwrap();
        roles.create(&post, &role).await.unwrap();
        let binding = serde_json::from_value(binding).unwrap();
        bindings.create(&post, &binding).await.unwrap();

        let store = KubeStore::new(server.client("nobodytoken"), "tls", "web").unwrap();
        eventually("the role is known", async || {
            store.list(&Folder::CERTIFICATES).await.is_ok()
        })
        .await;
        let name = Name::certificate("a.example").unwrap();
        let owner = Owner::random("web").unwrap();
        let ttl = Duration::from_secs(60);
        let lease = store.acquire(&name, &owner, ttl).await.unwrap();
        let lease = lease.lease().unwrap();
        let lease = store.renew(&lease).await.unwrap();
        let mut watch = store.watch(&Folder::CERTIFICATES);
        for content in ["1", "2"] {
            let (record, any) = (record(content), Condition::Any);
            let saved = store.save(&name, &record, &any, Some(&lease)).await;
            saved.unwrap();
            assert!(is_saved(&told(&mut watch).await, &name));
        }
        let loaded = store.load_many(std::slice::from_ref(&name)).await;
        assert!(matches!(loaded[..], [Ok(Some(_))]), "{loaded:?}");
        let deleted = store.delete(&name, &Condition::Any, Some(&lease)).await;
        assert!(deleted.unwrap());
        let change = told(&mut watch).await;
        assert_eq!(change, KubeChange::Deleted { name });
        store.release(&lease).await.unwrap();
    });
    Ok(())
}

fn shape(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let store = server.store();
        let secrets: Api<Secret> = Api::namespaced(server.client("admintoken"), "tls");
        let name = Name::certificate("*.example.com").unwrap();
        let pair = || record("KEY").with("tls.crt", "CHAIN").unwrap();
        let any = &Condition::Any;
        store.save(&name, &pair(), any, None).await.unwrap();

        let object_name = store.object_name(&name);
        assert!(object_name.starts_with("web-certificates-example-com-"));
        let secret = secrets.get(&object_name).await.unwrap();
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
        assert_eq!(
            secret.annotations()["opsbox-cert/name"],
            "certificates/*.example.com"
        );
        let text = |text: &str| ByteString(text.into());
        let data = [("tls.crt", text("CHAIN")), ("tls.key", text("KEY"))];
        let data: BTreeMap<String, _> = data.map(|(key, part)| (key.to_owned(), part)).into();
        assert_eq!(secret.data, Some(data));

        // What others add stays.
        let patch = json!({"metadata": {"labels": {"team": "edge"}}});
        merge(&secrets, &object_name, &patch).await;
        store.save(&name, &record("NEW"), any, None).await.unwrap();
        let secret = secrets.get(&object_name).await.unwrap();
        assert_eq!(secret.labels()["team"], "edge");
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
        assert!(store.load(&name).await.unwrap().unwrap().record == record("NEW"));

        let order = Name::order("a.example").unwrap();
        store.save(&order, &record("x"), any, None).await.unwrap();
        let secret = secrets.get(&store.object_name(&order)).await.unwrap();
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));

        // A copy of a Secret, labels and all, and another prefix are not of this store.
        let mut copy = secrets.get(&object_name).await.unwrap();
        copy.metadata.name = Some("copy".into());
        copy.metadata.resource_version = None;
        secrets.create(&PostParams::default(), &copy).await.unwrap();
        let other = KubeStore::new(server.client("admintoken"), "tls", "webs").unwrap();
        other
            .save(&name, &record("other"), any, None)
            .await
            .unwrap();
        assert_eq!(
            store.list(&Folder::CERTIFICATES).await.unwrap(),
            std::slice::from_ref(&name)
        );
        assert!(store.load(&name).await.unwrap().unwrap().record == record("NEW"));

        // More than one page.
        let folder = Folder::new("many-").unwrap();
        let mut saved = Vec::new();
        for number in 0..520 {
            let name = Name::new(&folder, &format!("{number}.example")).unwrap();
            let record = Record::new().with("id", name.id()).unwrap();
            store.save(&name, &record, any, None).await.unwrap();
            saved.push(name);
        }
        saved.sort();
        assert_eq!(store.list(&folder).await.unwrap(), saved);
        let loaded = store.load_many(&saved).await;
        for (loaded, name) in loaded.into_iter().zip(&saved) {
            let stored = loaded.unwrap().unwrap();
            assert_eq!(stored.record.part("id"), Some(name.id().as_bytes()));
        }
    });
    Ok(())
}

fn lease_object(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let store = server.store();
        let leases: Api<KubeLease> = Api::namespaced(server.client("admintoken"), "tls");
        let lock = Name::order("a.example").unwrap();
        let owner = Owner::new("web-1").unwrap();
        let ttl = Duration::from_millis(90_500);
        let Acquired::Granted(lease) = store.acquire(&lock, &owner, ttl).await.unwrap() else {
            panic!("a free lock is held")
        };
        let object_name = store.object_name(&lock);
        let object = leases.get(&object_name).await.unwrap();
        assert_eq!(object.annotations()["opsbox-cert/name"], "orders/a.example");
        let spec = object.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("web-1"));
        assert_eq!(spec.lease_duration_seconds, Some(91));

        // Someone deletes the Lease: the grant is gone, and the next token is greater all the same.
        let deleted = leases.delete(&object_name, &DeleteParams::default()).await;
        deleted.unwrap();
        let late = record("x");
        let fenced = store.save(&lock, &late, &Condition::Any, Some(&lease));
        assert_eq!(fenced.await.unwrap_err().kind(), ErrorKind::Fenced);
        let again = store.acquire(&lock, &owner, ttl).await.unwrap();
        let again = again.lease().unwrap();
        assert!(again.token() > lease.token());
        store.release(&lease).await.unwrap();
        let held = store.acquire(&lock, &owner, ttl).await.unwrap();
        assert!(matches!(held, Acquired::Held(_)), "{held:?}");
    });
    Ok(())
}

/// Many owners, each of which writes under its lock until it is told that the lock is gone, while
/// the next takes the lock over and writes: the token in the record never goes back from then on.
fn late_write(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let clock = Arc::new(ManualClock::new(
            UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        ));
        let store = server.store().clock(clock.clone());
        let name = Name::certificate("a.example").unwrap();
        let ttl = Duration::from_secs(1);
        let mut writers = Vec::new();
        for _ in 0..15 {
            let owner = Owner::random("writer").unwrap();
            let lease = store.acquire(&name, &owner, ttl).await.unwrap();
            let lease = lease.lease().unwrap();
            let (writer, written) = (store.clone(), name.clone());
            let token = format!("{:020}", lease.token());
            let save = async |writer: &KubeStore, lease| {
                let record = record(&token);
                writer
                    .save(&name, &record, &Condition::Any, Some(lease))
                    .await
            };
            save(&store, &lease).await.unwrap();
            let mut last = token.clone().into_bytes();
            writers.push(tokio::spawn(async move {
                loop {
                    let record = record(&token);
                    let any = &Condition::Any;
                    if let Err(error) = writer.save(&written, &record, any, Some(&lease)).await {
                        return error.kind();
                    }
                }
            }));
            for _ in 0..10 {
                let stored = store.load(&name).await.unwrap().unwrap();
                let token = stored.record.part("tls.key").unwrap().to_vec();
                assert!(token >= last, "the token went back");
                last = token;
            }
            clock.advance(Duration::from_secs(2));
        }
        let owner = Owner::random("last").unwrap();
        let last = store.acquire(&name, &owner, ttl).await.unwrap();
        let last = last.lease().unwrap();
        for writer in writers {
            assert_eq!(writer.await.unwrap(), ErrorKind::Fenced);
        }
        store.release(&last).await.unwrap();
    });
    Ok(())
}

async fn told(watch: &mut KubeWatch) -> KubeChange {
    loop {
        let next = tokio::time::timeout(LIMIT, watch.next());
        // What the API server cannot tell while it is away is an error each time.
        match next.await.unwrap() {
            Ok(change) => return change,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

fn is_saved(change: &KubeChange, expected: &Name) -> bool {
    matches!(change, KubeChange::Saved { name, .. } if name == expected)
}

fn changes(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let mut server = Server::start(assets).await;
        let store = server.store().time_limit(Duration::from_secs(10));
        let [a, b, c] = ["a", "b", "c"].map(|id| Name::certificate(id).unwrap());
        let any = &Condition::Any;
        store.save(&a, &record("1"), any, None).await.unwrap();
        let mut watch = store.watch(&Folder::CERTIFICATES);
        assert!(is_saved(&told(&mut watch).await, &a));

        // Nothing happens, and a future that is dropped loses nothing.
        let quiet = tokio::time::timeout(Duration::from_millis(300), watch.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        let version = store.save(&b, &record("1"), any, None).await.unwrap();
        let expected = KubeChange::Saved {
            name: b.clone(),
            version,
        };
        assert_eq!(told(&mut watch).await, expected);
        let order = Name::order("a").unwrap();
        store.save(&order, &record("1"), any, None).await.unwrap();
        store.save(&a, &record("2"), any, None).await.unwrap();
        assert!(is_saved(&told(&mut watch).await, &a));
        store.delete(&b, any, None).await.unwrap();
        assert_eq!(
            told(&mut watch).await,
            KubeChange::Deleted { name: b.clone() }
        );

        // Away, back, and changed before the watch looks again.
        server.api = None;
        let away = tokio::time::timeout(LIMIT, watch.next()).await.unwrap();
        assert_eq!(away.unwrap_err().kind(), ErrorKind::Unavailable);
        server.up().await;
        store.save(&c, &record("1"), any, None).await.unwrap();
        store.delete(&a, any, None).await.unwrap();
        let mut seen = [told(&mut watch).await, told(&mut watch).await];
        seen.sort_by_key(|change| !is_saved(change, &c));
        assert!(is_saved(&seen[0], &c), "{seen:?}");
        assert_eq!(seen[1], KubeChange::Deleted { name: a });
    });
    Ok(())
}

/// The new owner comes between each two requests of the former one, whose write must then be refused.
fn overtaken(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let store = server.store().clock(clock.clone());
        let ttl = Duration::from_secs(1);
        let condition = &Condition::Any;
        // A read of the record, a look at the lock, a write: three places, and one after them all.
        for (before, delete) in (0..4).flat_map(|before| [(before, false), (before, true)]) {
            let name = Name::certificate(&format!("{before}-{delete}.example")).unwrap();
            store
                .save(&name, &record("at first"), condition, None)
                .await
                .unwrap();
            let former = Owner::random("former").unwrap();
            let lease = store.acquire(&name, &former, ttl).await.unwrap();
            let lease = lease.lease().unwrap();
            clock.advance(Duration::from_secs(2));

            let inner = server.client("admintoken");
            let (count, newer, taken) =
                (Arc::new(AtomicUsize::new(0)), store.clone(), name.clone());
            let seen = count.clone();
            let service = tower::service_fn(move |request: http::Request<Body>| {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (inner, newer, taken) = (inner.clone(), newer.clone(), taken.clone());
                async move {
                    if number == before {
                        let owner = Owner::random("newer").unwrap();
                        let lease = newer.acquire(&taken, &owner, ttl).await.unwrap();
                        let lease = lease.lease();
                        let record = record("newer");
                        let saved = newer.save(&taken, &record, condition, lease.as_ref());
                        saved.await.unwrap();
                    }
                    inner.send(request).await
                }
            });
            let late = KubeStore::new(Client::new(service, "tls"), "tls", "web")
                .unwrap()
                .clock(clock.clone());
            let written = if delete {
                let deleted = late.delete(&name, condition, Some(&lease)).await;
                deleted.map(drop)
            } else {
                let record = record("late");
                let saved = late.save(&name, &record, condition, Some(&lease));
                saved.await.map(drop)
            };
            let now = store.load(&name).await.unwrap().map(|stored| stored.record);
            if before < 3 {
                assert_eq!(written.unwrap_err().kind(), ErrorKind::Fenced, "{name}");
                assert!(now == Some(record("newer")), "{name}: {now:?}");
            } else {
                // Nobody came, so there were three requests.
                written.unwrap();
                assert_eq!(seen.load(Ordering::SeqCst), 3);
                assert!(now == (!delete).then(|| record("late")), "{name}: {now:?}");
            }
        }
    });
    Ok(())
}

/// Keeps all that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0
            .lock()
            .unwrap()
            .push_str(&format!("{field}={value:?}\n"));
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Answers that are no Secret, with a key in them.
fn unlogged(_: &Path) -> Result<(), Failed> {
    const SECRET: &str =
        "{\"metadata\": {\"resourceVersion\": \"1\"}, \"data\": {\"tls.key\": \"CANARY\"";
    let answer = |body: &'static str| {
        let service = tower::service_fn(move |_: http::Request<Body>| async move {
            http::Response::builder().body(Body::from(body.as_bytes().to_vec()))
        });
        Client::new(service, "tls")
    };
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bodies = [
        SECRET,
        "CANARY",
        "{\"kind\": \"Secret\", \"data\": \"CANARY\"}",
    ];
    tracing::subscriber::with_default(log.clone(), || {
        runtime.block_on(async {
            for body in bodies {
                let store = KubeStore::new(answer(body), "tls", "web").unwrap();
                let name = Name::certificate("a.example").unwrap();
                let error = store.load(&name).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("CANARY"), "{shown}");
            }
            // That this log would show it: the way that is not taken.
            let secrets: Api<Secret> = Api::namespaced(answer(bodies[1]), "tls");
            assert!(!log.0.lock().unwrap().contains("CANARY"));
            secrets.get("a").await.unwrap_err();
            assert!(log.0.lock().unwrap().contains("CANARY"));
        });
    });
    Ok(())
}
