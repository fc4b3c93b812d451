//! Input that cannot be read, and the message a person then gets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::data;
use opsbox_heal::{Error, ErrorKind, PodSnapshot};

fn refused(bytes: &[u8]) -> Error {
    PodSnapshot::from_slice(bytes).unwrap_err()
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, message: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.to_string(), message);
    assert!(!error.is_retryable());
}

fn in_file(content: &[u8]) -> (tempfile::NamedTempFile, Error) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, content).unwrap();
    let error = PodSnapshot::from_path(file.path()).unwrap_err();
    assert_eq!(error.path(), Some(file.path()));
    (file, error)
}

#[test]
fn empty_file() {
    let (file, error) = in_file(b"");
    let message = format!(
        "cannot read pods from {}: it is empty: did the command that should have written it fail?",
        file.path().display()
    );
    says(&error, ErrorKind::Empty, &message);
    assert_eq!(refused(b"\xEF\xBB\xBF \n\t\r\n").kind(), ErrorKind::Empty);
}

#[test]
fn directory() {
    let folder = tempfile::tempdir().unwrap();
    let error = PodSnapshot::from_path(folder.path()).unwrap_err();
    let message = format!(
        "cannot read pods from {}: it is a directory: name one file, as saved with `kubectl get \
         pods -A -o json`",
        folder.path().display()
    );
    says(&error, ErrorKind::Directory, &message);
}

#[test]
fn no_such_file() {
    let error = PodSnapshot::from_path("/nowhere/pods.json").unwrap_err();
    says(
        &error,
        ErrorKind::Io,
        "cannot read pods from /nowhere/pods.json: no such file",
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn binary_file() {
    let (file, error) = in_file(b"\x7fELF\x02\x01\x01\x00\x00\x00");
    let message = format!(
        "cannot read pods from {}: it is not text but binary data (byte 7): save a pod list with \
         `kubectl get pods -A -o json`",
        file.path().display()
    );
    says(&error, ErrorKind::Binary, &message);
    let gzip = refused(b"\x1f\x8b\x08\x00");
    says(
        &gzip,
        ErrorKind::Binary,
        "it is compressed by gzip: unpack it first",
    );
    let utf16 = refused(b"\xff\xfe{\x00");
    let message = "it is UTF-16, as `>` of PowerShell writes it: save it as UTF-8";
    says(&utf16, ErrorKind::Binary, message);
}

#[test]
fn not_json() {
    let error = refused(br#"{"kind": "PodList", "items": [oops]}"#);
    let message = "items[0]: line 1 column 31 (byte 30): not JSON: expected value";
    says(&error, ErrorKind::Syntax, message);
}

#[test]
fn a_deployment() {
    let message = "expected a PodList, a List or a Pod but found a Deployment: save one with \
                   `kubectl get pods -A -o json`";
    let json = br#"{"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 2}}"#;
    says(&refused(json), ErrorKind::WrongKind, message);
    // Keys in an order in which the kind comes too late, and a status that is none of a pod.
    let json = br#"{"status": {"conditions": 3}, "kind": "Deployment"}"#;
    says(&refused(json), ErrorKind::WrongKind, message);
}

#[test]
fn what_is_no_pod_on_a_real_server() {
    let one = PodSnapshot::from_path(data("replica-set.json")).unwrap_err();
    assert_eq!(one.kind(), ErrorKind::WrongKind);
    assert!(
        one.to_string()
            .contains("but found a ReplicaSet: save one with"),
        "{one}"
    );
    let list = PodSnapshot::from_path(data("replica-sets.json")).unwrap_err();
    assert_eq!(list.kind(), ErrorKind::WrongKind);
    assert!(
        list.to_string().contains("no pod among the 2 objects"),
        "{list}"
    );
}

#[test]
fn the_api_servers_refusal() {
    let json = br#"{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "pods is forbidden: User \"ci\" cannot list resource \"pods\""}"#;
    let message = "expected a PodList, a List or a Pod but found a Status saying \"pods is \
                   forbidden: User \\\"ci\\\" cannot list resource \\\"pods\\\"\": save one with \
                   `kubectl get pods -A -o json`";
    says(&refused(json), ErrorKind::WrongKind, message);
}

#[test]
fn json_that_is_no_object() {
    let message = "expected a PodList, a List or a Pod but found a bare list: save one with \
                   `kubectl get pods -A -o json`";
    says(&refused(b"[]"), ErrorKind::WrongKind, message);
    for (json, what) in [
        ("3", "a number"),
        ("-3", "a number"),
        ("0.5", "a number"),
        ("true", "a boolean"),
        ("null", "null"),
        ("\"pods\"", "plain text"),
        ("{}", "an object that has no kind"),
    ] {
        let error = PodSnapshot::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongKind, "{json}");
        assert!(
            error.to_string().contains(&format!("but found {what}: ")),
            "{error}"
        );
    }
}

#[test]
fn cut_in_the_middle() {
    let mut whole = std::fs::read_to_string(data("pods.json")).unwrap();
    whole.truncate(whole.find("Node node-b which was").unwrap());
    let (file, error) = in_file(whole.as_bytes());
    assert_eq!(error.item_index(), Some(9));
    assert_eq!(error.namespace(), Some("edge"));
    assert_eq!(error.name(), Some("gateway-lost"));
    let message = format!(
        "cannot read pods from {}: items[9] (edge/gateway-lost): line 1932 column 28 (byte 87122): \
         the JSON ends in the middle: the file was cut, save it again",
        file.path().display()
    );
    says(&error, ErrorKind::Truncated, &message);
}

#[test]
fn a_field_of_another_type() {
    let json = br#"{"kind": "PodList", "items": [
        {"metadata": {"name": "b", "namespace": "shop"},
         "status": {"containerStatuses": [{"name": "app", "restartCount": "many"}]}}]}"#;
    let error = refused(json);
    says(
        &error,
        ErrorKind::InvalidField,
        "items[0] (shop/b): line 3 column 80 (byte 167): invalid type: string \"many\", expected \
         i64",
    );
    assert_eq!(
        (error.line(), error.column(), error.byte_offset()),
        (Some(3), Some(80), Some(167))
    );
    let json = br#"{"kind": "Pod", "metadata": {"name": "a", "creationTimestamp": "noon"}}"#;
    says(
        &refused(json),
        ErrorKind::InvalidField,
        "line 1 column 69 (byte 68): \"noon\" is not a time as in 2026-01-02T03:04:05Z",
    );
    let json = br#"{"kind": "PodList", "items": [{"spec": {}}]}"#;
    says(
        &refused(json),
        ErrorKind::InvalidField,
        "items[0]: line 1 column 42 (byte 41): metadata.name is missing: not a pod as the API \
         server writes it",
    );
}

