//! What holds for every input.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{Batch, Format, Parser};
use proptest::{prelude::*, strategy::ValueTree};

fn parser(preset: usize) -> Parser {
    let presets = Format::presets();
    let preset = &presets[preset % presets.len()];
    let format = preset.format();
    Parser::new(format.unwrap_or_else(|_| Format::preset("logfmt").unwrap()))
}

/// Lines that show parts of a preset which its example does not.
const MORE_LINES: [(&str, &str); 12] = [
    (
        "aws-alb",
        r#"http 2018-11-30T22:23:00.186641Z app/lb/50 192.0.2.7:2817 - -1 -1 -1 400 - 0 272 "- http://h:80- -" "-" - - - "-" "-" "-" - 2018-11-30T22:22:48.364000Z "-""#,
    ),
    (
        "aws-alb",
        r#"h2 2018-11-30T22:23:00.186641Z app/lb/50 192.0.2.7:2817 10.0.0.1:80 0.1 0.1 0.1 200 200 0 272 "GET http://h:80/a b HTTP/2.0" "-" - - - "-" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-" "-" "-" "-" "-" TID_1 "h" "/x" "-" 192.0.2.1 "-""#,
    ),
    (
        "aws-elb",
        r#"2015-05-13T23:39:43.945958Z lb 192.0.2.7:2817 10.0.0.1:80 0.001 0.0 0.0 - - 82 305 "- - - " "-" - -"#,
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: Failed password for invalid user a from b from 192.0.2.7 port 5 ssh2",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: message repeated 5 times: [ Failed password for root from 192.0.2.7 port 5 ssh2]",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: Connection closed by authenticating user i x 192.0.2.7 port 5 [preauth]",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: Invalid user  from 192.0.2.7",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: error: Received disconnect from 192.0.2.7 port 5:11: from 1.1.1.1 port 1 [preauth]",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
    ),
    (
        "openssh-auth",
        "Mar  7 13:06:56 host sshd[1]: Disconnecting invalid user x 192.0.2.7 port 5: Too many authentication failures [preauth]",
    ),
    (
        "journald-json",
        r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[104,105,7],"_UID":["1","2"],"_PID":null,"_EXE":"a\"\u00e9"}"#,
    ),
    (
        "docker-json",
        r#"{"log":"a\u001b[0m\n","stream":"stderr","attrs":{"a":{"b":[]}},"time":"2019-01-01T11:11:11Z"}"#,
    ),
];

/// The examples of a preset.
fn examples(preset: usize) -> Vec<&'static [u8]> {
    let preset = &Format::presets()[preset % Format::presets().len()];
    let more = MORE_LINES.iter().filter(|(name, _)| *name == preset.name());
    let lines = more.map(|(_, line)| line.as_bytes());
    lines.chain([preset.example().as_bytes()]).collect()
}

/// One thing that may befall a line.
#[derive(Clone, Debug)]
enum Mutation {
    Set(u8),
    Flip(u8),
    Cut,
    Drop,
    /// One of the bytes that separate the parts of a line stands there twice.
    Double,
    Insert(&'static [u8]),
}

fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, Mutation)>> {
    // What ends a part, what is no text, and what only looks like the end of a line.
    let inserted: [&[u8]; 12] = [
        b"\"",
        b"\\",
        b"\\\"",
        b"\r",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b" ",
        b"]",
        b" - ",
        b" from ",
        b"\x0b",
    ];
    let mutation = prop_oneof![
        any::<u8>().prop_map(Mutation::Set),
        (0u8..8).prop_map(Mutation::Flip),
        Just(Mutation::Cut),
        Just(Mutation::Drop),
        Just(Mutation::Double),
        prop::sample::select(inserted.to_vec()).prop_map(Mutation::Insert),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), mutation), 0..4)
}

fn mutate(line: &mut Vec<u8>, mutations: Vec<(prop::sample::Index, Mutation)>) {
    for (at, mutation) in mutations {
        if line.is_empty() {
            return;
        }
        let at = at.index(line.len());
        match mutation {
            Mutation::Set(byte) => line[at] = byte,
            Mutation::Flip(bit) => line[at] ^= 1 << bit,
            Mutation::Cut => line.truncate(at),
            Mutation::Drop => drop(line.remove(at)),
            Mutation::Double => {
                let separates = |byte: &u8| b" \"[]:|=,-".contains(byte);
                if let Some(further) = line[at..].iter().position(separates) {
                    line.insert(at + further, line[at + further]);
                }
            }
            Mutation::Insert(bytes) => drop(line.splice(at..at, bytes.iter().copied())),
        }
    }
}

