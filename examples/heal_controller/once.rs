//! One sweep, for a CronJob or a person.

use std::{error::Error, fs, io::ErrorKind, path::Path, process::ExitCode};

use opsbox_heal::{controller::Controller, decide::History};

use crate::say::say;

pub(crate) async fn run(
    mut controller: Controller,
    memory: Option<&Path>,
) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = memory {
        controller = controller.history(read(path)?);
    }
    let once = controller.run_once().await;
    for error in &once.errors {
        eprintln!("heal_controller: {error}");
    }
    for pod in &once.unreadable {
        eprintln!("heal_controller: {pod}");
    }
    let sick = once.pass.plan.decisions().len();
    let said = format!(
        "{} pods, {} looked at, {sick} sick; {} calls",
        once.stats.pods, once.stats.fetched, once.stats.calls
    );
    say(&said);
    for ((action, reason), count) in once.pass.plan.counts() {
        say(&format!("{count:>6} {action}: {reason}"));
    }
    if let Some(path) = memory {
        write(path, &once.history)?;
    }
    let failed = !once.errors.is_empty() || !once.unreadable.is_empty();
    Ok(ExitCode::from(match (failed, sick) {
        (true, _) => 2,
        (false, 0) => 0,
        (false, _) => 1,
    }))
}

fn read(path: &Path) -> Result<History, Box<dyn Error>> {
    let said = |error: &dyn Error| format!("cannot read {}: {error}", path.display());
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).map_err(|error| said(&error))?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(History::new()),
        Err(error) => Err(said(&error).into()),
    }
}

/// Beside it first, so that it is never half written.
fn write(path: &Path, history: &History) -> Result<(), Box<dyn Error>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, history)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
