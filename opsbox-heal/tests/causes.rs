//! Why a condition holds: the messages of container runtimes, registries and schedulers, and the
//! restart history.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{Cause, Condition, Confidence};
use serde_json::{Value, json};

fn pulling(image: &str, reason: &str, message: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    let mut pod = running(app(json!({"ready": false, "image": image, "state": state})));
    pod["spec"]["containers"][0]["image"] = json!(image);
    pod["status"]["phase"] = json!("Pending");
    pod
}

#[track_caller]
fn image(message: &str, expected: Option<Cause>) {
    let image = "registry.example/shop/web:1";
    let first = pulling(image, "ErrImagePull", message);
    let again = format!("Back-off pulling image \"{image}\": ErrImagePull: {message}");
    let again = pulling(image, "ImagePullBackOff", &again);
    for pod in [first, again] {
        let verdict = expect(&pod, Condition::ImagePullBackOff);
        assert_eq!(verdict.cause(), expected, "{message}");
    }
}

#[test]
fn images_by_containerd() {
    let of = |root: &str, cause| {
        let reference = "registry.example/shop/web:1";
        let message = format!(
            "rpc error: code = Unknown desc = failed to pull and unpack image \"{reference}\": \
             failed to resolve reference \"{reference}\": {root}"
        );
        image(&message, Some(cause));
    };
    of(
        "registry.example/shop/web:1: not found",
        Cause::ImageNotFound,
    );
    of(
        "failed to do request: Head \"https://registry.example/v2/shop/web/manifests/1\": dial \
         tcp 192.0.2.7:443: i/o timeout",
        Cause::ImageTimeout,
    );
    of(
        "failed to do request: Head \"https://registry.example/v2/shop/web/manifests/1\": dial \
         tcp: lookup registry.example on 10.96.0.10:53: no such host",
        Cause::ImageTimeout,
    );
    of(
        "unexpected status from HEAD request to \
         https://registry.example/v2/shop/web/manifests/1: 503 Service Unavailable",
        Cause::ImageTimeout,
    );
    of(
        "pull access denied, repository does not exist or may require authorization: server \
         message: insufficient_scope: authorization failed",
        Cause::ImageUnauthorized,
    );
    of(
        "pull access denied, repository does not exist or may require authorization",
        Cause::ImageUnauthorized,
    );
    of(
        "failed to authorize: failed to fetch anonymous token: unexpected status from GET request \
         to https://registry.example/token?scope=x: 401 Unauthorized",
        Cause::ImageUnauthorized,
    );
    of(
        "failed to authorize: failed to fetch oauth token: Post \"https://registry.example/t\": \
         net/http: TLS handshake timeout",
        Cause::ImageTimeout,
    );
    image(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"a/b:1\": no match for \
         platform in manifest",
        Some(Cause::ImageNotFound),
    );
    image(
        "rpc error: code = Unknown desc = failed to pull and unpack image \
         \"docker.io/shop/web:1\": failed to copy: httpReadSeeker: failed open: unexpected status \
         code https://registry-1.docker.io/v2/shop/web/manifests/sha256:50aa: 429 Too Many \
         Requests - Server message: toomanyrequests: You have reached your pull rate limit. You \
         may increase the limit by authenticating and upgrading: \
         https://www.docker.com/increase-rate-limit",
        Some(Cause::ImageRateLimited),
    );
    image(
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        Some(Cause::ImageTimeout),
    );
    image(
        "rpc error: code = Unknown desc = failed to extract layer: no space left",
        None,
    );
}

