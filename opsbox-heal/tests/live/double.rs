//! The same calls to the double and to a real server, and the same answers.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use libtest_mimic::Failed;
use opsbox_heal::testing::{ApiDouble, Profile};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api_server::{ApiServer, block_on};
use crate::kubelet::{Kubelet, now};

const NAMESPACE: &str = "double";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Asks, and notes what was answered in words that are the same for every server.
struct Asker {
    client: Client,
    said: Vec<String>,
}

impl Asker {
    async fn ask(&mut self, what: &str, method: Method, path: &str, body: Value) -> Value {
        let patch = if method == Method::PATCH {
            MERGE
        } else {
            "application/json"
        };
        self.ask_as(what, method, path, patch, body).await
    }

    async fn ask_as(
        &mut self,
        what: &str,
        method: Method,
        path: &str,
        content: &str,
        body: Value,
    ) -> Value {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let path = path.replace("{ns}", &format!("/api/v1/namespaces/{NAMESPACE}"));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content);
        let answer = self
            .client
            .send(request.body(Body::from(bytes)).unwrap())
            .await
            .unwrap();
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |path: &str| {
            body.pointer(path)
                .and_then(Value::as_str)
                .unwrap_or("-")
                .to_owned()
        };
        let causes = body
            .pointer("/details/causes/0/reason")
            .and_then(Value::as_str)
            .unwrap_or("-");
        let has = |path: &str| body.pointer(path).is_some();
        let grace = body
            .pointer("/metadata/deletionGracePeriodSeconds")
            .cloned()
            .unwrap_or_default();
        self.said.push(format!(
            "{what}: {code} kind={} reason={} status={} phase={} name={} details={} cause={causes} uid={} version={} \
             deleted={} grace={grace}",
            text("/kind"),
            text("/reason"),
            if body["kind"] == "Status" { text("/status") } else { String::new() },
            text("/status/phase"),
            text("/metadata/name"),
            // Of success 1.20 names the object, later ones need not.
            if code >= 400 && code != 429 { text("/details/name") } else { String::new() },
            has("/metadata/uid"),
            has("/metadata/resourceVersion"),
            has("/metadata/deletionTimestamp"),
        ));
        body
    }
}

fn pod(name: &str, more: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
    });
    for (key, value) in more.as_object().unwrap() {
        match key.as_str() {
            "finalizers" => pod["metadata"][key] = value.clone(),
            _ => pod["spec"][key] = value.clone(),
        }
    }
    pod
}

fn eviction(name: &str, options: Value) -> Value {
    let mut eviction =
        json!({"kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}});
    eviction["deleteOptions"] = options;
    eviction
}

const WRONG_UID: &str = "11111111-2222-4333-8444-555555555555";

fn running() -> Value {
    json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True",
        "lastTransitionTime": now()}], "containerStatuses": [{"name": "app", "image": "i", "imageID": "", "ready": true,
        "restartCount": 0, "state": {"running": {"startedAt": now()}}}]}})
}

