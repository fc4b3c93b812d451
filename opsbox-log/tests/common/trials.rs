//! Trials that need something from outside: without it they are ignored with a line on stderr, never passed;
//! with `OPSBOX_REQUIRE_COUNTERPARTS=1` they fail.

#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

/// A trial with what it needs, or why that is not there.
pub(crate) fn trial<T: Send + 'static>(
    name: &str,
    needed: Result<T, String>,
    check: impl FnOnce(T) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match needed {
        Ok(needed) => Trial::test(name, move || check(needed)),
        Err(missing) if is_required() => Trial::test(name, move || Err(missing.into())),
        Err(missing) => {
            eprintln!("IGNORED {name}: {missing}");
            Trial::test(name, || Err("what it needs is missing".into())).with_ignored_flag(true)
        }
    }
}

fn is_required() -> bool {
    std::env::var_os("OPSBOX_REQUIRE_COUNTERPARTS").is_some_and(|value| value == "1")
}

/// The program that a variable names, or of the default name; or why it cannot be run with this argument.
pub(crate) fn program(variable: &str, default: &str, probe: &str) -> Result<String, String> {
    let program = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let found = Command::new(&program)
        .arg(probe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(_) => Ok(program),
        Err(error) => Err(format!(
            "`{program}` cannot be run ({error}); install it or set {variable}"
        )),
    }
}
