//! How things are shown: headings, tables, and a progress bar for what takes long.

use std::{
    fmt,
    io::{self, Write},
    panic::resume_unwind,
    path::Path,
    process, thread,
    time::{Duration, Instant},
};

use comfy_table::{Cell, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

/// `println!` that ends the program when nobody reads on, as in `quickstart | head`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::show::line(format_args!($($text)*))
    };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    if writeln!(io::stdout().lock(), "{text}").is_err() {
        process::exit(0);
    }
}

/// What takes longer shows how far it is.
const SLOW: Duration = Duration::from_secs(1);

/// A heading with the file it is about.
pub(crate) fn heading(what: &str, about: impl fmt::Display) {
    say!("\n{what}  {about}\n");
}

/// A path relative to here, where that is shorter.
pub(crate) fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    printable(&path.strip_prefix(here).unwrap_or(path).to_string_lossy())
}

/// Text without control characters and direction marks, which could forge what the terminal shows.
pub(crate) fn printable(text: &str) -> String {
    let forges = |c: char| {
        let hides = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}');
        hides || c.is_control()
    };
    let replace = |c: char| if forges(c) { '\u{fffd}' } else { c };
    text.chars().map(replace).collect()
}

/// Text cut to a width.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A count with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A table that ends its lines where the text ends.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: Vec<[Cell; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for line in table.to_string().lines() {
        say!("  {}", line.trim_end());
    }
}

/// Does the work, and shows a spinner when it takes more than a second.
pub(crate) fn while_waiting<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        let started = Instant::now();
        let mut spinner = None;
        while !work.is_finished() {
            thread::sleep(Duration::from_millis(5));
            if spinner.is_none() && started.elapsed() > SLOW {
                let bar = ProgressBar::new_spinner().with_message("reading");
                bar.enable_steady_tick(Duration::from_millis(100));
                spinner = Some(bar);
            }
        }
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        work.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// A progress bar that shows up when the work takes more than a second.
pub(crate) struct Progress {
    started: Instant,
    total: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Self {
        Self {
            started: Instant::now(),
            total,
            bar: None,
        }
    }

    pub(crate) fn at(&mut self, done: u64) {
        if self.bar.is_none() && self.started.elapsed() > SLOW {
            let style = ProgressStyle::with_template(
                "  {bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
            );
            let bar = ProgressBar::new(self.total).with_elapsed(self.started.elapsed());
            self.bar = Some(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
        }
        if let Some(bar) = &self.bar {
            // A log may grow while it is read.
            bar.set_length(self.total.max(done));
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
