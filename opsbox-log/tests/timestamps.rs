//! Times, against jiff.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::ops::Range;

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::{strtime, temporal::DateTimeParser},
    tz::{Offset, TimeZone},
};
use opsbox_log::{
    Format, Parser,
    types::{EpochUnit, Invalid, TimeContext, TimestampFormat, Type, Zone, parse_timestamp},
};
use proptest::prelude::*;

fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

const RFC3339: TimestampFormat = TimestampFormat::Rfc3339;

const CLF: TimestampFormat = TimestampFormat::Clf;

const SYSLOG: TimestampFormat = TimestampFormat::Syslog;

fn time(text: &str, format: TimestampFormat) -> Result<i64, Invalid> {
    parse_timestamp(text.as_bytes(), format, TimeContext::new())
}

fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap()
}

fn micros(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1000)).unwrap()
}

/// What jiff says, and our accepted differences: the range, `:60` as the next second.
fn jiff_rfc3339(text: &str) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let time: Timestamp = match PARSER.parse_timestamp(text) {
        Ok(time) => time,
        Err(_) => {
            let civil: DateTime = text.parse().ok()?;
            civil.to_zoned(TimeZone::UTC).ok()?.timestamp()
        }
    };
    let leap = i64::from(part(text, 17..19) == "60");
    Some(micros(time) + leap * 1_000_000)
}

/// Up to 23 hours, as in RFC 3339; jiff takes 25.
fn offsets() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("Z".to_owned()),
        "[+-]([01][0-9]|2[0-3]):[0-6][0-9]",
        "[+-]([01][0-9]|2[0-3])[0-6][0-9]",
        "[+-]([01][0-9]|2[0-3])",
    ]
}

