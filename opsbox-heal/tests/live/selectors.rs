//! What field selectors select.

use http::Request;
use kube::Client;
use libtest_mimic::Failed;
use opsbox_heal::observe::live::{PodScope, Sweep, Swept};
use opsbox_heal::testing::{ApiDouble, Profile};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, block_on};

const NAMESPACE: &str = "phases";

/// The names that a selector selects, or the code of the refusal.
async fn select(client: &Client, selector: &str) -> Result<Vec<String>, u16> {
    let encoded: String = selector
        .chars()
        .map(|c| match c {
            ' ' => "%20".to_owned(),
            '=' => "%3D".to_owned(),
            other => other.to_string(),
        })
        .collect();
    let uri = format!("/api/v1/namespaces/{NAMESPACE}/pods?fieldSelector={encoded}");
    let request = Request::get(uri).body(Vec::new()).unwrap();
    match client.request::<Value>(request).await {
        Ok(list) => {
            let items = list["items"].as_array().unwrap();
            let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
            Ok(items.iter().map(name).collect())
        }
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(other) => panic!("{other}"),
    }
}

/// The idea's selector `status.phase=Failed,status.phase=Unknown` is an AND and always empty; that of what the
/// phase is not works.
pub(crate) fn phases(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        server.namespace(NAMESPACE).await;
        let api =
            ApiDouble::with_profile("2026-03-01T12:00:00Z".parse().unwrap(), Profile::v1_20());
        for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"namespace": NAMESPACE, "name": phase.to_lowercase()},
                "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
            });
            server.create(pod.clone()).await;
            let status = json!({"status": {"phase": phase}});
            let path = format!(
                "/api/v1/namespaces/{NAMESPACE}/pods/{}/status",
                phase.to_lowercase()
            );
            let patch = Request::patch(path)
                .header("content-type", "application/merge-patch+json")
                .body(status.to_string().into_bytes())
                .unwrap();
            server.client().request_text(patch).await.unwrap();
            let mut with_status = pod;
            with_status["status"] = status["status"].clone();
            api.put(with_status);
        }
        for client in [server.client(), api.client()] {
            let select = |selector| select(&client, selector);
            assert_eq!(select("status.phase=Failed").await.unwrap(), ["failed"]);
            assert_eq!(
                select("status.phase=Failed,status.phase=Unknown")
                    .await
                    .unwrap(),
                [""; 0]
            );
            let but = "status.phase!=Running,status.phase!=Succeeded,status.phase!=Pending";
            assert_eq!(select(but).await.unwrap(), ["failed", "unknown"]);
            for refused in [
                "status.phase in (Failed,Unknown)",
                "status.reason=Evicted",
                "status.containerStatuses.ready=true",
            ] {
                assert_eq!(select(refused).await.unwrap_err(), 400, "{refused}");
            }
            // What this crate passes on is what the caller wrote.
            let scope = PodScope::namespace(NAMESPACE).fields(but);
            let mut sweep = Sweep::new(client.clone(), scope);
            let mut found = Vec::new();
            while let Some(swept) = sweep.next().await {
                let Ok(Swept::Pod(pod)) = swept else {
                    panic!("{swept:?}")
                };
                found.push(pod.name().to_owned());
            }
            assert_eq!(found, ["failed", "unknown"]);
            assert_eq!(sweep.stats().pods, 2);
        }
    });
    Ok(())
}
