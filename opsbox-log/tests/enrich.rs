//! Context as columns: what is added, what stays, and what is refused.
#![cfg(feature = "enrich")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use opsbox_log::{
    Batch, ColumnBuilder, ErrorKind, Field, Format, Parser,
    enrich::{
        CI_FIELDS, CiSystem, Enrich, Environment, Filled, Generated, Kubernetes, TraceContext,
        TraceparentProblem, system_host_name,
    },
    limits::MAX_COLUMNS,
};
use proptest::prelude::*;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

fn logfmt(log: &str) -> Batch<&str> {
    Parser::new(Format::preset("logfmt").unwrap()).parse(log)
}

fn get<'b>(batch: &'b Batch<&str>, row: usize, field: &str) -> Option<&'b str> {
    let value = batch.record(row).unwrap().get(field)?;
    Some(std::str::from_utf8(value).unwrap())
}

fn counts(filled: Filled) -> (u64, u64, u64) {
    (filled.filled(), filled.kept(), filled.absent())
}

#[test]
fn what_a_record_has_stays_unless_told_otherwise() {
    let log = "env=dev a=1\na=2\nenv=\"\" a=3\n";
    let enrich = Enrich::new().label("env", "prod").label("env", "live");
    let mut batch = logfmt(log);
    let report = enrich.apply(&mut batch).unwrap();
    let values: Vec<_> = (0..3).map(|row| get(&batch, row, "env")).collect();
    assert_eq!(values, [Some("dev"), Some("live"), Some("live")]);
    let fields: Vec<_> = report
        .fields()
        .map(|(name, it)| (name, counts(it)))
        .collect();
    assert_eq!(fields, [("env", (2, 1, 0))]);
    // The order of the columns, and the others, stay as they are.
    let names: Vec<_> = batch.fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["env", "a"]);

    let mut batch = logfmt(log);
    let report = enrich.overwrite(true).apply(&mut batch).unwrap();
    assert!((0..3).all(|row| get(&batch, row, "env") == Some("live")));
    assert_eq!(counts(report.fields().next().unwrap().1), (3, 0, 0));
}

#[test]
fn a_value_for_all_rows_is_kept_once() {
    let log = "a=1\n".repeat(10_000);
    let mut batch = logfmt(&log);
    let enrich = Enrich::new().label("b", "x".repeat(100)).host("db-1");
    enrich.apply(&mut batch).unwrap();
    assert_eq!(batch.arena().len(), 104);
    assert_eq!(get(&batch, 9_999, "host.name"), Some("db-1"));
    // Among rows with values of their own, too.
    let log = "a=1\na=1 b=own\n".repeat(5_000);
    let mut batch = logfmt(&log);
    enrich.apply(&mut batch).unwrap();
    assert_eq!(batch.arena().len(), 104);
    assert_eq!(get(&batch, 9_999, "b"), Some("own"));
    assert_eq!(get(&batch, 9_998, "b").map(str::len), Some(100));
}

#[test]
fn types_of_fields_that_there_are_stay() {
    let format = Format::pattern(r"(?P<code>\d*) (?P<rest>.*)").unwrap();
    let format = format
        .with_type("code", opsbox_log::types::Type::Integer)
        .unwrap();
    let mut batch = Parser::new(format).parse("5 a\n a\n");
    Enrich::new().label("code", "0").apply(&mut batch).unwrap();
    let codes = batch.column("code").unwrap().typed().unwrap();
    assert_eq!(codes.as_i64(), Some(&[5, 0][..]));
}

