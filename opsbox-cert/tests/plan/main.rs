//! The planner in a world of its own, where time is a number.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod changes;
#[path = "../common/world.rs"]
mod counts;
mod laws;
mod size;
mod spread;
mod turns;
mod windows;
mod world;
