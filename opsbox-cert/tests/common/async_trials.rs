//! Asynchronous trials of programs that run the CA Pebble, and that other trials start as a child.

#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::future::Future;
use std::pin::Pin;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::trials;

pub(crate) type Check = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Checks with their names, as [`needing`] takes them.
macro_rules! trials {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((
            stringify!($name),
            (|| Box::pin($module::$name())) as $crate::async_trials::Check,
        )),*]
    };
}

/// Trials of checks that need something, or why that is not there.
pub(crate) fn needing(
    needed: &Result<(), String>,
    checks: impl IntoIterator<Item = (&'static str, Check)>,
) -> impl Iterator<Item = Trial> {
    checks.into_iter().map(move |(name, check)| {
        trials::trial(name, needed.clone(), move |()| {
            runtime().block_on(check());
            Ok(())
        })
    })
}

/// Whether Pebble and its DNS can be run, and these programs too.
pub(crate) fn pebble(others: &[(&str, &str)]) -> Result<(), String> {
    let programs = [
        ("PEBBLE", "pebble"),
        ("PEBBLE_CHALLTESTSRV", "pebble-challtestsrv"),
    ];
    programs
        .iter()
        .chain(others)
        .try_for_each(|(variable, default)| program(variable, default).map(drop))
}

/// The program to run, or why it cannot be.
pub(crate) fn program(variable: &str, default: &str) -> Result<String, String> {
    trials::program(variable, default, "-h")
}

/// What the child is to do that finds it in this variable, if this program is one.
pub(crate) fn setup_of_child(variable: &str) -> Option<Value> {
    let setup = std::env::var(variable).ok()?;
    Some(serde_json::from_str(&setup).unwrap())
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
