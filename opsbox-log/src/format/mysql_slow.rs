//! The slow query log of MySQL 8: a record of several lines.
//!
//! Becomes the preset `mysql-slow` where records may have several lines: a record begins at a line
//! that begins with `# Time: `. Before that it has no place in the catalogue, since no single line
//! fits. What wiring it needs:
//! - a preset with a pattern for the first line, `# Time: .*`, which detection leaves out unless
//!   records of several lines are asked for;
//! - a plan that stops at LF: the set of `.` is passed over as if no line had one
//!   (`Set::few_outside` in the module `plan`), which is right for single lines only.
//!
//! MariaDB differs: its time is `140116 11:19:05` and stands there only when the second changes, and a
//! line `# Thread_id: ... Schema: ... QC_hit: ...` stands where MySQL has `Id:`. Its records do not fit.
//! Percona Server's do; the lines that it adds are `extra_lines`.

// By the reference manual of MySQL 8.0 and 8.4, section "The Slow Query Log"; `extra` is what
// log_slow_extra adds (worklog 12393).
const PATTERN: &str = concat!(
    r"# Time: (?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2}))\n",
    r"# User@Host: (?P<user>[^\[\n]*)\[(?P<current_user>[^\]\n]*)\] @ +(?P<host>[^ \[\n]*) *",
    r"\[(?P<ip>[^\]\n]*)\] +Id: *(?P<id>\d+)\n",
    r"(?:# (?P<schema_line>Schema: [^\n]*)\n|)",
    r"# Query_time: (?P<query_time>[\d.]+) +Lock_time: (?P<lock_time>[\d.]+) +",
    r"Rows_sent: (?P<rows_sent>\d+) +Rows_examined: (?P<rows_examined>\d+)(?: +(?P<extra>[^\n]*)|)\n",
    r"(?P<extra_lines>(?:# [^\n]*\n)*)",
    r"(?:use (?P<db>[^\n]*);\n|)",
    r"SET (?:last_insert_id=\d+,|)(?:insert_id=\d+,|)timestamp=(?P<timestamp>\d+);",
    // The statement, in as many lines as it has; a bare `use` has none.
    r"(?:\n(?P<query>(?s:.*))|)",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Definition, Pattern};

    /// The columns of a record that have a value.
    fn columns(record: &str) -> Option<Vec<(String, String)>> {
        let (pattern, fields) = Pattern::compile(Definition::regex(PATTERN), None).unwrap();
        let mut scratch = pattern.scratch();
        let spans = pattern.captures(record.as_bytes(), &mut scratch)?;
        let columns = fields.iter().zip(spans).filter_map(|(field, span)| {
            let value = record.as_bytes().get(span?)?;
            Some((
                field.name().to_owned(),
                String::from_utf8_lossy(value).into_owned(),
            ))
        });
        Some(columns.collect())
    }

    #[track_caller]
    fn fits(record: &str, expected: &[(&str, &str)]) {
        let columns = columns(record).unwrap();
        let columns: Vec<_> = columns
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(columns, expected);
    }

    #[test]
    fn it_has_a_plan() {
        let (pattern, fields) = Pattern::compile(Definition::regex(PATTERN), None).unwrap();
        assert!(pattern.explain(&fields).contains("a plan of "));
    }

    #[test]
    fn records_of_mysql() {
        // MySQL 8.0.36 by default.
        fits(
            "# Time: 2024-05-10T17:44:36.400424Z\n\
             # User@Host: msandbox[msandbox] @ localhost []  Id:    12\n\
             # Query_time: 0.000237  Lock_time: 0.000004 Rows_sent: 0  Rows_examined: 0\n\
             SET timestamp=1715363076;\n\
             select * from t;",
            &[
                ("time", "2024-05-10T17:44:36.400424Z"),
                ("user", "msandbox"),
                ("current_user", "msandbox"),
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
        // With log_slow_extra, a local offset, a database, an inserted id, a statement of lines that
        // look like the beginning of a record, and a client without a name.
        fits(
            "# Time: 2023-12-20T22:44:21.890879+08:00\n\
             # User@Host: root[root] @  [192.0.2.7]  Id:     9\n\
             # Query_time: 0.009038  Lock_time: 0.000008 Rows_sent: 0  Rows_examined: 3 Thread_id: 9 Errno: 0\n\
             use sakila;\n\
             SET last_insert_id=7,insert_id=8,timestamp=1703083461;\n\
             insert into f\n  values ('\n# Query_time: 1');",
            &[
                ("time", "2023-12-20T22:44:21.890879+08:00"),
                ("user", "root"),
                ("current_user", "root"),
                ("host", ""),
                ("ip", "192.0.2.7"),
                ("id", "9"),
                ("query_time", "0.009038"),
                ("lock_time", "0.000008"),
                ("rows_sent", "0"),
                ("rows_examined", "3"),
                ("extra", "Thread_id: 9 Errno: 0"),
                ("extra_lines", ""),
                ("db", "sakila"),
                ("timestamp", "1703083461"),
                ("query", "insert into f\n  values ('\n# Query_time: 1');"),
            ],
        );
    }

    #[test]
    fn records_of_its_relatives() {
        // Percona Server 8.0.36 with log_slow_verbosity = full.
        let percona = "# Time: 2024-05-10T17:52:26.336958Z\n\
            # User@Host: msandbox[msandbox] @ localhost []  Id:    13\n\
            # Schema: test_jfg  Last_errno: 0  Killed: 0\n\
            # Query_time: 0.000218  Lock_time: 0.000004  Rows_sent: 0  Rows_examined: 0  Rows_affected: 0  Bytes_sent: 56\n\
            # Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n\
            # InnoDB_trx_id: 0\n\
            SET timestamp=1715363546;\n\
            # administrator command: Ping;";
        let columns_of_percona = columns(percona).unwrap();
        let get = |name: &str| {
            let column = columns_of_percona.iter().find(|(field, _)| field == name);
            column.map(|(_, value)| value.as_str())
        };
        assert_eq!(
            get("schema_line"),
            Some("Schema: test_jfg  Last_errno: 0  Killed: 0")
        );
        assert_eq!(get("extra"), Some("Rows_affected: 0  Bytes_sent: 56"));
        assert_eq!(
            get("extra_lines"),
            Some("# Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n# InnoDB_trx_id: 0\n")
        );
        assert_eq!(get("query"), Some("# administrator command: Ping;"));

        // MariaDB 11.3.2.
        let mariadb = "# Time: 240515 17:02:39\n\
            # User@Host: msandbox[msandbox] @ localhost []\n\
            # Thread_id: 8  Schema: test_jfg  QC_hit: No\n\
            # Query_time: 0.000166  Lock_time: 0.000069  Rows_sent: 0  Rows_examined: 0\n\
            # Rows_affected: 0  Bytes_sent: 65\n\
            SET timestamp=1715792559;\n\
            select * from t;";
        assert_eq!(columns(mariadb), None);
    }
}