#[test]
fn labels_that_no_column_can_have_are_refused() {
    let error = Enrich::new()
        .label("", "x")
        .apply(&mut logfmt("a=1\n"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidColumn);
}

#[test]
fn a_batch_without_room_for_a_field_says_so() {
    let mut batch = logfmt("a=1\na=2\n");
    let same = |value: &[u8]| {
        let mut values = ColumnBuilder::new();
        values.push_same(0..2, value);
        values
    };
    let columns = (1..MAX_COLUMNS - 1).map(|at| (Field::new(&format!("c{at}")), same(b"x")));
    batch.set_columns(columns).unwrap();
    let enrich = Enrich::new()
        .label("a", "kept")
        .label("b", "1")
        .label("c", "2")
        .tenant("c1", None);
    let mut report = enrich.apply(&mut batch).unwrap();
    assert_eq!(batch.fields().len(), MAX_COLUMNS);
    assert_eq!(get(&batch, 1, "b"), Some("1"));
    assert_eq!(report.columns_refused(), 2);
    let fields: Vec<_> = report.fields().map(|(name, _)| name).collect();
    assert_eq!(fields, ["a", "b"]);
    // What is there is filled, and what another batch refused is added.
    report.merge(&enrich.apply(&mut batch).unwrap());
    assert_eq!((report.rows(), report.columns_refused()), (4, 4));
}

#[test]
fn traces_come_from_a_field() {
    let log = format!(
        "tp={TRACE}\ntp=00-xyz\na=1\ntp={OTHER} trace_id={TRACE_ID}\ntp={TRACE} trace_id={TRACE_ID} span_id=1111111111111111\n\
         tp={TRACE} span_id=2222222222222222\ntp=-\n"
    );
    let mut batch = logfmt(&log);
    let report = Enrich::new()
        .traceparent_field("tp")
        .apply(&mut batch)
        .unwrap();
    let row = |row| ["trace_id", "span_id", "trace_flags"].map(|field| get(&batch, row, field));
    assert_eq!(
        row(0),
        [Some(TRACE_ID), Some("b7ad6b7169203331"), Some("01")]
    );
    assert_eq!(row(1), [None; 3]);
    assert_eq!(row(2), [None; 3]);
    // Of another trace: its span is not this record's.
    assert_eq!(row(3), [Some(TRACE_ID), None, None]);
    // Of the same: what is not there is added.
    assert_eq!(
        row(4),
        [Some(TRACE_ID), Some("1111111111111111"), Some("01")]
    );
    assert_eq!(
        row(5),
        [Some(TRACE_ID), Some("2222222222222222"), Some("01")]
    );
    assert_eq!(row(6), [None; 3]);
    assert_eq!(
        report.refused().collect::<Vec<_>>(),
        [(TraceparentProblem::Length, 1)]
    );
    for (name, filled) in report.fields() {
        let (a, b, c) = counts(filled);
        assert_eq!(a + b + c, report.rows(), "{name}");
    }
    // The values are those of the line: nothing was copied.
    assert_eq!(batch.arena(), b"");

    let mut batch = logfmt(&log);
    Enrich::new()
        .traceparent_field("tp")
        .overwrite(true)
        .apply(&mut batch)
        .unwrap();
    assert_eq!(
        get(&batch, 3, "trace_id"),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    assert_eq!(get(&batch, 5, "span_id"), Some("b7ad6b7169203331"));
}

#[test]
fn traces_come_from_the_environment() {
    let environment = Environment::from_iter([("TRACEPARENT", TRACE)]);
    let log = format!("a=1\ntp={OTHER}\n");
    let mut batch = logfmt(&log);
    let enrich = Enrich::new()
        .trace_of(&environment)
        .unwrap()
        .traceparent_field("tp");
    enrich.apply(&mut batch).unwrap();
    assert_eq!(get(&batch, 0, "trace_id"), Some(TRACE_ID));
    assert_eq!(
        get(&batch, 1, "trace_id"),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    let environment = Environment::from_iter([("TRACEPARENT", "nonsense")]);
    assert_eq!(
        Enrich::new().trace_of(&environment).unwrap_err(),
        TraceparentProblem::Length
    );
    let enrich = Enrich::new().trace_of(&Environment::default()).unwrap();
    assert_eq!(enrich.fields().count(), 0);
}

#[test]
fn traceparent_by_the_specification() {
    let rest = TRACE.strip_prefix("00").unwrap();
    for (text, problem) in [
        (format!("ff{rest}"), TraceparentProblem::Version),
        (format!("0g{rest}"), TraceparentProblem::Malformed),
        (format!("00{rest}-"), TraceparentProblem::Length),
        (format!("00{rest}-01"), TraceparentProblem::Length),
        (format!("01{rest}01"), TraceparentProblem::Malformed),
        (TRACE.replace("af", "AF"), TraceparentProblem::Malformed),
        (TRACE.replace('-', "_"), TraceparentProblem::Malformed),
        (TRACE.replace("01", "0"), TraceparentProblem::Length),
        (
            TRACE.replace("b7ad6b7169203331", "0000000000000000"),
            TraceparentProblem::ZeroSpanId,
        ),
        (format!(" {TRACE}"), TraceparentProblem::Malformed),
        (String::new(), TraceparentProblem::Length),
    ] {
        assert_eq!(text.parse::<TraceContext>(), Err(problem), "{text}");
    }
    // Later versions are read as far as they are known.
    for text in [
        format!("01{rest}"),
        format!("cc{rest}-what-the-future-will-be-like"),
        format!("cc{rest}-"),
    ] {
        let context: TraceContext = text.parse().unwrap();
        assert_eq!(context.trace_id(), TRACE_ID);
        assert!(context.is_sampled());
    }
    let names: Vec<_> = TraceparentProblem::ALL
        .map(TraceparentProblem::as_str)
        .into();
    assert_eq!(
        names,
        [
            "length",
            "malformed",
            "version",
            "zero_trace_id",
            "zero_span_id"
        ]
    );
}

#[test]
fn trace_ids_are_generated_where_there_is_none() {
    let log = format!("tp={TRACE}\na=1\na=2\ntrace_id=own\n");
    let mut batch = logfmt(&log);
    let enrich = Enrich::new()
        .generate_trace_ids(Generated::EachRow)
        .traceparent_field("tp");
    enrich.apply(&mut batch).unwrap();
    let ids: Vec<_> = (0..4)
        .map(|row| get(&batch, row, "trace_id").unwrap().to_owned())
        .collect();
    assert_eq!((&*ids[0], &*ids[3]), (TRACE_ID, "own"));
    assert_ne!(ids[1], ids[2]);
    for id in &ids[1..3] {
        let parent = format!("00-{id}-b7ad6b7169203331-00");
        assert!(parent.parse::<TraceContext>().is_ok(), "{id}");
    }
    assert_eq!(get(&batch, 1, "span_id"), None);

    let once = Enrich::new().generate_trace_ids(Generated::Once);
    assert_eq!(once.fields().collect::<Vec<_>>(), ["trace_id"]);
    let ids: Vec<_> = (0..2)
        .map(|_| {
            let mut batch = logfmt("a=1\na=2\n");
            once.apply(&mut batch).unwrap();
            assert_eq!(get(&batch, 0, "trace_id"), get(&batch, 1, "trace_id"));
            assert_eq!(batch.fields().len(), 2);
            get(&batch, 0, "trace_id").unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids[0], ids[1]);

    // A source that fails, or gives what is no id.
    for broken in [false, true] {
        let enrich = Enrich::new().generate_trace_ids_with(Generated::EachRow, move |_| broken);
        let mut batch = logfmt("a=1\n");
        let report = enrich.apply(&mut batch).unwrap();
        assert_eq!(counts(report.fields().next().unwrap().1), (0, 0, 1));
    }
}

#[test]
fn tenants_have_a_default() {
    let log = "org=acme\na=1\norg=\"\"\norg=acme tenant=other\n";
    let mut batch = logfmt(log);
    Enrich::new()
        .tenant("org", Some("shared"))
        .apply(&mut batch)
        .unwrap();
    let tenants: Vec<_> = (0..4).map(|row| get(&batch, row, "tenant")).collect();
    assert_eq!(
        tenants,
        [Some("acme"), Some("shared"), Some("shared"), Some("other")]
    );
    let mut batch = logfmt(log);
    let report = Enrich::new()
        .tenant("tenant", None)
        .apply(&mut batch)
        .unwrap();
    assert_eq!(counts(report.fields().next().unwrap().1), (0, 1, 3));
}

#[test]
fn reports_add_up_over_batches() {
    let enrich = Enrich::new().label("b", "x").traceparent_field("tp");
    let mut total = enrich.apply(&mut logfmt("a=1\ntp=x\n")).unwrap();
    total.merge(&enrich.apply(&mut logfmt("b=1 tp=00-\n")).unwrap());
    assert_eq!(
        total,
        enrich
            .apply(&mut logfmt("a=1\ntp=x\nb=1 tp=00-\n"))
            .unwrap()
    );
    assert_eq!(total.refused().map(|(_, count)| count).sum::<u64>(), 2);
}

#[test]
fn containers_from_paths() {
    const UID: &str = "0b5f6e0e-6f2b-4c4e-9f57-6a2c8f0d3b11";
    let id = "0123456789abcdef".repeat(4);
    let pods = |file: &str| format!("/var/log/pods/kube-system_etcd-a.b_{UID}/etcd/{file}");
    for path in [
        pods("0.log"),
        pods("0.log.20260517-100503"),
        pods("0.log.20260517-100503.gz"),
        pods("0.log.1"),
    ] {
        let found = Kubernetes::from_path(&path).unwrap();
        assert_eq!(
            (found.namespace(), found.pod(), found.container()),
            ("kube-system", "etcd-a.b", "etcd")
        );
        assert_eq!(
            (found.pod_uid(), found.restart_count(), found.container_id()),
            (Some(UID), Some(0), None)
        );
    }
    let link = format!("/var/log/containers/cart-7d4b9_shop_side-car-{id}.log");
    let found = Kubernetes::from_path(&link).unwrap();
    assert_eq!(
        (found.namespace(), found.pod(), found.container()),
        ("shop", "cart-7d4b9", "side-car")
    );
    assert_eq!(found.container_id(), Some(&*id));

    for path in [
        "",
        "/",
        "0.log",
        "app/0.log",
        "/var/log/syslog",
        "/var/log/pods/shop_cart/app/0.log",
        "/var/log/pods/shop_cart_a_b/app/0.log",
        "/var/log/pods/shop_cart_0b5f/app/x.log",
        "/var/log/pods/Shop_cart_0b5f/app/0.log",
        "/var/log/pods/shop_cart_0b5f/app/0.logs",
        "/var/log/pods/shop_-cart_0b5f/app/0.log",
        "/var/log/pods/shop_ca..rt_0b5f/app/0.log",
        "/var/log/pods/shop_cart_xyz/app/0.log",
        "/var/log/containers/cart_shop_app-0123.log",
    ] {
        assert_eq!(Kubernetes::from_path(path), None, "{path}");
    }
    let name = format!("/k8s_POD_cart_shop_{UID}_3");
    assert_eq!(
        Kubernetes::from_cri_name(&name),
        None,
        "the sandbox is in upper case, and logs nothing"
    );
    let name = format!("k8s_app_cart_shop_{UID}_3");
    assert_eq!(
        Kubernetes::from_cri_name(&name).unwrap().restart_count(),
        Some(3)
    );
    assert_eq!(Kubernetes::from_cri_name(&format!("{name}_4")), None);

    let mut batch = logfmt("a=1\n");
    Enrich::new()
        .kubernetes(&Kubernetes::from_path(pods("2.log")).unwrap())
        .apply(&mut batch)
        .unwrap();
    let count = batch.column("k8s.container.restart_count").unwrap();
    assert_eq!(count.typed().unwrap().as_i64(), Some(&[2][..]));
    assert_eq!(get(&batch, 0, "k8s.pod.uid"), Some(UID));
    assert!(batch.column("container.id").is_none());
}

fn ci(variables: &[(&str, &str)]) -> (CiSystem, BTreeMap<&'static str, String>) {
    let environment = Environment::from_iter(variables.iter().copied());
    let system = CiSystem::detect(&environment).unwrap();
    (system, system.fields(&environment).collect())
}

fn check(fields: &BTreeMap<&'static str, String>, expected: &[(&str, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert!(fields.iter().all(|(name, _)| CI_FIELDS.contains(name)));
}

#[test]
fn runs_of_github_actions() {
    let common = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKFLOW", "Build"),
        ("GITHUB_RUN_ID", "9753949763"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_REPOSITORY_OWNER", "acme"),
        ("GITHUB_SHA", "9d59409"),
        ("GITHUB_JOB", "test"),
        ("RUNNER_NAME", "runner-1"),
        ("GITHUB_TOKEN", "ghs_secret"),
    ];
    let branch = [
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_REF_TYPE", "branch"),
        ("GITHUB_HEAD_REF", ""),
    ];
    let (system, fields) = ci(&[&common[..], &branch].concat());
    assert_eq!(system, CiSystem::GitHubActions);
    let expected = [
        ("cicd.pipeline.name", "Build"),
        ("cicd.pipeline.run.id", "9753949763"),
        (
            "cicd.pipeline.run.url.full",
            "https://github.com/acme/shop/actions/runs/9753949763",
        ),
        ("cicd.pipeline.task.name", "test"),
        ("cicd.worker.name", "runner-1"),
        ("vcs.ref.head.revision", "9d59409"),
        ("vcs.repository.url.full", "https://github.com/acme/shop"),
        ("vcs.repository.name", "shop"),
        ("vcs.owner.name", "acme"),
        ("vcs.provider.name", "github"),
    ];
    let head = [
        ("vcs.ref.head.name", "main"),
        ("vcs.ref.head.type", "branch"),
    ];
    check(&fields, &[&expected[..], &head].concat());

    let pull = [
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_REF_NAME", "7/merge"),
        ("GITHUB_REF_TYPE", "branch"),
        ("GITHUB_HEAD_REF", "feature"),
        ("GITHUB_BASE_REF", "main"),
    ];
    let head = [
        ("vcs.ref.head.name", "feature"),
        ("vcs.ref.head.type", "branch"),
        ("vcs.ref.base.name", "main"),
        ("vcs.change.id", "7"),
    ];
    check(
        &ci(&[&common[..], &pull].concat()).1,
        &[&expected[..], &head].concat(),
    );

    let tag = [
        ("GITHUB_REF", "refs/tags/v1"),
        ("GITHUB_REF_NAME", "v1"),
        ("GITHUB_REF_TYPE", "tag"),
    ];
    let head = [("vcs.ref.head.name", "v1"), ("vcs.ref.head.type", "tag")];
    check(
        &ci(&[&common[..], &tag].concat()).1,
        &[&expected[..], &head].concat(),
    );
}

#[test]
fn runs_of_the_others() {
    let (system, fields) = ci(&[
        ("GITLAB_CI", "true"),
        ("CI_PIPELINE_ID", "12"),
        (
            "CI_PIPELINE_URL",
            "https://gitlab.example.com/acme/shop/-/pipelines/12",
        ),
        ("CI_JOB_NAME", "lint"),
        ("CI_JOB_ID", "34"),
        ("CI_COMMIT_REF_NAME", "feature"),
        ("CI_COMMIT_SHA", "abc"),
        ("CI_MERGE_REQUEST_IID", "5"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "feature"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_PROJECT_URL", "https://gitlab.example.com/acme/shop"),
        (
            "CI_REPOSITORY_URL",
            "https://gitlab-ci-token:secret@gitlab.example.com/acme/shop.git",
        ),
        ("CI_PROJECT_NAME", "shop"),
        ("CI_PROJECT_NAMESPACE", "acme"),
        ("CI_RUNNER_ID", "9"),
    ]);
    assert_eq!(system, CiSystem::GitLab);
    check(
        &fields,
        &[
            ("cicd.pipeline.run.id", "12"),
            (
                "cicd.pipeline.run.url.full",
                "https://gitlab.example.com/acme/shop/-/pipelines/12",
            ),
            ("cicd.pipeline.task.name", "lint"),
            ("cicd.pipeline.task.run.id", "34"),
            ("cicd.worker.id", "9"),
            ("vcs.ref.head.name", "feature"),
            ("vcs.ref.head.type", "branch"),
            ("vcs.ref.head.revision", "abc"),
            ("vcs.ref.base.name", "main"),
            ("vcs.change.id", "5"),
            ("vcs.provider.name", "gitlab"),
            (
                "vcs.repository.url.full",
                "https://gitlab.example.com/acme/shop",
            ),
            ("vcs.repository.name", "shop"),
            ("vcs.owner.name", "acme"),
        ],
    );

    let (system, fields) = ci(&[
        ("JENKINS_URL", "https://ci.example.com/"),
        ("JOB_NAME", "shop/main"),
        ("BUILD_NUMBER", "8"),
        ("BUILD_URL", "https://ci.example.com/job/shop/8/"),
        ("NODE_NAME", "agent-1"),
        ("GIT_BRANCH", "origin/main"),
        ("GIT_COMMIT", "abc"),
        (
            "GIT_URL",
            "https://bot:secret@git.example.com/shop.git?private_token=x",
        ),
    ]);
    assert_eq!(system, CiSystem::Jenkins);
    check(
        &fields,
        &[
            ("cicd.pipeline.name", "shop/main"),
            ("cicd.pipeline.run.id", "8"),
            (
                "cicd.pipeline.run.url.full",
                "https://ci.example.com/job/shop/8/",
            ),
            ("cicd.worker.name", "agent-1"),
            ("vcs.ref.head.name", "main"),
            ("vcs.ref.head.type", "branch"),
            ("vcs.ref.head.revision", "abc"),
            (
                "vcs.repository.url.full",
                "https://git.example.com/shop.git",
            ),
        ],
    );

    let (system, fields) = ci(&[
        ("CIRCLECI", "true"),
        ("CIRCLE_PIPELINE_ID", "u-1"),
        ("CIRCLE_JOB", "test"),
        ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/shop/3"),
        ("CIRCLE_BUILD_NUM", "3"),
        ("CIRCLE_TAG", "v2"),
        ("CIRCLE_SHA1", "abc"),
        ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/shop.git"),
        ("CIRCLE_PROJECT_REPONAME", "shop"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        (
            "CIRCLE_PULL_REQUEST",
            "https://github.com/acme/shop/pull/77",
        ),
    ]);
    assert_eq!(system, CiSystem::CircleCi);
    check(
        &fields,
        &[
            ("cicd.pipeline.run.id", "u-1"),
            ("cicd.pipeline.task.name", "test"),
            ("cicd.pipeline.task.run.id", "3"),
            (
                "cicd.pipeline.task.run.url.full",
                "https://circleci.com/gh/acme/shop/3",
            ),
            ("vcs.ref.head.name", "v2"),
            ("vcs.ref.head.type", "tag"),
            ("vcs.ref.head.revision", "abc"),
            ("vcs.repository.url.full", "git@github.com:acme/shop.git"),
            ("vcs.repository.name", "shop"),
            ("vcs.owner.name", "acme"),
            ("vcs.change.id", "77"),
        ],
    );

    let (system, fields) = ci(&[
        ("TF_BUILD", "True"),
        ("BUILD_DEFINITIONNAME", "Build"),
        ("BUILD_BUILDID", "5"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
        ("SYSTEM_TEAMPROJECT", "My shop"),
        ("BUILD_SOURCEBRANCH", "refs/heads/main"),
        ("BUILD_SOURCEVERSION", "abc"),
        (
            "BUILD_REPOSITORY_URI",
            "https://acme@dev.azure.com/acme/shop/_git/shop",
        ),
        ("AGENT_NAME", "a"),
        ("SYSTEM_JOBDISPLAYNAME", "Job"),
    ]);
    assert_eq!(system, CiSystem::AzurePipelines);
    check(
        &fields,
        &[
            ("cicd.pipeline.name", "Build"),
            ("cicd.pipeline.run.id", "5"),
            (
                "cicd.pipeline.run.url.full",
                "https://dev.azure.com/acme/My%20shop/_build/results?buildId=5",
            ),
            ("cicd.pipeline.task.name", "Job"),
            ("cicd.worker.name", "a"),
            ("vcs.ref.head.name", "main"),
            ("vcs.ref.head.type", "branch"),
            ("vcs.ref.head.revision", "abc"),
            (
                "vcs.repository.url.full",
                "https://dev.azure.com/acme/shop/_git/shop",
            ),
        ],
    );

    let (system, fields) = ci(&[
        ("BUILDKITE", "true"),
        ("BUILDKITE_PIPELINE_SLUG", "shop"),
        ("BUILDKITE_BUILD_ID", "b"),
        (
            "BUILDKITE_BUILD_URL",
            "https://buildkite.com/acme/shop/builds/1",
        ),
        ("BUILDKITE_JOB_ID", "j"),
        ("BUILDKITE_BRANCH", "main"),
        ("BUILDKITE_COMMIT", "HEAD"),
        ("BUILDKITE_PULL_REQUEST", "false"),
        (
            "BUILDKITE_REPO",
            "https://x-token:secret@github.com/acme/shop.git",
        ),
        ("BUILDKITE_AGENT_NAME", "agent"),
    ]);
    assert_eq!(system, CiSystem::Buildkite);
    check(
        &fields,
        &[
            ("cicd.pipeline.name", "shop"),
            ("cicd.pipeline.run.id", "b"),
            (
                "cicd.pipeline.run.url.full",
                "https://buildkite.com/acme/shop/builds/1",
            ),
            ("cicd.pipeline.task.run.id", "j"),
            (
                "cicd.pipeline.task.run.url.full",
                "https://buildkite.com/acme/shop/builds/1#j",
            ),
            ("cicd.worker.name", "agent"),
            ("vcs.ref.head.name", "main"),
            ("vcs.ref.head.type", "branch"),
            (
                "vcs.repository.url.full",
                "https://github.com/acme/shop.git",
            ),
        ],
    );
}

#[test]
fn no_secret_of_the_environment_is_shown_or_added() {
    let environment = Environment::from_iter([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_TOKEN", "canary"),
        ("GITHUB_REPOSITORY", "a/b"),
        ("GITHUB_SERVER_URL", "https://u:canary@github.example.com"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
        ("NAMED", "value"),
    ]);
    let enrich = Enrich::new()
        .ci(&environment)
        .environment(&environment, [("NAMED", "named"), ("UNSET", "unset")]);
    let mut batch = logfmt("a=1\n");
    let report = enrich.apply(&mut batch).unwrap();
    let shown = format!("{environment:?} {enrich:?} {report:?} {batch:?}");
    assert!(
        !shown.contains("canary") && !String::from_utf8_lossy(batch.arena()).contains("canary")
    );
    assert_eq!(get(&batch, 0, "named"), Some("value"));
    assert!(batch.column("unset").is_none());
}

#[test]
fn the_host_has_a_name() {
    if let Some(name) = system_host_name() {
        assert!(
            !name.is_empty() && !name.contains(char::is_whitespace),
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn traceparent_is_what_it_was_made_of(trace in 1_u128.., span in 1_u64.., flags: u8, version in 0_u8..255) {
        let text = format!("{version:02x}-{trace:032x}-{span:016x}-{flags:02x}");
        let context: TraceContext = text.parse().unwrap();
        prop_assert_eq!(context.trace_id(), format!("{trace:032x}"));
        prop_assert_eq!(context.span_id(), format!("{span:016x}"));
        prop_assert_eq!(context.trace_flags(), format!("{flags:02x}"));
        prop_assert_eq!(context.is_sampled(), flags & 1 == 1);
    }

    #[test]
    fn any_bytes_are_refused_with_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(TraceContext::parse(&bytes).is_err());
    }

    #[test]
    fn any_path_is_read_or_not(path in "(/|[a-z0-9_.-]{1,8}|\\PC){0,8}") {
        if let Some(found) = Kubernetes::from_path(&path) {
            prop_assert!(path.contains(found.pod()) && path.contains(found.namespace()));
        }
    }
}
