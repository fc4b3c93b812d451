//! Pipelines from files and variables.

use std::collections::BTreeMap;

use opsbox_log::{config::Language, pipeline::PipelineConfig};

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(toml: &str, pairs: &[(&str, &str)]) -> Result<PipelineConfig, Error> {
    PipelineConfig::parse("p.toml", toml, Language::Toml, &variables(pairs))
}

fn said(toml: &str, pairs: &[(&str, &str)]) -> String {
    match read(toml, pairs).and_then(|config| config.build(None)) {
        Ok(pipeline) => panic!("{pipeline:?}"),
        Err(error) => {
            assert!(!error.is_retryable());
            error.to_string()
        }
    }
}

#[cfg(all(feature = "enrich", feature = "mask", feature = "json"))]
#[test]
fn all_languages_say_the_same() {
    let toml = concat!(
        "threads = 2\nkeep_unmatched = \"message\"\n[input]\npreset = \"app\"\nbatch_bytes = 4096\n",
        "[clean]\ncolumns = [\"message\"]\n[mask]\n[enrich]\nhost = \"db-1\"\n",
        "labels = { \"service.name\" = \"shop\", UPPER = \"Case\" }\nenvironment = { APP_ENV = \"env\" }\n",
        "tenant = { field = \"org\", default = \"shared\" }\n[output]\nnested = true\n",
    );
    let yaml = concat!(
        "threads: 2\nkeep_unmatched: message\ninput: {preset: app, batch_bytes: 4096}\nclean: {columns: [message]}\n",
        "mask: {}\nenrich:\n  host: db-1\n  labels: {service.name: shop, UPPER: Case}\n  environment: {APP_ENV: env}\n",
        "  tenant: {field: org, default: shared}\noutput: {nested: true}\n",
    );
    let json = concat!(
        r#"{"threads":2,"keep_unmatched":"message","input":{"preset":"app","batch_bytes":4096},"clean":{"columns":["message"]},"#,
        r#""mask":{},"enrich":{"host":"db-1","labels":{"service.name":"shop","UPPER":"Case"},"environment":{"APP_ENV":"env"},"#,
        r#""tenant":{"field":"org","default":"shared"}},"output":{"nested":true}}"#,
    );
    let log = "2026-01-02 03:04:05 [INFO] paid {\"by\":\"a@example.com\"}\nfor b@example.com\n";
    // A variable that changes nothing, so that the layers are joined.
    for joined in [false, true] {
        let mut pairs = vec![("APP_ENV", "prod"), ("OPSBOX_LOG_KERNEL", "avx2")];
        if joined {
            pairs.push(("OPSBOX_LOG__OUTPUT__NULLS", "false"));
        }
        for (text, language) in [
            (toml, Language::Toml),
            (yaml, Language::Yaml),
            (json, Language::Json),
        ] {
            let config = PipelineConfig::parse("p", text, language, &variables(&pairs)).unwrap();
            let mut out = Vec::new();
            let report = config
                .build(None)
                .unwrap()
                .run(log.as_bytes(), &mut out)
                .unwrap();
            check(&report, log.as_bytes());
            let names: Vec<_> = report.stages().iter().map(|stage| stage.name()).collect();
            assert_eq!(names, ["clean", "mask", "enrich"]);
            let out = String::from_utf8(out).unwrap();
            assert!(
                !out.contains("a@example.com") && !out.contains("b@example.com"),
                "{out}"
            );
            let lines: Vec<serde_json::Value> = out
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines.len(), 2, "{out}");
            for line in lines {
                assert_eq!(line["service"]["name"], "shop");
                assert_eq!(
                    (&line["UPPER"], &line["env"]),
                    (&"Case".into(), &"prod".into())
                );
                assert_eq!(
                    (&line["host"]["name"], &line["tenant"]),
                    (&"db-1".into(), &"shared".into())
                );
            }
        }
    }
}

#[test]
fn variables_go_first() {
    let toml = "[input]\npreset = \"app\"\nselect = [\"level\"]\n[output]\nformat = \"ndjson\"\n";
    let pairs = [
        ("OPSBOX_LOG__INPUT__SELECT", "level,message"),
        ("OPSBOX_LOG__OUTPUT__FORMAT", "logfmt"),
        ("OPSBOX_LOG__THREADS", "3"),
    ];
    let mut pipeline = read(toml, &pairs).unwrap().build(None).unwrap();
    assert!(format!("{pipeline:?}").contains("threads: 3"));
    let mut out = Vec::new();
    pipeline.run(log(1).as_bytes(), &mut out).unwrap();
    assert_eq!(out, b"level=INFO message=\"message 0\"\n");
    // Without a file, too.
    let config = read("", &[("OPSBOX_LOG__INPUT__PRESET", "logfmt")]).unwrap();
    assert!(config.has_format() && config.build(None).is_ok());
}

