//! Nanoseconds a value, by hand: `cargo test --release --test typed_speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are for a person")]

use std::{hint::black_box, time::Instant};

use jiff::{Timestamp, fmt::strtime};
use opsbox_log::{
    Batch, Column, Format, Parser,
    types::{TimestampFormat, Type, parse_integer},
};

const ROWS: i64 = 200_000;

/// The best of several runs.
fn nanos(name: &str, mut run: impl FnMut() -> i64) {
    let mut best = f64::MAX;
    for _ in 0..9 {
        let start = Instant::now();
        black_box(run());
        let time = start.elapsed().as_secs_f64();
        best = best.min(time * 1e9 / ROWS as f64);
    }
    println!("{name:40} {best:7.1} ns a value");
}

fn batch(row: impl Fn(i64) -> String) -> Batch<String> {
    let log = (0..ROWS).map(|at| row(at) + "\n").collect();
    Parser::new(Format::pattern("(?P<v>.*)").unwrap()).parse(log)
}

fn typed(name: &str, column: &Column<'_>, data_type: Type) {
    let check = column.typed_as(data_type).unwrap();
    assert_eq!(check.null_count(), 0, "{name}");
    nanos(name, || {
        let typed = column.typed_as(data_type).unwrap();
        typed.len() as i64 + typed.as_i64().map_or(0, |it| it[it.len() / 2])
    });
}

fn texts<'b>(column: &Column<'b>) -> Vec<&'b str> {
    let values = column.iter().flatten();
    values.map(|it| std::str::from_utf8(it).unwrap()).collect()
}

#[test]
#[ignore = "a measurement; run by hand with --release"]
fn nanoseconds_a_value() {
    for (name, modulus) in [("status", 500), ("bytes", 100_000_000), ("long", i64::MAX)] {
        let batch = batch(|at| (100 + at * 9_000_000_000_017 % modulus).to_string());
        let column = batch.column("v").unwrap();
        let texts = texts(&column);
        nanos("walk over the column alone", || {
            column.iter().flatten().map(|it| it.len() as i64).sum()
        });
        typed(&format!("integer, {name}: column"), &column, Type::Integer);
        nanos("  parse_integer on slices", || {
            texts
                .iter()
                .map(|it| parse_integer(it.as_bytes()).unwrap())
                .fold(0, i64::wrapping_add)
        });
        nanos("  str::parse::<i64>", || {
            texts
                .iter()
                .map(|it| it.parse::<i64>().unwrap())
                .fold(0, i64::wrapping_add)
        });
        nanos("  serde_json::from_str::<i64>", || {
            let values = texts
                .iter()
                .map(|it| serde_json::from_str::<i64>(it).unwrap());
            values.fold(0, i64::wrapping_add)
        });
    }

    let batch_floats = batch(|at| format!("{}.{:03}", at % 100, at % 1000));
    let column = batch_floats.column("v").unwrap();
    typed("float: column", &column, Type::Float);
    let floats = texts(&column);
    nanos("  str::parse::<f64>", || {
        floats
            .iter()
            .map(|it| it.parse::<f64>().unwrap().to_bits().cast_signed())
            .sum()
    });

    let start = 1_779_012_303;
    let at_second = |second: i64| Timestamp::from_second(start + second).unwrap();
    let clf = batch(|at| {
        at_second(at / 20)
            .strftime("%d/%b/%Y:%H:%M:%S +0000")
            .to_string()
    });
    let column = clf.column("v").unwrap();
    typed(
        "CLF timestamp: column",
        &column,
        Type::Timestamp(TimestampFormat::Clf),
    );
    let times = texts(&column);
    nanos("  jiff strtime", || {
        let parse = |it: &&str| {
            strtime::parse("%d/%b/%Y:%H:%M:%S %z", it)
                .unwrap()
                .to_timestamp()
        };
        times
            .iter()
            .map(|it| parse(it).unwrap().as_microsecond())
            .fold(0, i64::wrapping_add)
    });
    let shuffled = batch(|at| {
        let day = at * 7919 % 3650;
        at_second(day * 86_400)
            .strftime("%d/%b/%Y:%H:%M:%S +0000")
            .to_string()
    });
    let column = shuffled.column("v").unwrap();
    typed(
        "  column, another day each line",
        &column,
        Type::Timestamp(TimestampFormat::Clf),
    );

    let rfc3339 = batch(|at| {
        let micros = (start + at / 20) * 1_000_000 + at % 1_000_000;
        format!("{:.6}", Timestamp::from_microsecond(micros).unwrap())
    });
    let column = rfc3339.column("v").unwrap();
    typed(
        "RFC 3339 timestamp: column",
        &column,
        Type::Timestamp(TimestampFormat::Rfc3339),
    );
    let times = texts(&column);
    nanos("  jiff str::parse::<Timestamp>", || {
        let times = times
            .iter()
            .map(|it| it.parse::<Timestamp>().unwrap().as_microsecond());
        times.fold(0, i64::wrapping_add)
    });

    let addresses = batch(|at| format!("10.{}.{}.{}", at % 251, at % 199, at % 97));
    let column = addresses.column("v").unwrap();
    typed("IPv4: column", &column, Type::IpAddr);
    let addresses = texts(&column);
    nanos("  str::parse::<IpAddr>", || {
        let parse = |it: &&str| i64::from(it.parse::<std::net::IpAddr>().unwrap().is_ipv4());
        addresses.iter().map(parse).sum()
    });

    let levels = ["info", "warn", "error", "debug", "trace", "fatal"];
    let levels = batch(|at| levels[(at * 7919 % 6) as usize].to_owned());
    let column = levels.column("v").unwrap();
    typed("category, 6 values: column", &column, Type::Category);
    let paths = batch(|at| format!("/shop/item/{}", at * 7919 % 5000));
    let column = paths.column("v").unwrap();
    typed("category, 5000 values: column", &column, Type::Category);
}
