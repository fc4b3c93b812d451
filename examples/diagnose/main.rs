//! Says what is wrong with the pods of a saved list: for a person, for a program, for a script.
//!
//! ```sh
//! kubectl get pods -A -o json | cargo run --release --example diagnose -- -
//! cargo run --release --example diagnose -- pods.json --explain shop/cart-7d9f5c6b8d-x2lqp
//! cargo run --release --example diagnose -- pods.json --json --fail-on critical
//! ```

#![forbid(unsafe_code)]

mod json;
mod look;
mod show;

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use lexopt::prelude::*;
use opsbox_heal::{Diagnosis, PodSnapshot, Report, Severity, Timestamp, limits};

const HELP: &str = "\
Says what is wrong with the pods of a list that kubectl has saved, as JSON or YAML.
Without a file it looks at the samples of the repository.

Usage: diagnose [OPTION]... [FILE]      (FILE may be -, the standard input)

  --all             show healthy pods as well
  --json            all of it as JSON
  --explain POD     one pod, NAMESPACE/NAME or NAME: every finding with its evidence
  --fail-on LEVEL   what counts as sick for the exit code: warning (default) or critical
  --now TIME        judge at another time, as 2026-03-01T12:00:00Z; of an old list the
                    time at which it was saved
  -h, --help        this text

Exit code: 0 if no pod is sick, 1 if one is, 2 if the arguments are wrong, the list cannot be
read, or an item of it cannot and no pod is sick.";

struct Args {
    file: PathBuf,
    all: bool,
    json: bool,
    explain: Option<String>,
    fail_on: Severity,
    now: Option<Timestamp>,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            // Nobody may be there to read it.
            let _gone = writeln!(std::io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return bad(&format!("{error}\n\n{HELP}")),
    };
    let snapshot = match read(&args.file) {
        Ok(snapshot) => snapshot,
        Err(error) => return bad(&error),
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "the library is given the time; here it begins"
    )]
    let now = args.now.unwrap_or_else(|| SystemTime::now().into());
    let report = Report::of_snapshot(&snapshot, now);
    for problem in report.problems() {
        eprintln!("diagnose: {problem}");
    }
    if let Some(more @ 1..) = report.problem_count().checked_sub(report.problems().len()) {
        eprintln!("diagnose: and {more} more items that cannot be read");
    }
    let chosen = match chosen(&args, &report) {
        Ok(chosen) => chosen,
        Err(error) => return bad(&error),
    };
    let mut out = std::io::stdout().lock();
    let shown = match (args.json, &args.explain) {
        (true, _) => json::write(&mut out, &report, &chosen),
        (false, Some(_)) => show::explain(&mut out, &chosen, now),
        (false, None) => show::table(&mut out, &report, &chosen, now),
    };
    match shown {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return bad(&error.to_string());
        }
        _ => {}
    }
    // With one pod to explain, it is that pod that the script asks for.
    let asked: &[_] = if args.explain.is_some() {
        &chosen
    } else {
        &report.entries().iter().collect::<Vec<_>>()
    };
    let sick = asked
        .iter()
        .any(|entry| entry.verdict().severity() >= args.fail_on);
    match (sick, report.problem_count()) {
        (true, _) => ExitCode::from(1),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(2),
    }
}

/// Says what is wrong with the input, and gives the exit code for it.
fn bad(message: &str) -> ExitCode {
    eprintln!("diagnose: {message}");
    ExitCode::from(2)
}

fn read(file: &std::path::Path) -> Result<PodSnapshot, String> {
    if file.as_os_str() != "-" {
        return PodSnapshot::from_path(file).map_err(|error| error.to_string());
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(limits::MAX_INPUT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read pods from the standard input: {error}"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::MAX_INPUT_BYTES {
        let limit = limits::MAX_INPUT_BYTES;
        return Err(format!("the standard input has more than {limit} bytes"));
    }
    PodSnapshot::from_slice(&bytes)
        .map_err(|error| format!("cannot read pods from the standard input: {error}"))
}

/// The pods to show: the one that was asked for, the sick ones, or all.
fn chosen<'r, 'a>(args: &Args, report: &'r Report<'a>) -> Result<Vec<&'r Diagnosis<'a>>, String> {
    let Some(wanted) = &args.explain else {
        let entries = report.entries().iter();
        return Ok(entries
            .filter(|entry| args.all || entry.verdict().is_sick())
            .collect());
    };
    let (namespace, name) = match wanted.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, wanted.as_str()),
    };
    let named = || {
        let entries = report.entries().iter();
        entries.filter(|entry| entry.pod().name() == name)
    };
    let found: Vec<_> = named()
        .filter(|entry| namespace.is_none_or(|wanted| entry.pod().namespace() == wanted))
        .collect();
    match found.as_slice() {
        [_] => Ok(found),
        [] => {
            let elsewhere: Vec<String> = named().map(|entry| entry.pod().to_string()).collect();
            Err(match elsewhere.as_slice() {
                [] => format!("no pod {wanted:?} in the list"),
                _ => format!("no pod {wanted:?}, but there is {}", elsewhere.join(", ")),
            })
        }
        many => {
            let many: Vec<String> = many.iter().map(|entry| entry.pod().to_string()).collect();
            Err(format!("{wanted:?} is one of {}", many.join(", ")))
        }
    }
}

impl Args {
    /// `None` if help was asked for.
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut file = None;
        let mut parsed = Self {
            file: concat!(env!("CARGO_MANIFEST_DIR"), "/samples/pods.json").into(),
            all: false,
            json: false,
            explain: None,
            fail_on: Severity::Warning,
            now: None,
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("all") => parsed.all = true,
                Long("json") => parsed.json = true,
                Long("explain") => parsed.explain = Some(parser.value()?.string()?),
                Long("fail-on") => {
                    parsed.fail_on = match parser.value()?.string()?.as_str() {
                        "warning" => Severity::Warning,
                        "critical" => Severity::Critical,
                        other => {
                            let message =
                                format!("`{other}` is no level; give warning or critical");
                            return Err(message.into());
                        }
                    };
                }
                Long("now") => {
                    let time = parser.value()?.string()?.parse::<Timestamp>();
                    parsed.now = Some(time.map_err(|error| error.to_string())?);
                }
                Short('h') | Long("help") => return Ok(None),
                Value(path) if file.is_none() => file = Some(path.into()),
                arg => return Err(arg.unexpected()),
            }
        }
        parsed.file = file.unwrap_or(parsed.file);
        Ok(Some(parsed))
    }
}
