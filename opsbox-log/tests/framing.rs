//! Lines and records, however the bytes come.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::Read;

use opsbox_log::{Batch, Format, Multiline, Overlong, Parser, Reason};
use proptest::prelude::*;

/// A record or an unmatched line.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    line_number: u64,
    line_count: u64,
    offset: u64,
    line_bytes: u64,
    truncated: bool,
    raw: Vec<u8>,
    outcome: Result<Vec<(String, Vec<u8>)>, Reason>,
}

fn entries<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Entry> {
    let records = batch.records().map(|it| Entry {
        line_number: it.line_number(),
        line_count: it.line_count(),
        offset: it.offset(),
        line_bytes: it.line_bytes(),
        truncated: it.is_truncated(),
        raw: it.raw().to_vec(),
        outcome: Ok({
            let values = it.iter().filter_map(|(field, value)| Some((field, value?)));
            let mut values: Vec<_> = values
                .map(|(field, value)| (field.name().to_owned(), value.to_vec()))
                .collect();
            // The order in which columns are found is the batch's.
            values.sort();
            values
        }),
    });
    let unmatched = batch.unmatched().map(|it| Entry {
        line_number: it.line_number(),
        line_count: it.line_count(),
        offset: it.offset(),
        line_bytes: it.line_bytes(),
        truncated: false,
        raw: it.raw().to_vec(),
        outcome: Err(it.reason()),
    });
    let mut entries: Vec<_> = records.chain(unmatched).collect();
    entries.sort_by_key(|entry| entry.line_number);
    let lines: u64 = entries.iter().map(|entry| entry.line_count).sum();
    assert_eq!(lines, batch.line_count() as u64);
    entries
}

/// Gives the pieces one at a time.
struct Pieces<'i>(Vec<&'i [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(first) = self.0.first_mut() else {
            return Ok(0);
        };
        let len = first.len().min(buffer.len());
        let (now, later) = first.split_at(len);
        buffer[..len].copy_from_slice(now);
        *first = later;
        if later.is_empty() {
            self.0.remove(0);
        }
        Ok(len)
    }
}

/// The pieces between some places; none is empty, which would be the end.
fn pieces(input: &[u8], cuts: impl IntoIterator<Item = usize>) -> Pieces<'_> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for cut in cuts.into_iter().chain([input.len()]) {
        if cut > from {
            pieces.push(&input[from..cut]);
            from = cut;
        }
    }
    Pieces(pieces)
}

fn read(parser: &Parser, reader: impl Read) -> Vec<Entry> {
    let batches = parser.read(reader).map(Result::unwrap);
    batches.flat_map(|batch| entries(&batch)).collect()
}

/// Parsers that differ in how they frame.
fn parsers(limit: usize, max_lines: u32) -> Vec<Parser> {
    let format = Format::pattern("(?P<key>[a-z])=(?P<value>.*)").unwrap();
    let whole = Format::pattern(r"(?P<key>[a-z])=(?P<value>(?s:.)*)").unwrap();
    let start = || Multiline::start("[a-z]=").unwrap().max_lines(max_lines);
    let indented = || Multiline::indented().max_lines(max_lines);
    let parser = |format: &Format| Parser::new(format.clone()).max_line_bytes(limit);
    vec![
        parser(&format),
        parser(&format).overlong(Overlong::Truncate),
        parser(&format).multiline(start()),
        parser(&format)
            .multiline(start())
            .overlong(Overlong::Truncate),
        parser(&format).multiline(indented()),
        parser(&whole).multiline(indented().whole()),
        parser(&whole)
            .multiline(start().whole())
            .overlong(Overlong::Truncate),
        parser(&format).multiline(Multiline::stack_traces()),
    ]
}