#[test]
fn images_by_crio() {
    let of = |root: &str, cause| {
        image(
            &format!("rpc error: code = Unknown desc = {root}"),
            Some(cause),
        );
    };
    of(
        "reading manifest 1 in registry.example/shop/web: manifest unknown: manifest unknown",
        Cause::ImageNotFound,
    );
    of(
        "reading manifest 1 in quay.io/shop/web: unauthorized: access to the requested resource \
         is not authorized",
        Cause::ImageUnauthorized,
    );
    of(
        "Error reading manifest latest in docker.io/shop/web: errors:\ndenied: requested access \
         to the resource is denied\nunauthorized: authentication required\n",
        Cause::ImageUnauthorized,
    );
    of(
        "initializing source docker://registry.example/shop/web:1: pinging container registry \
         registry.example: Get \"https://registry.example/v2/\": dial tcp 192.0.2.7:443: connect: \
         connection refused",
        Cause::ImageTimeout,
    );
    of(
        "Error reading manifest latest in docker.io/shop/web: toomanyrequests: You have reached \
         your pull rate limit. You may increase the limit by authenticating and upgrading: \
         https://www.docker.com/increase-rate-limit",
        Cause::ImageRateLimited,
    );
    // What a mirror said comes before what the registry itself said.
    of(
        "(Mirrors also failed: [mirror.example/shop/web:1: pinging container registry \
         mirror.example: dial tcp: lookup mirror.example: no such host]): \
         registry.example/shop/web:1: reading manifest 1 in registry.example/shop/web: manifest \
         unknown",
        Cause::ImageNotFound,
    );
}

#[test]
fn images_by_docker() {
    let of = |root: &str, cause| {
        let message =
            format!("rpc error: code = Unknown desc = Error response from daemon: {root}");
        image(&message, Some(cause));
    };
    of(
        "manifest for registry.example/shop/web:1 not found: manifest unknown: manifest unknown",
        Cause::ImageNotFound,
    );
    of(
        "pull access denied for shop/web, repository does not exist or may require 'docker \
         login': denied: requested access to the resource is denied",
        Cause::ImageUnauthorized,
    );
    of(
        "Get https://registry.example/v2/: net/http: request canceled while waiting for \
         connection (Client.Timeout exceeded while awaiting headers)",
        Cause::ImageTimeout,
    );
    of(
        "Get https://1.dkr.ecr.example/v2/shop/web/manifests/1: no basic auth credentials",
        Cause::ImageUnauthorized,
    );
    of("Get https://registry.example/v2/: EOF", Cause::ImageTimeout);
}

#[test]
fn images_by_the_kubelet_itself() {
    let cause = |reason: &str, message: &str| {
        expect(
            &pulling("web:1", reason, message),
            Condition::ImagePullBackOff,
        )
        .cause()
    };
    let invalid = "Failed to apply default image tag \"Web:1\": couldn't parse image name \
                   \"Web:1\": invalid reference format: repository name must be lowercase";
    assert_eq!(
        cause("InvalidImageName", invalid),
        Some(Cause::ImageNameInvalid)
    );
    assert_eq!(
        cause("ErrImagePull", "pull QPS exceeded"),
        Some(Cause::ImageRateLimited)
    );
    let never = "Container image \"web:1\" is not present with pull policy of Never";
    assert_eq!(
        cause("ErrImageNeverPull", never),
        Some(Cause::ImageNotFound)
    );
    assert_eq!(
        cause("RegistryUnavailable", "rpc error"),
        Some(Cause::ImageTimeout)
    );
    assert_eq!(
        cause("SignatureValidationFailed", "image is not found"),
        None
    );
    // Kubelets before 1.32 keep the cause to themselves.
    assert_eq!(
        cause("ImagePullBackOff", "Back-off pulling image \"web:1\""),
        None
    );
}

#[test]
fn the_name_of_an_image_is_no_cause() {
    for image in [
        "denied:timeout",
        "registry.example/not-found/unauthorized:forbidden",
        "toomanyrequests",
    ] {
        for message in [
            format!("Back-off pulling image \"{image}\""),
            format!("failed to unpack image {image}: no space left on device"),
            format!("{image}, {image}."),
        ] {
            let verdict = expect(
                &pulling(image, "ImagePullBackOff", &message),
                Condition::ImagePullBackOff,
            );
            assert_eq!(verdict.cause(), None, "{message}");
        }
    }
}

