//! What the values of a column mean.

/// The type of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Bytes as they are in the line.
    #[default]
    Text,
    /// A whole number of 64 bits with a sign.
    Integer,
    /// A 64-bit floating-point number.
    Float,
}