#[test]
fn every_split_of_a_small_input_gives_the_same() {
    // A byte order mark, CRLF, UTF-8, a record and an over-long line to be cut in.
    let inputs: [&[u8]; 12] = [
        b"\xef\xbb\xbfa=\r\n x",
        b"\xef\xbb\xbf\n\xef\xbb\xbfa",
        b"\xef\xbb",
        b"a=\xc3\xa9\n \xc3\n",
        b"a=123456\r\nx",
        b"x\r\r\nb=\n x",
        b" \na=1\n\n\nb",
        b"a=\n x\n y\nb",
        b"a=\0\n\0\n\n\n x",
        b"a=12\r\rx\n ",
        b"a=\n     xxx",
        b"\n x\n\n\n\na=",
    ];
    for input in inputs {
        for limit in [1, 5] {
            for parser in parsers(limit, 2) {
                let whole = entries(&parser.parse(input));
                for (batch_bytes, masks) in [(1, 1_u32 << (input.len() - 1)), (7, 4)] {
                    let parser = parser.clone().batch_bytes(batch_bytes);
                    for mask in 0..masks {
                        let cuts = (1..input.len()).filter(|at| mask >> (at - 1) & 1 == 1);
                        let read = read(&parser, pieces(input, cuts));
                        assert_eq!(read, whole, "{input:?} {mask:b} {parser:?}");
                    }
                }
            }
        }
    }
}

/// What the documentation of [`Multiline`] says, line by line, without any care for speed.
fn oracle(
    input: &[u8],
    parser: &Parser,
    limit: usize,
    max_lines: usize,
    indented: bool,
) -> Vec<Entry> {
    let begins = |line: &[u8]| match indented {
        true => !matches!(line.first(), None | Some(b' ' | b'\t')),
        false => line.len() > 1 && line[0].is_ascii_lowercase() && line[1] == b'=',
    };
    let mut lines = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let len = input[at..].iter().position(|&byte| byte == b'\n');
        let next = len.map_or(input.len(), |len| at + len + 1);
        let text = &input[at..len.map_or(input.len(), |len| at + len)];
        lines.push((at, text.strip_suffix(b"\r").unwrap_or(text)));
        at = next;
    }
    let format = parser.format();
    let one = |text: &[u8]| {
        // An ending of its own, since a CR at the end of the text is the text's.
        let batch = Parser::new(format.clone()).parse([text, b"\r\n"].concat());
        match batch.record(0) {
            Some(record) => Ok(["key", "value"].map(|it| record.get(it).unwrap().to_vec())),
            None => Err(batch
                .unmatched()
                .next()
                .map_or(Reason::Empty, |it| it.reason())),
        }
    };
    let mut entries: Vec<Entry> = Vec::new();
    let entry = |index: usize, raw: &[u8], outcome: Result<[Vec<u8>; 2], Reason>| Entry {
        line_number: index as u64 + 1,
        line_count: 1,
        offset: lines[index].0 as u64,
        line_bytes: lines[index].1.len() as u64,
        truncated: false,
        raw: raw[..raw.len().min(limit)].to_vec(),
        outcome: outcome.map(|[key, value]| vec![("key".into(), key), ("value".into(), value)]),
    };
    let reason = |text: &str| {
        let make = |log: &str, limit: usize| {
            let format = Format::pattern("(?P<a>x)").unwrap();
            let rule = Multiline::indented().max_lines(u32::try_from(max_lines).unwrap());
            let parser = Parser::new(format).multiline(rule).max_line_bytes(limit);
            parser.parse(log).unmatched().last().unwrap().reason()
        };
        match text {
            "none" => make(" ", limit),
            "long" => make(&"x".repeat(limit + 1), limit),
            _ => make(&format!("{}\n ", "x".repeat(limit + 1)), limit),
        }
    };
    let mut any = false;
    let mut index = 0;
    while index < lines.len() {
        let (start, text) = lines[index];
        if !begins(&text[..text.len().min(limit)]) {
            let why = match any {
                _ if text.is_empty() => Reason::Empty,
                false => reason("none"),
                true => reason("full"),
            };
            entries.push(entry(index, text, Err(why)));
            index += 1;
            continue;
        }
        if text.len() > limit {
            entries.push(entry(index, text, Err(reason("long"))));
            any = true;
            index += 1;
            continue;
        }
        let mut next = index + 1;
        let mut end = start + text.len();
        let mut full = false;
        while let Some(&(at, more)) = lines.get(next) {
            if begins(&more[..more.len().min(limit)]) {
                break;
            }
            if next - index == max_lines || at - start + more.len() > limit {
                full = true;
                break;
            }
            if !more.is_empty() {
                end = at + more.len();
            }
            next += 1;
        }
        let raw = &input[start..end];
        let outcome = match one(text) {
            Err(_) if raw.is_empty() => Err(Reason::Empty),
            other => other.map(|[key, value]| {
                let at = text.len() - value.len();
                [key, raw[at..].to_vec()]
            }),
        };
        let mut entry = entry(index, raw, outcome);
        entry.line_count = (next - index) as u64;
        entry.line_bytes = raw.len() as u64;
        entry.truncated = full && entry.outcome.is_ok();
        entries.push(entry);
        any |= full;
        index = next;
    }
    entries
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[ab]=[x ]{0,6}",
        "[ \t][x=]{0,5}",
        Just(String::new()),
        "[ab =\r\0é]{0,12}",
    ];
    let ending = prop::sample::select(vec!["\n", "\n", "\r\n", "\r\r\n", ""]);
    prop::collection::vec((line, ending), 0..14).prop_map(|lines| {
        let lines = lines.into_iter().map(|(line, ending)| line + ending);
        lines.collect::<String>().into_bytes()
    })
}