/// A line near to what a preset accepts: an example that was changed at some places.
fn lines_of(preset: usize) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(examples(preset)), mutations()).prop_map(|(example, mutations)| {
        let mut line = example.to_vec();
        mutate(&mut line, mutations);
        line
    })
}

/// Lines near to what the presets accept, and plain noise.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let mutated = (0..Format::presets().len()).prop_flat_map(lines_of);
    let noise = prop::collection::vec(any::<u8>(), 0..40);
    let ending = prop::sample::select(vec![&b"\n"[..], b"\r\n", b"\n\n", b"\r\r\n", b""]);
    prop::collection::vec((prop_oneof![4 => mutated, 1 => noise], ending), 0..12).prop_map(
        |lines| {
            lines
                .into_iter()
                .flat_map(|(line, ending)| [line.as_slice(), ending].concat())
                .collect()
        },
    )
}

/// A preset, and lines of its own: a line of another one says little.
fn own_lines() -> impl Strategy<Value = (usize, Vec<u8>)> {
    (0..Format::presets().len()).prop_flat_map(|preset| {
        let lines = prop::collection::vec(lines_of(preset), 1..4);
        (Just(preset), lines.prop_map(|lines| lines.join(&b'\n')))
    })
}

/// Everything that can be asked of a batch.
#[derive(Debug, PartialEq)]
struct Row {
    line_number: u64,
    offset: u64,
    raw: Vec<u8>,
    outcome: Result<Columns, (u64, String)>,
}

type Columns = Vec<(String, Vec<u8>)>;

fn rows<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Row> {
    let matched = batch.records().map(|record| Row {
        line_number: record.line_number(),
        offset: record.offset(),
        raw: record.raw().to_vec(),
        outcome: Ok(record
            .iter()
            .filter_map(|(field, value)| Some((field.name().to_owned(), value?.to_vec())))
            .collect()),
    });
    let unmatched = batch.unmatched().map(|line| Row {
        line_number: line.line_number(),
        offset: line.offset(),
        raw: line.raw().to_vec(),
        outcome: Err((line.line_bytes(), line.reason().to_string())),
    });
    let mut rows: Vec<_> = matched.chain(unmatched).collect();
    rows.sort_by_key(|row| row.line_number);
    rows
}

/// The rows with the names of discovered columns sorted: the order of discovery is the batch's.
fn by_name(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        if let Ok(columns) = &mut row.outcome {
            columns.sort();
        }
    }
    rows
}

/// Patterns over a small alphabet, so that parts compete for the same bytes.
fn patterns() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "a",
        "b",
        "(?:ab)",
        "(?:aba)",
        " ",
        "=",
        "[ab]",
        "[^a]",
        "[^ab]",
        "[^\" ]",
        r"\S",
        r"\w",
        ".",
        r"\[",
        "\"",
        r#"(?:[^"\\]|\\.)"#,
        "(?:[^b=]|=[ab])",
        "[abc]{2}",
        "[a-c=]{70}",
        "(?i:a)",
        "(?u:é)",
    ]);
    let look = prop::sample::select(vec![r"\b", r"\B", "^"]);
    // Alternatives that begin alike, shortest and longest first.
    let alike = prop::sample::select(vec![
        "(?:a|ab)",
        "(?:a|ab|abc)",
        "(?:ab|a[^b])",
        "(?:ab =|ab=|a)",
        "(?:[ab]{2}c|[ab]c|=)",
        "(?:a+b|a+=)",
    ]);
    let empty = prop::sample::select(vec!["(?:a|)", "(?:b|$)", "(?:x){0}"]);
    let piece = prop_oneof![
        24 => (atom, counts()).prop_map(|(atom, count)| format!("{atom}{count}")),
        2 => empty.prop_map(str::to_owned),
        1 => look.prop_map(str::to_owned),
        4 => (alike, counts()).prop_map(|(alike, count)| format!("{alike}{count}")),
    ];
    let pattern = piece.prop_recursive(5, 32, 4, |inner| {
        // Counts on what may be empty leave no plan: most groups have none.
        let count = prop_oneof![3 => Just(""), 1 => counts()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            (prop::collection::vec(inner.clone(), 1..4), count.clone())
                .prop_map(|(parts, count)| format!("(?:{}){count}", parts.join("|"))),
            (inner, count).prop_map(|(part, count)| format!("(?P<NAME>{part}){count}")),
        ]
    });
    (pattern, any::<bool>()).prop_map(|(pattern, one_column)| {
        let mut parts = pattern.split("NAME");
        let mut numbered = parts.next().unwrap_or_default().to_owned();
        for (number, part) in parts.enumerate() {
            numbered += &match one_column {
                true => format!("n{}[or{number}]{part}", number % 2),
                false => format!("n{number}{part}"),
            };
        }
        format!("(?P<all>{numbered})")
    })
}

