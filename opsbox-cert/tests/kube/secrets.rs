//! Secrets that others write, followed as cert-manager changes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, PostParams};
use kube::client::Body;
use kube::{Client, ResourceExt as _};
use libtest_mimic::Failed;
use opsbox_cert::install::Certificates;
use opsbox_cert::observe::Event;
use opsbox_cert::store::{
    Condition, Encrypted, Folder, KubeSecrets, Metadata, Name, SealingKey, Store as _, Triple,
};
use opsbox_cert::watch::SecretWatcher;
use opsbox_cert::{Clock as _, ErrorKind, SystemClock};
use serde_json::json;
use tokio::task::JoinHandle;

use super::issue::{Ca, Order, Pair, provider};
use super::{LIMIT, Server, block_on, eventually};

fn pair(ca: &Ca, names: &[&str], days: u32) -> Pair {
    ca.issue(&Order::new(names, SystemClock.now(), days))
}

/// As cert-manager writes it, which adds the certificate of the CA.
fn secret(name: &str, labels: &[(&str, &str)], ca: &Ca, pair: &Pair) -> Secret {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.chain, "tls.key": pair.key, "ca.crt": ca.pem},
    }))
    .unwrap()
}

/// Replaces what a Secret says.
async fn write(secrets: &Api<Secret>, name: &str, chain: &str, key: &str) {
    let patch = json!({"stringData": {"tls.crt": chain, "tls.key": key}});
    super::merge(secrets, name, &patch).await;
}

struct Watched {
    certificates: Certificates,
    events: Arc<Mutex<Vec<Event>>>,
    running: JoinHandle<()>,
}

impl Watched {
    async fn new(watch: opsbox_cert::store::KubeWatch) -> Self {
        Self::with(watch, |watcher| watcher).await
    }

    async fn with(
        watch: opsbox_cert::store::KubeWatch,
        adjust: impl FnOnce(SecretWatcher) -> SecretWatcher,
    ) -> Self {
        let certificates = Certificates::new();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        certificates
            .events()
            .hook(move |event| seen.lock().unwrap().push(event.clone()));
        let watcher = SecretWatcher::new(watch, certificates.clone(), provider());
        let mut watcher = adjust(watcher.poll(Duration::from_millis(200)));
        watcher.first().await;
        Self {
            certificates,
            events,
            running: tokio::spawn(watcher.run()),
        }
    }

    fn serves(&self, id: &str, pair: &Pair) -> bool {
        self.certificates.in_service(id) == Some(pair.candidate())
    }

    async fn swaps_to(&self, id: &str, pair: &Pair) {
        eventually("the new certificate is in service", async || {
            self.serves(id, pair)
        })
        .await;
    }