#[track_caller]
fn messages(rule: Multiline, log: &str) -> Vec<String> {
    let format = Format::preset("app").unwrap();
    let batch = Parser::new(format).multiline(rule).parse(log);
    assert_eq!(batch.unmatched().count(), 0);
    let records = batch.records();
    let messages = records.map(|it| it.text("message").unwrap().into_owned());
    messages.collect()
}

/// Traces as the programs print them, each after a log line and before the next.
#[test]
fn stack_traces_are_in_the_message() {
    let traces = [
        // Java: a chain, and what was suppressed.
        "java.lang.IllegalStateException: boom\n\tat a.B.c(B.java:1)\n\tSuppressed: x.Y\n\
         Caused by: java.io.IOException\n\tat a.B.d(B.java:2)\n\t... 7 more",
        // Python: a chain of two, with the empty lines that Python prints.
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    x()\n\
         KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n\
         Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    y()\n\
         my_app.errors.SaveError: no",
        "TypeError: x is not a function\n    at y (a.js:1:2)\n    at node:internal/main:1",
        "System.InvalidOperationException: no\n ---> System.Exception: inner\n   at A.B()\n   \
         --- End of inner exception stack trace ---\n   at A.C()\n\
         --- End of stack trace from previous location ---\n   at A.D()",
        "org.example.Outer$InnerError\n\tat a.B.c(B.java:1)",
    ];
    for trace in traces {
        for ending in ["\n", "\r\n"] {
            let trace = trace.replace('\n', ending);
            let first = format!("2026-01-02 03:04:05 [ERROR] failed{ending}{trace}{ending}");
            let second = format!("2026-01-02 03:04:06 [INFO] on{ending}");
            let found = messages(Multiline::stack_traces(), &[first, second].concat());
            assert_eq!(found, [format!("failed{ending}{trace}"), "on".into()]);
        }
    }
    // Words that are no exception's name, or not at the beginning.
    let parser = Parser::new(Format::preset("app").unwrap()).multiline(Multiline::stack_traces());
    for line in [
        "Errors: 3",
        "an Error: x",
        "Error 3",
        "error: x",
        "ERROR: x",
    ] {
        let log = format!("2026-01-02 03:04:05 [INFO] x\n{line}\n");
        assert_eq!(parser.parse(&log).unmatched().count(), 1, "{line}");
    }
}