#[cfg(all(feature = "enrich", feature = "json"))]
#[test]
fn variables_are_as_they_are_written() {
    let toml = "[input]\npreset = \"logfmt\"\n[clean]\ncolumns = [\"a\"]\n";
    let values = [
        ("VERSION", "1.10"),
        ("BUILD", "007"),
        ("FLAG", "TRUE"),
        ("LIST", "a,b"),
        ("EXPONENT", "1e3"),
    ];
    let names = values.map(|(name, _)| format!("OPSBOX_LOG__ENRICH__LABELS__{name}"));
    let labels = names
        .iter()
        .zip(values)
        .map(|(name, (_, value))| (&**name, value));
    let mut pairs: Vec<_> = labels.collect();
    pairs.extend([
        ("OPSBOX_LOG__THREADS", "2"),
        ("OPSBOX_LOG__KEEP_UNMATCHED", "10.0"),
        ("OPSBOX_LOG__INPUT__SELECT", "a,007"),
        ("OPSBOX_LOG__CLEAN__COLUMNS", "1.0"),
        ("OPSBOX_LOG__CLEAN__REPAIR", "false"),
        ("OPSBOX_LOG__ENRICH__HOST", "007"),
        ("OPSBOX_LOG__OUTPUT__INFER", "true"),
        ("OPSBOX_LOG__OUTPUT__CEF__SEVERITIES__PANIC", "10"),
    ]);
    let config = read(toml, &pairs).unwrap();
    let settings = format!("{config:?}");
    for expected in [
        "threads: Some(2)",
        "keep_unmatched: Some(\"10.0\")",
        "select: Some([\"a\", \"007\"])",
        "columns: [\"1.0\"]",
        "repair: Some(false)",
        "host: Some(Name(\"007\"))",
        "infer: true",
        "severities: {\"panic\": 10}",
    ] {
        assert!(settings.contains(expected), "{expected}: {settings}");
    }
    let pairs: Vec<_> = pairs.drain(..values.len()).collect();
    let mut out = Vec::new();
    let mut pipeline = read(toml, &pairs).unwrap().build(None).unwrap();
    pipeline.run(&b"a=b\n"[..], &mut out).unwrap();
    let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for (name, value) in values {
        assert_eq!(row[name.to_lowercase()], value);
    }
    let host = read(toml, &[("OPSBOX_LOG__ENRICH__HOST", "True")]).unwrap();
    assert!(format!("{host:?}").contains("host: Some(System(true))"));
}

#[cfg(feature = "jmespath")]
#[test]
fn what_was_cleaned_is_extracted_from() {
    let toml = concat!(
        "[input]\npreset = \"app\"\n[clean]\ncolumns = [\"message\"]\njson_column = \"doc\"\n",
        "[extract]\nsource = \"doc\"\ncolumns = { user = \"user.id\" }\n",
    );
    let log = "2026-01-02 03:04:05 [INFO] paid {\"user\":{\"id\":\"u1\"}}\n";
    let mut out = Vec::new();
    let mut pipeline = read(toml, &[]).unwrap().build(None).unwrap();
    let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
    let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&row["user"], row.get("user.id")), (&"u1".into(), None));
    assert_eq!(report.stages()[1].counts().get("found"), 1);

    let two = toml.replace("[\"message\"]", "[\"message\", \"level\"]");
    let said = said(&two, &[]);
    assert!(
        said.contains("p.toml: line 5 column 1: clean.json_column: "),
        "{said}"
    );
}

