//! What tests of programs that use this crate need.

pub mod ca;
