//! Real log files, which are not part of the repository: the folder named by `OPSBOX_LOGS`, or
//! `../shared/data` beside the checkout. Where they are missing, these tests are ignored, loudly;
//! with `OPSBOX_REQUIRE_COUNTERPARTS=1` they fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use opsbox_log::{
    Batch, Format, Kernel, Parser, Reason, Record, Span,
    types::{TimeContext, TimestampFormat, Type},
};

const ACCESS: &str = "apache-combined-10k.log";
const AUTH: &str = "auth.log";

fn main() -> ExitCode {
    let folder = env::var_os("OPSBOX_LOGS").unwrap_or_else(|| {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
        OsString::from(beside)
    });
    let folder = PathBuf::from(folder);
    let required = env::var_os("OPSBOX_REQUIRE_COUNTERPARTS").is_some_and(|value| value == "1");
    let trial = |name: &str, file: &'static str, run: fn(Vec<u8>) -> Result<(), Failed>| {
        let path = folder.join(file);
        let missing = !path.is_file();
        if missing && !required {
            eprintln!("SKIPPED real_logs::{name}: there is no {}", path.display());
        }
        Trial::test(name, move || run(fs::read(path)?)).with_ignored_flag(missing && !required)
    };
    let trials = vec![
        trial("access_log", ACCESS, access_log),
        trial("auth_log", AUTH, auth_log),
        trial("typed_access_log", ACCESS, typed_access_log),
        trial("typed_auth_log", AUTH, typed_auth_log),
        trial("auth_log_of_sshd", AUTH, auth_log_of_sshd),
    ];
    let every = folder.clone();
    let missing = logs(&folder).is_empty();
    if missing && !required {
        eprintln!(
            "SKIPPED real_logs::every_log: no .log in {}",
            folder.display()
        );
    }
    let every = Trial::test("every_log", move || every_log(&logs(&every)));
    let trials = trials
        .into_iter()
        .chain([every.with_ignored_flag(missing && !required)]);
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The files of a folder whose names end in `.log`.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut logs: Vec<_> = entries.map(|it| it.path()).collect();
    logs.retain(|it| it.extension().is_some_and(|it| it == "log"));
    logs.sort();
    logs
}

/// Whatever files there are: every preset finds in them, on every kernel and with threads, what its
/// regular expression finds, and each line is accounted for.
fn every_log(logs: &[PathBuf]) -> Result<(), Failed> {
    assert!(!logs.is_empty(), "no .log");
    for path in logs {
        let log = fs::read(path)?;
        // All of it for the presets that fit, the beginning for the others.
        let beginning: usize = log
            .split_inclusive(|&it| it == b'\n')
            .take(500)
            .map(<[u8]>::len)
            .sum();
        let beginning = log.get(..beginning).unwrap_or_default();
        let lines = line_count(&log);
        for preset in Format::presets() {
            let Ok(format) = preset.format() else {
                continue;
            };
            let parser = Parser::new(format);
            let fits = parser.parse(beginning).len() * 2 > line_count(beginning);
            let log = if fits { &log } else { beginning };
            let expected = told(&parser.clone().regex_only(true).parse(log));
            let name = format!("{} in {}", preset.name(), path.display());
            for kernel in Kernel::ALL.into_iter().filter(|it| it.is_available()) {
                for threads in [1, 2] {
                    let batch = parser.clone().kernel(kernel).threads(threads).parse(log);
                    assert!(told(&batch) == expected, "{name} on {kernel}");
                    assert_eq!(
                        batch.line_count(),
                        if fits { lines } else { line_count(beginning) }
                    );
                }
            }
        }
    }
    Ok(())
}

fn line_count(log: &[u8]) -> usize {
    log.split_inclusive(|&it| it == b'\n').count()
}

/// The place of each value, and the unmatched.
type Told = (Vec<(u64, Vec<Option<Span>>)>, Vec<(u64, Reason)>);

fn told<B: AsRef<[u8]>>(batch: &Batch<B>) -> Told {
    let spans = |it: &Record<'_>| (0..batch.fields().len()).map(|at| it.span_at(at)).collect();
    let records = batch.records().map(|it| (it.line_number(), spans(&it)));
    let unmatched = batch.unmatched().map(|it| (it.line_number(), it.reason()));
    (records.collect(), unmatched.collect())
}

fn access_log(log: Vec<u8>) -> Result<(), Failed> {
    let detection = Format::detect(&log)?;
    assert_eq!(detection.format().name(), "combined");
    let batch = Parser::new(detection.format().clone()).parse(&log);
    assert_eq!((batch.len(), batch.line_count()), (9999, 10_000));
    // The only odd line: its user agent was cut, and the quote never closes.
    let odd = batch.unmatched().next().ok_or("no unmatched line")?;
    assert_eq!(odd.line_number(), 8899);
    assert!(odd.raw().ends_with(b"+http://www.google.com/bot.html"));
    assert_eq!(odd.reason(), Reason::EndsEarly);

    // An independent reading: the status is the word after the request's closing quote.
    let status = batch.column("status").ok_or("no column")?;
    for (record, status) in batch.records().zip(status.iter()) {
        let line = std::str::from_utf8(record.raw())?;
        let by_hand = line
            .split('"')
            .nth(2)
            .and_then(|rest| rest.split_whitespace().next());
        assert_eq!(
            status,
            by_hand.map(str::as_bytes),
            "line {}",
            record.line_number()
        );
    }
    Ok(())
}