    /// Waits for an event, and gives what it says; those before it are forgotten.
    async fn told(&self, label: &str) -> String {
        let says = Mutex::new(None);
        eventually(label, async || {
            let mut events = self.events.lock().unwrap();
            let told = std::mem::take(&mut *events);
            let found = told.iter().find(|event| match event {
                Event::Refused { refusal, .. } => refusal.label() == label,
                event => event.label() == label,
            });
            *says.lock().unwrap() = found.map(ToString::to_string);
            found.is_some()
        })
        .await;
        says.into_inner().unwrap().unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub(super) fn followed(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let mut server = Server::start(assets).await;
        let client = || server.client("admintoken");
        let secrets: Api<Secret> = Api::namespaced(client(), "tls");
        let ca = Ca::new();
        let names = ["shop.example"];
        let first = pair(&ca, &names, 30);
        let made = secret("shop-tls", &[], &ca, &first);
        let post = PostParams::default();
        secrets.create(&post, &made).await.unwrap();
        let named = KubeSecrets::named(client(), "tls", "shop-tls").unwrap();
        let named = named.time_limit(Duration::from_secs(10));
        let watched = Watched::new(named.watch()).await;
        assert!(watched.serves("shop-tls", &first), "without a wait");

        // Renewed.
        let second = pair(&ca, &names, 60);
        write(&secrets, "shop-tls", &second.chain, &second.key).await;
        watched.swaps_to("shop-tls", &second).await;

        // Whatever is worse is refused.
        let other_key = pair(&ca, &names, 90).key;
        let lost = pair(&ca, &["other.example"], 90);
        let shorter = pair(&ca, &names, 40);
        let self_signed = Order::new(&names, SystemClock.now(), 90).self_signed();
        let mut ended = Order::new(&names, SystemClock.now(), 1);
        ended.begin -= Duration::from_secs(100 * 24 * 60 * 60);
        ended.end = ended.begin + Duration::from_secs(24 * 60 * 60);
        let ended = ca.issue(&ended);
        for (label, chain, key) in [
            ("key_mismatch", &second.chain, &other_key),
            ("names_lost", &lost.chain, &lost.key),
            ("ends_earlier", &shorter.chain, &shorter.key),
            ("self_signed", &self_signed.chain, &self_signed.key),
            ("expired", &ended.chain, &ended.key),
            ("unusable", &"no certificate".to_owned(), &other_key),
        ] {
            write(&secrets, "shop-tls", chain, key).await;
            let says = watched.told(label).await;
            assert!(says.starts_with("certificate shop-tls was not put in service: "));
            assert!(!says.contains("PRIVATE"), "{says}");
            assert!(watched.serves("shop-tls", &second), "{label}");
        }
        write(&secrets, "shop-tls", "", "").await;
        let says = watched.told("unusable").await;
        assert!(
            says.contains("the Secret tls/shop-tls: it has no `tls.crt`"),
            "{says}"
        );

        // Deleted, and made anew while the API server is away for the watch.
        let delete = DeleteParams::default();
        secrets.delete("shop-tls", &delete).await.unwrap();
        watched.told("gone").await;
        assert!(watched.serves("shop-tls", &second));
        server.api = None;
        watched.told("source_failed").await;
        server.up().await;
        let secrets: Api<Secret> = Api::namespaced(server.client("admintoken"), "tls");
        let third = pair(&ca, &names, 90);
        let made = secret("shop-tls", &[], &ca, &third);
        secrets.create(&post, &made).await.unwrap();
        watched.swaps_to("shop-tls", &third).await;

        // By labels: those of the type alone, and new ones too.
        let labelled = KubeSecrets::labelled(server.client("admintoken"), "tls", "team=edge");
        let watched = Watched::new(labelled.unwrap().watch()).await;
        assert!(watched.certificates.is_empty());
        let tea = pair(&ca, &["tea.example"], 30);
        let mut opaque = secret("opaque", &[("team", "edge")], &ca, &tea);
        opaque.type_ = Some("Opaque".into());
        secrets.create(&post, &opaque).await.unwrap();
        let made = secret("tea-tls", &[("team", "edge")], &ca, &tea);
        secrets.create(&post, &made).await.unwrap();
        watched.swaps_to("tea-tls", &tea).await;
        assert_eq!(watched.certificates.len(), 1);
        // One that is refused now may be good in a moment.
        let mut soon = Order::new(&["tea.example"], SystemClock.now(), 60);
        soon.begin = SystemClock.now() + Duration::from_secs(3);
        let soon = ca.issue(&soon);
        write(&secrets, "tea-tls", &soon.chain, &soon.key).await;
        watched.told("not_yet_valid").await;
        watched.swaps_to("tea-tls", &soon).await;
    });
    Ok(())
}

/// While nothing changes, the API server is asked nothing.
pub(super) fn quiet(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let secrets: Api<Secret> = Api::namespaced(server.client("admintoken"), "tls");
        let ca = Ca::new();
        let first = pair(&ca, &["shop.example"], 30);
        let made = secret("shop-tls", &[], &ca, &first);
        let made = secrets.create(&PostParams::default(), &made).await;
        assert_eq!(made.unwrap().name_any(), "shop-tls");
        let (inner, asked) = (server.client("admintoken"), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let inner = inner.clone();
            async move { inner.send(request).await }
        });
        let counted = Client::new(service, "tls");
        let named = KubeSecrets::named(counted, "tls", "shop-tls").unwrap();
        let watched = Watched::new(named.watch()).await;
        let asked = || asked.load(Ordering::SeqCst);
        // A list, a read, and the watch.
        eventually("the watch is there", async || asked() == 3).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(asked(), 3);
        let second = pair(&ca, &["shop.example"], 60);
        write(&secrets, "shop-tls", &second.chain, &second.key).await;
        watched.swaps_to("shop-tls", &second).await;
        assert_eq!(asked(), 4, "one more read");
    });
    Ok(())
}

