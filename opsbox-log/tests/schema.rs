//! The JSON Schemas take what the library takes, the examples of its pages first.
#![cfg(all(feature = "schema", feature = "mask", feature = "pipeline"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and write what is committed"
)]

use std::collections::{BTreeMap, BTreeSet};

use opsbox_log::{
    config::Language,
    mask::{Policy, policy_schema},
    pipeline::{PipelineConfig, pipeline_schema},
};
use serde_json::{Value, json};

/// To write them anew: `OPSBOX_WRITE_SCHEMA=1 cargo test -p opsbox-log --all-features --test schema`.
#[test]
fn the_committed_schemas_are_current() {
    for (name, schema) in [("policy", policy_schema()), ("pipeline", pipeline_schema())] {
        let path = format!("{}/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("OPSBOX_WRITE_SCHEMA").is_some() {
            std::fs::write(&path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(committed, schema, "write it anew, as the comment says");
    }
}

/// The first example in TOML of a page.
fn example(source: &str) -> String {
    let lines = source.lines().map(str::trim_start);
    let lines = lines.filter_map(|line| line.strip_prefix("///"));
    let lines = lines.skip_while(|line| *line != " ```toml").skip(1);
    let lines = lines.take_while(|line| *line != " ```");
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn is_policy(text: &str) -> bool {
    Policy::parse("a.toml", text, Language::Toml).is_ok()
}

fn is_pipeline(text: &str) -> bool {
    PipelineConfig::parse("a.toml", text, Language::Toml, &BTreeMap::new()).is_ok()
}

/// The example has each setting, and both take it.
fn takes_example(schema: &Value, is_read: impl Fn(&str) -> bool, page: &str) {
    let text = example(page);
    let written: Value = toml::from_str(&text).unwrap();
    let names = |value: &Value| {
        let names = value.as_object().unwrap().keys().cloned();
        names.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&written), names(&schema["properties"]));
    assert!(is_read(&text), "{text}");
    assert_eq!(fault(schema, schema, &written), None);
}

#[test]
fn the_schemas_say_what_the_library_says() {
    let policy: Value = serde_json::from_str(&policy_schema()).unwrap();
    let pipeline: Value = serde_json::from_str(&pipeline_schema()).unwrap();
    let page = include_str!("../src/mask/read.rs");
    takes_example(&policy, is_policy, page);
    let page = include_str!("../src/pipeline/config/mod.rs");
    takes_example(&pipeline, is_pipeline, page);
    for text in [
        "detectors = [\"email\", \"emial\"]",
        "detector = [\"email\"]",
        "default_action = \"partail\"",
        "default_action = \"keep_last\"",
        "default_action = { action = \"keep_last\", chars = 256 }",
        "default_action = { action = \"partial\", text = \"x\" }",
        "default_action = { action = \"salted_sha256\" }",
        "[actions]\nPII_EMAIL = 7",
        "[actions]\npii_email = \"drop\"",
        "[fields]\nname = \"name\"",
        "[[patterns]]\nname = \"a\"\npattern = \"a\"",
        "ignore = \"level\"",
        "[[patterns]]\nname = \"a\"\npattern = \"a\"\ntag = \"A\"\nlevel = 1",
    ] {
        let written: Value = toml::from_str(text).unwrap();
        assert!(
            !is_policy(text) && fault(&policy, &policy, &written).is_some(),
            "{text}"
        );
    }
    for text in [
        "",
        "default_action = { action = \"redact\" }",
        "default_action = { action = \"redact\", text = \"\" }",
        "[actions]\nPII_EMAIL = { action = \"drop\" }",
    ] {
        let written: Value = toml::from_str(text).unwrap();
        assert!(is_policy(text), "{text}");
        assert_eq!(fault(&policy, &policy, &written), None, "{text}");
    }
    for text in [
        "thread = 1",
        "threads = -1",
        "[input]\npreset = 1",
        "[input]\noverlong = \"cut\"",
        "[enrich]\nhost = 7",
        "[enrich]\ntenant = { default = \"a\" }",
        "[mask]\nkeys = { kms = { key = \"a\" } }",
        "[output]\nformat = \"json\"",
        "[output.cef]\ncolumns = { severety = \"level\" }",
        "[output.cef]\nseverities = { panic = 256 }",
    ] {
        let written: Value = toml::from_str(text).unwrap();
        assert!(
            !is_pipeline(text) && fault(&pipeline, &pipeline, &written).is_some(),
            "{text}"
        );
    }
    for text in [
        "",
        "[enrich]\nhost = true",
        "[mask]",
        "[input]\npreset = \"app\"",
    ] {
        let written: Value = toml::from_str(text).unwrap();
        assert!(is_pipeline(text), "{text}");
        assert_eq!(fault(&pipeline, &pipeline, &written), None, "{text}");
    }
}

/// What of a value a schema does not take. Of JSON Schema it knows the words that these schemas have, and no other.
fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = match schema {
        Value::Bool(true) => return None,
        Value::Bool(false) => return Some(format!("{value} is not wanted")),
        schema => schema.as_object().unwrap(),
    };
    let said = |word: &str| Some(format!("{word} of {value}"));
    let ok = |schema: &Value| fault(root, schema, value).is_none();
    let object = value.as_object();
    for (word, wanted) in schema {
        let all = || wanted.as_array().unwrap().iter();
        let is_fine = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            "$ref" => {
                let place = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                ok(root.pointer(place).unwrap())
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|it| is_of(it, value)),
                one => is_of(one, value),
            },
            "enum" => all().any(|it| it == value),
            "const" => wanted == value,
            "oneOf" => all().filter(|it| ok(it)).count() == 1,
            "anyOf" => all().any(ok),
            "minimum" => value
                .as_f64()
                .is_none_or(|it| it >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|it| it <= wanted.as_f64().unwrap()),
            "pattern" => {
                // That of a tag alone.
                assert_eq!(wanted, "^[A-Z][A-Z0-9_]{0,63}$");
                value
                    .as_str()
                    .is_none_or(|it| it.parse::<opsbox_log::mask::Tag>().is_ok())
            }
            "required" => {
                object.is_none_or(|it| all().all(|key| it.contains_key(key.as_str().unwrap())))
            }
            "items" => {
                let faults = value.as_array().into_iter().flatten();
                let mut faults = faults.filter_map(|it| fault(root, wanted, it));
                if let Some(fault) = faults.next() {
                    return Some(fault);
                }
                true
            }
            "propertyNames" => object.is_none_or(|it| {
                it.keys()
                    .all(|key| fault(root, wanted, &json!(key)).is_none())
            }),
            "properties" => {
                let known = object.into_iter().flatten();
                let mut faults = known.filter_map(|(key, it)| fault(root, wanted.get(key)?, it));
                if let Some(fault) = faults.next() {
                    return Some(fault);
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                let others = object.into_iter().flatten();
                let others =
                    others.filter(|(key, _)| known.is_none_or(|it| it.get(*key).is_none()));
                let mut faults = others.filter_map(|(_, it)| fault(root, wanted, it));
                if let Some(fault) = faults.next() {
                    return Some(fault);
                }
                true
            }
            word => panic!("{word} is a word of JSON Schema that this test does not know"),
        };
        if !is_fine {
            return said(word);
        }
    }
    None
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        name => panic!("{name} is no type"),
    }
}
