//! Every limit of the bindings; those of the parser are `opsbox_log::limits`.

use std::time::Duration;

/// Bytes of an input that are parsed at once, and become one batch: 16 MiB. Arrow counts in 31 bits inside a batch, and
/// threads share an input by such windows.
pub(crate) const WINDOW_BYTES: usize = 16 << 20;

/// Inputs up to this are parsed by the calling thread, which does not look at signals meanwhile: 2 MiB. That takes 20 ms
/// where the regular expression runs at 100 MB/s.
pub(crate) const INLINE_BYTES: usize = 2 << 20;

/// Inputs up to this leave the memory that they were worked on in to the next one: 64 KiB.
pub(crate) const SPARE_BYTES: usize = 64 << 10;

/// Memory from this length on is taken in large pages and kept: 1 MiB. Below it C's allocator keeps what it had.
pub(crate) const LARGE_BYTES: usize = 1 << 20;

/// Bytes of such memory that are kept for the next use: 96 MiB, and as many blocks. That is a file of 48 MiB with its
/// columns.
pub(crate) const KEPT_BYTES: usize = 96 << 20;
pub(crate) const KEPT_BLOCKS: usize = 32;

/// Bytes that `scan` and `stream` put into one batch: 1 MiB.
pub(crate) const STREAM_BATCH_BYTES: usize = 1 << 20;

/// Most bytes that may be asked for as one batch: 1 GiB. Arrow counts in 31 bits inside a batch.
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 30;

/// Bytes of a compressed file that become one batch of a table: 8 MiB.
pub(crate) const COMPRESSED_BATCH_BYTES: usize = 8 << 20;

/// Bytes that are read from a file before signals are looked at: 16 MiB.
pub(crate) const READ_BYTES: usize = 16 << 20;

/// How often a call that works for long looks at signals and says how far it is.
pub(crate) const SIGNAL_PERIOD: Duration = Duration::from_millis(40);

/// Compiled formats that are kept, so that to make a parser again costs nothing: 64.
pub(crate) const CACHED_FORMATS: usize = 64;

/// Rows and characters of a value that HTML shows.
pub(crate) const SHOWN_ROWS: usize = 10;
pub(crate) const SHOWN_CHARS: usize = 80;

/// Bytes of a line that an unmatched one shows.
pub(crate) const SHOWN_BYTES: usize = 200;

/// Largest window of a Zstandard frame that is decoded: 128 MiB, as the `zstd` command allows.
pub(crate) const ZSTD_WINDOW_BYTES: u64 = 128 << 20;

/// Bytes that columns may take in those parts of an input that have none of their values, for each byte of the input,
/// and whatever the input is: as `opsbox_log::limits` has it for one batch.
pub(crate) const MAX_UNION_BYTES_PER_INPUT_BYTE: usize =
    opsbox_log::limits::MAX_ARROW_BYTES_PER_INPUT_BYTE;
pub(crate) const UNION_BYTES_ALLOWANCE: usize = opsbox_log::limits::ARROW_BYTES_ALLOWANCE;
