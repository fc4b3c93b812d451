//! The slow query log of MySQL and its relatives: a record of several lines.
//!
//! By the reference manual of MySQL 8.0 and 8.4, section "The Slow Query Log", that of MariaDB, section
//! "Slow Query Log", and what the servers write:
//!
//! | server | time | `Id:` | its own lines |
//! |---|---|---|---|
//! | MySQL 5.7, 8 | RFC 3339, in each record | in the line of the user | |
//! | MySQL 5.6 | `140116 11:19:05`, when the second changes | there too | |
//! | MySQL 5.1, 5.5 | the same | none | |
//! | MariaDB | the same | `# Thread_id: ... Schema: ... QC_hit: ...` | `# Rows_affected: ...`, `# explain: ...` |
//! | Percona Server | that of its MySQL | that of its MySQL, up to 5.5 as MariaDB | `# Schema: ... Last_errno: ...`, `# InnoDB_...` |
//!
//! With `--log-short-format` there is neither a time nor a user, so nothing that a record begins with.

/// The first line of most records.
pub(super) const TIME: &str = "# Time: ";

/// What a record begins with, or the banner of a server that starts, whose three lines are no part of
/// the statement before.
pub(super) const START: &str =
    r"# Time: \d|# User@Host: [^\[]*\[[^\]]*\] @ |\S.*, Version: .* started with:$";

pub(super) const EXAMPLE: &str = "\
# Time: 2024-05-10T17:44:36.400424Z
# User@Host: app[app] @ localhost []  Id:    12
# Query_time: 2.000237  Lock_time: 0.000004 Rows_sent: 1  Rows_examined: 40000
SET timestamp=1715363076;
SELECT count(*)
FROM orders;";

// `extra` is what log_slow_extra adds (worklog 12393).
pub(super) const PATTERN: &str = concat!(
    r"(?:# Time: (?:(?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2}))|",
    r"(?P<time_local>\d{6} [ \d]\d:\d{2}:\d{2}(?:\.\d{1,6})?))\r?\n|)",
    // make_user_name() in the sources: the account that the server chose, then the name that the
    // client gave.
    r"# User@Host: (?P<current_user>[^\[\n]*)\[(?P<user>[^\]\n]*)\] @ +(?P<host>[^ \[\n]*) *",
    r"\[(?P<ip>[^\]\n]*)\](?: +Id: *(?P<id>\d+)|) *\r?\n",
    r"(?:# (?:Thread_id: *(?P<id[or]>\d+)|)(?: *Schema: ?(?P<schema>[^ \r\n]*)",
    r"(?: +(?P<schema_extra>[^ \r\n][^\r\n]*)|)|) *\r?\n|)",
    r"# Query_time: (?P<query_time>\d+(?:\.\d+)?) +Lock_time: (?P<lock_time>\d+(?:\.\d+)?) +",
    r"Rows_sent: (?P<rows_sent>\d+) +Rows_examined: (?P<rows_examined>\d+)",
    r"(?: +(?P<extra>[^ \r\n][^\r\n]*)|) *\r?\n",
    r"(?P<extra_lines>(?:#[^\n]*\n)*)",
    r"(?:use (?P<db>[^\r\n]*);\r?\n|)",
    r"SET (?:last_insert_id=\d+,|)(?:insert_id=\d+,|)timestamp=(?P<timestamp>\d{1,10});",
    // The statement, in as many lines as it has.
    r"(?:\r?\n(?P<query>(?s:.*))|)",
);
