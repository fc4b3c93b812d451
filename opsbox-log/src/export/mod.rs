//! Batches to other formats.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod cef;
pub mod logfmt;
mod names;
pub mod ndjson;
#[cfg(feature = "arrow")]
mod table;
mod text;
#[cfg(feature = "arrow")]
mod typed;

use std::ops::Range;

pub use text::{InvalidUtf8, Written};

use crate::batch::Batch;

/// Some rows of a batch, to be written with the options `O`, from which and the batch's columns follows the plan `P`.
struct Rows<'a, O, P, B> {
    options: &'a O,
    plan: &'a P,
    batch: &'a Batch<B>,
    rows: Range<usize>,
    out: &'a mut Vec<u8>,
}

/// What all writers can do, of one with a field `kernel`, a plan with `new`, and work of its [`Rows`].
macro_rules! row_writer {
    ($writer:ty, $plan:ty) => {
        impl $writer {
            /// Runs on this kernel instead of the [best](crate::Kernel::best) one; the result is the same.
            #[must_use]
            pub fn kernel(mut self, kernel: crate::Kernel) -> Self {
                self.kernel = crate::scan::Chosen::new(kernel);
                self
            }

            /// Appends the rows of a batch, each with a line feed at its end.
            pub fn append<B: AsRef<[u8]>>(
                &self,
                batch: &crate::Batch<B>,
                out: &mut Vec<u8>,
            ) -> crate::export::Written {
                self.append_rows(batch, 0..batch.len(), out)
            }

            /// [`append`](Self::append) for some of the rows; those that there are not are left out.
            pub fn append_rows<B: AsRef<[u8]>>(
                &self,
                batch: &crate::Batch<B>,
                rows: std::ops::Range<usize>,
                out: &mut Vec<u8>,
            ) -> crate::export::Written {
                let plan = <$plan>::new(self, batch);
                let end = rows.end.min(batch.len());
                self.append_planned(batch, &plan, rows.start.min(end)..end, out)
            }

            /// Appends rows from one on, `step` at a time, until the text has so many bytes; tells the row that comes then.
            #[cfg(feature = "pipeline")]
            pub(crate) fn append_until<B: AsRef<[u8]>>(
                &self,
                batch: &crate::Batch<B>,
                first: usize,
                step: usize,
                bytes: usize,
                out: &mut Vec<u8>,
            ) -> (crate::export::Written, usize) {
                let plan = <$plan>::new(self, batch);
                let mut written = crate::export::Written::default();
                let mut next = first;
                while next < batch.len() && (next == first || out.len() < bytes) {
                    let end = batch.len().min(next.saturating_add(step.max(1)));
                    written.merge(&self.append_planned(batch, &plan, next..end, out));
                    next = end;
                }
                (written, next)
            }

            /// Writes the rows of a batch, some thousand at a time.
            ///
            /// # Errors
            ///
            /// Those of the writer. What was written before may end within a line.
            pub fn write<B: AsRef<[u8]>>(
                &self,
                batch: &crate::Batch<B>,
                mut writer: impl std::io::Write,
            ) -> std::io::Result<crate::export::Written> {
                let plan = <$plan>::new(self, batch);
                let mut written = crate::export::Written::default();
                let mut bytes = Vec::new();
                for first in (0..batch.len()).step_by(crate::limits::EXPORT_ROWS) {
                    bytes.clear();
                    let end = batch.len().min(first + crate::limits::EXPORT_ROWS);
                    let rows = self.append_planned(batch, &plan, first..end, &mut bytes);
                    written.merge(&rows);
                    writer.write_all(&bytes)?;
                }
                Ok(written)
            }

            fn append_planned<B: AsRef<[u8]>>(
                &self,
                batch: &crate::Batch<B>,
                plan: &$plan,
                rows: std::ops::Range<usize>,
                out: &mut Vec<u8>,
            ) -> crate::export::Written {
                let work = crate::export::Rows {
                    options: self,
                    plan,
                    batch,
                    rows,
                    out,
                };
                crate::scan::run(self.kernel, work)
            }
        }
    };
}
use row_writer;
