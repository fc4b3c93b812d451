//! The parts of a generated pod that do not depend on how it does.

use serde_json::{Value, json};

pub(super) fn container(
    name: &str,
    ready: bool,
    restarts: u32,
    state: &Value,
    last: &Value,
) -> Value {
    json!({
        "name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last,
        "started": state.get("running").is_some(),
        "image": format!("registry.example/shop/{name}:1.4.2"),
        "imageID": format!("registry.example/shop/{name}@sha256:{:064x}", 0x1234_5678_9abc_def0_u64),
        "containerID": format!("containerd://{:064x}", 0x0fed_cba9_8765_4321_u64),
    })
}

pub(super) fn environment(settings: u32) -> Value {
    let setting = |index| {
        json!({
            "name": format!("SHOP_SETTING_{index}"), "value": format!("value-of-setting-{index}"),
        })
    };
    (0..settings).map(setting).collect()
}

pub(super) fn spec(app: &str, node: &str) -> Value {
    let probe = |path: &str, period: u32| {
        json!({
            "httpGet": {"path": path, "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1,
            "periodSeconds": period, "successThreshold": 1, "failureThreshold": 3,
        })
    };
    let mount = json!([
        {"name": "config", "mountPath": "/etc/app", "readOnly": true},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "kube-api-access-x7k2p", "readOnly": true,
         "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
    ]);
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example/shop/{name}:1.4.2"),
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"},
                          "requests": {"cpu": "100m", "memory": "256Mi"}},
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "volumeMounts": mount, "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true,
                                "capabilities": {"drop": ["ALL"]}},
        })
    };
    let mut main = container("app");
    main["startupProbe"] = probe("/started", 5);
    main["readinessProbe"] = probe("/ready", 10);
    main["livenessProbe"] = probe("/alive", 10);
    json!({
        "nodeName": node, "restartPolicy": "Always", "priority": 0, "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30,
        "serviceAccountName": app, "serviceAccount": app, "enableServiceLinks": true,
        "securityContext": {"runAsUser": 10001, "fsGroup": 10001},
        "initContainers": [container("migrate")],
        "containers": [main, container("proxy")],
        "volumes": [
            {"name": "config", "configMap": {"name": format!("{app}-config"), "defaultMode": 420}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ]}},
        ],
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
             "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
             "tolerationSeconds": 300},
        ],
    })
}

/// What the API server notes of who wrote which field.
pub(super) fn managed_fields(at: &str) -> Value {
    let leaf = json!({});
    let container = json!({
        ".": leaf, "f:env": {".": leaf, "k:{\"name\":\"SHOP_SETTING_0\"}": {".": leaf, "f:name": leaf, "f:value": leaf},
            "k:{\"name\":\"SHOP_SETTING_1\"}": {".": leaf, "f:name": leaf, "f:value": leaf}},
        "f:image": leaf, "f:imagePullPolicy": leaf, "f:name": leaf,
        "f:ports": {".": leaf, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": leaf, "f:containerPort": leaf, "f:name": leaf, "f:protocol": leaf}},
        "f:resources": {".": leaf, "f:limits": {".": leaf, "f:cpu": leaf, "f:memory": leaf}, "f:requests": {".": leaf, "f:cpu": leaf, "f:memory": leaf}},
        "f:terminationMessagePath": leaf, "f:terminationMessagePolicy": leaf,
        "f:volumeMounts": {".": leaf, "k:{\"mountPath\":\"/etc/app\"}": {".": leaf, "f:mountPath": leaf, "f:name": leaf, "f:readOnly": leaf}},
    });
    let condition = |kind: &str| {
        (
            format!("k:{{\"type\":\"{kind}\"}}"),
            json!({
        ".": leaf, "f:lastProbeTime": leaf, "f:lastTransitionTime": leaf, "f:status": leaf, "f:type": leaf}),
        )
    };
    let mut conditions: serde_json::Map<String, Value> = [
        "ContainersReady",
        "Initialized",
        "Ready",
        "PodReadyToStartContainers",
    ]
    .map(condition)
    .into_iter()
    .collect();
    conditions.insert(".".to_owned(), leaf.clone());
    json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
         "time": at, "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:annotations": {".": leaf, "f:checksum/config": leaf, "f:prometheus.io/port": leaf, "f:prometheus.io/scrape": leaf},
                "f:generateName": leaf, "f:labels": {".": leaf, "f:app.kubernetes.io/name": leaf, "f:app.kubernetes.io/part-of": leaf, "f:pod-template-hash": leaf},
                "f:ownerReferences": {".": leaf, "k:{\"uid\":\"00000000-9999-4222-8333-000000000000\"}": leaf}},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": container, "k:{\"name\":\"proxy\"}": container},
                "f:dnsPolicy": leaf, "f:enableServiceLinks": leaf, "f:restartPolicy": leaf, "f:schedulerName": leaf,
                "f:securityContext": {".": leaf, "f:fsGroup": leaf, "f:runAsUser": leaf}, "f:serviceAccount": leaf,
                "f:serviceAccountName": leaf, "f:terminationGracePeriodSeconds": leaf,
                "f:volumes": {".": leaf, "k:{\"name\":\"config\"}": {".": leaf, "f:configMap": {".": leaf, "f:defaultMode": leaf, "f:name": leaf}, "f:name": leaf}}}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": at,
         "fieldsType": "FieldsV1", "subresource": "status", "fieldsV1": {"f:status": {
            "f:conditions": conditions, "f:containerStatuses": leaf, "f:initContainerStatuses": leaf, "f:hostIP": leaf, "f:phase": leaf, "f:podIP": leaf,
            "f:podIPs": {".": leaf, "k:{\"ip\":\"10.1.2.3\"}": {".": leaf, "f:ip": leaf}}, "f:startTime": leaf}}},
    ])
}