/// Everything that this crate asks of an API server, good and bad.
async fn script(client: Client, budget: impl AsyncFnOnce()) -> Vec<String> {
    let mut asker = Asker {
        client,
        said: Vec::new(),
    };
    let it = &mut asker;
    let (get, post, put, patch, delete) = (
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    );
    let none = Value::Null;

    let made = it
        .ask("create", post.clone(), "{ns}/pods", pod("a", &json!({})))
        .await;
    let uid = made["metadata"]["uid"].clone();
    let version = made["metadata"]["resourceVersion"].clone();
    it.ask(
        "create again",
        post.clone(),
        "{ns}/pods",
        pod("a", &json!({})),
    )
    .await;
    it.ask("get", get.clone(), "{ns}/pods/a", none.clone())
        .await;
    it.ask("get nothing", get.clone(), "{ns}/pods/none", none.clone())
        .await;

    let changed = it
        .ask(
            "patch status",
            patch.clone(),
            "{ns}/pods/a/status",
            running(),
        )
        .await;
    let again = it
        .ask(
            "patch status again",
            patch.clone(),
            "{ns}/pods/a/status",
            json!({"status": {"phase": "Running"}}),
        )
        .await;
    let same = changed["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"];
    it.said
        .push(format!("nothing changed, so the version stays: {same}"));
    let stale = json!({"metadata": {"resourceVersion": version, "labels": {"x": "y"}}});
    it.ask(
        "patch a version that is old",
        patch.clone(),
        "{ns}/pods/a",
        stale,
    )
    .await;
    it.ask(
        "patch nothing",
        patch.clone(),
        "{ns}/pods/none",
        json!({"metadata": {"labels": {"x": "y"}}}),
    )
    .await;

    let wrong = json!({"preconditions": {"uid": WRONG_UID}});
    it.ask(
        "delete another uid",
        delete.clone(),
        "{ns}/pods/a",
        wrong.clone(),
    )
    .await;
    let old = json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    it.ask(
        "delete an old version",
        delete.clone(),
        "{ns}/pods/a",
        old.clone(),
    )
    .await;
    it.ask(
        "evict another uid",
        post.clone(),
        "{ns}/pods/a/eviction",
        eviction("a", wrong),
    )
    .await;
    it.ask(
        "evict an old version",
        post.clone(),
        "{ns}/pods/a/eviction",
        eviction("a", old),
    )
    .await;
    it.ask(
        "evict nothing",
        post.clone(),
        "{ns}/pods/none/eviction",
        eviction("none", json!({})),
    )
    .await;
    it.ask(
        "delete nothing",
        delete.clone(),
        "{ns}/pods/none",
        none.clone(),
    )
    .await;
    let dry = json!({"dryRun": ["All"], "preconditions": {"uid": uid}});
    it.ask(
        "evict, dry run",
        post.clone(),
        "{ns}/pods/a/eviction",
        eviction("a", dry),
    )
    .await;
    it.ask(
        "delete, dry run",
        delete.clone(),
        "{ns}/pods/a?dryRun=All",
        none.clone(),
    )
    .await;
    let there = it
        .ask(
            "it is still there",
            get.clone(),
            "{ns}/pods/a",
            none.clone(),
        )
        .await;
    let same = there["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"];
    it.said.push(format!("a dry run writes nothing: {same}"));
    let right = json!({"preconditions": {"uid": uid}});
    it.ask(
        "evict what has no node",
        post.clone(),
        "{ns}/pods/a/eviction",
        eviction("a", right),
    )
    .await;
    it.ask(
        "it is gone at once",
        get.clone(),
        "{ns}/pods/a",
        none.clone(),
    )
    .await;

    let bound = json!({"nodeName": "node-a", "terminationGracePeriodSeconds": 45});
    it.ask(
        "create on a node",
        post.clone(),
        "{ns}/pods",
        pod("b", &bound),
    )
    .await;
    it.ask("it runs", patch.clone(), "{ns}/pods/b/status", running())
        .await;
    it.ask(
        "evict it",
        post.clone(),
        "{ns}/pods/b/eviction",
        eviction("b", json!({})),
    )
    .await;
    it.ask(
        "it has its grace period",
        get.clone(),
        "{ns}/pods/b",
        none.clone(),
    )
    .await;
    it.ask(
        "evict it again",
        post.clone(),
        "{ns}/pods/b/eviction",
        eviction("b", json!({})),
    )
    .await;
    it.ask(
        "delete it with less grace",
        delete.clone(),
        "{ns}/pods/b",
        json!({"gracePeriodSeconds": 5}),
    )
    .await;
    it.ask(
        "end it",
        delete.clone(),
        "{ns}/pods/b",
        json!({"gracePeriodSeconds": 0}),
    )
    .await;
    it.ask("it is gone", get.clone(), "{ns}/pods/b", none.clone())
        .await;

    it.ask(
        "create what ends",
        post.clone(),
        "{ns}/pods",
        pod("c", &bound),
    )
    .await;
    it.ask(
        "it ends",
        patch.clone(),
        "{ns}/pods/c/status",
        json!({"status": {"phase": "Failed"}}),
    )
    .await;
    it.ask(
        "delete what has ended",
        delete.clone(),
        "{ns}/pods/c",
        none.clone(),
    )
    .await;
    it.ask(
        "it is gone at once",
        get.clone(),
        "{ns}/pods/c",
        none.clone(),
    )
    .await;

    let held = json!({"finalizers": ["example.org/keep"]});
    it.ask(
        "create with a finalizer",
        post.clone(),
        "{ns}/pods",
        pod("d", &held),
    )
    .await;
    it.ask("delete it", delete.clone(), "{ns}/pods/d", none.clone())
        .await;
    it.ask("it stays", get.clone(), "{ns}/pods/d", none.clone())
        .await;
    it.ask(
        "free it",
        patch.clone(),
        "{ns}/pods/d",
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    it.ask("it is gone", get.clone(), "{ns}/pods/d", none.clone())
        .await;

    it.ask(
        "create what is guarded",
        post.clone(),
        "{ns}/pods",
        pod("guarded", &bound),
    )
    .await;
    it.ask(
        "it runs",
        patch.clone(),
        "{ns}/pods/guarded/status",
        running(),
    )
    .await;
    budget().await;
    it.ask(
        "evict what is guarded",
        post.clone(),
        "{ns}/pods/guarded/eviction",
        eviction("guarded", json!({})),
    )
    .await;
    it.ask("it stays", get.clone(), "{ns}/pods/guarded", none.clone())
        .await;
    it.ask(
        "it fails",
        patch.clone(),
        "{ns}/pods/guarded/status",
        json!({"status": {"phase": "Failed"}}),
    )
    .await;
    it.ask(
        "a budget does not guard what failed",
        post.clone(),
        "{ns}/pods/guarded/eviction",
        eviction("guarded", json!({})),
    )
    .await;

    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
    let lease = |version: Option<&Value>, holder: &str| {
        let mut lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}});
        if let Some(version) = version {
            lease["metadata"]["resourceVersion"] = version.clone();
        }
        lease
    };
    let one = format!("{leases}/leader");
    it.ask("no lease", get.clone(), &one, none.clone()).await;
    let first = it
        .ask("take the lease", post.clone(), &leases, lease(None, "a"))
        .await;
    it.ask("take it again", post.clone(), &leases, lease(None, "b"))
        .await;
    let first = &first["metadata"]["resourceVersion"];
    it.ask("renew it", put.clone(), &one, lease(Some(first), "a2"))
        .await;
    it.ask(
        "renew it from an old version",
        put.clone(),
        &one,
        lease(Some(first), "b"),
    )
    .await;
    it.ask(
        "renew it from no version",
        put.clone(),
        &one,
        lease(None, "b"),
    )
    .await;
    let seen = it.ask("look at it", get.clone(), &one, none.clone()).await;
    it.said
        .push(format!("held by {}", seen["spec"]["holderIdentity"]));

    let events = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e1"},
        "eventTime": "2026-03-01T12:00:00.000000Z", "type": "Normal", "reason": "Evicted", "action": "Evict",
        "note": "text", "reportingController": "example.org/heal", "reportingInstance": "heal-1",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": "a"},
    });
    it.ask("an event", post.clone(), &events, event.clone())
        .await;
    it.ask("the event again", post.clone(), &events, event)
        .await;

    let deployments = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}},
    });
    it.ask("a deployment", post.clone(), &deployments, deployment)
        .await;
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    let one = format!("{deployments}/web");
    it.ask_as(
        "restart it, dry run",
        patch.clone(),
        &format!("{one}?dryRun=All"),
        STRATEGIC,
        restart.clone(),
    )
    .await;
    let before = it
        .ask("it is as it was", get.clone(), &one, none.clone())
        .await;
    it.said.push(format!(
        "{}",
        before["spec"]["template"]["metadata"]["labels"]
    ));
    let after = it
        .ask_as(
            "restart it",
            patch.clone(),
            &one,
            STRATEGIC,
            restart.clone(),
        )
        .await;
    it.said.push(format!(
        "{} {}",
        after["spec"]["template"]["metadata"]["annotations"],
        after["spec"]["template"]["metadata"]["labels"]
    ));

    for name in ["p1", "p2", "p3"] {
        it.ask(
            "more pods",
            post.clone(),
            "{ns}/pods",
            pod(name, &json!({})),
        )
        .await;
    }
    let mut token = String::new();
    for page in 0..4 {
        let list = it
            .ask(
                "a page",
                get.clone(),
                &format!("{{ns}}/pods?limit=2&continue={token}"),
                none.clone(),
            )
            .await;
        let names: Vec<&str> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["metadata"]["name"].as_str().unwrap())
            .collect();
        let bare = list["items"][0].get("kind").is_none();
        it.said.push(format!(
            "page {page}: {names:?}, items without a kind: {bare}"
        ));
        match list["metadata"]["continue"]
            .as_str()
            .filter(|token| !token.is_empty())
        {
            Some(next) => token = next.replace('|', "%7C").replace('=', "%3D"),
            None => break,
        }
    }
    it.ask(
        "a page of nonsense",
        get.clone(),
        "{ns}/pods?limit=2&continue=nonsense",
        none.clone(),
    )
    .await;
    let selected = it
        .ask(
            "by label",
            get.clone(),
            "{ns}/pods?labelSelector=app%20in%20(p1,p3)",
            none.clone(),
        )
        .await;
    it.said.push(format!(
        "{} selected",
        selected["items"].as_array().unwrap().len()
    ));
    it.ask(
        "by a field that is not known",
        get.clone(),
        "{ns}/pods?fieldSelector=status.reason%3DEvicted",
        none.clone(),
    )
    .await;
    asker.said
}

