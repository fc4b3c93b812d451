//! Pipelines: the same output on any number of threads, counts that add up, and errors that say where.
#![cfg(feature = "pipeline")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[cfg(feature = "tokio")]
mod asynchronous;
#[cfg(feature = "config")]
mod configured;
mod failures;
mod threads;

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use opsbox_log::{
    Error, ErrorKind, Format, Multiline, Parser,
    export::{cef::Cef, logfmt::Logfmt, ndjson::Ndjson},
    pipeline::{Counts, Pipeline, PipelineReport},
};
use proptest::prelude::*;

fn parser(batch_bytes: usize) -> Parser {
    Parser::new(Format::preset("app").unwrap()).batch_bytes(batch_bytes)
}

/// Marks each batch, and counts its rows.
fn marking(pipeline: Pipeline) -> Pipeline {
    pipeline.stage_fn("mark", |batch| {
        let mut values = opsbox_log::ColumnBuilder::new();
        values.push_same(0..batch.len(), b"seen");
        batch.set_column(opsbox_log::Field::new("mark"), values)?;
        Ok(Counts::new().with("rows", batch.len() as u64))
    })
}

fn log(lines: usize) -> String {
    (0..lines)
        .map(|at| match at % 7 {
            3 => format!("not a line {at}\n"),
            _ => format!("2026-01-02 03:04:05 [INFO] message {at}\n"),
        })
        .collect()
}

fn check(report: &PipelineReport, log: &[u8]) {
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.input_bytes(), log.len() as u64);
    let unmatched: u64 = report.unmatched().map(|(_, count)| count).sum();
    assert!(unmatched <= report.unmatched_lines());
    if report.rows() == report.row_lines() {
        assert_eq!(report.rows() + unmatched, report.lines());
    }
    for stage in report
        .stages()
        .iter()
        .filter(|stage| stage.name() == "mark")
    {
        assert_eq!(stage.counts().get("rows"), stage.rows());
    }
}

/// Keeps what is written, and how much of it came at once.
#[derive(Default)]
struct Pieces {
    bytes: Vec<u8>,
    largest: usize,
    /// Fails with what comes when it has so many bytes.
    most: Option<usize>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.most.is_some_and(|most| self.bytes.len() >= most) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for Pieces {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.get_mut().write(bytes).into()
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Ok(()).into()
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Ok(()).into()
    }
}

/// A batch of 50 KB, its pipeline, and the 25 MB that it becomes.
fn much_of_little() -> (String, Pipeline, Vec<u8>) {
    let name = "n".repeat(200);
    let mut log: String = (0..200).map(|at| format!("{name}{at}=1\n")).collect();
    log.push('\n');
    log.push_str(&"a=1\n".repeat(400));
    let output = Ndjson::new().nulls(true);
    let parser = Parser::new(Format::preset("logfmt").unwrap());
    let mut expected = Vec::new();
    output.append(&parser.parse(log.as_bytes()), &mut expected);
    expected.extend_from_slice(b"{\"message\":\"\",\"line_number\":201,\"unmatched\":\"empty\"}\n");
    assert!(expected.len() > 400 * log.len());
    let pipeline = Pipeline::new(parser)
        .keep_unmatched("message")
        .output(output);
    (log, pipeline, expected)
}