/// A user who may see one Secret and no other.
pub(super) fn role(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let admin = server.client("admintoken");
        let secrets: Api<Secret> = Api::namespaced(admin.clone(), "tls");
        let ca = Ca::new();
        let first = pair(&ca, &["shop.example"], 30);
        let post = PostParams::default();
        for name in ["shop-tls", "other-tls"] {
            let made = secret(name, &[("team", "edge")], &ca, &first);
            secrets.create(&post, &made).await.unwrap();
        }
        let role = json!({"metadata": {"name": "one"}, "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop-tls"],
             "verbs": ["get", "list", "watch"]},
        ]});
        let binding = json!({
            "metadata": {"name": "one"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
        });
        let roles: Api<Role> = Api::namespaced(admin.clone(), "tls");
        let bindings: Api<RoleBinding> = Api::namespaced(admin, "tls");
        let role = serde_json::from_value(role).unwrap();
        roles.create(&post, &role).await.unwrap();
        let binding = serde_json::from_value(binding).unwrap();
        bindings.create(&post, &binding).await.unwrap();

        let nobody = || server.client("nobodytoken");
        let named = |name: &str| KubeSecrets::named(nobody(), "tls", name).unwrap();
        let name = Name::certificate("shop-tls").unwrap();
        eventually("the role is known", async || {
            named("shop-tls").load(&name).await.is_ok()
        })
        .await;
        let watched = Watched::new(named("shop-tls").watch()).await;
        assert!(watched.serves("shop-tls", &first));
        let second = pair(&ca, &["shop.example"], 60);
        write(&secrets, "shop-tls", &second.chain, &second.key).await;
        watched.swaps_to("shop-tls", &second).await;

        let labelled = KubeSecrets::labelled(nobody(), "tls", "team=edge").unwrap();
        for watch in [named("other-tls").watch(), labelled.watch()] {
            let mut watch = watch;
            let denied = tokio::time::timeout(LIMIT, watch.next()).await.unwrap();
            let error = denied.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            let watched = Watched::new(watch).await;
            watched.told("source_failed").await;
            assert!(watched.certificates.is_empty());
        }
        for (namespace, name) in [("tls", "Shop"), ("tls", ""), ("tls", "a/b"), ("a/b", "a")] {
            let wrong = KubeSecrets::named(nobody(), namespace, name);
            assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Invalid);
        }
    });
    Ok(())
}

/// Those of a store, read by what is over it.
pub(super) fn encrypted(assets: &Path) -> Result<(), Failed> {
    block_on(async {
        let server = Server::start(assets).await;
        let kube = server.store();
        let key = SealingKey::new([7; 32]);
        let store = Arc::new(Encrypted::new(Arc::new(kube.clone()), key));
        let ca = Ca::new();
        let name = Name::certificate("shop.example").unwrap();
        let save = async |pair: &Pair| {
            let (key, chain) = (pair.key.as_bytes(), pair.chain.as_bytes());
            let triple = Triple::new(key, chain, Metadata::default(), &provider()).unwrap();
            let record = triple.to_record().unwrap();
            let saved = store.save(&name, &record, &Condition::Any, None).await;
            saved.unwrap();
        };
        let first = pair(&ca, &["shop.example"], 30);
        save(&first).await;
        let watch = || kube.watch(&Folder::CERTIFICATES);
        let watched = Watched::with(watch(), |watcher| watcher.read_by(store.clone())).await;
        assert!(watched.serves("shop.example", &first));
        let second = pair(&ca, &["shop.example"], 60);
        save(&second).await;
        watched.swaps_to("shop.example", &second).await;
        // Without the key it says what is missing.
        let blind = Watched::new(watch()).await;
        let says = blind.told("unusable").await;
        assert!(says.contains("its key is encrypted"), "{says}");
    });
    Ok(())
}
