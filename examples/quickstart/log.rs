//! A log file: what fits, what does not, what stands out.

use std::{collections::HashMap, error::Error, fs, path::Path};

use comfy_table::{Cell, CellAlignment};
use opsbox_log::{Batch, Format, Parser, Record};

use crate::show::{self, Progress, say};

/// Unmatched lines that are shown.
const SHOWN_UNMATCHED: usize = 3;

/// Values that are shown of a column.
const SHOWN_VALUES: usize = 5;

/// Different values that are counted of a column; the rest is counted together.
const MAX_VALUES: usize = 100_000;

/// Columns worth counting, of whatever format.
const COUNTED: [&str; 7] = [
    "status",
    "request_uri",
    "level",
    "severity",
    "app_name",
    "stream",
    "hostname",
];

pub(crate) fn show(path: &Path, format: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (format, how) = match format {
        Some(format) => (format.parse()?, "as given".to_owned()),
        None => {
            if fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0) {
                return Err(format!("{} is empty: no line to show", show::short(path)).into());
            }
            let detection = Format::detect_file(path)?;
            let how = format!(
                "detected, confidence {:.2} from {}",
                detection.confidence(),
                show::count(detection.lines(), "line")
            );
            (detection.format().clone(), how)
        }
    };

    let parser = Parser::new(format);
    let mut batches = parser.read_file(path)?;
    let mut progress = Progress::new(fs::metadata(path)?.len());
    let mut summary = Summary::default();
    while let Some(batch) = batches.next() {
        summary.add(&batch?);
        progress.at(batches.bytes_read());
    }
    drop(progress);

    show::heading("LOG", show::short(path));
    say!("  format     {} ({how})", parser.format().name());
    summary.print();
    Ok(())
}

#[derive(Default)]
struct Summary {
    lines: usize,
    matched: usize,
    unmatched: usize,
    shown: Vec<String>,
    errors: Errors,
    columns: Vec<(&'static str, Counter)>,
}

/// Records that report an error, by what the format has to tell it.
#[derive(Default)]
struct Errors {
    records: usize,
    client: usize,
    server: usize,
    level: usize,
}

impl Errors {
    fn add(&mut self, record: &Record<'_>) {
        match (record.get("status"), record.get("level")) {
            (Some([class @ b'1'..=b'5', _, _]), _) => {
                self.records += 1;
                self.client += usize::from(*class == b'4');
                self.server += usize::from(*class == b'5');
            }
            (_, Some(level)) => {
                let levels = [
                    &b"error"[..],
                    b"err",
                    b"fatal",
                    b"critical",
                    b"crit",
                    b"panic",
                ];
                let is_error = levels.iter().any(|it| level.eq_ignore_ascii_case(it));
                self.records += 1;
                self.level += usize::from(is_error);
            }
            _ => {}
        }
    }

    fn print(&self) {
        let share = |count: usize| 100.0 * count as f64 / self.records.max(1) as f64;
        match self {
            Self { records: 0, .. } => {
                say!("  errors     unknown: the format has no status and no level");
            }
            Self { level: 1.., .. }
            | Self {
                client: 0,
                server: 0,
                ..
            } => {
                say!(
                    "  errors     {:.2} % of the records",
                    share(self.level + self.server)
                );
            }
            _ => say!(
                "  errors     {:.2} % client (4xx), {:.2} % server (5xx)",
                share(self.client),
                share(self.server)
            ),
        }
    }
}

impl Summary {
    fn add(&mut self, batch: &Batch<Vec<u8>>) {
        self.lines += batch.line_count();
        self.matched += batch.len();
        self.unmatched += batch.unmatched().len();
        let room = SHOWN_UNMATCHED - self.shown.len();
        let unmatched = batch.unmatched().take(room);
        self.shown.extend(unmatched.map(|line| line.to_string()));
        for record in batch.records() {
            self.errors.add(&record);
        }
        for name in COUNTED {
            let Some(column) = batch.column(name) else {
                continue;
            };
            let index = self.columns.iter().position(|(known, _)| *known == name);
            let index = index.unwrap_or_else(|| {
                self.columns.push((name, Counter::default()));
                self.columns.len() - 1
            });
            if let Some((_, counter)) = self.columns.get_mut(index) {
                column
                    .iter()
                    .flatten()
                    .for_each(|value| counter.add(without_query(value)));
            }
        }
    }

    fn print(&self) {
        let Self {
            lines,
            matched,
            unmatched,
            ..
        } = self;
        say!("  lines      {lines} = {matched} matched + {unmatched} unmatched");
        self.errors.print();
        for (name, counter) in &self.columns {
            say!("");
            counter.print(name, self.matched);
        }
        if !self.shown.is_empty() {
            say!("\n  unmatched, the first {}:", self.shown.len());
        }
        for line in &self.shown {
            say!("    {}", show::cut(line, 160));
        }
    }
}

/// `/a?b=c` and `/a?b=d` are one page.
fn without_query(value: &[u8]) -> &[u8] {
    match value {
        [b'/', ..] => value.split(|&byte| byte == b'?').next().unwrap_or(value),
        _ => value,
    }
}

/// How often each value occurs.
#[derive(Default)]
struct Counter {
    values: HashMap<Box<[u8]>, usize>,
    others: usize,
}

impl Counter {
    fn add(&mut self, value: &[u8]) {
        if let Some(count) = self.values.get_mut(value) {
            *count += 1;
        } else if self.values.len() < MAX_VALUES {
            self.values.insert(value.into(), 1);
        } else {
            self.others += 1;
        }
    }

    fn print(&self, name: &str, records: usize) {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let others: usize = values
            .iter()
            .skip(SHOWN_VALUES)
            .map(|(_, count)| **count)
            .sum();
        let row = |label: String, count: usize| {
            let share = format!("{:.1} %", 100.0 * count as f64 / records.max(1) as f64);
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            [Cell::new(label), right(count.to_string()), right(share)]
        };
        let mut rows: Vec<_> = values
            .iter()
            .take(SHOWN_VALUES)
            .map(|(value, count)| {
                let text = show::printable(&String::from_utf8_lossy(value));
                row(show::cut(&text, 60), **count)
            })
            .collect();
        if others + self.others > 0 {
            let many = values.len().saturating_sub(SHOWN_VALUES);
            let at_least = if self.others > 0 { "more than " } else { "" };
            rows.push(row(
                format!("({at_least}{many} others)"),
                others + self.others,
            ));
        }
        show::table([name, "records", "share"], rows);
    }
}
