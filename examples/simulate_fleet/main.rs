//! What becomes of a fleet of certificates in a year, in seconds: what expires, which limits of the CA are
//! met, how the load is spread.
//!
//! ```sh
//! cargo run --release --example simulate_fleet -- --certificates 20000 --lifetime 45d --issued one-day
//! cargo run --release --example simulate_fleet -- --event "50d outage 7d" --event "90d crash 0 for 2d"
//! cargo run --release --example simulate_fleet -- examples/samples/fleet.toml --format svg -o fleet.svg
//! ```

#![forbid(unsafe_code)]

mod args;
mod event;
mod settings;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use opsbox_cert::sim::{Report, Scenario, Simulation};

use crate::args::{Args, Format, HELP};

const FOUND: u8 = 1;
const WRONG: u8 = 2;
const FAILED: u8 = 3;

/// The bar moves so often.
const PARTS: u32 = 400;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            // Nobody may be there to read it.
            let _gone = writeln!(io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return wrong(&error.to_string()),
    };
    let scenario = match args.settings.scenario() {
        Ok(scenario) => scenario,
        Err(error) => return wrong(&error),
    };
    let report = match run(scenario) {
        Ok(report) => report,
        Err(error) => return wrong(&error),
    };
    if let Err(error) = write(&args, &report) {
        eprintln!("simulate_fleet: {error}");
        return ExitCode::from(FAILED);
    }
    let found = report.expired() + report.overdrawn() + report.duplicates();
    ExitCode::from(if found > 0 { FOUND } else { 0 })
}

fn wrong(error: &str) -> ExitCode {
    eprintln!("simulate_fleet: {error}; see --help");
    ExitCode::from(WRONG)
}

fn run(scenario: Scenario) -> Result<Report, String> {
    let length = scenario.length();
    let mut simulation = Simulation::new(scenario).map_err(|error| error.to_string())?;
    let bar = progress(length);
    for part in 1..=PARTS {
        let until = length * part / PARTS;
        simulation.run_until(until);
        bar.set_position(until.as_secs() / 86_400);
    }
    bar.finish_and_clear();
    Ok(simulation.report())
}

/// Shown on a terminal only.
fn progress(length: Duration) -> ProgressBar {
    let bar = ProgressBar::new(length.as_secs() / 86_400);
    match ProgressStyle::with_template("{bar:40} day {pos} of {len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn write(args: &Args, report: &Report) -> Result<(), String> {
    let text = match args.format {
        Format::Text => format!("{report}\n"),
        Format::Json => {
            let json = serde_json::to_string_pretty(report);
            json.map_err(|error| error.to_string())? + "\n"
        }
        Format::Svg => report.svg(),
    };
    let Some(path) = &args.output else {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        return match written {
            // Whoever read it has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| format!("standard output: {error}")),
        };
    };
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    // Written beside and renamed: there is the old file or the new one.
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
