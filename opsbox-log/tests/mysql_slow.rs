//! The slow query log: records of several lines, put together by the preset itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::fits;
use opsbox_log::{Batch, Format, Multiline, Parser, Reason, types::Type};
use proptest::prelude::*;

/// MySQL 5.6 and MariaDB leave the time out while the second is the same; a server that starts
/// writes three lines of its own.
const OLD: &str = "\
/usr/sbin/mysqld, Version: 5.6.51-log (MySQL Community Server (GPL)). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 140116  9:19:05
# User@Host: root[root] @ localhost []  Id:     1
# Query_time: 2.000237  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 0
use test;
SET timestamp=1389863945;
select sleep(2);
# User@Host: root[root] @ localhost []  Id:     2
# Query_time: 2.100000  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 0
SET timestamp=1389863945;
select sleep(2.1)
  as a;
/usr/sbin/mysqld, Version: 5.6.51-log (MySQL Community Server (GPL)). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# User@Host: [SQL_SLAVE] @  []  Id:     3
# Query_time: 3.000000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 9
SET timestamp=1389863946;
DELETE FROM t;
";

fn slow() -> Format {
    Format::preset("mysql-slow").unwrap()
}

fn column<B: AsRef<[u8]>>(batch: &Batch<B>, name: &str) -> Vec<Option<String>> {
    let values = batch.column(name).unwrap();
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    values.iter().map(|it| it.map(text)).collect()
}

fn some<const N: usize>(values: [&str; N]) -> Vec<Option<String>> {
    values.map(|it| Some(it.to_owned())).to_vec()
}

#[test]
fn mysql_8() {
    // 8.0.36 by default.
    fits(
        "mysql-slow",
        "# Time: 2024-05-10T17:44:36.400424Z\n\
         # User@Host: msandbox[msandbox] @ localhost []  Id:    12\n\
         # Query_time: 0.000237  Lock_time: 0.000004 Rows_sent: 0  Rows_examined: 0\n\
         SET timestamp=1715363076;\n\
         select * from t;",
        &[
            ("time", "2024-05-10T17:44:36.400424Z"),
            ("current_user", "msandbox"),
            ("user", "msandbox"),
            ("host", "localhost"),
            ("ip", ""),
            ("id", "12"),
            ("query_time", "0.000237"),
            ("lock_time", "0.000004"),
            ("rows_sent", "0"),
            ("rows_examined", "0"),
            ("extra_lines", ""),
            ("timestamp", "1715363076"),
            ("query", "select * from t;"),
        ],
    );
    // log_slow_extra, a local offset, an account without a name, a database, an inserted id, CRLF, and
    // a statement whose lines look like those of a record.
    fits(
        "mysql-slow",
        "# Time: 2023-12-20T22:44:21.890879+08:00\r\n\
         # User@Host: [ada] @  [2001:db8::7]  Id:     9\r\n\
         # Query_time: 0.009038  Lock_time: 0.000008 Rows_sent: 0  Rows_examined: 3 Thread_id: 9 Errno: 0\r\n\
         use sakila;\r\n\
         SET last_insert_id=7,insert_id=8,timestamp=1703083461;\r\n\
         insert into f\r\n  values ('\r\n# Query_time: 1');\r\n",
        &[
            ("time", "2023-12-20T22:44:21.890879+08:00"),
            ("current_user", ""),
            ("user", "ada"),
            ("host", ""),
            ("ip", "2001:db8::7"),
            ("id", "9"),
            ("query_time", "0.009038"),
            ("lock_time", "0.000008"),
            ("rows_sent", "0"),
            ("rows_examined", "3"),
            ("extra", "Thread_id: 9 Errno: 0"),
            ("extra_lines", ""),
            ("db", "sakila"),
            ("timestamp", "1703083461"),
            (
                "query",
                "insert into f\r\n  values ('\r\n# Query_time: 1');",
            ),
        ],
    );
}

