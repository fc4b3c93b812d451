//! Check digits against python-stdnum, which is by others. `STDNUM_PYTHON` names a Python that has it;
//! without, the trials are ignored with a line on stderr, and with `OPSBOX_REQUIRE_COUNTERPARTS=1` they
//! fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "common/pii.rs"]
mod pii;
#[path = "common/trials.rs"]
mod trials;

use std::{
    io::Write as _,
    process::{Command, ExitCode, Stdio},
    thread,
};

use fastrand::Rng;
use libtest_mimic::Arguments;
use opsbox_log::mask::Detector;
use trials::trial;

const SEED: u64 = 20_261_128;

/// Reads a number a line, says 1 or 0.
const SCRIPT: &str = r#"
import sys
from stdnum import iban, luhn
from stdnum.cn import ric
def valid_iban(number):
    try:
        iban.validate(number, check_country=False)
        return True
    except Exception:
        return False
def valid_ric(number):
    # All but the list of districts, which has years in which each was there.
    number = ric.compact(number)
    try:
        ric.get_birth_date(number)
    except Exception:
        return False
    return len(number) == 18 and number[:-1].isdigit() and number[-1] == ric.calc_check_digit(number)
is_valid = {"luhn": luhn.is_valid, "iban": valid_iban, "ric": valid_ric}[sys.argv[1]]
for line in sys.stdin:
    print(int(bool(is_valid(line.rstrip("\n")))))
"#;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let all = [
        trial("id_cards", python(), |python| {
            compare(&python, "ric", Detector::IdCardCn, id_cards());
            Ok(())
        }),
        trial("cards", python(), |python| {
            compare(&python, "luhn", Detector::Card, cards());
            Ok(())
        }),
        trial("accounts", python(), |python| {
            compare(&python, "iban", Detector::Iban, accounts());
            Ok(())
        }),
    ];
    libtest_mimic::run(&arguments, all.into()).exit_code()
}

fn python() -> Result<String, String> {
    let python = std::env::var("STDNUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", "import stdnum.cn.ric"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(python),
        _ => Err(format!(
            "`{python}` has no python-stdnum; install it or set STDNUM_PYTHON"
        )),
    }
}

fn compare(python: &str, module: &str, detector: Detector, numbers: Vec<String>) {
    let mut child = Command::new(python)
        .args(["-c", SCRIPT, module])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = numbers.join("\n") + "\n";
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<bool> = output.lines().map(|line| line == "1").collect();
    assert_eq!(verdicts.len(), numbers.len());
    let valid = verdicts.iter().filter(|valid| **valid).count();
    // Both sides are there in numbers.
    assert!(
        valid > numbers.len() / 20 && valid < numbers.len() * 19 / 20,
        "{valid}"
    );
    for (number, valid) in numbers.iter().zip(verdicts) {
        assert_eq!(
            detector.is_match(number.as_bytes()),
            valid,
            "{module} {number}"
        );
    }
}

/// With another character at a place behind the first `from`, in half of the cases.
fn mutated(rng: &mut Rng, number: String, from: usize) -> String {
    if rng.bool() {
        return number;
    }
    let at = rng.usize(from..number.len());
    let digit = rng.u32(..10);
    format!("{}{digit}{}", &number[..at], &number[at + 1..])
}

fn id_cards() -> Vec<String> {
    let mut rng = Rng::with_seed(SEED);
    let one = |rng: &mut Rng| {
        let number = pii::id_card(rng);
        // Years from 1900 to 2099, which is all that the detector takes.
        match rng.u32(..4) {
            0 => format!("{}{}{}", &number[..8], rng.u32(10..100), &number[10..]),
            1 => format!(
                "{}{:02}{:02}{}",
                &number[..10],
                rng.u32(..14),
                rng.u32(..33),
                &number[14..]
            ),
            _ => mutated(rng, number, 8),
        }
    };
    (0..20_000).map(|_| one(&mut rng)).collect()
}

fn cards() -> Vec<String> {
    let mut rng = Rng::with_seed(SEED);
    let kinds = [
        ("4", 13),
        ("4", 16),
        ("4", 19),
        ("53", 16),
        ("2300", 16),
        ("37", 15),
        ("6011", 16),
        ("62", 19),
        ("3540", 16),
        ("36", 14),
    ];
    let one = |rng: &mut Rng| {
        let kind = kinds[rng.usize(..kinds.len())];
        let number = pii::card(rng, kind);
        mutated(rng, number, 4)
    };
    (0..20_000).map(|_| one(&mut rng)).collect()
}

/// Accounts of countries with their structures: letters and digits.
fn accounts() -> Vec<String> {
    let mut rng = Rng::with_seed(SEED);
    let countries = [
        ("DE", "dddddddddddddddddd"),
        ("GB", "AAAAdddddddddddddd"),
        ("NL", "AAAAdddddddddd"),
        ("NO", "ddddddddddd"),
        ("FR", "ddddddddddcccccccccccdd"),
        ("CH", "dddddcccccccccccc"),
        ("PL", "dddddddddddddddddddddddd"),
        ("MT", "AAAAdddddcccccccccccccccccc"),
        ("BE", "dddddddddddd"),
        ("SA", "ddcccccccccccccccccc"),
    ];
    let one = |rng: &mut Rng| {
        let (country, structure) = countries[rng.usize(..countries.len())];
        let account: String = structure
            .chars()
            .map(|kind| match kind {
                'd' => char::from(b'0' + rng.u8(..10)),
                'A' => char::from(b'A' + rng.u8(..26)),
                _ => char::from(*b"0123456789ABCXYZ".get(rng.usize(..16)).unwrap()),
            })
            .collect();
        // By long division, digit by digit.
        let digits: String = format!("{account}{country}00")
            .chars()
            .map(|it| it.to_digit(36).unwrap().to_string())
            .collect();
        let rest = digits
            .bytes()
            .fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
        let number = format!("{country}{:02}{account}", 98 - rest);
        mutated(rng, number, 2)
    };
    // A digit in the place of a letter breaks a structure that the detector does not know.
    let keeps_structure = |number: &String| {
        let structure = countries
            .iter()
            .find(|(country, _)| number.starts_with(country))
            .unwrap()
            .1;
        number[4..]
            .chars()
            .zip(structure.chars())
            .all(|(it, kind)| kind != 'A' || it.is_ascii_uppercase())
    };
    (0..20_000)
        .map(|_| one(&mut rng))
        .filter(keeps_structure)
        .collect()
}