prop_compose! {
    fn near_rfc3339()(
        year in prop_oneof![Just(1970), Just(2000), Just(1900), 1..9999],
        month in 0..=13, day in 0..=32, hour in 0..=24, minute in 0..=60, second in 0..=61,
        separator in "[T t]", fraction in "([.,][0-9]{0,10})?", offset in offsets(),
    ) -> String {
        format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}")
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn rfc3339_is_what_jiff_reads(text in near_rfc3339()) {
        prop_assert_eq!(time(&text, RFC3339).ok(), jiff_rfc3339(&text), "{}", text);
    }

    #[test]
    fn clf_is_what_jiff_reads(text in near_rfc3339(), offset in "[+-](0[0-9]|1[0-9])[0-5][0-9]") {
        let month = part(&text, 5..7).parse::<usize>().unwrap();
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Some(name) = month.checked_sub(1).and_then(|month| names.get(month)) else {
            return Ok(());
        };
        let clf = format!("{}/{name}/{}:{} {offset}", part(&text, 8..10), part(&text, 0..4), part(&text, 11..19));
        let expected = jiff_rfc3339(&format!("{}T{}{offset}", part(&text, 0..10), part(&text, 11..19)));
        prop_assert_eq!(time(&clf, CLF).ok(), expected, "{}", clf);
        // strtime is another parser of jiff's; it reads no leap second at all.
        if let Ok(parsed) = strtime::parse("%d/%b/%Y:%H:%M:%S %z", &clf)
            && part(&clf, 18..20) != "60"
            && let Ok(parsed) = parsed.to_timestamp()
        {
            prop_assert_eq!(time(&clf, CLF), Ok(micros(parsed)));
        }
    }

    /// Every day at every time: no date is special but those of the calendar.
    #[test]
    fn every_time_comes_back(
        micros in -62_135_596_800_000_000_i64..=253_370_764_800_000_000,
        east in -86_399_i32..=86_399,
    ) {
        let utc = Timestamp::from_microsecond(micros).unwrap();
        prop_assert_eq!(time(&utc.to_string(), RFC3339), Ok(micros));
        let offset = Offset::from_seconds(east / 60 * 60).unwrap();
        let local = offset.to_datetime(utc);
        let zone = Zone::east(offset.seconds()).unwrap();
        let context = TimeContext::new().zone(zone);
        if local.year() > 0 {
            let text = local.to_string();
            prop_assert_eq!(parse_timestamp(text.as_bytes(), RFC3339, context), Ok(micros));
            let text = local.strftime("%d/%b/%Y:%H:%M:%S").to_string();
            let seconds = micros.div_euclid(1_000_000) * 1_000_000;
            prop_assert_eq!(parse_timestamp(text.as_bytes(), CLF, context), Ok(seconds));
        }
    }

    #[test]
    fn syslog_is_the_latest_year_that_fits(
        reference in -2_208_988_800_i64..4_102_444_800,
        back in -86_400_i64..31_000_000,
        east in -50_000_i32..50_000,
    ) {
        let context = TimeContext::new()
            .zone(Zone::east(east).unwrap())
            .reference(reference * 1_000_000);
        let utc = Timestamp::from_second(reference - back).unwrap();
        let local = Offset::from_seconds(east).unwrap().to_datetime(utc);
        let text = local.strftime("%b %e %H:%M:%S").to_string();
        let ours = parse_timestamp(text.as_bytes(), SYSLOG, context);
        // Less than a year back from the latest allowed: it is the time itself.
        prop_assert_eq!(ours, Ok(utc.as_microsecond()), "{}", text);
    }

    /// What is kept from one value to the next must not show.
    #[test]
    fn a_column_reads_what_one_value_reads(
        rows in prop::collection::vec(prop_oneof![
            3 => near_rfc3339(),
            3 => (0..40_i64).prop_map(|hours| {
                let time = Timestamp::from_second(1_767_200_000 + hours * 3600).unwrap();
                time.to_string()
            }),
            3 => (prop_oneof![0..5_i64, 0..400_i64], 0..9_i64).prop_map(|(days, seconds)| {
                let time = Timestamp::from_second(1_767_200_000 + days * 86_400 + seconds * 9999);
                time.unwrap().strftime("%b %e %H:%M:%S").to_string()
            }),
            3 => (0..4_i64, 0..3_i32).prop_map(|(hours, zone)| {
                let time = Timestamp::from_second(1_767_200_000 + hours * 36_000).unwrap();
                let time = Offset::constant(i8::try_from(zone).unwrap()).to_datetime(time);
                format!("{}+0{zone}00", time.strftime("%d/%b/%Y:%H:%M:%S "))
            }),
            1 => "[0-9]{0,21}",
            1 => "\0{0,30}",
            1 => Just("-".to_owned()),
        ], 0..200),
        reference in prop::option::of(1_767_100_000_000_000_i64..1_767_400_000_000_000),
    ) {
        let log: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let format = Format::pattern("(?P<v>.*)").unwrap();
        let batch = Parser::new(format).parse(&log);
        let column = batch.column("v").unwrap();
        let context = reference.map_or_else(TimeContext::new, |it| TimeContext::new().reference(it));
        for format in [RFC3339, CLF, SYSLOG, TimestampFormat::Epoch(EpochUnit::Millis)] {
            let typed = column.typed_in(Type::Timestamp(format), context).unwrap();
            let ours: Vec<_> = typed.integers().collect();
            let alone = |value: &[u8]| parse_timestamp(value, format, context);
            let expected: Vec<_> = column.iter().map(|value| alone(value?).ok()).collect();
            prop_assert_eq!(ours, expected);
            let failed = column.iter().flatten().filter(|value| *value != b"-" && alone(value).is_err());
            prop_assert_eq!(typed.invalid().count(), failed.count());
        }
    }

    #[test]
    fn epoch_is_exact(
        negative: bool, whole in 0..400_000_000_000_u64, zeros in 0..8_u32, fraction in "[0-9]{0,9}",
    ) {
        let whole = u128::from(whole) * 10_u128.pow(zeros);
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{}{whole}{point}{fraction}", if negative { "-" } else { "" });
        let parts: i128 = format!("{whole}{fraction:0<9}").parse().unwrap();
        let parts = if negative { -parts } else { parts };
        // Parts are a billionth of the unit; so many make a microsecond.
        let units = [
            (EpochUnit::Seconds, 1000), (EpochUnit::Millis, 1_000_000),
            (EpochUnit::Micros, 1_000_000_000), (EpochUnit::Nanos, 1_000_000_000_000),
        ];
        for (unit, per_micro) in units {
            let expected = i64::try_from(parts.div_euclid(per_micro)).ok();
            let expected = expected.filter(|it| (YEAR_0..=YEAR_9999).contains(it));
            prop_assert_eq!(time(&text, TimestampFormat::Epoch(unit)).ok(), expected, "{}", text);
        }
    }

    #[test]
    fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..40), at in any::<i64>()) {
        let context = TimeContext::new().reference(at);
        let units = [EpochUnit::Seconds, EpochUnit::Millis, EpochUnit::Micros, EpochUnit::Nanos];
        let formats = units.map(TimestampFormat::Epoch).into_iter();
        for format in formats.chain([RFC3339, CLF, SYSLOG]) {
            if let Ok(micros) = parse_timestamp(&value, format, context) {
                prop_assert!((YEAR_0..=YEAR_9999).contains(&micros));
            }
        }
    }
}

