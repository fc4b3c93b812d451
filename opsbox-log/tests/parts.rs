//! Tables that are made part by part are those of the whole.
#![cfg(all(feature = "arrow", feature = "json"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use arrow_array::RecordBatch;
use bytes::Bytes;
use opsbox_log::{
    BatchMemory, Format, Kernel, Parser, Reason,
    export::arrow::{TableBuilder, TypedPart, recycle, typed_record_batch},
    limits::PART_BYTES,
    types::{TimeContext, TimestampFormat, Type},
};

type Unmatched = Vec<(u64, u64, Vec<u8>, Reason)>;

/// The table, the unmatched lines, the number of lines, and the rows that do not fit their type.
type Parsed = (RecordBatch, Unmatched, usize, Vec<usize>);

fn whole(parser: &Parser, log: &Bytes) -> Parsed {
    let batch = parser.parse(log.clone());
    let typed = typed_record_batch(&batch, TimeContext::new()).unwrap();
    let unmatched = batch.unmatched();
    let unmatched = unmatched.map(|it| {
        (
            it.line_number(),
            it.offset(),
            it.raw().to_vec(),
            it.reason(),
        )
    });
    let invalid = typed.invalid().iter().map(|it| it.count()).collect();
    (
        typed.table().clone(),
        unmatched.collect(),
        batch.line_count(),
        invalid,
    )
}

fn in_parts(parser: &Parser, log: &Bytes, memory: &mut BatchMemory) -> (Parsed, usize) {
    let mut parts = parser.parts(log.clone());
    let mut table = TableBuilder::new(parser.format(), log.clone(), memory);
    let (mut unmatched, mut lines, mut count) = (Vec::new(), 0, 0);
    let mut invalid = vec![0; parser.format().fields().len()];
    while let Some(batch) = parts.next_in(memory) {
        count += 1;
        lines += batch.line_count();
        unmatched.extend(batch.unmatched().map(|it| {
            (
                it.line_number(),
                it.offset(),
                it.raw().to_vec(),
                it.reason(),
            )
        }));
        let part = TypedPart::new(&batch, TimeContext::new()).unwrap();
        for (sum, it) in invalid.iter_mut().zip(part.invalid()) {
            *sum += it.count();
        }
        table.push(&batch, part).unwrap();
        batch.recycle(memory);
    }
    ((table.finish().unwrap(), unmatched, lines, invalid), count)
}

/// About so many bytes of lines, most of which are as they should be.
fn log(bytes: usize, seed: u64, line: impl Fn(&mut fastrand::Rng) -> Vec<u8>) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut log = Vec::new();
    if random.bool() {
        log.extend_from_slice(b"\xef\xbb\xbf");
    }
    while log.len() < bytes {
        let mut line = line(&mut random);
        match random.u32(..200) {
            0 => line.truncate(random.usize(..line.len())),
            1 => line = vec![b'x'; random.usize(..20_000)],
            2 => {
                let at = random.usize(..line.len());
                line[at] = random.u8(..);
            }
            3 => line.push(b'\r'),
            4 => line.clear(),
            _ => {}
        }
        log.extend_from_slice(&line);
        log.push(b'\n');
    }
    if random.bool() {
        log.pop();
    }
    log.into()
}

fn access(random: &mut fastrand::Rng) -> Vec<u8> {
    let path = [
        "/",
        "/a/long/path/of/a/page",
        "/caf\u{e9}",
        "/\\\"quoted\\\"",
    ][random.usize(..4)];
    let (status, bytes) = (random.u32(..700), random.u32(..));
    let day = random.u32(1..33);
    format!(
        "192.0.2.{} - - [{day:02}/Jan/2026:03:04:05 +0100] \"GET {path} HTTP/1.1\" {status} {bytes} \"-\" \"agent {}\"",
        random.u8(..),
        "x".repeat(random.usize(..60)),
    )
    .into_bytes()
}

