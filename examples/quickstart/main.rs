//! The three libraries at work on a log file, a folder of certificates and a list of pods.
//!
//! ```sh
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --log access.log --certs /etc/ssl --pods pods.json
//! ```

#![forbid(unsafe_code)]

mod certs;
mod log;
mod pods;
mod show;

use std::{error::Error, ffi::OsString, path::PathBuf, process::ExitCode, time::SystemTime};

use lexopt::prelude::*;

const HELP: &str = "\
Shows what opsbox makes of a log file, of TLS certificates and of Kubernetes pods.
Without arguments it shows the samples of the repository.

Usage: quickstart [--log FILE [--format FORMAT]] [--certs PATH]... [--pods FILE]

  --log FILE       a log file
  --format FORMAT  a preset, or a pattern with named captures (default: found from the file)
  --certs PATH     a certificate file, or a folder with some; may be given again
  --pods FILE      what `kubectl get pods -A -o json` (or yaml) wrote
  -h, --help       this text

Exit code: 0 if all could be read, 1 if something could not, 2 if the arguments are wrong.";

/// What the user asked for.
#[derive(Default)]
struct Args {
    log: Option<PathBuf>,
    format: Option<String>,
    certs: Vec<PathBuf>,
    pods: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            show::say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("quickstart: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "the libraries are given the time; here it begins"
    )]
    let now = SystemTime::now();

    let mut failed = false;
    let mut section = |name: &str, outcome: Result<(), Box<dyn Error>>| {
        if let Err(error) = outcome {
            eprintln!("{name}: {}", show::printable(&error.to_string()));
            failed = true;
        }
    };
    if let Some(path) = &args.log {
        section("log", log::show(path, args.format.as_deref()));
    }
    if !args.certs.is_empty() {
        section("certificates", certs::show(&args.certs, now));
    }
    if let Some(path) = &args.pods {
        section("pods", pods::show(path, now));
    }
    ExitCode::from(u8::from(failed))
}

impl Args {
    /// `None` if help was asked for.
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut parsed = Self::default();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("log") => parsed.log = Some(parser.value()?.into()),
                Long("format") => parsed.format = Some(parser.value()?.string()?),
                Long("certs") => parsed.certs.push(parser.value()?.into()),
                Long("pods") => parsed.pods = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                arg => return Err(arg.unexpected()),
            }
        }
        if parsed.format.is_some() && parsed.log.is_none() {
            return Err("--format goes with --log".into());
        }
        let nothing = parsed.log.is_none() && parsed.certs.is_empty() && parsed.pods.is_none();
        Ok(Some(if nothing { Self::samples() } else { parsed }))
    }

    fn samples() -> Self {
        let samples = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"));
        let here = std::env::current_dir().unwrap_or_default();
        let samples = samples.strip_prefix(here).unwrap_or(&samples);
        Self {
            log: Some(samples.join("access.log")),
            format: None,
            certs: vec![samples.join("certs")],
            pods: Some(samples.join("pods.json")),
        }
    }
}
