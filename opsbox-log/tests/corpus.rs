//! The inputs that fuzzing found, through the same checks.
#![cfg(all(
    feature = "arrow",
    feature = "config",
    feature = "json",
    feature = "mask",
    feature = "xml"
))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::{fs, panic, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};

/// Runs the files of a folder, and says how many there are.
fn replay(folder: &Path, run: fn(&[u8])) -> Result<usize, Failed> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(0);
    };
    let mut files = 0;
    for entry in entries {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        panic::catch_unwind(|| run(&bytes)).map_err(|_| format!("{}", path.display()))?;
        files += 1;
    }
    Ok(files)
}

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut trials = Vec::new();
    for &(name, run) in targets::ALL {
        for folder in ["corpus", "regressions"] {
            let path = fuzz.join(folder).join(name);
            trials.push(Trial::test(
                format!("{folder}/{name}"),
                move || match replay(&path, run)? {
                    0 if folder == "corpus" => {
                        Err(format!("no input in {}", path.display()).into())
                    }
                    _ => Ok(()),
                },
            ));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