fn counts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "", "", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{1,3}?", "{2}", "{2,}", "{2,}?",
    ])
}

/// A pattern with a line made for it, which is then changed at some places; or with any line.
fn patterns_with_lines() -> impl Strategy<Value = (String, Vec<u8>)> {
    let changes = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            prop::sample::select(b"abc =[\"\\".to_vec()),
        ),
        0..3,
    );
    (patterns(), changes, "[abc \"\\\\=\\[]{0,40}").prop_flat_map(|(pattern, changes, any)| {
        // The generator knows no lazy counts and no anchors; they change nothing of what fits.
        let plain = pattern.replace("|$)", "|)").replace("?P<", "?P<g");
        // A class of its own is no anchor.
        let plain = plain
            .replace(r"\b", "")
            .replace(r"\B", "")
            .replace("[^", "[!")
            .replace('^', "");
        let plain = plain.replace("[!", "[^");
        let plain = plain
            .replace("*?", "*")
            .replace("+?", "+")
            .replace("??", "?")
            .replace("}?", "}");
        let made = match proptest::string::bytes_regex(&plain) {
            Ok(lines) => lines.boxed(),
            Err(_) => Just(any.clone().into_bytes()).boxed(),
        };
        let lines = prop_oneof![3 => made, 1 => Just(any.into_bytes())];
        (Just(pattern), lines, Just(changes)).prop_map(|(pattern, mut line, changes)| {
            line.truncate(200);
            if !line.is_empty() {
                for (at, byte) in changes {
                    let at = at.index(line.len());
                    line[at] = byte;
                }
            }
            (pattern, line)
        })
    })
}

#[test]
fn each_line_that_shows_more_of_a_preset_fits_it() {
    for (preset, line) in MORE_LINES {
        if let Ok(format) = Format::preset(preset) {
            assert_eq!(Parser::new(format).parse(line).len(), 1, "{line}");
        }
    }
}

/// The directive is any text, and a format that comes of one is like any other.
#[test]
fn mutated_directives_of_w3c_extended_give_formats_that_agree() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let directive = b"#Fields: date time s-ip cs-method cs(User-Agent) sc-status";
    let mut formats = 0;
    for _ in 0..500 {
        let mut text = directive.to_vec();
        mutate(
            &mut text,
            mutations().new_tree(&mut runner).unwrap().current(),
        );
        let Ok(format) = Format::w3c_extended(&String::from_utf8_lossy(&text)) else {
            continue;
        };
        formats += 1;
        let mut line = b"2026-11-02 09:25:11 10.0.0.4 GET Mozilla/5.0+(X11) 200".to_vec();
        mutate(
            &mut line,
            mutations().new_tree(&mut runner).unwrap().current(),
        );
        let parser = Parser::new(format);
        let by_regex = rows(&parser.clone().regex_only(true).parse(&line));
        assert_eq!(rows(&parser.parse(&line)), by_regex);
        let file = [text, line].join(&b'\n');
        drop(Format::detect(&file));
    }
    assert!(formats > 100, "{formats}");
}

/// A property of plans says little unless plans are what runs.
#[test]
fn most_generated_lines_are_matched_by_plans() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut planned, mut matched) = (0, 0);
    for _ in 0..1000 {
        let (pattern, line) = patterns_with_lines()
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let format = Format::pattern(&pattern).unwrap();
        let has_plan = format.explain().contains("a plan of ");
        let fits = Parser::new(format).parse(&line).len() == 1;
        planned += usize::from(has_plan);
        matched += usize::from(has_plan && fits);
    }
    assert!(
        planned > 400 && matched > 150,
        "{planned} plans, {matched} lines fit"
    );
}

