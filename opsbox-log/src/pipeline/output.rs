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
    /// Appends rows from one on, `step` at a time, until the text has so many bytes; tells the row that comes then.
    pub(super) fn append_until<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        first: usize,
        step: usize,
        bytes: usize,
        out: &mut Vec<u8>,
    ) -> (Written, usize) {
        match self {
            Self::Ndjson(ndjson) => ndjson.append_until(batch, first, step, bytes, out),
            Self::Logfmt(logfmt) => logfmt.append_until(batch, first, step, bytes, out),
            Self::Cef(cef) => cef.append_until(batch, first, step, bytes, out),
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