const YEAR_0: i64 = -62_167_219_200_000_000;

const YEAR_9999: i64 = 253_402_300_799_999_999;

#[test]
fn times_by_hand() {
    assert_eq!(time("1970-01-01T00:00:00.0000019Z", RFC3339), Ok(1));
    // Towards the past, also before 1970.
    assert_eq!(time("1969-12-31T23:59:59.9999999Z", RFC3339), Ok(-1));
    assert_eq!(time("-0.0000001", epoch(EpochUnit::Seconds)), Ok(-1));
    assert_eq!(time("0000-01-01T00:00:00Z", RFC3339), Ok(YEAR_0));
    assert_eq!(
        time("9999-12-31 23:59:59,999999999", RFC3339),
        Ok(YEAR_9999)
    );
    assert_eq!(
        time("0000-01-01T00:00:00+00:01", RFC3339),
        Err(Invalid::OutOfRange)
    );
    assert_eq!(
        time("9999-12-31T23:59:60Z", RFC3339),
        Err(Invalid::OutOfRange)
    );
    // A leap second is the second after it.
    assert_eq!(
        time("2016-12-31T23:59:60.5Z", RFC3339),
        Ok(1_483_228_800_500_000)
    );
    for zone in [" +0000", " UTC", "GMT", "Z", "+00", " -00:00"] {
        let text = format!("1970-01-01 00:00:01{zone}");
        assert_eq!(time(&text, RFC3339), Ok(1_000_000), "{text}");
    }
    assert_eq!(
        time("06/Feb/2009:12:14:14.655", CLF),
        Ok(1_233_922_454_655_000)
    );
    for (text, reason) in [
        ("", Invalid::Empty),
        ("2026-02-29T00:00:00Z", Invalid::ImpossibleTime),
        ("2026-00-01T00:00:00Z", Invalid::ImpossibleTime),
        ("2026-01-00T00:00:00Z", Invalid::ImpossibleTime),
        ("2026-01-01T24:00:00Z", Invalid::ImpossibleTime),
        ("2026-01-01T00:60:00Z", Invalid::ImpossibleTime),
        ("2026-01-01T00:00:61Z", Invalid::ImpossibleTime),
        ("2026-01-01T00:00:00+24:00", Invalid::ImpossibleTime),
        ("2026-01-01T00:00:00.Z", Invalid::Malformed),
        ("2026-01-01T00:00:00.1234567890Z", Invalid::Malformed),
        ("2026-01-01T00:00:00 CET", Invalid::Malformed),
        ("2026-01-01T00:00", Invalid::Malformed),
        ("2026-01-01", Invalid::Malformed),
        ("2026-01-01T00.00:00Z", Invalid::Malformed),
    ] {
        assert_eq!(time(text, RFC3339), Err(reason), "{text}");
    }
    assert_eq!(
        time("30/Feb/2026:00:00:01 +0000", CLF),
        Err(Invalid::ImpossibleTime)
    );
    assert_eq!(
        time("30/feb/2026:00:00:01 +0000", CLF),
        Err(Invalid::Malformed)
    );
    // Milliseconds that are read as seconds would be the year 58344.
    assert_eq!(
        time("1779012303250", epoch(EpochUnit::Seconds)),
        Err(Invalid::OutOfRange)
    );
    for text in ["1e9", ".5", "5.", "1.5.5", "1 ", "+", "1,", "0x1"] {
        assert_eq!(
            time(text, epoch(EpochUnit::Seconds)),
            Err(Invalid::Malformed),
            "{text}"
        );
    }
}

