//! The table of a real server: that the double prints the same, and that a sweep by it misses nothing.

use std::collections::BTreeMap;

use http::{Request, header};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, ResourceExt as _};
use libtest_mimic::Failed;
use opsbox_heal::observe::live::{PodScope, Sweep, Swept};
use opsbox_heal::testing::{ApiDouble, Profile};
use opsbox_heal::{PodSnapshot, PodState, Timestamp, diagnose};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, block_on};
use crate::kubelet::{
    Kubelet, config_error, crash_loop, evicted, failed, image_pull, not_ready, now, oom_killed,
    running, succeeded, unschedulable,
};

/// Writes the status of a pod.
type Status = fn(&Pod) -> Value;

/// Pods in all the conditions that the stand-in for the kubelet can write.
async fn fill(server: &ApiServer, namespace: &str) -> Kubelet {
    server.namespace(namespace).await;
    let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
    let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
    let make = async |name: &str, node: Option<&str>, more: Value| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "containers": [
                    {"name": "app", "image": "registry.example/web:1"},
                    {"name": "proxy", "image": "registry.example/proxy:1"},
                ],
                "initContainers": [{"name": "migrate", "image": "registry.example/web:1"}],
            },
        });
        if let Some(node) = node {
            pod["spec"]["nodeName"] = node.into();
        }
        for (key, value) in more.as_object().unwrap() {
            pod["spec"][key] = value.clone();
        }
        server.create(pod).await;
        pods.get(name).await.unwrap()
    };
    let on = Some("node-a");
    let conditions: [(&str, Status); 9] = [
        ("runs", running),
        ("unready", not_ready),
        ("crashes", |pod| crash_loop(pod, 7)),
        ("starved", |pod| oom_killed(pod, 3)),
        ("imageless", |pod| image_pull(pod, "not found")),
        ("misconfigured", |pod| config_error(pod, "no such secret")),
        ("failed", |pod| failed(pod, 3)),
        ("evicted", |_| evicted("low on memory")),
        ("done", succeeded),
    ];
    for (name, status) in conditions {
        let pod = make(name, on, json!({})).await;
        kubelet
            .status(namespace, name, &status(&pod))
            .await
            .unwrap();
    }
    make("unplaced", None, json!({})).await;
    kubelet
        .status(namespace, "unplaced", &unschedulable("0/2 nodes"))
        .await
        .unwrap();
    make("silent", on, json!({})).await;

    // What the stand-in does not write by itself.
    let changed = async |name: &str, more: Value, change: &dyn Fn(&mut Value)| {
        let pod = make(name, on, more).await;
        let mut status = running(&pod);
        change(&mut status);
        kubelet.status(namespace, name, &status).await.unwrap();
    };
    let gates = json!({"readinessGates": [{"conditionType": "example.org/in-pool"}]});
    changed("gated", gates, &|_| {}).await;
    changed("restarted", json!({}), &|status| {
        status["containerStatuses"][0]["restartCount"] = 3.into();
        status["containerStatuses"][0]["lastState"] = json!({"terminated": {
            "exitCode": 1, "reason": "Error", "startedAt": now(), "finishedAt": now()}});
    })
    .await;
    changed("initializing", json!({}), &|status| {
        status["phase"] = "Pending".into();
        status["conditions"][0]["status"] = "False".into();
        status["initContainerStatuses"] = json!([{"name": "migrate", "image": "i", "imageID": "", "ready": false,
            "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        for index in [0, 1] {
            let container = &mut status["containerStatuses"][index];
            container["ready"] = false.into();
            container["state"] = json!({"waiting": {"reason": "PodInitializing"}});
        }
    })
    .await;
    changed("half-done", json!({}), &|status| {
        status["containerStatuses"][0]["state"] =
            json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        status["containerStatuses"][0]["ready"] = false.into();
    })
    .await;
    changed("killed", json!({}), &|status| {
        status["containerStatuses"][1]["state"] =
            json!({"terminated": {"exitCode": 9, "signal": 9}});
        status["containerStatuses"][1]["ready"] = false.into();
    })
    .await;
    changed("leaving", json!({}), &|_| {}).await;
    pods.delete("leaving", &DeleteParams::default())
        .await
        .unwrap();
    kubelet
}

async fn get(client: &Client, uri: &str, accept: &str) -> Value {
    let request = Request::get(uri)
        .header(header::ACCEPT, accept)
        .body(Vec::new());
    client.request(request.unwrap()).await.unwrap()
}

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json;q=0.9";

/// The same objects in the double.
async fn mirror(server: &ApiServer) -> ApiDouble {
    let profile = match server.minor() {
        ..22 => Profile::v1_20(),
        _ => Profile::current(),
    };
    let api = ApiDouble::with_profile(now().parse().unwrap(), profile);
    for (path, kind) in [
        ("pods", "Pod"),
        ("nodes", "Node"),
        ("namespaces", "Namespace"),
    ] {
        let list = get(
            &server.client(),
            &format!("/api/v1/{path}"),
            "application/json",
        )
        .await;
        for object in list["items"].as_array().unwrap() {
            let mut object = object.clone();
            object["kind"] = kind.into();
            object["apiVersion"] = "v1".into();
            api.put(object);
        }
    }
    api
}

/// Cells without the age, and whether the row has an object.
fn rows(table: &Value) -> Vec<Value> {
    let columns = table["columnDefinitions"].as_array().unwrap();
    let age = columns
        .iter()
        .position(|column| column["name"] == "Age")
        .unwrap();
    let row = |row: &Value| {
        let mut cells = row["cells"].as_array().unwrap().clone();
        cells[age] = Value::Null;
        json!({"cells": cells, "object": row["object"].is_object()})
    };
    table["rows"].as_array().unwrap().iter().map(row).collect()
}

pub(crate) fn cells(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "table";
        let _kubelet = fill(server, namespace).await;
        let api = mirror(server).await;
        for include in ["None", "Metadata", ""] {
            let uri = format!("/api/v1/namespaces/{namespace}/pods?includeObject={include}");
            let real = get(&server.client(), &uri, TABLE).await;
            let double = get(&api.client(), &uri, TABLE).await;
            for column in ["name", "type", "priority"] {
                let of = |table: &Value| -> Vec<Value> {
                    let columns = table["columnDefinitions"].as_array().unwrap();
                    columns.iter().map(|c| c[column].clone()).collect()
                };
                assert_eq!(of(&double), of(&real), "{column}");
            }
            for (double, real) in rows(&double).iter().zip(rows(&real)) {
                assert_eq!(*double, real);
            }
            assert_eq!(rows(&double).len(), rows(&real).len());
            assert!(rows(&real).len() >= 16, "{}", rows(&real).len());
        }
        for cells in rows(
            &get(
                &server.client(),
                &format!("/api/v1/namespaces/{namespace}/pods"),
                TABLE,
            )
            .await,
        ) {
            println!("{}", cells["cells"]);
        }
        // Of nodes and namespaces only name and status are read.
        for path in ["nodes", "namespaces"] {
            let uri = format!("/api/v1/{path}?includeObject=None");
            let first_two = |table: &Value| -> Vec<Vec<Value>> {
                let rows = table["rows"].as_array().unwrap();
                rows.iter()
                    .map(|row| row["cells"].as_array().unwrap()[..2].to_vec())
                    .collect()
            };
            let real = get(&server.client(), &uri, TABLE).await;
            let double = get(&api.client(), &uri, TABLE).await;
            assert_eq!(first_two(&double), first_two(&real), "{path}");
        }
    });
    Ok(())
}

