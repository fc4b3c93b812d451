#!/usr/bin/env python3
"""Makes the pod lists of this folder on a real API server; see README.md beside this file.

usage: make.py SERVER TOKEN KUBECTL   (https://127.0.0.1:6443, a token of cluster-admin, a path)

There is no kubelet: this script creates the objects, writes the status of each pod as a kubelet
writes it, and saves what `kubectl` then shows. Times in a status are minutes after the start.
"""
import datetime, json, pathlib, ssl, subprocess, sys, urllib.request

server, token, kubectl = sys.argv[1:4]
here = pathlib.Path(__file__).parent
start = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE


def at(minutes):
    return (start + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def call(method, path, body=None, kind="application/json"):
    request = urllib.request.Request(server + path, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + token)
    request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, context=tls) as answer:
        return json.load(answer)


def owner(kind, name, namespace):
    api = {"ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}[kind]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "registry.example/x"}]}}
    spec = {"template": template}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    else:
        spec["selector"] = {"matchLabels": {"app": name}}
        spec["replicas"] = 1
    if kind == "StatefulSet":
        spec["serviceName"] = name
    made = call("POST", f"/apis/{api}/namespaces/{namespace}/{kind.lower()}s", {"metadata": {"name": name}, "spec": spec})
    return {"apiVersion": api, "kind": kind, "name": name, "uid": made["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def probe(path):
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 10}


def container(name, image=None, probes=(), **more):
    made = {"name": name, "image": image or f"registry.example/{name}:1.8.2", "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}, **more}
    for which in probes:
        made[which + "Probe"] = probe("/" + which)
    return made


def status_of(name, state, last=None, ready=False, started=None, restarts=0, image=None):
    image = image or f"registry.example/{name}:1.8.2"
    pulled = "waiting" not in state or restarts > 0
    return {
        "name": name, "image": image, "restartCount": restarts, "ready": ready,
        "started": ready if started is None else started,
        "state": state, "lastState": last or {},
        "imageID": f"registry.example/{name}@sha256:{'5f' * 32}" if pulled else "",
        **({"containerID": "containerd://" + "c0" * 32} if pulled else {}),
    }


def running(minute):
    return {"running": {"startedAt": at(minute)}}


def waiting(reason, message=None):
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code, reason, begin, end):
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": at(begin), "finishedAt": at(end), "containerID": "containerd://" + "c1" * 32}}


def conditions(scheduled=0, initialized=0, ready=None, unready=None):
    """The four conditions of a kubelet; `unready` is (minute, message)."""
    made = [{"type": "Initialized", "status": "True", "lastTransitionTime": at(initialized)}]
    for kind in ("Ready", "ContainersReady"):
        if unready:
            made.append({"type": kind, "status": "False", "reason": "ContainersNotReady", "message": unready[1], "lastTransitionTime": at(unready[0])})
        else:
            made.append({"type": kind, "status": "True", "lastTransitionTime": at(ready or 0.5)})
    return made + [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(scheduled)}]


def pod(namespace, name, containers, status, owners=(), node="node-a", policy="Always", init=(), finalizers=(), delete=None):
    body = {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.split("-")[0]}, "ownerReferences": list(owners), "finalizers": list(finalizers)},
        "spec": {"containers": containers, "initContainers": list(init), "restartPolicy": policy, **({"nodeName": node} if node else {})},
    }
    base = f"/api/v1/namespaces/{namespace}/pods"
    call("POST", base, body)
    if "hostIP" not in status and node:
        status = {"hostIP": "10.1.0.4", "podIP": "10.2.0.17", "podIPs": [{"ip": "10.2.0.17"}], "startTime": at(0), **status}
    call("PATCH", f"{base}/{name}/status", {"status": status}, "application/merge-patch+json")
    if delete is not None:
        call("DELETE", f"{base}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": delete})


def not_ready(*names):
    return f"containers with unready status: [{' '.join(names)}]"


for name in ("node-a", "node-b"):
    call("POST", "/api/v1/nodes", {"metadata": {"name": name}})
for name in ("shop", "batch", "edge"):
    call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