#[test]
fn percona_server() {
    // 8.0.36 with log_slow_verbosity = full.
    fits(
        "mysql-slow",
        "# Time: 2024-05-10T17:52:26.336958Z\n\
         # User@Host: msandbox[msandbox] @ localhost []  Id:    13\n\
         # Schema: test_jfg  Last_errno: 0  Killed: 0\n\
         # Query_time: 0.000218  Lock_time: 0.000004  Rows_sent: 0  Rows_examined: 0  Rows_affected: 0  Bytes_sent: 56\n\
         # Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n\
         #   InnoDB_IO_r_ops: 0  InnoDB_IO_r_bytes: 0\n\
         SET timestamp=1715363546;\n\
         # administrator command: Ping;",
        &[
            ("time", "2024-05-10T17:52:26.336958Z"),
            ("current_user", "msandbox"),
            ("user", "msandbox"),
            ("host", "localhost"),
            ("ip", ""),
            ("id", "13"),
            ("schema", "test_jfg"),
            ("schema_extra", "Last_errno: 0  Killed: 0"),
            ("query_time", "0.000218"),
            ("lock_time", "0.000004"),
            ("rows_sent", "0"),
            ("rows_examined", "0"),
            ("extra", "Rows_affected: 0  Bytes_sent: 56"),
            (
                "extra_lines",
                "# Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n\
                 #   InnoDB_IO_r_ops: 0  InnoDB_IO_r_bytes: 0\n",
            ),
            ("timestamp", "1715363546"),
            ("query", "# administrator command: Ping;"),
        ],
    );
}

#[test]
fn mariadb() {
    // 11.3.2 with log_slow_verbosity = explain, and no database.
    fits(
        "mysql-slow",
        "# Time: 240515 17:02:39\n\
         # User@Host: msandbox[msandbox] @ localhost []\n\
         # Thread_id: 8  Schema:   QC_hit: No\n\
         # Query_time: 0.000166  Lock_time: 0.000069  Rows_sent: 0  Rows_examined: 0\n\
         # Rows_affected: 0  Bytes_sent: 65\n\
         #\n\
         # explain: id\tselect_type\n\
         #\n\
         SET timestamp=1715792559;\n\
         select * from t;",
        &[
            ("time_local", "240515 17:02:39"),
            ("current_user", "msandbox"),
            ("user", "msandbox"),
            ("host", "localhost"),
            ("ip", ""),
            ("id", "8"),
            ("schema", ""),
            ("schema_extra", "QC_hit: No"),
            ("query_time", "0.000166"),
            ("lock_time", "0.000069"),
            ("rows_sent", "0"),
            ("rows_examined", "0"),
            (
                "extra_lines",
                "# Rows_affected: 0  Bytes_sent: 65\n#\n# explain: id\tselect_type\n#\n",
            ),
            ("timestamp", "1715792559"),
            ("query", "select * from t;"),
        ],
    );
}

#[test]
fn records_without_a_time_and_servers_that_start() {
    let batch = Parser::new(slow()).parse(OLD);
    assert_eq!(column(&batch, "id"), some(["1", "2", "3"]));
    assert_eq!(
        column(&batch, "query"),
        some([
            "select sleep(2);",
            "select sleep(2.1)\n  as a;",
            "DELETE FROM t;"
        ])
    );
    let local = column(&batch, "time_local");
    assert_eq!(local, [Some("140116  9:19:05".to_owned()), None, None]);
    assert_eq!(column(&batch, "user"), some(["root", "root", "SQL_SLAVE"]));
    let lines: Vec<_> = batch
        .records()
        .map(|it| (it.line_number(), it.line_count()))
        .collect();
    assert_eq!(lines, [(4, 6), (10, 5), (18, 4)]);
    let unmatched: Vec<_> = batch
        .unmatched()
        .map(|it| (it.line_number(), it.line_count(), it.reason().to_string()))
        .collect();
    let reason = "does not fit the pattern from byte 0 on".to_owned();
    assert_eq!(unmatched, [(1, 3, reason.clone()), (15, 3, reason)]);
    assert_eq!(
        Format::detect(OLD.as_bytes()).unwrap().format().name(),
        "mysql-slow"
    );
}