#[test]
fn the_value_that_goes_on_is_the_last_text_at_the_end_of_the_line() {
    let value = |pattern: &str, log: &str, name: &str| {
        let format = Format::pattern(pattern).unwrap();
        let batch = Parser::new(format)
            .multiline(Multiline::indented())
            .parse(log);
        let record = batch.record(0).unwrap();
        assert_eq!(record.raw(), log.trim_end().as_bytes());
        record.text(name).map(|text| text.into_owned())
    };
    let some = |text: &str| Some(text.to_owned());
    // Inside another one, empty, and not there.
    let nested = r"(?P<all>\w (?P<rest>.*))";
    assert_eq!(value(nested, "a b\n c\n", "rest"), some("b\n c"));
    assert_eq!(value(nested, "a b\n c\n", "all"), some("a b"));
    assert_eq!(value(nested, "a \n\n c\n", "rest"), some("\n\n c"));
    assert_eq!(value(r"(?P<a>\w)(?: (?P<b>.*))?", "a\n c\n", "b"), None);
    assert_eq!(
        value(r"(?P<a>\w)(?: (?P<b>.*))?", "a\n c\n", "a"),
        some("a\n c")
    );
    // The end of the line is not the value's.
    assert_eq!(value(r"\[(?P<a>.*)\]", "[a]\n c\n", "a"), some("a"));
    // Longer than a narrow place holds.
    let log = format!("a b\n {}\n", "c".repeat(70_000));
    let rest = log.trim_end().strip_prefix("a ").unwrap();
    assert_eq!(value(nested, &log, "rest"), some(rest));

    // Selected columns: the one that is left, wherever it stands.
    let format = Format::preset("app")
        .unwrap()
        .select(["message", "level"])
        .unwrap();
    let parser = Parser::new(format).multiline(Multiline::indented());
    let batch = parser.parse("2026-01-02 03:04:05 [INFO] x\n y\n");
    let record = batch.record(0).unwrap();
    assert_eq!(record.get("message"), Some(&b"x\n y"[..]));
    assert_eq!(record.get("level"), Some(&b"INFO"[..]));
}

