//! Every kernel gives what the regular expression gives, over chunks, endings and broken lines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::OnceLock;

use opsbox_log::{Batch, Format, Kernel, Parser, Span};
use proptest::prelude::*;

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        failure_persistence: None,
        ..default
    }
}

/// All that a batch says: where the values of each row are, and the unmatched lines.
#[derive(PartialEq)]
struct Told {
    rows: Vec<(u64, Vec<Option<Span>>)>,
    unmatched: Vec<String>,
}

fn told<B: AsRef<[u8]>>(batch: &Batch<B>) -> Told {
    let fields = batch.fields().len();
    let rows = batch.records().map(|record| {
        let spans = (0..fields).map(|at| record.span_at(at)).collect();
        (record.line_number(), spans)
    });
    let unmatched = batch.unmatched().map(|line| line.to_string());
    Told {
        rows: rows.collect(),
        unmatched: unmatched.collect(),
    }
}

fn same_on_all_kernels(format: &Format, log: &[u8]) {
    let expected = told(&Parser::new(format.clone()).regex_only(true).parse(log));
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
    {
        let found = told(&Parser::new(format.clone()).kernel(kernel).parse(log));
        assert!(
            expected == found,
            "{format:?} on {kernel}: {}",
            String::from_utf8_lossy(log)
        );
    }
}

/// Changes of a line that its delimiters, lengths and quotes do not survive.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    /// A part becomes so long.
    Stretch(prop::sample::Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b" \"\\[]-:,|=\t\r\x00\x7f\x80\xff09aZ".to_vec()),
        1 => any::<u8>().prop_filter("a line has no LF", |&byte| byte != b'\n'),
    ];
    let at = any::<prop::sample::Index>;
    let change = prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        at().prop_map(Change::Remove),
        at().prop_map(Change::Cut),
        (
            at(),
            prop::sample::select(vec![1_usize, 11, 60, 64, 300, 17_000, 66_000])
        )
            .prop_map(|(at, len)| Change::Stretch(at, len)),
    ];
    // Most lines are as they should be.
    prop_oneof![
        6 => Just(Vec::new()),
        2 => prop::collection::vec(change, 1..3),
    ]
}

fn changed(line: &str, changes: &[Change]) -> Vec<u8> {
    let mut line = line.as_bytes().to_vec();
    for change in changes {
        if line.is_empty() {
            break;
        }
        match *change {
            Change::Set(at, byte) => {
                let at = at.index(line.len());
                line[at] = byte;
            }
            Change::Insert(at, byte) => line.insert(at.index(line.len()), byte),
            Change::Remove(at) => {
                line.remove(at.index(line.len()));
            }
            Change::Cut(at) => line.truncate(at.index(line.len())),
            Change::Stretch(at, len) => {
                let at = at.index(line.len());
                let byte = line[at];
                line.splice(at..at, std::iter::repeat_n(byte, len));
            }
        }
    }
    line
}

