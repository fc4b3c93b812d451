//! Lines and records are the same however the bytes come.

use std::{
    io::{self, Read},
    sync::OnceLock,
};

use opsbox_log::{Batch, Error, Format, Multiline, Overlong, Parser, Reason};

use super::{
    input::Input,
    rows::{assert_same, rows},
    scan::examples,
};

/// Bytes from which on threads share an input.
const SHARED: usize = 512 << 10;

/// A row that can be compared with one of another batch: values instead of places, and columns in the
/// order of their names, since that in which they are found is the batch's.
#[derive(Debug, PartialEq)]
struct Entry {
    lines: (u64, u64),
    bytes: (u64, u64),
    is_truncated: bool,
    raw: Vec<u8>,
    outcome: Result<Vec<(String, Vec<u8>)>, Reason>,
}

fn entries<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Entry> {
    let mut records = batch.records();
    let rows = rows(batch).into_iter().map(|row| Entry {
        lines: (row.line_number, row.line_count),
        bytes: (row.offset, row.line_bytes),
        is_truncated: row.is_truncated,
        raw: row.raw.to_vec(),
        outcome: row.outcome.map(|_| {
            let values = records.next().into_iter().flat_map(|record| record.iter());
            let mut values: Vec<_> = values
                .filter_map(|(field, value)| Some((field.name().to_owned(), value?.to_vec())))
                .collect();
            values.sort();
            values
        }),
    });
    rows.collect()
}

/// Gives pieces of changing lengths, and after the last a failure if there is to be one.
struct Pieces<'i> {
    rest: &'i [u8],
    lens: [usize; 3],
    fails: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && self.fails {
            return Err(io::Error::other("cut"));
        }
        self.lens.rotate_left(1);
        let len = self.lens[0].min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.rest = later;
        Ok(len)
    }
}

fn formats() -> &'static [Format] {
    static FORMATS: OnceLock<Vec<Format>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let preset = |name| Format::preset(name).unwrap();
        let pattern = |pattern| Format::pattern(pattern).unwrap();
        vec![
            pattern("(?P<key>[a-z])=(?P<value>.*)"),
            pattern(r"(?P<key>[a-z])=(?P<value>(?s:.)*)"),
            preset("app"),
            preset("combined"),
            preset("combined").select(["status"]).unwrap(),
            preset("ndjson"),
            preset("ndjson").select(["level", "a.b"]).unwrap(),
            preset("logfmt"),
        ]
    })
}

fn rules() -> &'static [Option<Multiline>] {
    static RULES: OnceLock<Vec<Option<Multiline>>> = OnceLock::new();
    RULES.get_or_init(|| {
        let start = |pattern| Some(Multiline::start(pattern).unwrap());
        vec![
            None,
            start("[a-z]="),
            start(r"\d{4}-|\{"),
            Some(Multiline::indented()),
            Some(Multiline::stack_traces()),
        ]
    })
}

fn parser(input: &mut Input<'_>) -> (Parser, usize, u8) {
    let (format, size) = input.one_of_and_size(formats());
    let mut parser = Parser::new(format.clone());
    let rule = input.one_of(rules());
    let flags = input.byte();
    let max_lines = u32::from(input.byte());
    let limit = input.number();
    if let Some(rule) = rule {
        let rule = match max_lines {
            0 => rule.clone(),
            lines => rule.clone().max_lines(lines),
        };
        parser = parser.multiline(if flags & 1 == 0 { rule } else { rule.whole() });
    }
    if flags & 2 != 0 {
        parser = parser.overlong(Overlong::Truncate);
    }
    if limit > 0 {
        parser = parser.max_line_bytes(limit);
    }
    (parser, size, flags)
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (parser, size, flags) = parser(&mut input);
    let batch_bytes = input.number();
    let lens = [0; 3].map(|_| usize::from(input.byte()).pow(2) + 1);
    let cut = input.number();
    let log = input.log(examples(), size);

    let whole = parser.parse(&log);
    let expected = entries(&whole);
    assert_same(&whole, &parser.clone().regex_only(true).parse(&log), "plan");

    let reader = parser.clone().batch_bytes(batch_bytes);
    let pieces = |rest, fails| Pieces { rest, lens, fails };
    let mut batches = reader.read(pieces(&log, false));
    let read: Vec<_> = batches.by_ref().map(Result::unwrap).collect();
    assert_eq!(batches.bytes_read(), log.len() as u64);
    let read: Vec<_> = read.iter().flat_map(entries).collect();
    assert_entries(&read, &expected);

    // Where a reader fails, the whole lines before come first, and then the error.
    let got = &log[..cut.min(log.len())];
    let complete = got.iter().rposition(|&byte| byte == b'\n');
    let complete = &got[..complete.map_or(0, |at| at + 1)];
    let (mut read, mut failure) = (Vec::new(), None);
    for batch in reader.read(pieces(got, true)) {
        assert!(failure.is_none(), "a batch after the failure");
        match batch {
            Ok(batch) => read.extend(entries(&batch)),
            Err(error) => failure = Some(error),
        }
    }
    let whole = parser.parse(complete);
    assert_entries(&read, &entries(&whole));
    match failure {
        Some(Error::Read { offset, line, .. }) => {
            assert_eq!(
                (offset, line),
                (got.len() as u64, whole.line_count() as u64 + 1)
            );
        }
        other => panic!("{other:?}"),
    }

    if flags & 0xf0 == 0xf0 && log.len() > 256 {
        let log = log.repeat(SHARED / log.len() + 1);
        let shared = parser.clone().threads(3).parse(&log);
        assert_same(&shared, &parser.parse(&log), "threads");
    }
}

#[track_caller]
fn assert_entries(entries: &[Entry], expected: &[Entry]) {
    for (entry, expected) in entries.iter().zip(expected) {
        assert_eq!(entry, expected);
    }
    assert_eq!(entries.len(), expected.len());
}
