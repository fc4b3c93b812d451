use std::ops::Range;

use crate::{
    batch::Batch,
    export::{Written, cef::Cef, logfmt::Logfmt, ndjson::Ndjson},
};

/// The format in which a pipeline writes. Each of the three is made into it by `into()`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// NDJSON.
    Ndjson(Ndjson),
    /// logfmt.
    Logfmt(Logfmt),
    /// CEF.
    Cef(Cef),
}

impl Output {
    pub(super) fn append_rows<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Written {
        match self {
            Self::Ndjson(ndjson) => ndjson.append_rows(batch, rows, out),
            Self::Logfmt(logfmt) => logfmt.append_rows(batch, rows, out),
            Self::Cef(cef) => cef.append_rows(batch, rows, out),
        }
    }

    #[cfg(feature = "tracing")]
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ndjson(_) => "ndjson",
            Self::Logfmt(_) => "logfmt",
            Self::Cef(_) => "cef",
        }
    }
}

impl From<Ndjson> for Output {
    fn from(ndjson: Ndjson) -> Self {
        Self::Ndjson(ndjson)
    }
}

impl From<Logfmt> for Output {
    fn from(logfmt: Logfmt) -> Self {
        Self::Logfmt(logfmt)
    }
}

impl From<Cef> for Output {
    fn from(cef: Cef) -> Self {
        Self::Cef(cef)
    }
}