/// Gives what a reader gives on a bad day: a few bytes at a time.
struct Dribble<'i>(&'i [u8], usize);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.0 = later;
        Ok(len)
    }
}

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn every_line_is_accounted_for(input in lines(), preset in any::<usize>()) {
        let parser = parser(preset);
        // Records of several lines have tests of their own.
        prop_assume!(parser.format().multiline().is_none());
        let batch = parser.parse(&input);
        let rows = rows(&batch);
        prop_assert_eq!(rows.len(), batch.line_count());
        prop_assert_eq!(batch.len() + batch.unmatched().len(), batch.line_count());

        // The lines and their endings, put together again, are the input.
        let mut at = 0;
        for (row, number) in rows.iter().zip(1..) {
            prop_assert_eq!(row.line_number, number);
            prop_assert_eq!(row.offset, at);
            let start = usize::try_from(at).unwrap();
            prop_assert!(input[start..].starts_with(&row.raw));
            let after = &input[start + row.raw.len()..];
            let ending = [&b"\r\n"[..], b"\n", b"\r"].into_iter().find(|it| after.starts_with(it));
            at += (row.raw.len() + ending.unwrap_or_default().len()) as u64;
        }
        prop_assert_eq!(at, input.len() as u64);
    }

    #[test]
    fn values_are_inside_their_line_or_the_arena(input in lines(), preset in any::<usize>()) {
        let batch = parser(preset).parse(&input);
        for record in batch.records() {
            let start = usize::try_from(record.offset()).unwrap();
            let line = start..start + record.raw().len();
            for (index, (_, value)) in record.iter().enumerate() {
                match (value, record.span_at(index)) {
                    (None, None) => {}
                    (Some(value), Some(opsbox_log::Span::Input(range))) => {
                        prop_assert!(line.start <= range.start && range.end <= line.end);
                        prop_assert_eq!(value, &input[range]);
                    }
                    (Some(value), Some(opsbox_log::Span::Arena(range))) => {
                        prop_assert_eq!(value, &batch.arena()[range]);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }

    #[test]
    fn reading_in_pieces_changes_nothing(
        input in lines(),
        preset in any::<usize>(),
        batch_bytes in 1usize..300,
        piece in 1usize..70,
        limit in prop_oneof![Just(1usize << 20), 1usize..120],
        bom in any::<bool>(),
    ) {
        let input = if bom { [b"\xef\xbb\xbf", input.as_slice()].concat() } else { input };
        let parser = parser(preset).max_line_bytes(limit).batch_bytes(batch_bytes);
        let whole = rows(&parser.parse(&input));
        let mut pieces = Vec::new();
        for batch in parser.read(Dribble(&input, piece)) {
            pieces.extend(rows(&batch.unwrap()));
        }
        prop_assert_eq!(by_name(pieces), by_name(whole));
    }

    #[test]
    fn the_plan_of_a_preset_and_its_regex_agree(input in lines(), preset in any::<usize>()) {
        let parser = parser(preset);
        let by_regex = rows(&parser.clone().regex_only(true).parse(&input));
        prop_assert_eq!(rows(&parser.parse(&input)), by_regex);
    }

    #[test]
    fn the_plan_of_a_preset_and_its_regex_agree_on_its_own_lines((preset, input) in own_lines()) {
        let parser = parser(preset);
        let by_regex = rows(&parser.clone().regex_only(true).parse(&input));
        prop_assert_eq!(rows(&parser.parse(&input)), by_regex);
    }

    #[test]
    fn the_plan_of_any_pattern_and_its_regex_agree((pattern, input) in patterns_with_lines()) {
        let Ok(format) = Format::pattern(&pattern) else {
            return Err(TestCaseError::reject("a capture that can never take part"));
        };
        let parser = Parser::new(format);
        let by_regex = rows(&parser.clone().regex_only(true).parse(&input));
        prop_assert_eq!(rows(&parser.parse(&input)), by_regex, "{}", pattern);
    }

    #[test]
    fn detection_and_patterns_never_panic(sample in lines(), pattern in ".{0,40}") {
        drop(Format::detect(&sample));
        if let Ok(format) = Format::pattern(&pattern) {
            let batch = Parser::new(format).parse(&sample);
            prop_assert_eq!(batch.line_count(), rows(&batch).len());
        }
    }

    #[test]
    fn a_line_stops_fitting_where_no_ending_helps(cut in 0usize..90, byte in any::<u8>()) {
        // A prefix of a line that fits ends too early; after another byte it may be beyond help.
        let example = Format::presets()[0].example().as_bytes();
        let line = &example[..cut.min(example.len() - 1)];
        let line = [line, &[byte]].concat();
        prop_assume!(byte != b'\n' && byte != b'\r');
        let batch = Parser::new(Format::preset("combined").unwrap()).parse(&line);
        for unmatched in batch.unmatched() {
            let stops = format!("does not fit the pattern from byte {} on", line.len() - 1);
            let reason = unmatched.reason().to_string();
            prop_assert!([stops.as_str(), "ends before the pattern does"].contains(&reason.as_str()));
        }
    }

    #[test]
    fn logfmt_round_trip(pairs in prop::collection::vec(("[a-z.]{1,8}", any::<String>()), 1..8)) {
        let mut line = String::new();
        for (key, value) in &pairs {
            // serde_json writes a string as logfmt's quoted values are.
            line += &format!("{key}={} ", serde_json::to_string(value).unwrap());
        }
        let batch = Parser::new(Format::preset("logfmt").unwrap()).parse(&line);
        prop_assert_eq!(batch.unmatched().len(), 0);
        let record = batch.record(0).unwrap();
        for (key, _) in &pairs {
            let last = pairs.iter().rfind(|(name, _)| name == key).unwrap();
            prop_assert_eq!(record.get(key), Some(last.1.as_bytes()));
        }
    }
}

#[cfg(feature = "json")]
mod json {
    use super::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// What the columns of an object have to be, by serde_json.
    fn flatten(prefix: Option<&str>, value: &Value, out: &mut Vec<(String, Option<Value>)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let path =
                        prefix.map_or_else(|| key.clone(), |prefix| format!("{prefix}.{key}"));
                    flatten(Some(&path), value, out);
                }
            }
            Value::Null => out.push((prefix.unwrap_or_default().to_owned(), None)),
            value => out.push((prefix.unwrap_or_default().to_owned(), Some(value.clone()))),
        }
    }

    proptest! {
        #![proptest_config(cases(1000))]

        #[test]
        fn agrees_with_serde_json(
            values in prop::collection::btree_map("[a-z\"\\\\é]{1,4}", json(), 0..6),
            pretty in any::<bool>(),
        ) {
            let object = Value::Object(values.into_iter().collect());
            let mut line = match pretty {
                true => serde_json::to_string_pretty(&object).unwrap().replace('\n', " \t"),
                false => object.to_string(),
            };
            line.push('\n');
            let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(&line);
            prop_assert_eq!(batch.len(), 1, "{:?}", batch.unmatched().next());

            let mut expected = Vec::new();
            if object != serde_json::json!({}) {
                flatten(None, &object, &mut expected);
            }
            let record = batch.record(0).unwrap();
            for (path, value) in &expected {
                // Two paths may be equal, by a dot or an empty key: the last wins.
                let same = expected.iter().rfind(|(other, _)| other == path);
                let value = same.map_or(value, |(_, value)| value);
                let text = record.get(path).map(|bytes| std::str::from_utf8(bytes).unwrap());
                match value {
                    None => prop_assert_eq!(text, None),
                    Some(Value::String(string)) => prop_assert_eq!(text, Some(string.as_str())),
                    Some(value) => {
                        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                        prop_assert_eq!(parse(text.unwrap()), parse(&value.to_string()));
                    }
                }
            }
        }

        #[test]
        fn accepts_what_serde_json_accepts(
            value in json(),
            at in any::<prop::sample::Index>(),
            change in "[\\[\\]{}:,\"\\\\ a0.eE+-]?",
            insert in any::<bool>(),
        ) {
            // A valid object with one character more, or another.
            let mut line: Vec<char> = serde_json::json!({"k": value}).to_string().chars().collect();
            let at = at.index(line.len());
            line.splice(at..at + usize::from(!insert && !change.is_empty()), change.chars());
            let line: String = line.into_iter().collect();
            let is_json = serde_json::from_str::<Value>(&line).is_ok();
            let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(&line);
            let reason = batch.unmatched().next().map(|it| it.reason().to_string());
            let refused = reason.is_some_and(|reason| reason.starts_with("not valid JSON"));
            prop_assert!(refused != is_json || line.is_empty(), "{line}");
        }
    }
}
