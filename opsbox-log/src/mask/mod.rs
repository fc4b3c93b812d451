//! Masking: what is sensitive is found, and does not leave.

mod detect;
mod detector;
mod names;
mod pattern;
mod prefilter;
mod scanner;
mod tag;

pub use detector::Detector;
use detector::Detectors;
pub use scanner::{Finding, Pattern, Scanner};
pub use tag::Tag;
