//! The load as a picture.

use std::fmt::Write as _;

use super::report::Report;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 40.0;

/// More bars than this are drawn by the week.
const MOST_BARS: usize = 800;

impl Report {
    /// The orders by day, or by week if there are many, with the mean and what happened: a whole SVG document.
    pub fn svg(&self) -> String {
        let days = self.orders_by_day();
        let is_weekly = days.len() > MOST_BARS;
        let counts: Vec<u64> = match is_weekly {
            true => days.chunks_exact(7).map(|week| week.iter().sum()).collect(),
            false => days,
        };
        let each = if is_weekly { 7.0 } else { 1.0 };
        let unit = if is_weekly { "week" } else { "day" };
        draw(self, &counts, each, unit)
    }
}

#[allow(clippy::cast_precision_loss, reason = "pixels")]
fn draw(report: &Report, counts: &[u64], each: f64, unit: &str) -> String {
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let ceiling = round_up(most);
    let (inner, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let days = (counts.len() as f64 * each).max(1.0);
    let x = |day: f64| LEFT + inner * (day / days).clamp(0.0, 1.0);
    let y = |count: f64| TOP + height * (1.0 - count / ceiling as f64);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or_default();
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Orders by {unit}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    ));
    put(format_args!(
        "<text x=\"{LEFT}\" y=\"16\" font-size=\"13\">Orders by {unit}: {} certificates, {} orders, {} expired, {} over a limit</text>\n",
        report.certificates(),
        report.orders(),
        report.expired(),
        report.overdrawn(),
    ));
    for mark in report.marks() {
        let (from, until) = (x(mark.day), x(mark.day + mark.lasts_days));
        let width = (until - from).max(1.0);
        put(format_args!(
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" fill=\"#d33\" opacity=\"0.3\"><title>day {:.1}: {}</title></rect>\n",
            mark.day, mark.label
        ));
    }
    // One path for all bars: small, and quick to draw.
    put(format_args!("<path fill=\"#36c\" d=\""));
    let (floor, bar) = (y(0.0), inner / counts.len().max(1) as f64);
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (left, top) = (LEFT + bar * index as f64, y(*count as f64));
        let wide = (bar * 0.9).max(0.5);
        put(format_args!(
            "M{left:.1} {floor:.1}V{top:.1}h{wide:.1}V{floor:.1}z"
        ));
    }
    put(format_args!("\"/>\n"));
    let sum: u64 = counts.iter().sum();
    if sum > 0 {
        let mean = sum as f64 / counts.len() as f64;
        let at = y(mean);
        let right = WIDTH - RIGHT;
        put(format_args!(
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#000\" stroke-dasharray=\"4 3\"><title>mean: {mean:.1}</title></line>\n"
        ));
    }
    for part in 0..=4_u32 {
        let count = ceiling as f64 * f64::from(part) / 4.0;
        let (at, end) = (y(count), LEFT - 6.0);
        put(format_args!(
            "<text x=\"{end}\" y=\"{:.1}\" text-anchor=\"end\">{count}</text>\n",
            at + 4.0
        ));
        let (at, day) = (
            LEFT + inner * f64::from(part) / 4.0,
            days * f64::from(part) / 4.0,
        );
        put(format_args!(
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">day {day:.0}</text>\n",
            HEIGHT - 16.0
        ));
    }
    out.push_str("</svg>\n");
    out
}

/// The next number of one digit and zeros, in quarters of which one can read.
fn round_up(count: u64) -> u64 {
    let power = 10_u64.pow(count.max(1).ilog10());
    [1, 2, 4, 8, 10]
        .map(|step| step * power)
        .into_iter()
        .find(|it| *it >= count)
        .unwrap_or(count)
        .max(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_above_what_they_show_in_quarters() {
        for count in 0..100_000 {
            let top = round_up(count);
            assert!(
                top >= count && top.is_multiple_of(2) && top <= count.max(4) * 2,
                "{count}: {top}"
            );
        }
    }
}