/// A client that sends each request once: kube's own would repeat what a budget refuses.
fn once(server: &ApiServer) -> Client {
    let mut config = server.config("admintoken");
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// All that differs, at once.
fn assert_same(double: &[String], real: &[String]) {
    let differs = |(double, real): &(&String, &String)| double != real;
    let differing: Vec<_> = double.iter().zip(real).filter(differs).collect();
    for line in real {
        println!("{line}");
    }
    assert!(
        differing.is_empty(),
        "the double (left) and the server (right): {differing:#?}"
    );
    assert_eq!(double.len(), real.len());
}

pub(crate) fn answers(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        server.namespace(NAMESPACE).await;
        let _kubelet = Kubelet::new(server.client(), &["node-a"]).await;
        let real = script(once(server), async || {
            server.disruption_budget(NAMESPACE, "guarded", 1).await;
        })
        .await;
        let api = ApiDouble::with_profile(now().parse().unwrap(), Profile::v1_20());
        let double = script(api.client(), async || {
            api.put(json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"namespace": NAMESPACE, "name": "guarded"},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
                "status": {"disruptionsAllowed": 0, "desiredHealthy": 1, "currentHealthy": 1},
            }));
        })
        .await;
        assert_same(&double, &real);
    });
    Ok(())
}

/// The lines of a watch until it ends by itself.
async fn lines(client: &Client, query: &str) -> (u16, Vec<Value>) {
    let uri = format!("/api/v1/namespaces/watched/pods?watch=true&timeoutSeconds=3&{query}");
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let answer = timeout(Duration::from_secs(20), client.send(request))
        .await
        .unwrap()
        .unwrap();
    let code = answer.status().as_u16();
    let body = timeout(Duration::from_secs(20), answer.into_body().collect()).await;
    let body = body
        .map(|body| body.unwrap().to_bytes())
        .unwrap_or_default();
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    (
        code,
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect(),
    )
}