#[test]
fn the_program_may_say_the_format() {
    let config = read("[output]\nnested = true\n", &[]).unwrap();
    assert!(!config.has_format());
    assert!(
        config
            .build(Some(&Format::preset("logfmt").unwrap()))
            .is_ok()
    );
    assert_eq!(
        said("", &[]),
        "configuration p.toml: input: one of preset, pattern, grok and dissect says what the lines look like"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (toml, expected) in [
        (
            "[input]\npreset = 1\n",
            "p.toml: line 2 column 10: input.preset: ",
        ),
        (
            "[input]\nformt = \"app\"\n",
            "p.toml: line 2 column 1: input.formt: unknown field `formt`",
        ),
        ("[output\n", "p.toml: line 1 column "),
        (
            "[output]\ninvalid_utf8 = \"kep\"\n",
            "p.toml: line 2 column 16: output.invalid_utf8: unknown variant `kep`",
        ),
        (
            "[input]\npreset = \"app\"\n[output]\ninvalid_utf8 = \"keep\"\n",
            "p.toml: line 4 column 1: output.invalid_utf8: JSON is UTF-8",
        ),
        (
            "[input]\npreset = \"app\"\ngrok = \"%{WORD:a}\"\n",
            "p.toml: line 1 column 2: input: only one of",
        ),
    ] {
        let said = said(toml, &[]);
        assert!(
            said.starts_with(&format!("configuration {expected}")),
            "{said}"
        );
    }
    assert!(said("[input]\npreset = \"ap\"\n", &[]).contains("did you mean"));
    assert!(said("[input]\npattern = \"(\"\n", &[]).starts_with("pattern, byte 0"));
    let of = |name: &str, value: &str| said("[input]\npreset = \"app\"\n", &[(name, value)]);
    let said = of("OPSBOX_LOG__THREADS", "many");
    assert!(
        said.starts_with("configuration: threads: ") && said.contains("OPSBOX_LOG__"),
        "{said}"
    );
    let said = of("OPSBOX_LOG__OUTPUT__FORMT", "x");
    assert!(
        said.contains("formt") && said.contains("OPSBOX_LOG__"),
        "{said}"
    );
    let read = PipelineConfig::read("/nonexistent/p.toml", &BTreeMap::new()).unwrap_err();
    assert_eq!(read.kind(), ErrorKind::InvalidConfig);
    let read = PipelineConfig::read("p.ini", &BTreeMap::new())
        .unwrap_err()
        .to_string();
    assert!(read.contains("p.ini") && read.contains(".toml"), "{read}");
}

/// A folder with keys in files, and a policy that needs them.
#[cfg(feature = "mask")]
fn with_keys() -> tempfile::TempDir {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use opsbox_log::mask::{KeyRing, LocalKeyFile};

    let folder = tempfile::tempdir().unwrap();
    let file = LocalKeyFile::create(folder.path().join("master.key")).unwrap();
    let mut ring = KeyRing::create(folder.path().join("data.keys"), "acme").unwrap();
    let rotated = pin!(ring.rotate(&file)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(rotated, Poll::Ready(Ok(1))));
    let policy = "[actions]\nPII_EMAIL = \"encrypt\"\n";
    let mut out = std::fs::File::create(folder.path().join("mask.toml")).unwrap();
    out.write_all(policy.as_bytes()).unwrap();
    folder
}

#[cfg(feature = "mask")]
#[test]
fn keys_are_named_in_the_file() {
    use opsbox_log::mask::{KeyRing, LocalKeyFile};

    let folder = with_keys();
    let path = folder.path().join("p.toml");
    let head = "[input]\npreset = \"logfmt\"\n[mask]\npolicy = \"mask.toml\"\n";
    let keys = "[mask.keys]\nring = \"data.keys\"\nkey_file = \"master.key\"\n";
    let parse = |text: &str, pairs: &[(&str, &str)]| {
        PipelineConfig::parse(&path, text, Language::Toml, &variables(pairs)).unwrap()
    };
    let by_variables = [
        ("OPSBOX_LOG__MASK__KEYS__RING", "data.keys"),
        ("OPSBOX_LOG__MASK__KEYS__KEY_FILE", "master.key"),
    ];
    let file = LocalKeyFile::open(folder.path().join("master.key")).unwrap();
    let ring = KeyRing::open(folder.path().join("data.keys")).unwrap();
    let waker = std::task::Waker::noop();
    let unwrapped = std::pin::pin!(ring.keys(&file));
    let std::task::Poll::Ready(Ok(held)) =
        unwrapped.poll(&mut std::task::Context::from_waker(waker))
    else {
        panic!("a file waits for nothing");
    };
    let held = Arc::new(held);
    let text = format!("{head}{keys}");
    let pipelines = [
        parse(&text, &[]).build(None),
        parse(head, &by_variables).build(None),
        parse(head, &[]).build_with_keys(None, Arc::clone(&held)),
    ];
    for pipeline in pipelines {
        let mut pipeline = pipeline.unwrap();
        let mut out = Vec::new();
        pipeline.run(&b"a=x@example.com\n"[..], &mut out).unwrap();
        let token = String::from_utf8(out.clone()).unwrap();
        assert!(token.contains("[enc1:PII_EMAIL:1:"), "{token}");
        assert!(!token.contains("example"), "{token}");
        let (plain, count) = held.decrypt_text(&out);
        assert_eq!(
            String::from_utf8_lossy(&plain),
            "{\"a\":\"x@example.com\"}\n"
        );
        assert_eq!(count.decrypted, 1);
        assert!(!format!("{pipeline:?}").contains("canary"));
    }
}

#[cfg(feature = "mask")]
#[test]
fn wrong_keys_are_said_with_their_place() {
    let folder = with_keys();
    let path = folder.path().join("p.toml");
    let head = "[input]\npreset = \"logfmt\"\n[mask]\npolicy = \"mask.toml\"\n";
    for (keys, place, message) in [
        ("", "line 4 column 1: mask.policy: ", "mask.keys.ring"),
        (
            "[mask.keys]\nkey_file = \"master.key\"\n",
            "line 5 column 7: mask.keys: ",
            "ring names the file",
        ),
        (
            "[mask.keys]\nring = \"data.keys\"\n",
            "line 5 column 7: mask.keys: ",
            "key_file or kms",
        ),
        (
            "[mask.keys]\nring = \"data.keys\"\nkey_file = \"master.key\"\nkms = { key_id = \"a\" }\n",
            "line 5 column 7: mask.keys: ",
            "only one of",
        ),
        (
            "[mask.keys]\nring = \"none\"\nkey_file = \"master.key\"\n",
            "line 6 column 1: mask.keys.ring: ",
            "none",
        ),
        (
            "[mask.keys]\nring = \"data.keys\"\n# key_file = 1\nkey_file = \"data.keys\"\n",
            "line 8 column 1: mask.keys.key_file: ",
            "opsbox-key-file 1",
        ),
    ] {
        let text = format!("{head}{keys}");
        let config = PipelineConfig::parse(&path, &text, Language::Toml, &variables(&[])).unwrap();
        let error = config.build(None).unwrap_err();
        let said = error.to_string();
        let expected = format!("configuration {}: {place}", path.display());
        assert!(
            said.starts_with(&expected) && said.contains(message),
            "{said}"
        );
        assert!(!error.is_retryable());
        let of_key = matches!(message, "none" | "opsbox-key-file 1");
        let kind = if of_key {
            ErrorKind::Key
        } else {
            ErrorKind::InvalidConfig
        };
        assert_eq!(error.kind(), kind, "{said}");
    }
    // A key itself is no setting.
    let text = format!("{head}[mask.keys]\nkey = \"AAAA\"\n");
    let error = PipelineConfig::parse(&path, &text, Language::Toml, &variables(&[]));
    let said = error.unwrap_err().to_string();
    assert!(
        said.contains("line 6 column 1: mask.keys.key: unknown field"),
        "{said}"
    );
    // In other languages the place is found, too.
    for (text, language, place) in [
        (
            "mask:\n  policy: mask.toml\n  keys:\n    ring: none\n    key_file: k\ninput:\n  preset: app\n",
            Language::Yaml,
            "line 4 column 5: mask.keys.ring: ",
        ),
        (
            "{\"input\":{\"preset\":\"app\"},\n\"mask\":{\"keys\":{\"ring\":\"none\",\"key_file\":\"k\"}}}",
            Language::Json,
            "line 2 column 18: mask.keys.ring: ",
        ),
    ] {
        let config = PipelineConfig::parse(&path, text, language, &variables(&[])).unwrap();
        let said = config.build(None).unwrap_err().to_string();
        assert!(said.contains(place), "{said}");
    }
}

#[cfg(feature = "enrich")]
#[test]
fn variables_are_no_secret_told() {
    let config = read(
        "[input]\npreset = \"app\"\n[enrich]\nci = true\n",
        &[("TOKEN", "canary")],
    )
    .unwrap();
    let pipeline = config.build(None).unwrap();
    assert!(!format!("{config:?} {pipeline:?}").contains("canary"));
    let bad = said(
        "[input]\npreset = \"app\"\n[enrich]\ntrace_environment = true\n",
        &[("TRACEPARENT", "canary")],
    );
    assert!(bad.contains("55 bytes") && !bad.contains("canary"), "{bad}");
    let bad = said(
        "[input]\npreset = \"app\"\n[enrich]\nkubernetes_path = \"/tmp/a.log\"\n",
        &[],
    );
    assert!(bad.contains("enrich.kubernetes_path"), "{bad}");
}
