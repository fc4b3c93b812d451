//! A generated list of pods as the API server writes it: the fields, their order and their share of
//! the bytes are those of pods of a 1.36 server, some 9 kB each, two fifths of it managed fields.

use fastrand::Rng;

const SEED: u64 = 2026;

/// Workloads, of ten pods each on average.
const PODS_A_WORKLOAD: usize = 10;

const NAMES: [&str; 12] = [
    "cart",
    "checkout",
    "search",
    "catalogue",
    "identity",
    "mailer",
    "pricing",
    "invoice",
    "stock",
    "reviews",
    "gateway",
    "session",
];

/// A `PodList` of so many pods; about one in ten is sick, in one of eight ways.
pub fn pod_list(pods: usize) -> String {
    let mut rng = Rng::with_seed(SEED);
    let mut list = String::with_capacity(pods * 9_500 + 200);
    list += r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"918273645"},"items":["#;
    let mut items: Vec<_> = (0..pods).map(|index| pod(index, pods, &mut rng)).collect();
    // As the server sorts them.
    items.sort_unstable();
    for (index, (_, _, item)) in items.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list += item;
    }
    list += "]}";
    list
}

/// What is the matter with a pod.
#[derive(Clone, Copy, PartialEq)]
enum Health {
    Well,
    CrashLoop,
    ImagePull,
    OutOfMemory,
    Unready,
    Unschedulable,
    Config,
    Evicted,
    Liveness,
}

impl Health {
    fn any(rng: &mut Rng) -> Self {
        if rng.u8(0..10) > 0 {
            return Self::Well;
        }
        let sick = [
            Self::CrashLoop,
            Self::CrashLoop,
            Self::CrashLoop,
            Self::ImagePull,
            Self::ImagePull,
            Self::OutOfMemory,
            Self::Unready,
            Self::Unready,
            Self::Unschedulable,
            Self::Config,
            Self::Evicted,
            Self::Liveness,
        ];
        rng.choice(sick).unwrap_or(Self::Well)
    }
}