web = owner("ReplicaSet", "web-6d4cf56db6", "shop")
all_probes = ("startup", "readiness", "liveness")
for suffix, node in (("k2x8p", "node-a"), ("zz7qd", "node-b")):
    pod("shop", f"web-6d4cf56db6-{suffix}", [container("app", probes=all_probes), container("mesh", probes=("readiness",))],
        {"phase": "Running", "conditions": conditions(),
         "containerStatuses": [status_of("app", running(0.2), ready=True), status_of("mesh", running(0.2), ready=True)]},
        [web], node=node)

back_off = "back-off 5m0s restarting failed container={0} pod={1}_{2}(7b1f0c5e-3a64-4d5b-9d0e-6f1f5c2f0a11)"
pod("shop", "cart-7c5ddbdf54-x1", [container("app", probes=("liveness",))],
    {"phase": "Running", "conditions": conditions(unready=(0, not_ready("app"))),
     "containerStatuses": [status_of("app", waiting("CrashLoopBackOff", back_off.format("app", "cart-7c5ddbdf54-x1", "shop")),
                                     ended(1, "Error", 117, 117.2), restarts=23)]},
    [owner("ReplicaSet", "cart-7c5ddbdf54", "shop")])
# A crash loop in the moment in which it runs.
pod("shop", "checkout-5b9c-aa", [container("app")],
    {"phase": "Running", "conditions": conditions(ready=119.8),
     "containerStatuses": [status_of("app", running(119.7), ended(2, "Error", 114.0, 114.6), ready=True, restarts=9)]})
# Killed by its liveness probe again and again.
pod("shop", "session-0", [container("app", probes=all_probes)],
    {"phase": "Running", "conditions": conditions(ready=119),
     "containerStatuses": [status_of("app", running(118), ended(137, "Error", 112, 117.5), ready=True, restarts=6)]},
    [owner("StatefulSet", "session", "shop")])
pod("shop", "search-66f7-c9", [container("app"), container("mesh")],
    {"phase": "Running", "conditions": conditions(unready=(0, not_ready("app"))),
     "containerStatuses": [status_of("app", waiting("CrashLoopBackOff", back_off.format("app", "search-66f7-c9", "shop")),
                                     ended(137, "OOMKilled", 110, 116), restarts=7),
                           status_of("mesh", running(0.2), ready=True)]})
# Out of memory once, long ago: history.
pod("shop", "stock-55d8-b2", [container("app")],
    {"phase": "Running", "conditions": conditions(ready=6),
     "containerStatuses": [status_of("app", running(5.2), ended(137, "OOMKilled", 0.2, 5), ready=True, restarts=1)]})