fn epoch(unit: EpochUnit) -> TimestampFormat {
    TimestampFormat::Epoch(unit)
}

#[test]
fn syslog_by_hand() {
    let at = |reference: &str| {
        let reference: Timestamp = reference.parse().unwrap();
        TimeContext::new().reference(reference.as_microsecond())
    };
    let read = |text: &str, reference: &str| {
        let micros = parse_timestamp(text.as_bytes(), SYSLOG, at(reference));
        micros.map(|it| Timestamp::from_microsecond(it).unwrap().to_string())
    };
    let ok = |text: &str| Ok(text.to_owned());
    let noon = "2026-01-01T12:00:00Z";
    assert_eq!(read("Dec 31 23:59:59", noon), ok("2025-12-31T23:59:59Z"));
    // Up to a day after the reference, to the microsecond.
    assert_eq!(read("Jan  2 12:00:00", noon), ok("2026-01-02T12:00:00Z"));
    assert_eq!(read("Jan 02 12:00:01", noon), ok("2025-01-02T12:00:01Z"));
    assert_eq!(
        read("Jan  1 00:00:00", "2025-12-31T23:00:00Z"),
        ok("2026-01-01T00:00:00Z")
    );
    // The last 29 February, over the eight years without one.
    assert_eq!(read("Feb 29 10:00:00", noon), ok("2024-02-29T10:00:00Z"));
    assert_eq!(
        read("Feb 29 10:00:00", "1904-02-27T00:00:00Z"),
        ok("1896-02-29T10:00:00Z")
    );
    assert_eq!(read("Feb 30 10:00:00", noon), Err(Invalid::ImpossibleTime));
    assert_eq!(read("Feb  0 10:00:00", noon), Err(Invalid::ImpossibleTime));
    assert_eq!(read("Oct 11 22:14:15 2003", noon), Err(Invalid::Malformed));
    assert_eq!(
        read("2003-10-11T22:14:15.003Z", noon),
        ok("2003-10-11T22:14:15.003Z")
    );
    assert_eq!(time("Oct 11 22:14:15", SYSLOG), Err(Invalid::NoReference));
    assert_eq!(
        time("Oct 11 25:14:15", SYSLOG),
        Err(Invalid::ImpossibleTime)
    );
    let far = TimeContext::new().reference(i64::MIN);
    assert_eq!(
        parse_timestamp(b"Oct 11 22:14:15", SYSLOG, far),
        Err(Invalid::OutOfRange)
    );
}

/// A second oracle for the calendar: jiff's own civil arithmetic.
#[test]
fn every_day_of_four_centuries() {
    let mut day = jiff::civil::date(1800, 1, 1);
    for at in 0_i64.. {
        if day.year() == 2201 {
            break;
        }
        let text = day.strftime("%d/%b/%Y:00:00:00 +0000").to_string();
        let start = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * (at - 62_091));
        assert_eq!(time(&text, CLF), Ok(start.as_microsecond()), "{text}");
        day = day.tomorrow().unwrap();
    }
}
