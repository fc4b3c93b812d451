//! Finds TLS certificates in files and folders and says which of them end soon: for a terminal, for a
//! program, or for Prometheus.
//!
//! ```sh
//! cargo run --release --example scan_certs -- /etc/ssl/private-ca --within 30
//! cargo run --release --example scan_certs -- /etc/letsencrypt/live --format json
//! cargo run --release --example scan_certs -- /etc/ssl --textfile /var/lib/node_exporter/certs.prom
//! ```

#![forbid(unsafe_code)]

use std::{
    error::Error,
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use lexopt::prelude::*;
use opsbox_cert::{CertFacts, Scan, ScanReport, ValidityState, observe::prometheus};

const HELP: &str = "\
Finds TLS certificates and says which of them end soon.
Without a path it looks at the samples of the repository.

Usage: scan_certs [--within DAYS] [--format FORMAT] [--textfile FILE] [PATH]...

  --within DAYS    what counts as soon (default: 21)
  --format FORMAT  text (default), json or prometheus, on standard output
  --textfile FILE  write the metrics to a file as well, whole or not at all, for
                   the textfile collector of the Prometheus node exporter
  -h, --help       this text

Exit code: 0 if none ends soon and all could be read, 1 if one does or something could
not, 2 if the arguments are wrong.";

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
    Prometheus,
}

struct Args {
    within_days: f64,
    format: Format,
    textfile: Option<PathBuf>,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            // Nobody may be there to read it.
            let _gone = writeln!(std::io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("scan_certs: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "the library is given the time; here it begins"
    )]
    let now = SystemTime::now();
    let report = Scan::new().paths(&args.paths).run();
    if let Err(error) = show(&args, &report, now) {
        eprintln!("scan_certs: {error}");
        return ExitCode::FAILURE;
    }
    for problem in report.problems() {
        eprintln!("scan_certs: {problem}");
    }
    if report.is_empty() {
        eprintln!("scan_certs: no certificate was found; give files or folders that have some");
    }
    let ends_soon = report
        .certificates()
        .any(|(_, facts)| facts.remaining_days(now) < args.within_days);
    let good = !ends_soon && report.problems().is_empty() && !report.is_empty();
    ExitCode::from(u8::from(!good))
}

fn show(args: &Args, report: &ScanReport, now: SystemTime) -> Result<(), Box<dyn Error>> {
    let metrics = prometheus::encode(report.certificates(), now);
    if let Some(path) = &args.textfile {
        write_whole(path, &metrics).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Text => text(&mut out, report, now, args.within_days)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        Format::Prometheus => out.write_all(metrics.as_bytes())?,
    }
    Ok(())
}

/// The next to end first.
fn text(
    out: &mut impl std::io::Write,
    report: &ScanReport,
    now: SystemTime,
    within_days: f64,
) -> std::io::Result<()> {
    let mut certificates: Vec<_> = report.certificates().collect();
    certificates.sort_by_key(|(_, facts)| facts.not_after_unix());
    for (path, facts) in certificates {
        let days = facts.remaining_days(now);
        let state = match facts.state(now) {
            ValidityState::Expired => "EXPIRED",
            ValidityState::NotYetValid => "not yet",
            _ if days < within_days => "SOON",
            _ => "valid",
        };
        writeln!(
            out,
            "{days:9.1} days  {state:7}  {}  {}",
            name(facts),
            path.display()
        )?;
    }
    Ok(())
}

fn name(facts: &CertFacts) -> String {
    let names: Vec<_> = facts.names().collect();
    let text = match names.as_slice() {
        [] => facts.subject().to_owned(),
        names => names.join(" "),
    };
    // What is in a certificate is not to reach the terminal as it is.
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_unicode().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

/// A reader of the file sees the old text or the new one.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // The collector runs as another user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

impl Args {
    /// `None` if help was asked for.
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut parsed = Self {
            within_days: 21.0,
            format: Format::Text,
            textfile: None,
            paths: Vec::new(),
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("within") => parsed.within_days = parser.value()?.parse()?,
                Long("format") => {
                    parsed.format = match parser.value()?.string()?.as_str() {
                        "text" => Format::Text,
                        "json" => Format::Json,
                        "prometheus" => Format::Prometheus,
                        other => {
                            let message =
                                format!("`{other}` is no format; give text, json or prometheus");
                            return Err(message.into());
                        }
                    };
                }
                Long("textfile") => parsed.textfile = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                Value(path) => parsed.paths.push(path.into()),
                arg => return Err(arg.unexpected()),
            }
        }
        if parsed.paths.is_empty() {
            let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/certs");
            parsed.paths.push(samples.into());
        }
        Ok(Some(parsed))
    }
}