#[test]
fn columns_have_types() {
    let batch = Parser::new(slow()).parse(OLD);
    let typed = |name| batch.column(name).unwrap().typed().unwrap();
    assert_eq!(
        typed("query_time").as_f64(),
        Some(&[2.000_237, 2.1, 3.0][..])
    );
    assert_eq!(
        typed("timestamp").as_i64(),
        Some(
            &[
                1_389_863_945_000_000,
                1_389_863_945_000_000,
                1_389_863_946_000_000
            ][..]
        )
    );
    assert_eq!(typed("id").as_i64(), Some(&[1, 2, 3][..]));
    assert_eq!(typed("time").invalid().count(), 0);
    assert_eq!(typed("query").data_type(), Type::Text);
}

#[test]
fn broken_records_are_one_unmatched_each() {
    let log = "# continues nothing\n\
               # Time: 2024-05-10T17:44:36.400424Z\n\
               # User@Host: a[a] @ localhost []  Id: 1\n\
               # Query_time: x1.0  Lock_ti\n\
               # Time: 2024-05-10T17:44:37.400424Z\n\
               # Time: 2024-05-10T17:44:38.400424Z\n\
               # User@Host: a[a] @ localhost []  Id: 2\n\
               # Query_time: 1.0  Lock_time: 0.0 Rows_sent: 0  Rows_examined: 0\n\
               SET timestamp=1;\n\
               COMMIT;\n\
               # Time: 2024-05-10T17:44:39.400424Z\n\
               # User@Host: a[a] @ localhost []  Id: 3\n";
    let batch = Parser::new(slow()).parse(log);
    assert_eq!(column(&batch, "id"), some(["2"]));
    let unmatched: Vec<_> = batch
        .unmatched()
        .map(|it| (it.line_number(), it.line_count(), it.reason().to_string()))
        .collect();
    let offset = log.find("x1.0").unwrap() - log.find("# Time").unwrap();
    assert_eq!(
        unmatched,
        [
            (1, 1, "continues a record, and none has begun".to_owned()),
            (
                2,
                3,
                format!("does not fit the pattern from byte {offset} on")
            ),
            (5, 1, "ends before the pattern does".to_owned()),
            (11, 2, "ends before the pattern does".to_owned()),
        ]
    );
}

#[test]
fn the_rule_of_the_format_is_kept_and_can_be_replaced() {
    let selected = slow().select(["query", "id"]).unwrap();
    let typed = selected.with_type("query", Type::Category).unwrap();
    let batch = Parser::new(typed).parse(OLD);
    assert_eq!((batch.len(), batch.line_count()), (3, 21));

    // A limit of the user, and what goes beyond it.
    let short = slow().multiline().unwrap().clone().max_lines(5);
    let batch = Parser::new(slow()).multiline(short).parse(OLD);
    assert_eq!((batch.len(), batch.line_count()), (3, 21));
    assert!(batch.record(0).unwrap().is_truncated());
    let full = batch.unmatched().find(|it| it.line_number() == 9).unwrap();
    assert!(matches!(full.reason(), Reason::RecordFull { .. }));

    // A rule of the user instead: lines one by one.
    let batch = Parser::new(slow())
        .multiline(Multiline::start("").unwrap())
        .parse(OLD);
    assert_eq!((batch.len(), batch.unmatched().len()), (0, 21));
    assert!(Format::preset("combined").unwrap().multiline().is_none());
    assert!(
        slow()
            .explain()
            .starts_with("the regular expression finds the columns")
    );
}

/// Over-long first lines have no next line: what a reader sees does not hang on where it is cut.
#[test]
fn any_split_and_any_limit_give_the_same() {
    let log = OLD.get(OLD.find("# Time").unwrap()..).unwrap();
    let log = [
        "\u{feff}",
        log,
        "# Time: 140116  9:19:07\n\n# User@Host: a[a] @ b []\n",
    ]
    .concat();
    for limit in [1, 10, 23, 24, 60, 150, 1000] {
        for max_lines in [1, 2, 5, 100] {
            let rule = slow().multiline().unwrap().clone().max_lines(max_lines);
            let parser = Parser::new(slow()).max_line_bytes(limit).multiline(rule);
            let whole = told(&parser.parse(&log));
            for batch_bytes in [1, 30, 100, 101, 102, 103, 400] {
                let reader = parser.clone().batch_bytes(batch_bytes);
                let batches = reader.read(log.as_bytes()).map(Result::unwrap);
                let read: Vec<_> = batches.flat_map(|it| told(&it)).collect();
                assert_eq!(read, whole, "{limit} {max_lines} {batch_bytes}");
            }
        }
    }
}