#[test]
fn deep_nesting_is_no_danger() {
    let json = format!(
        r#"{{"kind": "Pod", "spec": {}"#,
        r#"{"a":["#.repeat(100_000)
    );
    assert_eq!(refused(json.as_bytes()).kind(), ErrorKind::Truncated);
    let yaml = format!("kind: Pod\nspec: {}", "[".repeat(100_000));
    assert!(PodSnapshot::from_yaml(yaml.as_bytes()).is_err());
}

#[cfg(not(feature = "yaml"))]
#[test]
fn yaml_is_not_compiled_in() {
    let message = "the input is not JSON, and YAML is not compiled in: save it with `kubectl get \
                   pods -A -o json`, or enable the feature `yaml` of opsbox-heal";
    says(
        &refused(b"kind: PodList\nitems: []\n"),
        ErrorKind::YamlDisabled,
        message,
    );
}

#[cfg(feature = "yaml")]
mod yaml {
    use super::*;

    #[test]
    fn plain_text() {
        let message = "expected a PodList, a List or a Pod but found plain text: save one with \
                       `kubectl get pods -A -o json`";
        says(
            &refused(b"No resources found\n"),
            ErrorKind::WrongKind,
            message,
        );
    }

    #[test]
    fn not_yaml() {
        let error = refused(b"kind: PodList\nitems:\n- metadata: {name: a\n  spec: x: y\n");
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        assert!(error.to_string().contains("not YAML: "), "{error}");
        assert_eq!(error.line(), Some(4));
        assert_eq!(error.byte_offset(), Some(48), "{error}");
    }

    #[test]
    fn a_deployment() {
        let yaml = b"apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: 2\nstatus: []\n";
        let message = "expected a PodList, a List or a Pod but found a Deployment: save one with \
                       `kubectl get pods -A -o json`";
        says(&refused(yaml), ErrorKind::WrongKind, message);
    }