#[test]
fn the_cause_is_of_the_container_that_is_surer() {
    let waits = |name: &str, reason: &str, message: &str| {
        app(json!({"name": name, "ready": false,
            "state": {"waiting": {"reason": reason, "message": message}}}))
    };
    let mut both = pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        running_status(
            false,
            json!([
                waits("a", "ErrImagePull", "x: i/o timeout"),
                waits("b", "ImagePullBackOff", "x: manifest unknown")
            ]),
        ),
    );
    both["status"]["phase"] = json!("Pending");
    let verdict = expect(&both, Condition::ImagePullBackOff);
    assert_eq!(verdict.cause(), Some(Cause::ImageNotFound));
    assert!(
        verdict
            .to_string()
            .starts_with("ImagePullBackOff, ImageNotFound (high confidence): container b "),
        "{verdict}"
    );
}

fn refused(message: &str) -> Value {
    let mut pod = pod(
        json!({"nodeName": ""}),
        json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": message, "lastTransitionTime": ago(HOUR)
        }]}),
    );
    pod["metadata"]["creationTimestamp"] = json!(ago(HOUR));
    pod
}

#[test]
fn scheduling() {
    use Cause::{Affinity, InsufficientResources, Quota, UntoleratedTaint, Volume};
    for (message, expected) in [
        (
            "0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint \
             {dedicated: gpu}. preemption: 0/5 nodes are available: 2 Preemption is not helpful \
             for scheduling, 3 No preemption victims found for incoming pod.",
            InsufficientResources,
        ),
        // Many nodes are for others, the two that are not are full.
        (
            "0/17 nodes are available: 1 node(s) had untolerated taint \
             {node-role.kubernetes.io/ci-builds-worker: ci-builds-worker}, 2 Insufficient memory, \
             2 node(s) didn't match Pod's node affinity/selector, 12 node(s) had untolerated \
             taint {node-role.kubernetes.io/infra: }.",
            InsufficientResources,
        ),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: }. preemption: 0/1 \
             nodes are available: 1 Preemption is not helpful for scheduling..",
            UntoleratedTaint,
        ),
        // A taint may be called anything.
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {volume: quota affinity}.",
            UntoleratedTaint,
        ),
        (
            "0/3 nodes are available: 3 node(s) had taint {node-role.kubernetes.io/master: }, that \
             the pod didn't tolerate.",
            UntoleratedTaint,
        ),
        (
            "0/2 nodes are available: 2 node(s) were unschedulable.",
            UntoleratedTaint,
        ),
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint \
             {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node \
             affinity/selector.",
            Affinity,
        ),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod \
             anti-affinity rules.",
            Affinity,
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
            Affinity,
        ),
        (
            "0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that \
             the pod didn't tolerate, 2 node(s) had volume node affinity conflict.",
            Volume,
        ),
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. \
             preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            Volume,
        ),
        (
            "0/4 nodes are available: persistentvolumeclaim \"data\" not found.",
            Volume,
        ),
        (
            "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) exceed max volume count.",
            Volume,
        ),
        (
            "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded",
            Volume,
        ),
        (
            "0/2 nodes are available: 2 Too many pods.",
            InsufficientResources,
        ),
        (
            "0/2 nodes are available: 1 Insufficient ephemeral-storage, 1 Insufficient \
             nvidia.com/gpu.",
            InsufficientResources,
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.",
            InsufficientResources,
        ),
        ("no nodes available to schedule pods", InsufficientResources),
        ("queue resource quota insufficient", Quota),
    ] {
        let verdict = expect(&refused(message), Condition::Unschedulable);
        assert_eq!(verdict.cause(), Some(expected), "{message}");
    }
    for message in [
        "",
        "0/3 nodes are available: 3 node(s) are purple.",
        "0/99999999999 nodes are available: 99999999999 cats, , 4294967295",
    ] {
        assert_eq!(
            expect(&refused(message), Condition::Unschedulable).cause(),
            None
        );
    }
    let many = "0/3 nodes are available: 4294967295 Insufficient cpu, 4294967295 Insufficient cpu";
    let verdict = expect(&refused(many), Condition::Unschedulable);
    assert_eq!(verdict.cause(), Some(InsufficientResources));
}