fn said((code, lines): &(u16, Vec<Value>)) -> String {
    let line = |line: &Value| {
        let object = &line["object"];
        format!(
            "{} {} {} {} {}",
            line["type"],
            object["kind"],
            object["apiVersion"],
            object["metadata"]["name"],
            object["code"]
        )
    };
    // The server sends a bookmark just before the end of a watch, which nobody relies on.
    let lines = lines.iter().filter(|line| line["type"] != "BOOKMARK");
    format!("{code}: {:?}", lines.map(line).collect::<Vec<_>>())
}

async fn watch_script(client: Client) -> Vec<String> {
    let mut it = Asker {
        client: client.clone(),
        said: Vec::new(),
    };
    let pods = "/api/v1/namespaces/watched/pods";
    for name in ["a", "b"] {
        it.ask("create", Method::POST, pods, pod(name, &json!({})))
            .await;
    }
    let list = it.ask("list", Method::GET, pods, Value::Null).await;
    let version = list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    it.ask(
        "status",
        Method::PATCH,
        &format!("{pods}/a/status"),
        json!({"status": {"phase": "Running"}}),
    )
    .await;
    it.ask(
        "label",
        Method::PATCH,
        &format!("{pods}/b"),
        json!({"metadata": {"labels": {"app": "other"}}}),
    )
    .await;
    it.ask("delete", Method::DELETE, &format!("{pods}/a"), Value::Null)
        .await;
    it.ask("create", Method::POST, pods, pod("a", &json!({})))
        .await;
    // What is there at the beginning comes in any order: the API server takes it from a map.
    let mut first = lines(&client, "").await;
    first
        .1
        .sort_by_key(|line| line["object"]["metadata"]["name"].to_string());
    let first = format!("from nothing: {}", said(&first));
    let mut said = it.said;
    said.push(first);
    said.push(
        said_of(
            &client,
            &format!("resourceVersion={version}"),
            "from a list",
        )
        .await,
    );
    let query = format!("resourceVersion={version}&labelSelector=app%3Db&allowWatchBookmarks=true");
    said.push(said_of(&client, &query, "what is no longer selected").await);
    let query = format!("resourceVersion={version}&fieldSelector=status.phase%3DRunning");
    said.push(said_of(&client, &query, "by phase").await);
    said.push(
        said_of(
            &client,
            "fieldSelector=status.reason%3DEvicted",
            "by an unknown field",
        )
        .await,
    );
    said
}

