//! The table of sick pods, and all that is known of one.

use std::io::{self, Write};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use opsbox_heal::{
    ConditionStatus, Deletion, Diagnosis, Evidence, ProbeMatrix, Report, Thresholds, Timestamp,
};

use crate::look;

/// Text without control characters and direction marks, which could forge what the terminal shows.
fn printable(text: &str) -> String {
    let forges = |c: char| {
        let hides = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}');
        hides || c.is_control()
    };
    let replace = |c: char| if forges(c) { '\u{fffd}' } else { c };
    text.chars().map(replace).collect()
}

/// The worst first, each with where to look next below it.
pub(crate) fn table(
    out: &mut impl Write,
    report: &Report<'_>,
    chosen: &[&Diagnosis<'_>],
    now: Timestamp,
) -> io::Result<()> {
    writeln!(out, "{report}")?;
    if chosen.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "POD",
            "VERDICT",
            "SINCE",
            "NODE",
            "WHY, AND WHAT TO LOOK AT",
        ]);
    for entry in chosen {
        let (pod, verdict) = (entry.pod(), entry.verdict());
        let mut what = verdict.condition().to_string();
        if let Some(cause) = verdict.cause() {
            what = format!("{what}\n{cause}");
        }
        let mut why = printable(verdict.summary());
        let next = look::next(entry);
        if !next.is_empty() {
            why = format!("{why}\n-> {}", printable(&next));
        }
        table.add_row([
            Cell::new(pod),
            Cell::new(what),
            Cell::new(since(entry, now)),
            Cell::new(printable(pod.node().unwrap_or("-"))),
            Cell::new(why),
        ]);
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// For how long, by the first evidence that has a time, or else by what the pod as a whole says.
fn since(entry: &Diagnosis<'_>, now: Timestamp) -> String {
    let pod = entry.pod();
    let mut evidence = entry.verdict().primary().evidence();
    let unready = || {
        let ready = pod.condition("Ready")?;
        let is_ready = ready.status() == ConditionStatus::True;
        ready.since().filter(|_| !is_ready)
    };
    let since = evidence
        .find_map(Evidence::since)
        .or_else(|| pod.deletion().map(Deletion::due))
        .or_else(unready)
        .or_else(|| pod.created());
    let Some(since) = since else {
        return "-".to_owned();
    };
    let seconds = now.since(since).as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(crate) fn explain(
    out: &mut impl Write,
    chosen: &[&Diagnosis<'_>],
    now: Timestamp,
) -> io::Result<()> {
    for entry in chosen {
        let (pod, verdict) = (entry.pod(), entry.verdict());
        writeln!(out, "{pod}: {verdict:#}")?;
        let next = look::next(entry);
        if !next.is_empty() {
            writeln!(out, "\nlook at   {}", printable(&next))?;
        }
        writeln!(out, "\nphase     {}", pod.phase())?;
        writeln!(out, "workload  {}", pod.workload())?;
        writeln!(out, "node      {}", printable(pod.node().unwrap_or("-")))?;
        if !pod.volumes().is_empty() {
            let volumes: Vec<String> = pod.volumes().iter().map(ToString::to_string).collect();
            writeln!(out, "volumes   {}", volumes.join(", "))?;
        }
        let matrix = ProbeMatrix::of_pod(pod, now, &Thresholds::default());
        writeln!(out, "probes    {matrix}")?;
        for container in pod.containers() {
            let row = ProbeMatrix::of_container(container, now, &Thresholds::default());
            let restarts = match container.restarts() {
                1 => "1 restart".to_owned(),
                count => format!("{count} restarts"),
            };
            let name = printable(container.name());
            writeln!(out, "          {name}: {row}, {restarts}")?;
        }
    }
    Ok(())
}
