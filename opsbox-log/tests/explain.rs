//! What formats say of themselves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::Format;

#[track_caller]
fn explains(pattern: &str, lines: &[&str]) {
    let text = pattern.parse::<Format>().unwrap().explain();
    let found: Vec<_> = text.lines().filter(|it| it.starts_with(' ')).collect();
    assert_eq!(found, lines, "{text}");
}

#[test]
fn each_part_has_a_line() {
    explains(
        r"(?P<day>\d{4}-\d{2}) \[(?P<level>WARN|WARNING)\] (?P<id>[a-f]{2,})(?: (?P<n>\d)| -)?:(?P<rest>.*)",
        &[
            r#"  "day": \d{4}-\d{2}"#,
            r#"  " [""#,
            r#"  "level": one of 2 alternatives, by the next bytes"#,
            r#"  "] ""#,
            r#"  "id": [a-f] 2 times or more, up to [ :]"#,
            "  at most once, if the next bytes allow it:",
            "    the first of these that the next bytes allow:",
            "      alternative 1:",
            r#"        " ""#,
            r#"        "n": \d"#,
            r#"      alternative 2: " -""#,
            r#"  ":""#,
            r#"  "rest": the rest of the line"#,
        ],
    );
    explains(
        r#"^"(?P<quoted>(?:[^"\\]|\\.)*)" (?P<few>\w*?), (?P<word>\b[^,]+)\.$"#,
        &[
            r#"  "\"""#,
            r#"  "quoted": [^"\\], or "\\" and ., up to "\"""#,
            r#"  "\" ""#,
            r#"  "few": \w any number of times, up to the first ", ""#,
            r#"  ", ""#,
            r#"  "word": a boundary of a word, then [^,] once or more, up to "." at the end of the line"#,
            r#"  ".""#,
        ],
    );
    explains(
        "%{a}, %{+a} [%{b}]",
        &[
            r#"  "a": anything, up to the first ", ", then ", ", then anything, up to the first " [""#,
            r#"  " [""#,
            r#"  "b": anything, up to "]" at the end of the line"#,
            r#"  "]""#,
        ],
    );
}

#[test]
fn the_engines_are_named_in_their_order() {
    for (format, engines) in [
        ("combined", &["the delimiters of a line", "a plan of "][..]),
        ("app", &["operations on blocks of 64 bytes", "a plan of "]),
        (r"(?P<a>.*)=(?P<b>.*)", &["a plan of "]),
        (r"(?P<a>(?u:\w)+)", &["the regular expression finds"]),
    ] {
        let text = format.parse::<Format>().unwrap().explain();
        let found: Vec<_> = text.lines().filter(|it| !it.starts_with(' ')).collect();
        assert_eq!(found.len(), engines.len(), "{text}");
        for (line, engine) in found.iter().zip(engines) {
            assert!(line.starts_with(engine), "{text}");
        }
    }
}

#[test]
fn a_greedy_run_in_the_middle_has_advice() {
    explains(
        r"(?P<a>.*)\|(?P<b>.*)",
        &[
            r#"  "a": anything, as far as "|" can follow (it goes to the last one: where that is wrong, the regular expression has to go back; if this part has no "|", write [^|]*)"#,
            r#"  "|""#,
            r#"  "b": the rest of the line"#,
        ],
    );
}

#[test]
fn without_a_plan_the_part_in_the_way_is_named() {
    explains(
        r"(?P<a>(?:x|y?)*)z",
        &[
            "  there is no plan, which would be many times as fast, because of a repetition of something \
             that may be empty: (?:x|y?)*",
            "  to have one, make the inner part take a byte at least: `+` for `*`, or no `?` on all of its \
             parts",
        ],
    );
    for (pattern, part, advice) in [
        (
            r"(?P<a>(?u:\w)+)",
            "a class of Unicode characters: [",
            "leave (?u) out",
        ),
        (
            r"(?P<a>a(?u:\b).*)",
            r"an assertion that is not about bytes: \b",
            "leave (?u) and (?R) out",
        ),
        (
            r"(?P<a>(?:ab)*?)c",
            "a lazy repetition of a group: (?:ab)*?",
            "[^x]*",
        ),
    ] {
        let text = Format::pattern(pattern).unwrap().explain();
        assert!(
            text.starts_with("the regular expression finds the columns of every line\n"),
            "{text}"
        );
        assert!(text.contains(part) && text.contains(advice), "{text}");
    }
}

#[test]
fn presets_name_each_column() {
    for preset in Format::presets() {
        let Ok(format) = preset.format() else {
            continue;
        };
        // The columns of JSON are its keys; records of several lines have no plan.
        if format.regex().is_none() || format.multiline().is_some() {
            continue;
        }
        let text = format.explain();
        for field in format.fields() {
            let line = format!("{:?}:", field.name());
            assert!(
                text.lines().any(|it| it.trim_start().starts_with(&line)),
                "{}: {text}",
                preset.name()
            );
        }
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest < 230, "{longest}");
    }
}
