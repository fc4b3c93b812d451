"""Reads a saved list of pods again and again with Python's `json`, for the bench `pods`:

    python3 benches/python/read_pods.py FILE SECONDS

prints how many pods it read into the fields that opsbox-heal keeps, and the CPU seconds of it. The garbage
collector, which looks at all of the list again and again while it grows, is off.
"""

import gc
import json
import sys
import time

MARKS = (
    "kubernetes.io/config.mirror",
    "kubernetes.io/config.source",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "karpenter.sh/do-not-disrupt",
)


def volumes(spec):
    found = {}
    for volume in spec.get("volumes") or ():
        if "emptyDir" in volume:
            medium = (volume["emptyDir"] or {}).get("medium")
            found["EmptyDirMemory" if medium else "EmptyDir", volume["name"]] = None
        elif "hostPath" in volume:
            found["HostPath", volume["hostPath"]["path"]] = None
        elif "persistentVolumeClaim" in volume:
            found["PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]] = None
        elif "ephemeral" in volume:
            found["Ephemeral", volume["name"]] = None
        elif "configMap" in volume:
            found["ConfigMap", volume["configMap"].get("name")] = None
        elif "secret" in volume:
            found["Secret", volume["secret"].get("secretName")] = None
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            for source in container.get("envFrom") or ():
                if "configMapRef" in source:
                    found["ConfigMap", source["configMapRef"].get("name")] = None
                if "secretRef" in source:
                    found["Secret", source["secretRef"].get("name")] = None
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or ()
                if "configMapKeyRef" in source:
                    found["ConfigMap", source["configMapKeyRef"].get("name")] = None
                if "secretKeyRef" in source:
                    found["Secret", source["secretKeyRef"].get("name")] = None
    return tuple(found)


def state(of):
    for kind, value in (of or {}).items():
        if kind == "running":
            return kind, value.get("startedAt")
        if kind == "waiting":
            return kind, value.get("reason"), value.get("message")
        return (
            kind,
            value.get("exitCode"),
            value.get("signal"),
            value.get("reason"),
            value.get("message"),
            value.get("startedAt"),
            value.get("finishedAt"),
        )
    return None


def containers(spec, status):
    joined = []
    for kind in ("container", "initContainer", "ephemeralContainer"):
        reported = {one["name"]: one for one in status.get(kind + "Statuses") or ()}
        for one in spec.get(kind + "s") or ():
            of = reported.get(one["name"], {})
            joined.append(
                (
                    kind,
                    one["name"],
                    one.get("image"),
                    one.get("restartPolicy"),
                    "startupProbe" in one,
                    "readinessProbe" in one,
                    "livenessProbe" in one,
                    of.get("ready"),
                    of.get("started"),
                    of.get("restartCount"),
                    state(of.get("state")),
                    state(of.get("lastState")),
                )
            )
    return joined


def pod(item):
    meta, spec, status = item["metadata"], item.get("spec", {}), item.get("status", {})
    owners = meta.get("ownerReferences") or ()
    owner = next((one for one in owners if one.get("controller")), owners[0] if owners else None)
    annotations = meta.get("annotations") or {}
    return (
        meta.get("namespace"),
        meta["name"],
        meta.get("uid"),
        meta.get("resourceVersion"),
        meta.get("creationTimestamp"),
        meta.get("deletionTimestamp"),
        meta.get("deletionGracePeriodSeconds"),
        meta.get("finalizers"),
        meta.get("labels"),
        [annotations.get(mark) for mark in MARKS],
        owner and (owner.get("kind"), owner.get("name"), owner.get("uid"), owner.get("controller")),
        volumes(spec),
        spec.get("nodeName"),
        spec.get("priority"),
        spec.get("restartPolicy"),
        status.get("phase"),
        status.get("reason"),
        status.get("message"),
        status.get("qosClass"),
        [
            (
                one.get("type"),
                one.get("status"),
                one.get("reason"),
                one.get("message"),
                one.get("lastTransitionTime"),
            )
            for one in status.get("conditions") or ()
        ],
        containers(spec, status),
    )


def main():
    with open(sys.argv[1], "rb") as file:
        text = file.read()
    gc.disable()
    count, end, before = 0, time.monotonic() + float(sys.argv[2]), time.process_time()
    while time.monotonic() < end:
        count += len([pod(item) for item in json.loads(text)["items"]])
    print(count, time.process_time() - before)


main()
