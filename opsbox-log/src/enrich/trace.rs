use std::{fmt, ops::Range, str::FromStr, sync::Arc};

/// The variable that a `traceparent` is handed on in to a child process (OpenTelemetry, "Environment Variables as
/// Context Propagation Carriers").
pub(super) const VARIABLE: &str = "TRACEPARENT";

const TRACE_ID: Range<usize> = 3..35;
const PARENT_ID: Range<usize> = 36..52;
const FLAGS: Range<usize> = 53..55;

/// Bytes of version 00, and of what later versions begin with.
const LEN: usize = 55;

/// What a `traceparent` header says (W3C Trace Context, section 3.2): the ids of the trace and of the span that the
/// caller is in.
///
/// ```
/// use opsbox_log::enrich::{TraceContext, TraceparentProblem};
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = header.parse()?;
/// assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(context.span_id(), "b7ad6b7169203331");
/// assert!(context.is_sampled());
///
/// let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
/// assert_eq!(zeros.parse::<TraceContext>(), Err(TraceparentProblem::ZeroTraceId));
/// # Ok::<(), TraceparentProblem>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// ASCII.
    text: [u8; LEN],
}

impl TraceContext {
    /// Reads a header's value. White space around it belongs to the header, not to the value, and is not taken.
    ///
    /// A version that is not 00 is read as the specification asks (section 3.2.4): what begins as version 00 and
    /// ends there, or goes on with `-`. Of its flags the one that is defined counts.
    ///
    /// # Errors
    ///
    /// [`TraceparentProblem`] says what is wrong. Then the whole value is to be ignored.
    pub fn parse(value: &[u8]) -> Result<Self, TraceparentProblem> {
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let Some(&text) = value.first_chunk::<LEN>() else {
            return Err(TraceparentProblem::Length);
        };
        let hex = |range: Range<usize>| {
            let part = text.get(range).unwrap_or_default();
            part.iter().all(is_hex).then_some(part)
        };
        let version = hex(0..2).ok_or(TraceparentProblem::Malformed)?;
        let dashes = [2, 35, 52].map(|at| text.get(at) == Some(&b'-'));
        if version == b"ff" {
            return Err(TraceparentProblem::Version);
        }
        match value.get(LEN) {
            None => {}
            Some(_) if version == b"00" => return Err(TraceparentProblem::Length),
            Some(b'-') => {}
            Some(_) => return Err(TraceparentProblem::Malformed),
        }
        let (Some(trace_id), Some(parent_id), Some(_), [true, true, true]) =
            (hex(TRACE_ID), hex(PARENT_ID), hex(FLAGS), dashes)
        else {
            return Err(TraceparentProblem::Malformed);
        };
        let is_zero = |id: &[u8]| id.iter().all(|&byte| byte == b'0');
        match (is_zero(trace_id), is_zero(parent_id)) {
            (true, _) => Err(TraceparentProblem::ZeroTraceId),
            (_, true) => Err(TraceparentProblem::ZeroSpanId),
            _ => Ok(Self { text }),
        }
    }

    /// The id of the trace: 32 hexadecimal digits in lower case, not all zero.
    pub fn trace_id(&self) -> &str {
        self.part(TRACE_ID)
    }

    /// The id of the span, `parent-id` in the header: 16 hexadecimal digits in lower case, not all zero.
    pub fn span_id(&self) -> &str {
        self.part(PARENT_ID)
    }

    /// The flags: two hexadecimal digits in lower case.
    pub fn trace_flags(&self) -> &str {
        self.part(FLAGS)
    }

    /// Whether the caller may have recorded the trace: the lowest bit of the flags.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.trace_flags(), 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Where the three parts are in the value: trace, span, flags.
    pub(super) const PARTS: [Range<usize>; 3] = [TRACE_ID, PARENT_ID, FLAGS];

    fn part(&self, range: Range<usize>) -> &str {
        let part = self.text.get(range).unwrap_or_default();
        std::str::from_utf8(part).unwrap_or_default()
    }
}

impl FromStr for TraceContext {
    type Err = TraceparentProblem;

    fn from_str(value: &str) -> Result<Self, TraceparentProblem> {
        Self::parse(value.as_bytes())
    }
}

/// Why a value is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("not a traceparent of W3C Trace Context: {}", self.message())]
#[non_exhaustive]
pub enum TraceparentProblem {
    /// It has not the 55 bytes of version 00.
    Length,
    /// A part is not hexadecimal in lower case, or not where it should be.
    Malformed,
    /// The version is ff, which is forbidden.
    Version,
    /// The id of the trace is all zeros.
    ZeroTraceId,
    /// The id of the span is all zeros.
    ZeroSpanId,
}

impl TraceparentProblem {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Length,
        Self::Malformed,
        Self::Version,
        Self::ZeroTraceId,
        Self::ZeroSpanId,
    ];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::ZeroTraceId => "zero_trace_id",
            Self::ZeroSpanId => "zero_span_id",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Length => "version 00 has 55 bytes, and no other fewer",
            Self::Malformed => {
                "it is VERSION-TRACE_ID-SPAN_ID-FLAGS of 2, 32, 16 and 2 hexadecimal digits in lower case"
            }
            Self::Version => "the version ff is forbidden",
            Self::ZeroTraceId => "the id of the trace is all zeros",
            Self::ZeroSpanId => "the id of the span is all zeros",
        }
    }
}

/// Which rows get a trace id of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generated {
    /// All rows without one get the same: the log is of one run.
    Once,
    /// Each row without one gets another: the rows are requests.
    EachRow,
}

/// Where random bytes come from.
#[derive(Clone)]
pub(super) struct Random(pub(super) Arc<Fill>);

/// Fills the bytes, and says whether it could.
type Fill = dyn Fn(&mut [u8]) -> bool + Send + Sync;

impl Random {
    /// An id, not all zero; `None` if the source failed.
    pub(super) fn id(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 16];
        // A source that gives zeros again and again is broken.
        let filled = (0..4).any(|_| (self.0)(&mut bytes) && bytes != [0; 16]);
        let digit = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied();
        let mut id = [b'0'; 32];
        let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (slot, half) in id.iter_mut().zip(halves) {
            *slot = digit(half).unwrap_or(b'0');
        }
        filled.then_some(id)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