#[test]
fn threads_and_readers_change_nothing() {
    let mut log = String::new();
    for _ in 0..2000 {
        log += OLD;
    }
    assert!(log.len() > 1 << 20);
    let whole = Parser::new(slow()).parse(&log);
    assert_eq!((whole.len(), whole.unmatched().len()), (6000, 4000));
    let whole = told(&whole);
    for threads in [2, 3] {
        let parser = Parser::new(slow()).threads(threads).batch_bytes(700_001);
        assert_eq!(told(&parser.parse(&log)), whole);
        let batches = parser.read(log.as_bytes()).map(Result::unwrap);
        assert_eq!(batches.flat_map(|it| told(&it)).collect::<Vec<_>>(), whole);
    }
}

#[cfg(feature = "tokio")]
#[test]
fn streams_change_nothing() {
    use futures_util::StreamExt;

    let parser = Parser::new(slow()).batch_bytes(200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let streamed: Vec<_> = runtime.block_on(async {
        let batches = parser.stream(OLD.as_bytes());
        let told = batches.map(|batch| futures_util::stream::iter(told(&batch.unwrap())));
        told.flatten().collect().await
    });
    assert_eq!(streamed, told(&parser.parse(OLD)));
}

#[cfg(feature = "arrow")]
#[test]
fn arrow_has_the_records() {
    use arrow_array::cast::AsArray;
    use opsbox_log::{export::arrow::typed_record_batch, types::TimeContext};

    let batch = Parser::new(slow()).parse(bytes::Bytes::from(OLD));
    let typed = typed_record_batch(&batch, TimeContext::new()).unwrap();
    let arrow = typed.table();
    let query = arrow.column_by_name("query").unwrap().as_string_view();
    let query: Vec<_> = query.iter().map(|it| it.map(str::to_owned)).collect();
    assert_eq!(query, column(&batch, "query"));
    let seconds = arrow.column_by_name("query_time").unwrap();
    let seconds = seconds.as_primitive::<arrow_array::types::Float64Type>();
    assert_eq!(seconds.values()[..], [2.000_237, 2.1, 3.0]);
}

/// The rows and the unmatched, in order, with their lines.
fn told<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<(u64, u64, u64, String)> {
    let records = batch.records().map(|it| {
        let values: Vec<_> = it
            .iter()
            .map(|(_, value)| value.map(String::from_utf8_lossy))
            .collect();
        let told = format!("{:?} {values:?}", it.is_truncated());
        (it.line_number(), it.line_count(), it.offset(), told)
    });
    let unmatched = batch.unmatched();
    let unmatched = unmatched.map(|it| {
        (
            it.line_number(),
            it.line_count(),
            it.offset(),
            it.to_string(),
        )
    });
    let mut all: Vec<_> = records.chain(unmatched).collect();
    all.sort();
    all
}

/// A record as a server writes it, and the columns that it has to have.
fn records() -> impl Strategy<Value = (String, Vec<(&'static str, String)>)> {
    let name = "[a-z_.@-]{0,8}";
    (
        prop::option::of(any::<bool>()),
        (name, name, "[a-z.-]{0,6}", "[0-9a-f.:]{0,8}"),
        prop::option::of((any::<bool>(), 1..99_999_u32, "[a-z_]{0,6}")),
        (0..99_u32, 0..999_999_u32),
        prop::option::of("[A-Z][a-z_]{1,5}: [0-9]{1,3}"),
        prop::collection::vec("# [A-Z][a-z_]{1,6}: [A-Za-z0-9 ]{0,9}", 0..3),
        prop::option::of("[a-z`-]{1,9}"),
        0..2_000_000_000_u32,
        prop::collection::vec("[ -~é]{0,20}", 0..4),
    )
        .prop_map(|(time, user, id, query_time, extra, lines, db, timestamp, query)| {
            let mut log = String::new();
            let mut columns = Vec::new();
            let mut add = |name, value: &str| columns.push((name, value.to_owned()));
            if let Some(new) = time {
                let (name, value) = match new {
                    true => ("time", "2024-05-10T17:44:36.400424Z"),
                    false => ("time_local", "240510  7:44:36"),
                };
                add(name, value);
                log += &format!("# Time: {value}\n");
            }
            let (current, name, host, ip) = &user;
            log += &format!("# User@Host: {current}[{name}] @ {host} [{ip}]");
            add("current_user", current);
            add("user", name);
            add("host", host);
            add("ip", ip);
            if let Some((in_line, number, _)) = &id {
                if *in_line {
                    log += &format!("  Id: {number:5}");
                }
                add("id", &number.to_string());
            }
            log += "\n";
            if let Some((false, number, schema)) = &id {
                log += &format!("# Thread_id: {number}  Schema: {schema}  QC_hit: No\n");
                add("schema", schema);
                add("schema_extra", "QC_hit: No");
            }
            let query_time = format!("{}.{:06}", query_time.0, query_time.1);
            log += &format!("# Query_time: {query_time}  Lock_time: 0.000001 Rows_sent: 1  Rows_examined: 20");
            add("query_time", &query_time);
            add("lock_time", "0.000001");
            add("rows_sent", "1");
            add("rows_examined", "20");
            if let Some(extra) = &extra {
                log += &format!(" {extra}");
                add("extra", extra);
            }
            log += "\n";
            let lines: String = lines.iter().flat_map(|it| [it, "\n"]).collect();
            log += &lines;
            add("extra_lines", &lines);
            if let Some(db) = &db {
                log += &format!("use {db};\n");
                add("db", db);
            }
            log += &format!("SET timestamp={timestamp};\n");
            add("timestamp", &timestamp.to_string());
            let query = query.join("\n");
            let query = query.trim_end_matches('\n');
            // Without a statement there is no line ending before it that belongs to the record.
            if !query.is_empty() {
                log += &format!("{query}\n");
                add("query", query);
            }
            (log, columns)
        })
}

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// What a server writes comes back, value by value.
    #[test]
    fn generated_records_come_back(records in prop::collection::vec(records(), 1..6)) {
        let log: String = records.iter().map(|(log, _)| log.as_str()).collect();
        let batch = Parser::new(slow()).parse(&log);
        prop_assert_eq!(batch.unmatched().next().map(|it| it.to_string()), None, "{}", log);
        prop_assert_eq!(batch.len(), records.len());
        for (record, (_, columns)) in batch.records().zip(&records) {
            let found: Vec<_> = record
                .iter()
                .filter_map(|(field, value)| Some((field.name(), String::from_utf8_lossy(value?).into_owned())))
                .collect();
            let expected: Vec<_> = columns.iter().map(|(name, value)| (*name, value.clone())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    /// However lines come together, each is in one row or unmatched, and a reader says the same.
    #[test]
    fn shuffled_lines_are_accounted_for(
        lines in prop::collection::vec(prop::sample::select(OLD.lines().collect::<Vec<_>>()), 0..30),
        ending in prop::sample::select(vec!["\n", "\r\n"]),
        limit in prop_oneof![Just(1 << 20), 20..200_usize],
        batch_bytes in 1..300_usize,
    ) {
        let log = lines.iter().flat_map(|it| [*it, ending]).collect::<String>();
        let parser = Parser::new(slow()).max_line_bytes(limit).batch_bytes(batch_bytes);
        let batch = parser.parse(&log);
        prop_assert_eq!(batch.line_count(), lines.len());
        let all = told(&batch);
        prop_assert_eq!(all.iter().map(|it| it.1).sum::<u64>(), lines.len() as u64);
        let read: Vec<_> = parser.read(log.as_bytes()).flat_map(|it| told(&it.unwrap())).collect();
        prop_assert_eq!(read, all);
        // A record begins with a time, or with a user that no time stands before.
        for record in batch.records() {
            let at = usize::try_from(record.line_number()).unwrap() - 1;
            let timed = |line: Option<&&str>| line.is_some_and(|it| it.starts_with("# Time: "));
            let before = at.checked_sub(1).and_then(|at| lines.get(at));
            prop_assert!(timed(lines.get(at)) || lines[at].starts_with("# User") && (!timed(before) || limit < 23));
        }
    }
}
