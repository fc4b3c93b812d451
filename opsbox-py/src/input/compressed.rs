//! Compressed bytes, told by how they begin.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use pyo3::{exceptions::PyValueError, prelude::*};
use ruzstd::decoding::StreamingDecoder;

use crate::limits::ZSTD_WINDOW_BYTES;

/// How the bytes of a file are compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What the keyword says; nothing if the bytes are to be asked.
    pub(crate) fn named(name: Option<&str>) -> PyResult<Option<Self>> {
        Ok(match name {
            Some("infer") => None,
            None => Some(Self::None),
            Some("gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "compression is 'infer', 'gzip', 'zstd' or None, not {other:?}"
                )));
            }
        })
    }

    /// What a file that begins like this is: RFC 1952 section 2.3.1, RFC 8878 sections 3.1.1 and 3.1.2. No line of
    /// text begins so.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What it is called, unless the bytes are as they are.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    pub(crate) fn reader<R: Read + Send + 'static>(self, reader: R) -> Box<dyn Read + Send> {
        let buffered = |reader| BufReader::with_capacity(64 << 10, reader);
        match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(MultiGzDecoder::new(buffered(reader))),
            Self::Zstd => Box::new(Zstd {
                state: State::Between(buffered(reader)),
            }),
        }
    }
}

/// What a frame begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A Zstandard file: frames one after the other.
struct Zstd<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    Between(R),
    Frame(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    Failed,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Between(mut reader) => {
                    if reader.fill_buf()?.is_empty() {
                        self.state = State::Between(reader);
                        return Ok(0);
                    }
                    if skip_frame(&mut reader)? {
                        self.state = State::Between(reader);
                        continue;
                    }
                    if reader
                        .fill_buf()?
                        .iter()
                        .zip(ZSTD_MAGIC)
                        .any(|(is, of)| *is != of)
                    {
                        return Err(broken("the bytes are not those of a Zstandard file"));
                    }
                    let frame =
                        StreamingDecoder::new_with_max_window_size(reader, ZSTD_WINDOW_BYTES);
                    let frame = frame.map_err(broken)?;
                    self.state = State::Frame(Box::new(frame));
                }
                State::Frame(mut frame) => {
                    let read = frame.read(out)?;
                    if read > 0 || out.is_empty() {
                        self.state = State::Frame(frame);
                        return Ok(read);
                    }
                    let told = frame.decoder.get_checksum_from_data();
                    if told.is_some() && told != frame.decoder.get_calculated_checksum() {
                        return Err(broken("the checksum of a Zstandard frame is wrong"));
                    }
                    self.state = State::Between(frame.into_inner());
                }
                State::Failed => return Err(broken("the Zstandard file is broken")),
            }
        }
    }
}

/// Skips a frame that is to be skipped (RFC 8878 section 3.1.2), if one comes.
fn skip_frame(reader: &mut impl BufRead) -> io::Result<bool> {
    let start = reader.fill_buf()?;
    // A magic number that the buffer cuts is left to the decoder.
    let is_skippable = matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    if is_skippable {
        let mut head = [0; 8];
        reader.read_exact(&mut head)?;
        let [.., a, b, c, d] = head;
        let len = u64::from(u32::from_le_bytes([a, b, c, d]));
        let skipped = io::copy(&mut reader.take(len), &mut io::sink())?;
        if skipped < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(is_skippable)
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