async fn said_of(client: &Client, query: &str, what: &str) -> String {
    format!("{what}: {}", said(&lines(client, query).await))
}

pub(crate) fn watches(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        server.namespace("watched").await;
        let api = ApiDouble::with_profile(now().parse().unwrap(), Profile::v1_20());
        let (real, double) = (
            watch_script(once(server)).await,
            watch_script(api.client()).await,
        );
        assert_same(&double, &real);
        // Streaming lists: refused, or with a bookmark of the end.
        let query =
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let real = lines(&server.client(), query).await;
        println!("streaming lists: {}", real.0);
        if real.0 == 200 {
            let ends = |line: &Value| {
                line["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
            };
            assert!(real.1.iter().any(ends), "{:?}", real.1);
        } else {
            assert!(matches!(real.0, 400 | 422), "{}", real.0);
        }
    });
    Ok(())
}

/// A version from before what is remembered, which a server that was just started has none of: 410 as an event.
pub(crate) async fn too_old(server: &ApiServer) {
    let api = ApiDouble::with_profile(now().parse().unwrap(), Profile::v1_20());
    for index in 0..3 {
        let mut object = pod(&format!("p{index}"), &json!({}));
        object["metadata"]["namespace"] = "watched".into();
        api.put(object);
    }
    api.forget_history();
    let real = lines(&once(server), "resourceVersion=1").await;
    let double = lines(&api.client(), "resourceVersion=1").await;
    println!("{}", said(&real));
    assert_eq!(said(&double), said(&real));
    assert!(said(&real).contains("410"), "{}", said(&real));
}