    #[test]
    fn cut_at_the_end_of_a_line_is_still_yaml_but_noticed() {
        let whole = std::fs::read_to_string(data("pods.yaml")).unwrap();
        let end = whole[..60_000].rfind("\n- ").unwrap() + 1;
        let error = refused(&whole.as_bytes()[..end]);
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
        // In the middle of an item, after its name.
        let end = whole.find("Node node-b which was").unwrap();
        says(
            &refused(&whole.as_bytes()[..end]),
            ErrorKind::Truncated,
            "items[9] (edge/gateway-lost): the YAML ends in the middle: the file was cut, save it \
             again",
        );
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = std::fs::read(data("pod.yaml")).unwrap();
        let mut list = b"apiVersion: v1\nitems:".to_vec();
        for (number, line) in whole.split(|byte| *byte == b'\n').enumerate() {
            list.extend_from_slice(if number == 0 { b"\n- " } else { b"\n  " });
            list.extend_from_slice(line);
        }
        list.push(b'\n');
        let without_kind = list.len();
        list.extend_from_slice(b"kind: List\n");
        assert!(PodSnapshot::from_yaml(&list).is_ok());
        for end in (0..without_kind).step_by(7) {
            assert!(
                PodSnapshot::from_yaml(&list[..end]).is_err(),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = String::from("kind: PodList\na: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            let row = [alias.as_str(); 9].join(", ");
            bomb.push_str(&format!("b{level}: &a{level} [{row}]\n"));
        }
        let error = refused(bomb.as_bytes());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }

    /// A pod whose unused field expands to `9 ^ levels` texts.
    fn alias_pod(levels: usize) -> String {
        let mut pod =
            String::from("kind: Pod\nmetadata: {name: a}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..levels {
            let row = [format!("*a{}", level - 1).as_str(); 9].join(", ");
            pod.push_str(&format!("a{level}: &a{level} [{row}]\n"));
        }
        pod
    }

    #[test]
    fn small_alias_bombs_do_not_add_up_over_a_stream() {
        // One expands to 30,000 nodes and may.
        let one = alias_pod(4);
        assert_eq!(
            PodSnapshot::from_yaml(one.as_bytes()).unwrap().pods().len(),
            1
        );
        // A thousand of them would be 30 million.
        let error = refused([one.as_str(); 1_000].join("---\n").as_bytes());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }

    #[test]
    fn honest_aliases_in_every_document_are_read() {
        let one = "kind: Pod\nmetadata: {name: &name a, labels: {app: *name}}\nspec:\n  containers:\n  \
                   - name: *name\n    livenessProbe: &probe {exec: {command: [a, b]}}\n    \
                   readinessProbe: *probe\n";
        let stream = vec![one; 2_000].join("---\n");
        let snapshot = PodSnapshot::from_yaml(stream.as_bytes()).unwrap();
        assert_eq!(
            (snapshot.pods().len(), snapshot.problem_count()),
            (2_000, 0)
        );
        assert!(snapshot.pods()[1_999].containers()[0].probes().readiness());
    }

    #[test]
    fn an_error_in_a_stream_is_not_put_on_the_pod_before() {
        let stream = b"kind: Pod\nmetadata: {name: a}\n---\nkind: Pod\nstatus: 3\n";
        let snapshot = PodSnapshot::from_slice(stream).unwrap();
        assert_eq!(snapshot.pods().len(), 1);
        let problem = &snapshot.problems()[0];
        assert_eq!((problem.index(), problem.name()), (1, None));
        assert_eq!((problem.line(), problem.column()), (Some(5), Some(9)));
        assert_eq!(
            problem.to_string(),
            "document 1: line 5 column 9: expected mapping start"
        );
    }

    #[test]
    fn errors_in_a_stream_name_the_line_of_the_whole() {
        let yaml = "kind: Service\nmetadata:\n  name: a\n---\nkind: Pod\nmetadata:\n  name: b\n  \
                    creationTimestamp: noon\n";
        let error = refused(yaml.as_bytes());
        assert_eq!(error.kind(), ErrorKind::InvalidField, "{error}");
        assert_eq!(error.line(), Some(8), "{error}");
        assert_eq!(
            error.byte_offset(),
            Some(yaml.find("noon").unwrap() as u64),
            "{error}"
        );
    }
}