/// Namespace, name and JSON of a pod.
fn pod(index: usize, pods: usize, rng: &mut Rng) -> (String, String, String) {
    let workload = rng.usize(0..(pods / PODS_A_WORKLOAD).max(1));
    let team = format!("team-{}", workload % 40);
    let app = format!("{}-{workload}", NAMES.get(workload % 12).unwrap_or(&"web"));
    let hash = format!("{:010x}", workload * 7_919 + 0x00f0_0000_0000);
    let name = format!("{app}-{hash}-{:05x}", index & 0xf_ffff);
    let uid = format!("{:08x}-7c1d-4f3a-9e2b-{:012x}", rng.u32(..), index);
    let (day, hour, minute) = (rng.u8(1..22), rng.u8(0..24), rng.u8(0..60));
    let time = |second: u8| format!("2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    let health = Health::any(rng);
    let node = format!(
        "ip-10-{}-{}-{}.internal",
        workload % 4,
        rng.u8(..),
        index % 250
    );
    let proxy = workload.is_multiple_of(6);
    let meta = metadata(&name, &team, &app, &hash, &uid, &time(1), index, proxy);
    let spec = spec(&app, &node, workload, proxy, health);
    let status = status(&app, &time, index, proxy, health);
    let item = format!("{{\"metadata\":{meta},\"spec\":{spec},\"status\":{status}}}");
    (team, name, item)
}

#[allow(clippy::too_many_arguments, reason = "the parts of a text")]
fn metadata(
    name: &str,
    team: &str,
    app: &str,
    hash: &str,
    uid: &str,
    created: &str,
    index: usize,
    proxy: bool,
) -> String {
    let managed = managed_fields(created, proxy);
    format!(
        r#"{{"name":"{name}","generateName":"{app}-{hash}-","namespace":"{team}","uid":"{uid}","resourceVersion":"{}","generation":1,"creationTimestamp":"{created}","labels":{{"app.kubernetes.io/component":"server","app.kubernetes.io/instance":"{app}","app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/name":"{app}","app.kubernetes.io/version":"1.14.2","helm.sh/chart":"service-4.2.0","pod-template-hash":"{hash}","team":"{team}"}},"annotations":{{"checksum/config":"{:064x}","kubectl.kubernetes.io/restartedAt":"{created}","prometheus.io/path":"/metrics","prometheus.io/port":"9090","prometheus.io/scrape":"true"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"{app}-{hash}","uid":"{:08x}-11aa-4bbb-8ccc-0123456789ab","controller":true,"blockOwnerDeletion":true}}],"managedFields":{managed}}}"#,
        900_000_000 + index,
        u64::MAX / 3,
        app.len() * 40_503,
    )
}

fn managed_fields(time: &str, proxy: bool) -> String {
    let probe = |kind: &str| {
        format!(
            r#""f:{kind}":{{".":{{}},"f:failureThreshold":{{}},"f:httpGet":{{".":{{}},"f:path":{{}},"f:port":{{}},"f:scheme":{{}}}},"f:initialDelaySeconds":{{}},"f:periodSeconds":{{}},"f:successThreshold":{{}},"f:timeoutSeconds":{{}}}}"#
        )
    };
    let container = |name: &str| {
        format!(
            r#""k:{{\"name\":\"{name}\"}}":{{".":{{}},"f:env":{{".":{{}},"k:{{\"name\":\"DATABASE_PASSWORD\"}}":{{".":{{}},"f:name":{{}},"f:valueFrom":{{".":{{}},"f:secretKeyRef":{{}}}}}},"k:{{\"name\":\"LOG_LEVEL\"}}":{{".":{{}},"f:name":{{}},"f:value":{{}}}},"k:{{\"name\":\"POD_IP\"}}":{{".":{{}},"f:name":{{}},"f:valueFrom":{{".":{{}},"f:fieldRef":{{}}}}}}}},"f:envFrom":{{}},"f:image":{{}},"f:imagePullPolicy":{{}},{},"f:name":{{}},"f:ports":{{".":{{}},"k:{{\"containerPort\":8080,\"protocol\":\"TCP\"}}":{{".":{{}},"f:containerPort":{{}},"f:name":{{}},"f:protocol":{{}}}}}},{},"f:resources":{{".":{{}},"f:limits":{{".":{{}},"f:memory":{{}}}},"f:requests":{{".":{{}},"f:cpu":{{}},"f:memory":{{}}}}}},"f:securityContext":{{".":{{}},"f:allowPrivilegeEscalation":{{}},"f:capabilities":{{".":{{}},"f:drop":{{}}}},"f:readOnlyRootFilesystem":{{}}}},"f:terminationMessagePath":{{}},"f:terminationMessagePolicy":{{}},"f:volumeMounts":{{".":{{}},"k:{{\"mountPath\":\"/etc/app\"}}":{{".":{{}},"f:mountPath":{{}},"f:name":{{}},"f:readOnly":{{}}}}}}}}"#,
            probe("livenessProbe"),
            probe("readinessProbe")
        )
    };
    let second = if proxy {
        format!(",{}", container("proxy"))
    } else {
        String::new()
    };
    let condition = |kind: &str| {
        format!(
            r#""k:{{\"type\":\"{kind}\"}}":{{".":{{}},"f:lastProbeTime":{{}},"f:lastTransitionTime":{{}},"f:observedGeneration":{{}},"f:status":{{}},"f:type":{{}}}}"#
        )
    };
    format!(
        r#"[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"{time}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:annotations":{{".":{{}},"f:checksum/config":{{}},"f:kubectl.kubernetes.io/restartedAt":{{}},"f:prometheus.io/path":{{}},"f:prometheus.io/port":{{}},"f:prometheus.io/scrape":{{}}}},"f:generateName":{{}},"f:labels":{{".":{{}},"f:app.kubernetes.io/component":{{}},"f:app.kubernetes.io/instance":{{}},"f:app.kubernetes.io/managed-by":{{}},"f:app.kubernetes.io/name":{{}},"f:app.kubernetes.io/version":{{}},"f:helm.sh/chart":{{}},"f:pod-template-hash":{{}},"f:team":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"0badcafe-11aa-4bbb-8ccc-0123456789ab\"}}":{{}}}}}},"f:spec":{{"f:affinity":{{".":{{}},"f:podAntiAffinity":{{".":{{}},"f:preferredDuringSchedulingIgnoredDuringExecution":{{}}}}}},"f:containers":{{{}{second}}},"f:dnsPolicy":{{}},"f:enableServiceLinks":{{}},"f:restartPolicy":{{}},"f:schedulerName":{{}},"f:securityContext":{{".":{{}},"f:fsGroup":{{}},"f:runAsNonRoot":{{}},"f:seccompProfile":{{".":{{}},"f:type":{{}}}}}},"f:serviceAccount":{{}},"f:serviceAccountName":{{}},"f:terminationGracePeriodSeconds":{{}},"f:volumes":{{".":{{}},"k:{{\"name\":\"config\"}}":{{".":{{}},"f:configMap":{{".":{{}},"f:defaultMode":{{}},"f:name":{{}}}},"f:name":{{}}}}}}}}}}}},{{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"{time}","fieldsType":"FieldsV1","fieldsV1":{{"f:status":{{"f:conditions":{{{},{},{},{}}},"f:containerStatuses":{{}},"f:hostIP":{{}},"f:hostIPs":{{}},"f:observedGeneration":{{}},"f:phase":{{}},"f:podIP":{{}},"f:podIPs":{{".":{{}},"k:{{\"ip\":\"10.1.2.3\"}}":{{".":{{}},"f:ip":{{}}}}}},"f:startTime":{{}}}}}},"subresource":"status"}}]"#,
        container("app"),
        condition("ContainersReady"),
        condition("Initialized"),
        condition("PodReadyToStartContainers"),
        condition("Ready")
    )
}

fn spec(app: &str, node: &str, workload: usize, proxy: bool, health: Health) -> String {
    let probe = |path: &str| {
        format!(
            r#"{{"httpGet":{{"path":"{path}","port":8080,"scheme":"HTTP"}},"initialDelaySeconds":5,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}}"#
        )
    };
    let container = |name: &str| {
        format!(
            r#"{{"name":"{name}","image":"registry.example.com/{app}/{name}:1.14.2","ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],"envFrom":[{{"configMapRef":{{"name":"{app}-env"}}}}],"env":[{{"name":"LOG_LEVEL","value":"info"}},{{"name":"POD_IP","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"status.podIP"}}}}}},{{"name":"DATABASE_PASSWORD","valueFrom":{{"secretKeyRef":{{"name":"{app}-database","key":"password"}}}}}}],"resources":{{"limits":{{"memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"256Mi"}}}},"volumeMounts":[{{"name":"config","readOnly":true,"mountPath":"/etc/app"}},{{"name":"kube-api-access-{workload:05}","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"livenessProbe":{},"readinessProbe":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{{"capabilities":{{"drop":["ALL"]}},"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false}}}}"#,
            probe("/livez"),
            probe("/readyz")
        )
    };
    let second = if proxy {
        format!(",{}", container("proxy"))
    } else {
        String::new()
    };
    let node = match health {
        Health::Unschedulable => String::new(),
        _ => format!(r#""nodeName":"{node}","#),
    };
    format!(
        r#"{{"volumes":[{{"name":"config","configMap":{{"name":"{app}-config","defaultMode":420}}}},{{"name":"kube-api-access-{workload:05}","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}},{{"downwardAPI":{{"items":[{{"path":"namespace","fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.namespace"}}}}]}}}}],"defaultMode":420}}}}],"containers":[{}{second}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"{app}","serviceAccount":"{app}",{node}"securityContext":{{"runAsNonRoot":true,"fsGroup":2000,"seccompProfile":{{"type":"RuntimeDefault"}}}},"affinity":{{"podAntiAffinity":{{"preferredDuringSchedulingIgnoredDuringExecution":[{{"weight":100,"podAffinityTerm":{{"labelSelector":{{"matchLabels":{{"app.kubernetes.io/name":"{app}"}}}},"topologyKey":"kubernetes.io/hostname"}}}}]}}}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}}"#,
        container("app"),
    )
}

fn status(
    app: &str,
    time: &dyn Fn(u8) -> String,
    index: usize,
    proxy: bool,
    health: Health,
) -> String {
    let ready = matches!(
        health,
        Health::Well | Health::Liveness | Health::OutOfMemory
    );
    let condition = |kind: &str, ok: bool, more: &str| {
        format!(
            r#"{{"type":"{kind}","observedGeneration":1,"status":"{}","lastProbeTime":null,"lastTransitionTime":"{}"{more}}}"#,
            if ok { "True" } else { "False" },
            time(if ok { 3 } else { 50 })
        )
    };
    if health == Health::Unschedulable {
        let why = r#","reason":"Unschedulable","message":"0/300 nodes are available: 12 node(s) had untolerated taint {dedicated: gpu}, 288 Insufficient cpu. preemption: 0/300 nodes are available: 12 Preemption is not helpful for scheduling, 288 No preemption victims found for incoming pod.""#;
        return format!(
            r#"{{"observedGeneration":1,"phase":"Pending","conditions":[{}],"qosClass":"Burstable"}}"#,
            condition("PodScheduled", false, why)
        );
    }
    if health == Health::Evicted {
        return format!(
            r#"{{"observedGeneration":1,"phase":"Failed","message":"The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. Container app was using 500Mi, request is 256Mi, has larger consumption of memory. ","reason":"Evicted","startTime":"{}","qosClass":"Burstable"}}"#,
            time(2)
        );
    }
    let unready = match ready {
        true => "",
        false => {
            r#","reason":"ContainersNotReady","message":"containers with unready status: [app]""#
        }
    };
    let running = format!(r#"{{"running":{{"startedAt":"{}"}}}}"#, time(4));
    let waiting = |reason: &str, message: &str| {
        format!(r#"{{"waiting":{{"reason":"{reason}","message":"{message}"}}}}"#)
    };
    let ended = |code: u8, reason: &str| {
        format!(
            r#"{{"terminated":{{"exitCode":{code},"reason":"{reason}","startedAt":"{}","finishedAt":"{}","containerID":"containerd://{:064x}"}}}}"#,
            time(5),
            time(20),
            index
        )
    };
    let (state, last, restarts) = match health {
        Health::CrashLoop => (
            waiting(
                "CrashLoopBackOff",
                &format!(
                    "back-off 5m0s restarting failed container=app pod={app}-7d9f5c6b8d-x2x4q_team(0badcafe-7c1d-4f3a-9e2b-000000000000)"
                ),
            ),
            ended(1, "Error"),
            14,
        ),
        Health::ImagePull => (
            waiting(
                "ImagePullBackOff",
                &format!(
                    r#"Back-off pulling image \"registry.example.com/{app}/app:1.14.2\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/{app}/app:1.14.2\": failed to resolve reference \"registry.example.com/{app}/app:1.14.2\": registry.example.com/{app}/app:1.14.2: not found"#
                ),
            ),
            "{}".to_owned(),
            0,
        ),
        Health::Config => (
            waiting(
                "CreateContainerConfigError",
                &format!(r#"secret \"{app}-database\" not found"#),
            ),
            "{}".to_owned(),
            0,
        ),
        Health::OutOfMemory => (running.clone(), ended(137, "OOMKilled"), 3),
        Health::Liveness => (running.clone(), ended(137, "Error"), 9),
        _ => (running.clone(), "{}".to_owned(), 0),
    };
    let container = |name: &str, state: &str, last: &str, ready: bool, restarts: u8| {
        format!(
            r#"{{"name":"{name}","state":{state},"lastState":{last},"ready":{ready},"restartCount":{restarts},"image":"registry.example.com/{app}/{name}:1.14.2","imageID":"registry.example.com/{app}/{name}@sha256:{:064x}","containerID":"containerd://{:064x}","started":{ready},"allocatedResources":{{"cpu":"100m","memory":"256Mi"}},"resources":{{"limits":{{"memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"256Mi"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/app","readOnly":true,"recursiveReadOnly":"Disabled"}}],"user":{{"linux":{{"uid":1000,"gid":1000,"supplementalGroups":[1000,2000]}}}}}}"#,
            app.len() * 31,
            index
        )
    };
    let phase = match health {
        Health::ImagePull | Health::Config => "Pending",
        _ => "Running",
    };
    let second = match proxy {
        true => format!(",{}", container("proxy", &running, "{}", true, 0)),
        false => String::new(),
    };
    format!(
        r#"{{"observedGeneration":1,"phase":"{phase}","conditions":[{},{},{},{},{}],"hostIP":"10.0.3.7","hostIPs":[{{"ip":"10.0.3.7"}}],"podIP":"10.1.2.3","podIPs":[{{"ip":"10.1.2.3"}}],"startTime":"{}","containerStatuses":[{}{second}],"qosClass":"Burstable"}}"#,
        condition("PodReadyToStartContainers", true, ""),
        condition("Initialized", true, ""),
        condition("Ready", ready, unready),
        condition("ContainersReady", ready, unready),
        condition("PodScheduled", true, ""),
        time(2),
        container("app", &state, &last, ready, restarts),
    )
}

#[cfg(test)]
mod tests {
    use super::pod_list;

    #[test]
    fn a_pod_has_the_size_that_is_said_and_the_managed_fields() {
        let list = pod_list(1_000);
        let json: serde_json::Value = serde_json::from_str(&list).unwrap();
        let items = json["items"].as_array().unwrap();
        assert_eq!(items.len(), 1_000);
        let mean = list.len() / 1_000;
        assert!((8_500..9_500).contains(&mean), "{mean} bytes a pod");
        let managed: usize = items
            .iter()
            .map(|pod| pod["metadata"]["managedFields"].to_string().len())
            .sum();
        let share = managed * 100 / list.len();
        assert!((37..43).contains(&share), "{share} % managed fields");
    }
}