fn auth_log(log: Vec<u8>) -> Result<(), Failed> {
    let detection = Format::detect(&log)?;
    assert_eq!(detection.format().name(), "syslog-rfc3164");
    let batch = Parser::new(detection.format().clone()).parse(&log);
    assert_eq!((batch.len(), batch.line_count()), (7121, 7121));
    for record in batch.records() {
        let line = std::str::from_utf8(record.raw())?;
        assert_eq!(record.text("timestamp").as_deref(), line.get(..15));
        assert_eq!(
            record.text("hostname").as_deref(),
            line.split_whitespace().nth(3)
        );
        let message = record.text("message").ok_or("no message")?;
        assert!(line.ends_with(message.as_ref()));
        // Each line of this file has a tag.
        let tag = line
            .split_whitespace()
            .nth(4)
            .ok_or("no tag")?
            .trim_end_matches(':');
        let name = record.text("app_name").ok_or("no app_name")?;
        let by_hand = match record.text("procid") {
            Some(id) => format!("{name}[{id}]"),
            None => name.into_owned(),
        };
        assert_eq!(by_hand, tag, "line {}", record.line_number());
    }
    Ok(())
}

/// Everything that a preset gives a type decodes, and is what other readings of the line say.
fn typed_access_log(log: Vec<u8>) -> Result<(), Failed> {
    let batch = Parser::new(Format::preset("combined")?).parse(&log);
    let column = |name: &str| batch.column(name).ok_or("no column");
    let times = column("time_local")?.typed()?;
    assert_eq!((times.len(), times.null_count()), (9999, 0));
    for (record, time) in batch.records().zip(times.integers()) {
        let text = record.text("time_local").ok_or("no time")?;
        let by_jiff = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text.as_ref())?;
        assert_eq!(
            time,
            Some(by_jiff.to_timestamp()?.as_microsecond()),
            "{text}"
        );
    }
    // Four days of May 2015; requests are logged when they end, so neighbours may change places.
    let micros = times.as_i64().ok_or("no times")?;
    let days: Vec<_> = micros
        .iter()
        .map(|it| it.div_euclid(86_400_000_000))
        .collect();
    assert!(days.is_sorted());
    assert_eq!((days.first(), days.last()), (Some(&16_572), Some(&16_575)));

    for name in ["status", "body_bytes_sent"] {
        let typed = column(name)?.typed()?;
        assert_eq!(typed.invalid().count(), 0, "{name}");
        for (text, value) in column(name)?.iter().zip(typed.integers()) {
            let text = std::str::from_utf8(text.ok_or("no value")?)?;
            assert_eq!(text.parse().ok(), value, "{text}");
        }
    }
    // GET, POST, HEAD, OPTIONS.
    let methods = column("request_method")?.typed_as(Type::Category)?;
    assert_eq!(methods.dictionary().map(<[_]>::len), Some(4));
    let addresses = column("remote_addr")?.typed_as(Type::IpAddr)?;
    for (text, example) in column("remote_addr")?.iter().zip(0..) {
        let text = std::str::from_utf8(text.ok_or("no value")?)?;
        let valid = addresses.validity().is_valid(example);
        assert_eq!(text.parse::<std::net::IpAddr>().is_ok(), valid, "{text}");
    }
    Ok(())
}

/// A file without years, read at its end: its times do not go back, and are jiff's with the year.
fn typed_auth_log(log: Vec<u8>) -> Result<(), Failed> {
    let batch = Parser::new(Format::preset("syslog-rfc3164")?).parse(&log);
    let column = batch.column("timestamp").ok_or("no column")?;
    let syslog = Type::Timestamp(TimestampFormat::Syslog);
    let unread = column.typed_as(syslog)?;
    assert_eq!(unread.invalid().count(), batch.len());
    // 1 January 2016, 00:00 UTC.
    let read = TimeContext::new().reference(1_451_606_400_000_000);
    let times = column.typed_in(syslog, read)?;
    assert_eq!(times.null_count(), 0);
    assert!(times.as_i64().ok_or("no times")?.is_sorted());
    for (text, time) in column.iter().zip(times.integers()) {
        let text = std::str::from_utf8(text.ok_or("no value")?)?;
        let by_jiff =
            jiff::fmt::strtime::parse("%Y %b %e %H:%M:%S %z", format!("2015 {text} +0000"))?;
        assert_eq!(
            time,
            Some(by_jiff.to_timestamp()?.as_microsecond()),
            "{text}"
        );
    }
    Ok(())
}

fn auth_log_of_sshd(log: Vec<u8>) -> Result<(), Failed> {
    let batch = Parser::new(Format::preset("openssh-auth")?).parse(&log);
    // Each line of sshd, and no other.
    let lines = std::str::from_utf8(&log)?.lines();
    let of_sshd: Vec<_> = lines.filter(|line| line.contains(" sshd[")).collect();
    assert_eq!((batch.len(), of_sshd.len()), (4095, 4095));
    let mut with_action = 0;
    for (record, line) in batch.records().zip(of_sshd) {
        assert_eq!(record.raw(), line.as_bytes());
        let Some(action) = record.text("action") else {
            continue;
        };
        with_action += 1;
        // An independent reading: the words after `from` and `port`.
        let words: Vec<_> = line.split(' ').collect();
        let after = |word: &str| {
            let at = words.iter().position(|it| *it == word)?;
            Some(words.get(at + 1)?.split(':').next()?.to_owned())
        };
        if matches!(&*action, "Accepted" | "Failed" | "Invalid user") {
            let address = record.text("source_address").map(|it| it.into_owned());
            assert_eq!(address, after("from"), "{line}");
            let port = record.text("source_port").map(|it| it.into_owned());
            assert_eq!(port, after("port"), "{line}");
        }
    }
    // The others are of PAM's modules (check pass, ignoring max retries), input_userauth_request,
    // and signals.
    assert_eq!(with_action, 3435);
    Ok(())
}
