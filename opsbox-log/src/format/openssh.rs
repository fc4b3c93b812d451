//! The lines of sshd, by the texts of OpenSSH's auth.c, auth2.c, packet.c, session.c, sshd.c and of
//! Linux-PAM's pam_unix.
//!
//! A client chooses the user name, and so may write what looks like an address into it. The parts
//! are taken so that this moves no column: where what follows the name is fixed up to the end of the
//! line there is one way to read it, and elsewhere the last ` from ` counts.

/// From an address, with its port.
macro_rules! source {
    ($or:literal) => {
        concat!(
            r"(?P<source_address",
            $or,
            r">\S+) port (?P<source_port",
            $or,
            r">\d+)"
        )
    };
}

// Alternatives that begin with a literal come before those that begin with one of several, so that a
// plan can tell them apart.
pub(super) const PATTERN: &str = concat!(
    r"(?:<\d{1,3}>)?(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}|",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})) ",
    // Since OpenSSH 9.8 a session has a program of its own.
    r"(?P<hostname>\S+) sshd(?:-[a-z]+)?\[(?P<pid>\d+)\]: ",
    r"(?P<message>(?:message repeated (?P<repeated>\d+) times: \[ |error: |fatal: |)(?:",
    // Linux-PAM.
    r"pam_unix\(sshd:session\): (?P<action>session (?:opened|closed)) for user (?P<user>[^ (]+)(?:[ (].*|)|",
    r"pam_unix\(sshd:auth\): check pass.*|PAM service.*|",
    r"(?:pam_unix\(sshd:auth\): |PAM \d+ more )(?P<action[or]>authentication failures?); ",
    r"logname=\S* uid=\d+ euid=\d+ tty=\S* ruser=\S* rhost=(?P<source_address>\S*)",
    r"(?: +user=(?P<user[or]>.*)| *)|",
    r"(?P<action[or2]>Invalid user) (?P<user[or2]>.*) from (?P<source_address[or]>\S+)",
    r"(?: port (?P<source_port[or]>\d+)|)|",
    r"(?P<action[or3]>Connection from) ",
    source!("[or2]"),
    r"(?: on .*|)|",
    // Its reason may hold names of the client's making, all but this one.
    r"(?P<action[or4]>Disconnecting)(?: (?P<user_status>invalid user|authenticating user) ",
    r"(?P<user[or3]>.*?) ",
    source!("[or3]"),
    r": Too many authentication failures(?: for \S+)?(?: \[preauth\]|)|: .*)|",
    r"(?P<action[or5]>Received disconnect) from (?P<source_address[or4]>\S+?)",
    r"(?: port (?P<source_port[or4]>\d+):|: )\d+:.*|",
    r"(?P<action[or6]>Bad protocol version identification) '.*' from ",
    source!("[or5]"),
    r"|",
    r"(?P<action[or7]>Starting session): .* for (?P<user[or4]>\S+) from ",
    source!("[or6]"),
    r" id \d+|",
    r"(?P<action[or8]>Close session): user (?P<user[or5]>\S+) from ",
    source!("[or7]"),
    r" id \d+|",
    r"input_userauth_request: (?P<user_status[or]>invalid user) (?P<user[or6]>.*) \[preauth\]|",
    r"(?P<action[or9]>Server listening) on .*|User child is on pid \d+|",
    r"User (?P<user[or7]>.*) from (?P<source_address[or8]>\S+) (?P<action[or10]>not allowed) because .*|",
    r"(?P<action[or11]>Did not receive identification string) from (?P<source_address[or13]>\S+)",
    r"(?: port (?P<source_port[or13]>\d+)|)(?: \[preauth\]|)|",
    r"(?:(?P<action[or12]>Connection (?:closed|reset)) by|(?P<action[or13]>Disconnected) from) (?:",
    r"(?P<user_status[or2]>invalid user|authenticating user|user) (?P<user[or8]>.*?) ",
    source!("[or9]"),
    r"|(?P<source_address[or10]>\S+)(?: port (?P<source_port[or10]>\d+)|))(?: \[preauth\]|)|",
    r"(?:(?P<action[or14]>Unable to negotiate) with|",
    r"(?P<action[or15]>Timeout before authentication) for(?: connection from|)) ",
    r"(?P<source_address[or11]>\S+?)(?: port (?P<source_port[or11]>\d+)|)(?:: .*|,? to .*| \[preauth\]|)|",
    r"(?:(?P<action[or16]>Accepted|Failed|Postponed|Partial) (?P<method>\S+)|",
    r"(?P<action[or17]>maximum authentication attempts exceeded)) for ",
    r"(?:(?P<user_status[or3]>invalid user) |)(?P<user[or9]>.*) from ",
    source!("[or12]"),
    r"(?: ssh\d(?:: (?P<key>[^\]]*))?)?(?: \[preauth\]|)\]?|",
    r".*))",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Definition, Pattern};

    /// The order of the alternatives matters to the plan alone, so no result shows a mistake in it.
    #[test]
    fn the_plan_gets_through_each_kind_of_message() {
        let (pattern, _) = Pattern::compile(Definition::regex(PATTERN), None).unwrap();
        let mut scratch = pattern.scratch();
        for message in [
            "Accepted publickey for ada from ::1 port 5 ssh2: RSA SHA256:x",
            "Failed password for invalid user ada from ::1 port 5 ssh2",
            "Invalid user ian from ::1 port 5",
            "Connection from ::1 port 5 on ::1 port 22",
            "Connection closed by ::1 [preauth]",
            "Connection reset by authenticating user ada ::1 port 5 [preauth]",
            "Disconnected from user ada ::1 port 5",
            "Disconnecting: Too many authentication failures [preauth]",
            "Received disconnect from 192.0.2.7 port 5:11: Bye Bye [preauth]",
            "error: maximum authentication attempts exceeded for ada from ::1 port 5 ssh2 [preauth]",
            "Did not receive identification string from ::1",
            "Bad protocol version identification 'x y' from ::1 port 5",
            "fatal: Unable to negotiate with 192.0.2.7 port 5: no matching cipher found",
            "Starting session: shell on pts/0 for ada from ::1 port 5 id 0",
            "Close session: user ada from ::1 port 5 id 0",
            "User child is on pid 7",
            "User ada from ::1 not allowed because not listed in AllowUsers",
            "input_userauth_request: invalid user ada [preauth]",
            "pam_unix(sshd:session): session opened for user root by (uid=0)",
            "pam_unix(sshd:auth): check pass; user unknown",
            "PAM service(sshd) ignoring max retries; 6 > 3",
            "Server listening on :: port 22.",
        ] {
            let line = format!("Mar 27 13:06:56 host sshd[1]: {message}");
            assert!(
                pattern.planned(line.as_bytes(), &mut scratch).is_some(),
                "{message}"
            );
        }
    }
}