#[test]
fn whole_records() {
    let format = Format::pattern(r#"(?P<key>[^"]+) "(?P<text>[^"]*)""#).unwrap();
    let rule = Multiline::indented().whole();
    let batch = Parser::new(format)
        .multiline(rule.clone())
        .parse("a \"x\r\n y\"\n\nb \"z\"\n c\n");
    assert_eq!(batch.record(0).unwrap().get("text"), Some(&b"x\r\n y"[..]));
    let unmatched = batch.unmatched().next().unwrap();
    assert_eq!((unmatched.line_number(), unmatched.line_count()), (4, 2));
    assert_eq!(unmatched.raw(), b"b \"z\"\n c");
    assert_eq!((batch.len(), batch.line_count()), (1, 5));

    // `.` and a plan stop at LF, whatever the line ends with.
    let format = Format::pattern("(?P<all>.*)").unwrap();
    let batch = Parser::new(format).multiline(rule).parse("a\n b\nc\n");
    assert_eq!(
        batch.unmatched().next().unwrap().to_string(),
        "line 1 (byte 0): does not fit the pattern from byte 1 on: a\\u{a} b"
    );
    assert_eq!(batch.record(0).unwrap().get("all"), Some(&b"c"[..]));
}

#[cfg(feature = "json")]
#[test]
fn json_over_several_lines() {
    let log = "{\n  \"a\": 1,\n  \"b\": {\"c\": \"x\\ny\"}\n}\n{\"a\": 2}\n{\n";
    let rule = Multiline::start(r"\{").unwrap().whole();
    let batch = Parser::new(Format::preset("ndjson").unwrap())
        .multiline(rule)
        .parse(log);
    let first = batch.record(0).unwrap();
    assert_eq!(
        (first.get("a"), first.get("b.c")),
        (Some(&b"1"[..]), Some(&b"x\ny"[..]))
    );
    assert_eq!(batch.record(1).unwrap().line_number(), 5);
    assert_eq!(batch.unmatched().next().unwrap().line_number(), 6);
}

#[test]
fn bad_starts_are_refused() {
    for (pattern, message) in [
        ("(?=x)", "look-around is refused"),
        ("(", "unclosed group"),
        ("(?:a{1000}){1000}", "exceeded limit"),
        ("é[é]", "patterns match bytes"),
    ] {
        let error = Multiline::start(pattern).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// An over-long line after a record that is still open, through a reader.
#[test]
fn an_endless_line_in_a_record_costs_a_limit_of_memory() {
    let parser = Parser::new(Format::preset("app").unwrap())
        .max_line_bytes(1 << 16)
        .batch_bytes(1 << 16)
        .multiline(Multiline::indented());
    let log =
        (&b"2026-01-02 03:04:05 [INFO] x\n y\n"[..]).chain(std::io::repeat(b' ').take(10 << 20));
    let log = log.chain(&b"\r\n z\n2026-01-02 03:04:05 [INFO] on\n"[..]);
    let batches: Vec<_> = parser.read(log).map(Result::unwrap).collect();
    let kept: usize = batches.iter().map(|batch| batch.input().len()).sum();
    assert!(kept < 3 << 16, "{kept}");
    let entries: Vec<_> = batches.iter().flat_map(entries).collect();
    let lines: Vec<_> = entries
        .iter()
        .map(|it| (it.line_number, it.line_count))
        .collect();
    assert_eq!(lines, [(1, 2), (3, 1), (4, 1), (5, 1)]);
    assert!(entries[0].truncated && entries[0].outcome.is_ok());
    assert_eq!(entries[1].line_bytes, 10 << 20);
    assert_eq!(
        entries[2].outcome.as_ref().unwrap_err().to_string(),
        "continues a record that is at its limit of 1000 lines or 65536 bytes"
    );
    assert!(entries[3].outcome.is_ok());
}

/// NUL, bytes that are not UTF-8, a lone CR, and a last line without an ending are as any others.
#[test]
fn bytes_are_bytes() {
    let format = Format::pattern("(?P<key>[^=]*)=(?P<value>.*)").unwrap();
    let log = b"a=\0\xff\r\n\xc3=\x80\r\r\n\0=\rx\nb=\xe2\x82";
    let batch = Parser::new(format).parse(log);
    let values = |name| {
        batch
            .column(name)
            .unwrap()
            .iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    assert_eq!(values("key"), [&b"a"[..], b"\xc3", b"\0", b"b"]);
    assert_eq!(
        values("value"),
        [&b"\0\xff"[..], b"\x80\r", b"\rx", b"\xe2\x82"]
    );
    let offsets: Vec<_> = batch.records().map(|it| it.offset()).collect();
    assert_eq!(offsets, [0, 6, 12, 17]);

    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse(b"a=\xff b=1\n\xff=1\n");
    assert_eq!(batch.record(0).unwrap().get("b"), Some(&b"1"[..]));
    assert_eq!(
        batch.unmatched().next().unwrap().reason().to_string(),
        "not logfmt at byte 0: the key is not UTF-8"
    );
}

#[cfg(feature = "json")]
#[test]
fn json_with_bytes_that_are_none() {
    let log = b"{\"a\":\"\xff\"}\n{\"a\":\"\0\"}\r\n{\"a\":1}\r\n\r\n{\"a\":\"\\u0000\"}";
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let reasons: Vec<_> = batch
        .unmatched()
        .map(|it| (it.line_number(), it.reason().to_string()))
        .collect();
    assert_eq!(
        reasons,
        [
            (1, "not valid JSON at byte 6".to_owned()),
            (2, "not valid JSON".to_owned()),
            (4, "the line is empty".to_owned()),
        ]
    );
    let values: Vec<_> = batch.column("a").unwrap().iter().flatten().collect();
    assert_eq!(values, [&b"1"[..], b"\0"]);
}

/// Large enough for threads to share it.
#[test]
fn threads_change_nothing() {
    let mut log = String::new();
    for number in 0..25_000 {
        log += match number % 7 {
            3 => "  indented, as a trace is\r\n",
            5 => "a=1 b=\"\\n\"\n",
            _ => "2026-01-02 03:04:05 [INFO] something that is not short went on\n",
        };
    }
    assert!(log.len() > 1 << 20);
    for preset in ["app", "logfmt"] {
        for rule in [None, Some(Multiline::indented().max_lines(2))] {
            let mut parser = Parser::new(Format::preset(preset).unwrap());
            if let Some(rule) = rule {
                parser = parser.multiline(rule);
            }
            let alone = parser.parse(&log);
            let one = entries(&alone);
            for threads in [0, 2, 3] {
                let parser = parser.clone().threads(threads);
                let shared = parser.parse(&log);
                assert_eq!(shared.arena(), alone.arena());
                assert_eq!(shared.fields(), alone.fields());
                assert_eq!(entries(&shared), one);
                let parser = parser.batch_bytes(800_000);
                assert_eq!(read(&parser, log.as_bytes()), one);
            }
        }
    }
}

#[cfg(feature = "tokio")]
mod stream {
    use std::{
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use futures_util::{FutureExt, StreamExt};
    use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

    use super::*;

    /// The pieces, with a wait before each.
    struct Waits<'i>(Pieces<'i>, bool);

    impl AsyncRead for Waits<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let Self(pieces, waited) = self.get_mut();
            *waited = !*waited;
            if *waited {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut bytes = vec![0; out.remaining()];
            let read = pieces.read(&mut bytes)?;
            out.put_slice(&bytes[..read]);
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #![proptest_config(cases(1000))]

        #[test]
        fn the_same_as_read(
            input in text(),
            limit in prop_oneof![1..20_usize, Just(1000)],
            which in 0..8_usize,
            batch_bytes in 1..60_usize,
            cuts in prop::collection::btree_set(0..200_usize, 0..12),
            flushes in any::<u32>(),
            bom in any::<bool>(),
        ) {
            let input = if bom { [b"\xef\xbb\xbf", input.as_slice()].concat() } else { input };
            let parser = parsers(limit, 3)[which].clone().batch_bytes(batch_bytes);
            let whole = entries(&parser.parse(&input));
            let cuts = cuts.into_iter().filter(|&cut| cut < input.len());
            let mut batches = parser.stream(Waits(pieces(&input, cuts), false));
            let mut found = Vec::new();
            let mut round = 0;
            loop {
                // Each wait is given up, and now and then what is there is asked for.
                match batches.next().now_or_never() {
                    Some(None) => break,
                    Some(Some(batch)) => found.extend(entries(&batch.unwrap())),
                    None if flushes >> (round % 32) & 1 == 1 => {
                        found.extend(batches.flush().iter().flat_map(entries));
                    }
                    None => {}
                }
                round += 1;
            }
            prop_assert_eq!(found, whole);
            prop_assert_eq!(batches.bytes_read(), input.len() as u64);
            prop_assert!(batches.next().now_or_never().unwrap().is_none());
        }
    }

    #[test]
    fn a_silent_reader_is_flushed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut write, read) = tokio::io::duplex(64);
            let mut batches = Parser::new(Format::preset("app").unwrap()).stream(read);
            write
                .write_all(b"2026-01-02 03:04:05 [INFO] one\n2026")
                .await
                .unwrap();
            let wait = tokio::time::timeout(Duration::from_millis(20), batches.next());
            assert!(wait.await.is_err());
            assert_eq!(batches.flush().unwrap().len(), 1);
            assert!(batches.flush().is_none());
            write
                .write_all(b"-01-02 03:04:06 [INFO] two\n")
                .await
                .unwrap();
            drop(write);
            let last = batches.next().await.unwrap().unwrap();
            assert_eq!(last.record(0).unwrap().line_number(), 2);
            assert!(batches.next().await.is_none());
        });
    }

    #[test]
    fn a_failing_reader_fails_the_stream() {
        let io = std::io::Error::other("cable pulled");
        let log = &b"2026-01-02 03:04:05 [INFO] one\n2026-01-02 03:04"[..];
        let reader = FailsAfter(log, Some(io));
        let mut batches = Parser::new(Format::preset("app").unwrap()).stream(reader);
        assert_eq!(
            batches
                .next()
                .now_or_never()
                .unwrap()
                .unwrap()
                .unwrap()
                .len(),
            1
        );
        let error = batches.next().now_or_never().unwrap().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading failed at byte 47 (line 2): cable pulled"
        );
        assert!(batches.next().now_or_never().unwrap().is_none());
    }

    struct FailsAfter(&'static [u8], Option<std::io::Error>);

    impl AsyncRead for FailsAfter {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let Self(bytes, error) = self.get_mut();
            match error.take() {
                Some(error) if bytes.is_empty() => Poll::Ready(Err(error)),
                kept => {
                    *error = kept;
                    Pin::new(bytes).poll_read(cx, out)
                }
            }
        }
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
    fn records_are_what_the_rule_says(
        input in text(),
        limit in prop_oneof![1..20_usize, Just(1000)],
        max_lines in 1..5_u32,
        indented in any::<bool>(),
    ) {
        let rule = match indented {
            true => Multiline::indented(),
            false => Multiline::start("[a-z]=").unwrap(),
        };
        let format = Format::pattern("(?P<key>[a-z])=(?P<value>.*)").unwrap();
        let parser = Parser::new(format)
            .max_line_bytes(limit)
            .multiline(rule.max_lines(max_lines));
        let expected = oracle(&input, &parser, limit, max_lines as usize, indented);
        prop_assert_eq!(entries(&parser.parse(&input)), expected);
    }

    #[test]
    fn any_split_gives_the_same(
        input in text(),
        limit in prop_oneof![1..20_usize, Just(1000)],
        max_lines in 1..5_u32,
        which in 0..8_usize,
        batch_bytes in 1..60_usize,
        cuts in prop::collection::btree_set(0..200_usize, 0..12),
        bom in any::<bool>(),
    ) {
        let input = if bom { [b"\xef\xbb\xbf", input.as_slice()].concat() } else { input };
        let parser = &parsers(limit, max_lines)[which];
        let whole = entries(&parser.parse(&input));
        let parser = parser.clone().batch_bytes(batch_bytes);
        let cuts = cuts.into_iter().filter(|&cut| cut < input.len());
        prop_assert_eq!(read(&parser, pieces(&input, cuts)), whole);
    }

    #[test]
    fn a_failing_reader_gives_the_complete_lines_before(
        input in text(),
        limit in prop_oneof![1..20_usize, Just(1000)],
        which in 0..8_usize,
        batch_bytes in 1..60_usize,
    ) {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("cable pulled"))
            }
        }
        let parser = parsers(limit, 3)[which].clone().batch_bytes(batch_bytes);
        let complete = input.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let whole = entries(&parser.parse(&input[..complete]));
        let mut before = Vec::new();
        let mut error = None;
        for batch in parser.read(input.as_slice().chain(Fails)) {
            prop_assert!(error.is_none());
            match batch {
                Ok(batch) => before.extend(entries(&batch)),
                Err(it) => error = Some(it.to_string()),
            }
        }
        prop_assert_eq!(before, whole);
        let line = line_ends(&input) + 1;
        let expected = format!("reading failed at byte {} (line {line}): cable pulled", input.len());
        prop_assert_eq!(error, Some(expected));
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn any_split_of_a_larger_input_gives_the_same(
        parts in prop::collection::vec(text(), 50..80),
        which in 0..8_usize,
        batch_bytes in 100..5000_usize,
        limit in 5..200_usize,
        cuts in prop::collection::btree_set(0..4000_usize, 0..200),
    ) {
        let input = parts.concat();
        let parser = &parsers(limit, 4)[which];
        let whole = entries(&parser.parse(&input));
        let parser = parser.clone().batch_bytes(batch_bytes);
        let cuts = cuts.into_iter().filter(|&cut| cut < input.len());
        prop_assert_eq!(read(&parser, pieces(&input, cuts)), whole);
    }
}

fn line_ends(input: &[u8]) -> usize {
    input.iter().filter(|&&byte| byte == b'\n').count()
}