/// Lines made of an example, with their endings; some logs are longer than a chunk.
fn log(example: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let ending = prop_oneof![8 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\n\n")];
    let line = (
        changes(),
        ending,
        prop_oneof![9 => Just(1_usize), 1 => Just(90)],
    );
    (prop::collection::vec(line, 1..12), any::<bool>()).prop_map(move |(lines, whole)| {
        let mut log = Vec::new();
        for (changes, ending, times) in lines {
            let line = changed(example, &changes);
            let times = if line.len() > 1000 { 1 } else { times };
            for _ in 0..times {
                log.extend_from_slice(&line);
                log.extend_from_slice(ending.as_bytes());
            }
        }
        if !whole {
            log.pop();
        }
        log
    })
}

/// A line has no LF, so what a pattern says of LF is not found at the end of one.
#[test]
fn patterns_with_line_endings_fit_no_two_lines() {
    let patterns = [
        r"(?P<a>\w+)\n(?P<b>.*)",
        r"(?P<a>[^\n]*)\n(?P<b>[^\n]*)",
        r"(?P<a>\w+)\s(?P<b>\w+)",
        r"(?P<a>\w+)[\n;](?P<b>\w+)",
        r"(?P<a>\w+)[\n;]+(?P<b>\w*)",
        r"(?P<a>\w+)(?:\n|;)(?P<b>\w+)",
        r"(?P<a>x)\nb;(?P<b>\w+)",
        r"(?P<a>\w*)\n?;(?P<b>\w+)",
        r"(?P<a>[\w\n]+);(?P<b>[\w\n]+)",
        r"(?P<a>(?s:.)+);(?P<b>(?s:.)+)",
        r"(?P<a>\w+\n)(?P<b>\w*)",
        r"(?P<a>\w+);\n*(?P<b>\w*)",
    ];
    for pattern in patterns {
        let format = Format::pattern(pattern).unwrap();
        for log in ["x\nb;c\n", "ab c\nx;y\n;z\nx\n\nb", "x\r\nb;c\r\n;\n"] {
            // Few lines, and enough for a chunk.
            same_on_all_kernels(&format, log.as_bytes());
            same_on_all_kernels(&format, log.repeat(200).as_bytes());
        }
    }
}

fn pattern_presets() -> Vec<(Format, &'static str)> {
    let presets = Format::presets().iter();
    let formats = presets.filter_map(|preset| Some((preset.format().ok()?, preset.example())));
    formats
        .filter(|(format, _)| format.regex().is_some())
        .collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn presets(
        (format, log) in prop::sample::select(pattern_presets())
            .prop_flat_map(|(format, example)| (Just(format), log(example)))
    ) {
        same_on_all_kernels(&format, &log);
    }

    #[test]
    fn some_columns_of_presets(
        (format, log) in prop::sample::select(pattern_presets())
            .prop_flat_map(|(format, example)| {
                let names: Vec<_> = format.fields().iter().map(|it| it.name().to_owned()).collect();
                let some = prop::sample::subsequence(names.clone(), 1..=names.len()).prop_shuffle();
                (Just(format), some, log(example))
            })
            .prop_map(|(format, names, log)| (format.select(names).unwrap(), log))
    ) {
        same_on_all_kernels(&format, &log);
    }

    /// Parts of one class between delimiters, with and without quotes.
    #[test]
    fn patterns_of_delimited_parts(
        parts in prop::collection::vec(
            (
                prop::sample::select(vec![
                    r"\S+", r"[^ ]*", r"[^,]*?", r"\d+|-", r"\d{3}|-", r"[a-z]+", r".*?", r".+?",
                    r"\w*", r"[A-Z]{2,4}", r"\d\d:\d\d", r"[^\]]*", r"[^|]+", r"(?:a|bb|[0-9]+)?",
                ]),
                prop::sample::select(vec![" ", ",", "|", " [", "] ", ": ", " - ", "\t", "=", "\" \""]),
                any::<bool>(),
            ),
            1..6,
        ),
        last in prop::sample::select(vec![r".*", r"\S*", r"\d+", r"[^ ]+", r"(?:x|yy)?"]),
        texts in prop::collection::vec(
            prop::collection::vec(
                prop::sample::select(vec![
                    "a", "bb", "12", "345", "-", "", "x y", "12:34", "ABC", "é", "a,b", "[", "\\\"", "a|b",
                ]),
                7,
            ),
            1..80,
        ),
    ) {
        let mut pattern = String::new();
        for (index, (part, delimiter, quoted)) in parts.iter().enumerate() {
            let escape = |char| match char {
                '[' | ']' | '|' => format!("\\{char}"),
                _ => String::from(char),
            };
            let delimiter: String = delimiter.chars().map(escape).collect();
            match quoted {
                true => pattern += &format!(r#""(?P<p{index}>(?:[^"\\]|\\.)*)"{delimiter}"#),
                false => pattern += &format!("(?P<p{index}>{part}){delimiter}"),
            }
        }
        pattern += &format!("(?P<last>{last})");
        let format = Format::pattern(&pattern).unwrap();
        let mut log = String::new();
        for texts in &texts {
            for ((_, delimiter, quoted), text) in parts.iter().zip(texts) {
                let quote = if *quoted { "\"" } else { "" };
                log += &format!("{quote}{text}{quote}{delimiter}");
            }
            log += texts.last().unwrap();
            log += "\n";
        }
        same_on_all_kernels(&format, log.as_bytes());
    }

    /// Parts in which spaces may be, though spaces delimit others: in most lines the same number.
    #[test]
    fn parts_with_spaces(
        (pattern, line) in prop::sample::select(vec![
            (r"(?P<a>\S+) \[(?P<b>[^\]]*)\] (?P<c>\S+)", "% [%] %"),
            (r"(?P<a>\S+) \[(?P<b>[^\]]+)\] \[(?P<c>[^\]]*)\] (?P<d>\d+|-)", "% [%] [%] 12"),
            (r#"(?P<a>\S+) \[(?P<b>[^\]]*)\] "(?P<c>[^"]*)" (?P<d>.*)"#, "% [%] \"%\" %"),
            (r"(?P<a>[^|]*)\|(?P<b>[^|]+?)\|(?P<c>[^|]*)\|(?P<d>\S+) (?P<e>\S+)", "%|%|%|% %"),
            (r"(?P<a>[^:]*): <(?P<b>[^>]*)> (?P<c>\S*) (?P<d>\d+)", "%: <%> % 7"),
            (r#"(?P<a>[^ ]*) \[(?P<b>.*?)\] "(?P<c>.*?)" (?P<d>[^ ]*) "(?P<e>.*?)""#, "% [%] \"%\" % \"%\""),
            (r"(?P<a>[^ ]*) (?P<b>.*?): (?P<c>.*?)=(?P<d>.*)", "% [%: %=%"),
            (r#"(?P<a>\S+) "(?P<b>.*)" (?P<c>[^ ]*) "(?P<d>.*)""#, "% \"%\" % \"%\""),
            (r#"(?P<a>.+) "(?P<b>.+)" "?(?P<c>[^"]*"?x?)" (?P<d>.*)"#, "% \"%\" \"%\" %"),
            (r#"(?P<a>.*?) "(?P<b>.+?)" <(?P<c>.+?)> (?P<d>\S*)"#, "% \"%\" <%> %"),
            (r"(?P<a>\S+) (?P<b>\w+[^;]*);(?P<c>[^;]{2,});(?P<d>[^ ]*) (?P<e>x?)", "% %;%;% x"),
        ]),
        usual in prop::sample::select(vec!["x y", "xy", "17/May/2026:10:05:03 +0000", " ", "x "]),
        lines in prop::collection::vec(
            prop::collection::vec(
                prop_oneof![
                    12 => Just(None),
                    1 => prop::sample::select(vec![
                        "", " ", "a", "a b", "a b c", "  ", "\"", "a\" b", "\" \"", "a\" b \"c", "]", "[", "\\", "é é", "|", ";", ">",
                        "12", "\t", "\r", "\x01 ",
                    ]).prop_map(Some),
                ],
                5,
            ),
            1..90,
        ),
    ) {
        let mut log = String::new();
        for texts in &lines {
            let mut texts = texts.iter();
            for char in line.chars() {
                match char {
                    '%' => {
                        let usual = if log.ends_with(['[', '|', '<']) { usual } else { "web-1" };
                        log += texts.next().copied().flatten().unwrap_or(usual);
                    }
                    other => log.push(other),
                }
            }
            log.push('\n');
        }
        same_on_all_kernels(&Format::pattern(pattern).unwrap(), log.as_bytes());
    }

    /// Captures inside of a quoted part, of which most lines take the same way.
    #[test]
    fn parts_of_quoted_parts(
        pattern in prop::sample::select(vec![
            r#"(?:(?P<a>[A-Z][A-Z-]*) (?P<b>(?:[^"\\]|\\.)+?)(?: (?P<c>HTTP/\d(?:\.\d)?))?|(?:[^"\\]|\\.)*)"#,
            r#"(?P<a>[A-Z]+) (?P<b>[^"?\\]*)(?P<c>\?[^"\\ ]*)?(?: .*?)?"#,
            r#"(?P<a>[^"]*?)(?: (?P<b>\d+)(?P<c>ms|s)?)?"#,
            r#"(?P<a>\w{2,7}?) ?(?P<b>(?:[^"\\]|\\.)*)"#,
            r#"(?P<a>(?:[^"\\]|\\.)*) (?P<b>[^" ]{0,70}?)(?P<c>\.\d)?"#,
        ]),
        requests in prop::collection::vec(
            prop::collection::vec(
                prop_oneof![
                    4 => prop::sample::select(vec![
                        "GET", "M-SEARCH", " ", " /", "?a=1", " HTTP/1.1", " HTTP/2", "HTTP/1.", "\\\"",
                        "\\", "12", "ms", "s", ".5", "é", "-",
                    ]).prop_map(String::from),
                    1 => (prop::sample::select(vec!["x", "é", "/a "]), 1_usize..140)
                        .prop_map(|(text, times)| text.repeat(times)),
                ],
                0..7,
            ),
            1..60,
        ),
    ) {
        let format = Format::pattern(&format!(r#"(?P<host>\S+) "{pattern}" (?P<status>\d{{3}})"#));
        let mut log = String::new();
        for request in &requests {
            log += &format!("web-1 \"{}\" 200\n", request.concat());
        }
        same_on_all_kernels(&format.unwrap(), log.as_bytes());
    }
}

/// Patterns with choices, and the texts that most of their lines have.
const GROK: &[(&str, &[&str])] = &[
    (
        "%{COMBINEDAPACHELOG}",
        &[
            "192.0.2.7",
            " ",
            "-",
            " ",
            "frank",
            " [",
            "02/Nov/2026:09:27:25 +0000",
            "] \"",
            "GET /a?b HTTP/1.1",
            "\" ",
            "200",
            " ",
            "512",
            " ",
            "\"-\"",
            " ",
            "\"curl/8 (x; y)\"",
        ],
    ),
    (
        "^%{COMMONAPACHELOG}$",
        &[
            "web-1.example",
            " ",
            "-",
            " ",
            "-",
            " [",
            "2/May/2026:9:27:25 +0000",
            "] \"",
            "GET /",
            "\" ",
            "404",
            " ",
            "-",
        ],
    ),
    (
        r#"%{IPORHOST:a} %{WORD:b} "%{DATA:c}" %{NUMBER:d}"#,
        &["2001:db8::1", " ", "up", " \"", "x y", "\" ", "1.5"],
    ),
    (
        "%{QS:a}: %{INT:b}/%{INT:c} %{QS:d}",
        &["\"a b\"", ": ", "1", "/", "-2", " ", "\"\""],
    ),
    (
        "%{MONTH:a} +%{MONTHDAY:b} %{TIME:c} %{HOSTNAME:d} %{PROG:e}: %{GREEDYDATA:f}",
        &[
            "Nov", " ", "2", " ", "09:27:25", " ", "web-1", " ", "sshd", ": ", "it is up",
        ],
    ),
    (
        "(?:%{INT:a}|%{WORD:b}|-) (?:%{IPV4:c}|%{HOSTNAME:d}) %{USER:e}$",
        &["12", " ", "192.0.2.7", " ", "frank"],
    ),
    (
        r"\[%{HTTPDATE:a}\] (?:-|%{NUMBER:b}) <%{DATA:c}> %{NOTSPACE:d}",
        &[
            "[",
            "02/Nov/2026:09:27:25 +0000",
            "] ",
            "7",
            " <",
            "x y",
            "> ",
            "end",
        ],
    ),
    (
        "^(?:%{WORD:a}=%{NUMBER:b}|%{WORD:c}) %{LOGLEVEL:d}(?: %{POSINT:e})?;%{DATA:f}",
        &["n=1", " ", "INFO", " ", "12", ";", "x"],
    ),
];

fn grok_formats() -> Vec<(Format, &'static [&'static str])> {
    static FORMATS: OnceLock<Vec<Format>> = OnceLock::new();
    let formats = || {
        GROK.iter()
            .map(|(it, _)| Format::grok(it).unwrap())
            .collect()
    };
    let formats = FORMATS.get_or_init(formats).iter().cloned();
    formats.zip(GROK.iter().map(|(_, usual)| *usual)).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    /// Parts that are looked up byte by byte, quotes of other kinds, and what is searched for in a line.
    #[test]
    fn grok_choices(
        (format, usual) in prop::sample::select(grok_formats()),
        lines in prop::collection::vec(
            prop::collection::vec(
                prop_oneof![
                    30 => Just(None),
                    1 => prop::sample::select(vec![
                        "", "-", " ", "1", "+1", "1.5", ".5", "1.", "007", "::1", "2001:db8::7", "::ffff:192.0.2.7",
                        "192.0.2.999", "a..b", "a.b.", "-a", "x@y.z", "x@", "2/m\u{e4}rz/26:9:27:60,5 1",
                        "32/Nov/2026:09:27:25 +0000", "GET /a", "GET  /a HTTP/1", "get", "\"", "\"x\"", "'x'",
                        "'a b'", "`x`", "\"a\\\"b\"", "it's", "x\" y", "\" 1 2 'q' \"z\"", "\\", "\u{e9}", "a b",
                        "Nov", "November", "Novx", "WARNING", "0", "x=1", "_", "\t",
                    ]).prop_map(Some),
                ],
                20,
            ),
            1..60,
        ),
        around in prop::sample::select(vec![("", ""), ("", ""), ("x ", ""), ("", " y"), ("<", "\" 'z'")]),
    ) {
        let mut log = String::new();
        for (texts, at) in lines.iter().zip(0..) {
            let (before, after) = if at % 3 == 0 { around } else { ("", "") };
            log += before;
            for (text, usual) in texts.iter().zip(usual) {
                log += text.unwrap_or(usual);
            }
            log += after;
            log.push('\n');
        }
        same_on_all_kernels(&format, log.as_bytes());
    }
}

/// Kernels look DEL up in place of all that is not ASCII.
#[test]
fn del_is_told_from_what_is_not_ascii() {
    let log = "é\u{7f}b c\né b c\na\u{7f}é c\n\u{7f}é\u{7f} \u{80}\n".repeat(40);
    for pattern in [
        r"(?P<a>[^\x7f]*)\x7f(?P<b>[^ ]*) (?P<c>.*)",
        r"(?P<a>[^\x7f]*)\x7f(?P<rest>.*)",
        r"(?P<a>[^ \x7f-\xff]*) (?P<b>.*)",
        r"(?P<a>\S*) (?P<b>[!-~]*)(?P<rest>.*)",
    ] {
        same_on_all_kernels(&Format::pattern(pattern).unwrap(), log.as_bytes());
    }
}