image = "registry.example/prices:2.0.0-rc9"
pod("shop", "prices-58d6-m4", [container("app", image=image)],
    {"phase": "Pending", "conditions": conditions(unready=(0, not_ready("app"))),
     "containerStatuses": [status_of("app", waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'), image=image)]})
bad = "registry.example/Prices:latest"
pod("shop", "prices-canary", [container("app", image=bad)],
    {"phase": "Pending", "conditions": conditions(unready=(0, not_ready("app"))),
     "containerStatuses": [status_of("app", waiting("InvalidImageName", f'Failed to apply default image tag "{bad}": couldn\'t parse image reference "{bad}": invalid reference format: repository name must be lowercase'), image=bad)]})
pod("shop", "mail-7f64-t8", [container("app", envFrom=[{"secretRef": {"name": "mail-smtp"}}])],
    {"phase": "Pending", "conditions": conditions(unready=(0, not_ready("app"))),
     "containerStatuses": [status_of("app", waiting("CreateContainerConfigError", 'secret "mail-smtp" not found'))]})
pod("shop", "reviews-9c8-p1", [container("app", probes=("readiness",))],
    {"phase": "Running", "conditions": conditions(unready=(45, not_ready("app"))),
     "containerStatuses": [status_of("app", running(0.3), started=True)]})

pod("batch", "backup-28117-x5", [container("main")],
    {"phase": "Succeeded", "conditions": [{**c, "reason": "PodCompleted"} for c in conditions(unready=(9, ""))],
     "containerStatuses": [status_of("main", ended(0, "Completed", 0.2, 9))]},
    [owner("Job", "backup-28117", "batch")], policy="Never")
pod("batch", "export-28117-q7", [container("main")],
    {"phase": "Failed", "conditions": conditions(unready=(3, not_ready("main"))),
     "containerStatuses": [status_of("main", ended(1, "Error", 0.2, 3))]},
    [owner("Job", "export-28117", "batch")], policy="Never")
pod("batch", "import-28117-w2", [container("main")],
    {"phase": "Failed", "conditions": conditions(unready=(3, not_ready("main"))),
     "containerStatuses": [status_of("main", ended(137, "OOMKilled", 0.2, 3))]},
    [owner("Job", "import-28117", "batch")], policy="Never")
# The work of the job is done, but its proxy runs on.
pod("batch", "resize-28117-v3", [container("main"), container("proxy")],
    {"phase": "Running", "conditions": conditions(unready=(30, not_ready("main"))),
     "containerStatuses": [status_of("main", ended(0, "Completed", 0.2, 30)), status_of("proxy", running(0.2), ready=True)]},
    [owner("Job", "resize-28117", "batch")], policy="Never")
pod("batch", "cache-evicted", [container("app")],
    {"phase": "Failed", "reason": "Evicted", "hostIP": "",
     "message": "The node was low on resource: ephemeral-storage. Container app was using 4Gi, which exceeds its request of 0. ",
     "startTime": at(0)})
pod("batch", "train-gpu-0", [container("main")],
    {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": at(0),
     "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}]}, node=None)
pod("batch", "train-gpu-1", [container("main")],
    {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": at(119.5),
     "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}]}, node=None)

pod("edge", "gateway-lost", [container("app")],
    {"phase": "Unknown", "reason": "NodeLost", "message": "Node node-b which was running pod gateway-lost is unresponsive",
     "conditions": conditions(), "containerStatuses": [status_of("app", running(0.2), ready=True)]}, node="node-b")
pod("edge", "relay-stuck", [container("app")],
    {"phase": "Running", "conditions": conditions(), "containerStatuses": [status_of("app", running(0.2), ready=True)]},
    finalizers=["relay.example/drain"], delete=30)
pod("edge", "relay-silent", [container("app")],
    {"phase": "Running", "conditions": conditions(), "containerStatuses": [status_of("app", running(0.2), ready=True)]},
    node="node-b", delete=30)
pod("edge", "relay-draining", [container("app")],
    {"phase": "Running", "conditions": conditions(unready=(118, not_ready("app"))), "containerStatuses": [status_of("app", running(0.2), started=True)]},
    delete=4 * 3600)
creating = [status_of("app", waiting("ContainerCreating"))]
pod("edge", "dns-new", [container("app")],
    {"phase": "Pending", "conditions": conditions(scheduled=118.5, initialized=118.5, unready=(118.5, not_ready("app"))), "containerStatuses": creating})
pod("edge", "dns-old", [container("app")],
    {"phase": "Pending", "conditions": conditions(unready=(0, not_ready("app"))), "containerStatuses": creating})
pod("edge", "router-init", [container("app")],
    {"phase": "Pending", "conditions": [{"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": "containers with incomplete status: [migrate]", "lastTransitionTime": at(0)}]
     + conditions(unready=(0, not_ready("app")))[1:],
     "initContainerStatuses": [status_of("migrate", waiting("CrashLoopBackOff", back_off.format("migrate", "router-init", "edge")), ended(1, "Error", 115, 116), restarts=5)],
     "containerStatuses": [status_of("app", waiting("PodInitializing"))]},
    init=[container("migrate")])

for name, arguments in {
    "pods.json": ["get", "pods", "-A", "-o", "json"],
    "pods.yaml": ["get", "pods", "-A", "-o", "yaml"],
    "pod-list.json": ["get", "--raw", "/api/v1/pods"],
    "pod.yaml": ["get", "pod", "-n", "shop", "session-0", "-o", "yaml"],
    "replica-set.json": ["get", "replicaset", "-n", "shop", "web-6d4cf56db6", "-o", "json"],
    "all.json": ["get", "replicasets,pods", "-n", "shop", "-o", "json"],
    "replica-sets.json": ["get", "replicasets", "-n", "shop", "-o", "json"],
}.items():
    command = [kubectl, "--server", server, "--token", token, "--insecure-skip-tls-verify", *arguments]
    (here / name).write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
print("started at", at(0), "so judge at", at(120))
