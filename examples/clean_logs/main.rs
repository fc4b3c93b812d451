//! A log in, clean NDJSON out: fields, embedded JSON and XML as fields of their own, secrets masked,
//! context added, and a summary whose counts add up.
//!
//! ```sh
//! cargo run --release --example clean_logs
//! cargo run --release --example clean_logs -- /var/log/app.log -o clean.ndjson --threads 0
//! kubectl logs deploy/cart | cargo run --release --example clean_logs -- -
//! ```

#![forbid(unsafe_code)]

mod args;
mod output;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write as _},
    path::Path,
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};
use opsbox_log::{
    Format, Parser,
    clean::Cleaner,
    enrich::{Enrich, Environment, Kubernetes, system_host_name},
    limits::DETECT_SAMPLE_BYTES,
    mask::{Masker, Policy},
    pipeline::{Pipeline, PipelineConfig, PipelineReport},
};

use crate::{
    args::{Args, HELP},
    output::Output,
};

const UNMATCHED: u8 = 1;
const WRONG: u8 = 2;
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            // Nobody may be there to read it.
            let _gone = writeln!(io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("clean_logs: {error}\n\n{HELP}");
            return ExitCode::from(WRONG);
        }
    };
    match run(&args) {
        Ok(report) => {
            if !args.quiet {
                summary(&report);
            }
            ExitCode::from(if report.unmatched_lines() > 0 {
                UNMATCHED
            } else {
                0
            })
        }
        Err((code, message)) => {
            eprintln!("clean_logs: {message}");
            ExitCode::from(code)
        }
    }
}

/// An exit code, and what is said.
type Failure = (u8, String);

fn run(args: &Args) -> Result<PipelineReport, Failure> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/app.log");
    let path = args.input.as_deref().unwrap_or_else(|| Path::new(sample));
    let failed = |path: &Path, error: io::Error| (FAILED, format!("{}: {error}", path.display()));

    let (mut reader, bytes): (Box<dyn Read + Send>, _) = match path.to_str() {
        Some("-") => (Box::new(io::stdin()), None),
        _ => {
            let file = File::open(path).map_err(|error| failed(path, error))?;
            let bytes = file.metadata().ok().map(|it| it.len());
            (Box::new(file), bytes)
        }
    };
    // What the format is recognised by, and then read as the beginning.
    let mut head = Vec::new();
    let most = u64::try_from(DETECT_SAMPLE_BYTES).unwrap_or(u64::MAX);
    let first = reader.by_ref().take(most).read_to_end(&mut head);
    first.map_err(|error| failed(path, error))?;

    let mut pipeline = pipeline(args, path, &head).map_err(|message| (WRONG, message))?;
    let name = args
        .output
        .as_deref()
        .unwrap_or_else(|| Path::new("standard output"));
    let mut output = Output::open(args.output.as_deref()).map_err(|error| failed(name, error))?;

    let progress = progress(bytes);
    let reader = progress.wrap_read(head.chain(reader));
    let result = pipeline.run(reader, &mut output);
    progress.finish_and_clear();
    // An output that is not finished leaves no file.
    let report = result.map_err(|error| (FAILED, format!("{}: {error}", path.display())))?;
    output.finish().map_err(|error| failed(name, error))?;
    Ok(report)
}

fn pipeline(args: &Args, path: &Path, head: &[u8]) -> Result<Pipeline, String> {
    let told = |error: opsbox_log::Error| error.to_string();
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables: BTreeMap<_, _> = variables.collect();
    let config = args
        .config
        .as_ref()
        .map(|path| PipelineConfig::read(path, &variables));
    let config = config.transpose().map_err(told)?;
    let says_format = config.as_ref().is_some_and(PipelineConfig::has_format);
    let format = match &args.format {
        Some(_) if says_format => {
            return Err("the --config says the format, too; leave out --format".to_owned());
        }
        Some(name) => Some(Format::preset(name).map_err(told)?),
        None if says_format => None,
        None => Some(detect(head, path)?),
    };
    let pipeline = match config {
        Some(config) => config.build(format.as_ref()).map_err(told)?,
        None => usual(args, path, format, Environment::from_iter(variables))?,
    };
    Ok(match args.threads {
        Some(threads) => pipeline.threads(threads),
        None => pipeline,
    })
}

fn detect(head: &[u8], path: &Path) -> Result<Format, String> {
    if head.is_empty() {
        // Any does for no lines.
        return Format::preset("app").map_err(|error| error.to_string());
    }
    let detection = Format::detect(head);
    let detection =
        detection.map_err(|error| format!("{}: {error}; or give --format", path.display()))?;
    Ok(detection.format().clone())
}

/// The pipeline of those who have no file for it.
fn usual(
    args: &Args,
    path: &Path,
    format: Option<Format>,
    environment: Environment,
) -> Result<Pipeline, String> {
    let told = |error: opsbox_log::Error| error.to_string();
    let format = format.ok_or("the format is not known; give --format")?;
    let policy = match &args.policy {
        Some(path) => Policy::read(path).map_err(told)?,
        None => Policy::new(),
    };
    let mut enrich = Enrich::new().ci(&environment);
    if let Some(name) = system_host_name() {
        enrich = enrich.host(name);
    }
    if let Some(container) = Kubernetes::from_path(path) {
        enrich = enrich.kubernetes(&container);
    }
    if let Some(name) = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| *name != "-")
    {
        enrich = enrich.label("log.file.name", name);
    }
    // A variable that is no traceparent is to be ignored, as the standard asks.
    let enrich = enrich.clone().trace_of(&environment).unwrap_or(enrich);
    // Cleaning comes first: what was escaped is found by the mask then.
    Ok(Pipeline::new(Parser::new(format))
        .keep_unmatched("message")
        .stage(Cleaner::new("message").strip_ansi(true))
        .stage(Masker::new(policy, None).map_err(told)?)
        .stage(enrich))
}

/// Shown on a terminal only.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes} {bytes_per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn summary(report: &PipelineReport) {
    eprintln!("{report}");
    for line in report.unmatched_examples() {
        eprintln!(
            "line {} (byte {}): {}",
            line.line_number, line.offset, line.reason
        );
    }
}