fn findings<'p>(
    pods: impl IntoIterator<Item = &'p PodState>,
    at: Timestamp,
) -> BTreeMap<String, String> {
    let mut sick = BTreeMap::new();
    for pod in pods {
        let verdict = diagnose(pod, at);
        if verdict.is_sick() {
            sick.insert(pod.to_string(), format!("{verdict:#}"));
        }
    }
    sick
}

pub(crate) fn sweep(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "sweep";
        let _kubelet = fill(server, namespace).await;
        // Some that are well, so that a page is not asked for in full.
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let kubelet = Kubelet::new(server.client(), &["node-b"]).await;
        for index in 0..40 {
            let name = format!("well-{index}");
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name},
                "spec": {"nodeName": "node-b", "containers": [{"name": "app", "image": "registry.example/web:1"}]},
            });
            server.create(pod).await;
            let pod = pods.get(&name).await.unwrap();
            kubelet
                .status(namespace, &name, &running(&pod))
                .await
                .unwrap();
        }
        assert!(
            pods.list(&ListParams::default())
                .await
                .unwrap()
                .items
                .iter()
                .all(|pod| !pod.name_any().is_empty())
        );
        let mut sweep = Sweep::new(server.client(), PodScope::namespace(namespace)).page_size(25);
        let mut found = Vec::new();
        while let Some(swept) = sweep.next().await {
            match swept.unwrap() {
                Swept::Pod(pod) => found.push(pod),
                other => panic!("{other:?}"),
            }
        }
        let uri = format!("/api/v1/namespaces/{namespace}/pods");
        let full = server
            .client()
            .request_text(Request::get(uri).body(Vec::new()).unwrap())
            .await
            .unwrap();
        let all = PodSnapshot::from_json(full.as_bytes()).unwrap();
        // Later, so that nothing is too young to be judged.
        let at: Timestamp = now().parse().unwrap();
        let at = at.saturating_add(std::time::Duration::from_secs(900));
        assert_eq!(findings(&found, at), findings(all.pods(), at));
        println!("{:?}: {} sick", sweep.stats(), findings(&found, at).len());
        assert!(sweep.stats().tables && sweep.stats().nodes_not_known.is_none());
        assert!(
            found.len() < all.pods().len() / 2,
            "{} of {}",
            found.len(),
            all.pods().len()
        );
    });
    Ok(())
}