/// In back-off after a run of so many seconds, `restarts` times in the two hours of the pod.
fn looping(restarts: u32, length: i64) -> Value {
    running(app(json!({
        "ready": false, "restartCount": restarts, "state": waiting("CrashLoopBackOff"),
        "lastState": ended(1, "Error", 30, length)
    })))
}

#[test]
fn a_loop_is_flapping_or_steady() {
    let cause = |pod: &Value| expect(pod, Condition::CrashLoopBackOff).cause();
    assert_eq!(cause(&looping(25, 3)), Some(Cause::SteadyFailure));
    assert_eq!(cause(&looping(12, 59)), Some(Cause::SteadyFailure));
    assert_eq!(cause(&looping(25, 60)), Some(Cause::Flapping));
    // Three restarts in two hours: a back-off is five minutes at most, so it ran well in between.
    assert_eq!(cause(&looping(3, 3)), Some(Cause::Flapping));
    // ... unless most of these hours went to an init container.
    let mut late = looping(3, 3);
    let initialized = json!({"type": "Initialized", "status": "True",
        "lastTransitionTime": ago(5 * MINUTE)});
    let conditions = late["status"]["conditions"].as_array_mut().unwrap();
    conditions.push(initialized);
    assert_eq!(cause(&late), Some(Cause::SteadyFailure));
    // Nothing is known of how long it ran.
    let mut bare = looping(25, 3);
    bare["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 1}});
    assert_eq!(cause(&bare), None);
    bare["status"]["containerStatuses"][0]["lastState"] = json!({});
    assert_eq!(cause(&bare), None);
}

#[test]
fn the_first_back_off_is_less_sure_than_a_loop() {
    let confidence =
        |restarts: u32| expect(&looping(restarts, 3), Condition::CrashLoopBackOff).confidence();
    assert_eq!(
        [confidence(1), confidence(2), confidence(3)],
        [Confidence::Medium, Confidence::Medium, Confidence::High]
    );
}

#[test]
fn a_loop_says_what_is_left_of_the_pod() {
    let mut pod = pod(
        json!({"containers": [{"name": "app"}, {"name": "b"}, {"name": "c"}]}),
        running_status(
            false,
            json!([
                looping(9, 3)["status"]["containerStatuses"][0],
                app(json!({"name": "b"})),
                app(json!({"name": "c"}))
            ]),
        ),
    );
    let verdict = expect(&pod, Condition::CrashLoopBackOff);
    assert!(
        verdict.summary().ends_with("; 2 other containers run"),
        "{verdict}"
    );
    pod["status"]["containerStatuses"][1]["state"] = waiting("ContainerCreating");
    let verdict = expect(&pod, Condition::CrashLoopBackOff);
    assert!(
        verdict.summary().ends_with("; 1 other container runs"),
        "{verdict}"
    );
}

#[test]
fn out_of_memory_once_or_again_and_again() {
    let cause = |change: Value| expect(&running(app(change)), Condition::OomKilled).cause();
    let oom = |end: i64, length: i64| ended(137, "OOMKilled", end, length);
    let back = |restarts: u32, length: i64| {
        cause(json!({"restartCount": restarts, "lastState": oom(5 * MINUTE, length)}))
    };
    assert_eq!(back(1, HOUR), Some(Cause::OomOnce));
    assert_eq!(back(1, 30), Some(Cause::OomOnce));
    assert_eq!(back(2, 30), Some(Cause::OomRepeated));
    // The restart before may have been for anything.
    assert_eq!(back(2, HOUR), Some(Cause::OomOnce));
    // Both known ends.
    assert_eq!(
        cause(
            json!({"ready": false, "restartCount": 1, "state": oom(5, HOUR),
            "lastState": oom(HOUR + 5, HOUR)})
        ),
        Some(Cause::OomRepeated)
    );
    assert_eq!(
        cause(json!({"ready": false, "state": oom(5, HOUR)})),
        Some(Cause::OomOnce)
    );
}