fn request(random: &mut fastrand::Rng) -> Vec<u8> {
    let message = [
        "up",
        "a message of some length",
        r#"with \"escapes\" in it, some"#,
        r"\u00e9\n",
    ][random.usize(..4)];
    let ms = ["1.5", "12", "null", "\"x\"", "1e3"][random.usize(..5)];
    format!(
        r#"{{"time":"2026-01-02T03:04:{:02}Z","ok":{},"message":"{message}","ip":"2001:db8::{:x}","ms":{ms},"n":{}}}"#,
        random.u32(..70),
        random.bool(),
        random.u16(..),
        random.i64(..),
    )
    .into_bytes()
}

fn check(parser: &Parser, sizes: &[usize], line: impl Fn(&mut fastrand::Rng) -> Vec<u8>) {
    let mut memory = BatchMemory::default();
    for (seed, &size) in sizes.iter().enumerate() {
        let log = log(size, seed as u64, &line);
        let expected = whole(parser, &log);
        let (made, parts) = in_parts(parser, &log, &mut memory);
        assert!(parts > size / PART_BYTES / 2, "{parts} parts of {size}");
        assert_eq!(made.1, expected.1);
        assert_eq!((made.2, &made.3), (expected.2, &expected.3));
        assert_eq!(made.0, expected.0);
        made.0
            .columns()
            .iter()
            .for_each(|it| it.to_data().validate_full().unwrap());
        recycle(made.0, &mut memory);
    }
}

const SIZES: [usize; 6] = [0, 300, 700_000, 2_500_000, 1_300_000, 3_000_000];

#[test]
fn of_access_logs() {
    for kernel in Kernel::ALL {
        let format = Format::preset("combined").unwrap();
        check(&Parser::new(format).kernel(kernel), &SIZES, access);
    }
}

#[test]
fn of_json() {
    let names = ["time", "ok", "message", "ip", "ms", "n", "absent"];
    let types = [
        ("time", Type::Timestamp(TimestampFormat::Rfc3339)),
        ("ok", Type::Boolean),
        ("ip", Type::IpAddr),
        ("ms", Type::Float),
        ("n", Type::Integer),
    ];
    let format = Format::preset("ndjson").unwrap().select(names).unwrap();
    let typed = types.iter();
    let format = typed.fold(format, |format, (name, it)| {
        format.with_type(name, *it).unwrap()
    });
    for kernel in Kernel::ALL {
        check(&Parser::new(format.clone()).kernel(kernel), &SIZES, request);
    }
}

/// The rows that the first part leads to expect are far fewer than there are.
#[test]
fn of_lines_that_become_short() {
    let mut log = format!("{}\n", "x".repeat(9000)).repeat(100).into_bytes();
    log.extend_from_slice("a\n".repeat(400_000).as_bytes());
    let parser = Parser::new(Format::pattern("(?P<a>x*)(?P<b>a*)").unwrap());
    let log = Bytes::from(log);
    let expected = whole(&parser, &log);
    let (made, _) = in_parts(&parser, &log, &mut BatchMemory::default());
    assert_eq!(made.0.num_rows(), 400_100);
    assert_eq!(made.0, expected.0);
}

#[test]
fn where_columns_are_found_all_is_one_part() {
    let parser = Parser::new(Format::preset("logfmt").unwrap());
    let log = Bytes::from("a=1 b=2\n".repeat(200_000));
    let mut memory = BatchMemory::default();
    let mut parts = parser.parts(log);
    assert_eq!(parts.next_in(&mut memory).unwrap().len(), 200_000);
    assert!(parts.next_in(&mut memory).is_none());
}

#[test]
fn other_columns_are_refused() {
    let parser = Parser::new(Format::preset("app").unwrap());
    let log = Bytes::from("2026-01-02 03:04:05 [INFO] a\n");
    let mut table = TableBuilder::new(parser.format(), log.clone(), &mut BatchMemory::default());
    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse(log);
    let part = TypedPart::new(&batch, TimeContext::new()).unwrap();
    let error = table.push(&batch, part).unwrap_err();
    assert!(
        error.to_string().contains("another format or input"),
        "{error}"
    );
}
