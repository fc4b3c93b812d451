//! Where the bytes come from.

pub(crate) mod buffer;
pub(crate) mod compressed;
pub(crate) mod owner;
pub(crate) mod reader;
pub(crate) mod source;
