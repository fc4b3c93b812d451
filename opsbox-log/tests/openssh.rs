//! What sshd writes, in the words of OpenSSH's auth.c, auth2.c, packet.c, session.c and of Linux-PAM,
//! and what a client can make of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{fits, parse, refuses};

const HEADER: &str = "Mar 27 13:06:56 host sshd[1291]: ";

/// The parts of a message: action, method, user's status, user, address and port.
#[track_caller]
fn parts(message: &str) -> [Option<String>; 6] {
    let columns = parse("openssh-auth", &format!("{HEADER}{message}"));
    let get = |name: &str| {
        let column = columns.iter().find(|(field, _)| field == name);
        column.map(|(_, value)| value.clone())
    };
    assert_eq!(get("message").as_deref(), Some(message));
    assert_eq!(get("pid").as_deref(), Some("1291"));
    [
        "action",
        "method",
        "user_status",
        "user",
        "source_address",
        "source_port",
    ]
    .map(get)
}

#[track_caller]
fn says(message: &str, expected: [&str; 6]) {
    let expected = expected.map(|part| (part != "~").then(|| part.to_owned()));
    assert_eq!(parts(message), expected, "{message}");
}

#[test]
fn all_columns_of_a_login() {
    // A line of the corpus elastic/examples.
    fits(
        "openssh-auth",
        "Mar 27 13:08:09 ip-10-77-20-248 sshd[1361]: Accepted publickey for ubuntu from 85.245.107.41 port 54259 ssh2: RSA SHA256:Kl8kPGZrTiz7g4FO1hyqHdsSBBb5Fge6NWOobN03XJg",
        &[
            ("timestamp", "Mar 27 13:08:09"),
            ("hostname", "ip-10-77-20-248"),
            ("pid", "1361"),
            (
                "message",
                "Accepted publickey for ubuntu from 85.245.107.41 port 54259 ssh2: RSA SHA256:Kl8kPGZrTiz7g4FO1hyqHdsSBBb5Fge6NWOobN03XJg",
            ),
            ("action", "Accepted"),
            ("user", "ubuntu"),
            ("source_address", "85.245.107.41"),
            ("source_port", "54259"),
            ("method", "publickey"),
            (
                "key",
                "RSA SHA256:Kl8kPGZrTiz7g4FO1hyqHdsSBBb5Fge6NWOobN03XJg",
            ),
        ],
    );
    // As of OpenSSH 9.8, with the timestamp of rsyslog's file format of today.
    let line = "2026-01-02T03:04:05.123456+01:00 host sshd-session[7]: Connection reset by 2001:db8::9 port 5 [preauth]";
    let columns = parse("openssh-auth", line);
    assert_eq!(columns[4], ("action".into(), "Connection reset".into()));
    assert_eq!(columns[5], ("source_address".into(), "2001:db8::9".into()));
    refuses("openssh-auth", "Mar 27 13:08:09 host sudo[1]: x");
}

#[test]
fn messages_have_their_parts() {
    for (message, expected) in [
        (
            "Accepted password for ada from 192.0.2.7 port 50000 ssh2",
            ["Accepted", "password", "~", "ada", "192.0.2.7", "50000"],
        ),
        (
            "Failed password for invalid user admin from 192.0.2.7 port 50000 ssh2",
            [
                "Failed",
                "password",
                "invalid user",
                "admin",
                "192.0.2.7",
                "50000",
            ],
        ),
        (
            "Failed keyboard-interactive/pam for ian from 192.0.2.7 port 50000 ssh2",
            [
                "Failed",
                "keyboard-interactive/pam",
                "~",
                "ian",
                "192.0.2.7",
                "50000",
            ],
        ),
        (
            "Postponed publickey for ada from 192.0.2.7 port 50000 ssh2 [preauth]",
            ["Postponed", "publickey", "~", "ada", "192.0.2.7", "50000"],
        ),
        (
            "message repeated 5 times: [ Failed password for root from 192.0.2.7 port 50000 ssh2]",
            ["Failed", "password", "~", "root", "192.0.2.7", "50000"],
        ),
        (
            "Invalid user  from 34.204.227.175",
            ["Invalid user", "~", "~", "", "34.204.227.175", "~"],
        ),
        (
            "Invalid user pi from 192.0.2.7 port 40112",
            ["Invalid user", "~", "~", "pi", "192.0.2.7", "40112"],
        ),
        (
            "Connection closed by 192.0.2.7 [preauth]",
            ["Connection closed", "~", "~", "~", "192.0.2.7", "~"],
        ),
        (
            "Connection closed by authenticating user ubuntu 103.208.70.204 port 33977 [preauth]",
            [
                "Connection closed",
                "~",
                "authenticating user",
                "ubuntu",
                "103.208.70.204",
                "33977",
            ],
        ),
        (
            "Disconnected from user ada 192.0.2.7 port 5",
            ["Disconnected", "~", "user", "ada", "192.0.2.7", "5"],
        ),
        (
            "Disconnected from 192.0.2.7 port 5 [preauth]",
            ["Disconnected", "~", "~", "~", "192.0.2.7", "5"],
        ),
        (
            "Disconnecting authenticating user root 192.0.2.7 port 5: Too many authentication failures [preauth]",
            [
                "Disconnecting",
                "~",
                "authenticating user",
                "root",
                "192.0.2.7",
                "5",
            ],
        ),
        (
            "Disconnecting: Too many authentication failures [preauth]",
            ["Disconnecting", "~", "~", "~", "~", "~"],
        ),
        (
            "Received disconnect from 192.0.2.7 port 5:11: disconnected by user",
            ["Received disconnect", "~", "~", "~", "192.0.2.7", "5"],
        ),
        (
            "error: Received disconnect from 2001:db8::9: 13: Unable to authenticate [preauth]",
            ["Received disconnect", "~", "~", "~", "2001:db8::9", "~"],
        ),
        (
            "error: maximum authentication attempts exceeded for invalid user a from 192.0.2.7 port 5 ssh2 [preauth]",
            [
                "maximum authentication attempts exceeded",
                "~",
                "invalid user",
                "a",
                "192.0.2.7",
                "5",
            ],
        ),
        (
            "Did not receive identification string from 192.0.2.7",
            [
                "Did not receive identification string",
                "~",
                "~",
                "~",
                "192.0.2.7",
                "~",
            ],
        ),
        (
            "Bad protocol version identification 'GET / HTTP/1.1' from 192.0.2.7 port 5",
            [
                "Bad protocol version identification",
                "~",
                "~",
                "~",
                "192.0.2.7",
                "5",
            ],
        ),
        (
            "fatal: Unable to negotiate with 192.0.2.7 port 5: no matching cipher found. Their offer: 3des-cbc [preauth]",
            ["Unable to negotiate", "~", "~", "~", "192.0.2.7", "5"],
        ),
        (
            "fatal: Timeout before authentication for 192.0.2.7 port 5",
            [
                "Timeout before authentication",
                "~",
                "~",
                "~",
                "192.0.2.7",
                "5",
            ],
        ),
        (
            "Timeout before authentication for connection from 192.0.2.7 to 192.0.2.1, pid = 9",
            [
                "Timeout before authentication",
                "~",
                "~",
                "~",
                "192.0.2.7",
                "~",
            ],
        ),
        (
            "Connection from 192.0.2.7 port 5 on 192.0.2.1 port 22 rdomain \"\"",
            ["Connection from", "~", "~", "~", "192.0.2.7", "5"],
        ),
        (
            "Starting session: shell on pts/0 for ubuntu from 192.0.2.7 port 5 id 0",
            ["Starting session", "~", "~", "ubuntu", "192.0.2.7", "5"],
        ),
        (
            "Close session: user ubuntu from 192.0.2.7 port 5 id 0",
            ["Close session", "~", "~", "ubuntu", "192.0.2.7", "5"],
        ),
        (
            "User ada from 192.0.2.7 not allowed because not listed in AllowUsers",
            ["not allowed", "~", "~", "ada", "192.0.2.7", "~"],
        ),
        (
            "input_userauth_request: invalid user admin [preauth]",
            ["~", "~", "invalid user", "admin", "~", "~"],
        ),
        (
            "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
            ["session opened", "~", "~", "root", "~", "~"],
        ),
        (
            "pam_unix(sshd:session): session closed for user root",
            ["session closed", "~", "~", "root", "~", "~"],
        ),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            ["authentication failure", "~", "~", "root", "192.0.2.7", "~"],
        ),
        (
            "PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ",
            ["authentication failures", "~", "~", "~", "192.0.2.7", "~"],
        ),
        (
            "Server listening on :: port 22.",
            ["Server listening", "~", "~", "~", "~", "~"],
        ),
        ("Received signal 15; terminating.", ["~"; 6]),
        ("", ["~"; 6]),
    ] {
        says(message, expected);
    }
}

/// The client chooses these names.
#[test]
fn a_name_cannot_forge_an_address() {
    let real = ["192.0.2.66", "666"];
    let names = [
        "root from 1.1.1.1 port 1 ssh2",
        "root from 1.1.1.1 port 1 ssh2: RSA SHA256:x",
        "root from 1.1.1.1",
        "root 1.1.1.1 port 1",
        "root 1.1.1.1 port 1 [preauth]",
        "root 1.1.1.1 port 1: Too many authentication failures",
        "1.1.1.1",
        "1.1.1.1 port 1:11: x",
        " from ",
        "from",
        "invalid user x",
        "x] y' z\"",
    ];
    for name in names {
        for (message, status) in [
            (
                "Failed password for invalid user NAME from ADDRESS port PORT ssh2",
                true,
            ),
            (
                "error: maximum authentication attempts exceeded for invalid user NAME from ADDRESS port PORT ssh2 [preauth]",
                true,
            ),
            ("Invalid user NAME from ADDRESS port PORT", false),
            (
                "Connection closed by invalid user NAME ADDRESS port PORT [preauth]",
                true,
            ),
            (
                "Connection reset by authenticating user NAME ADDRESS port PORT [preauth]",
                true,
            ),
            (
                "Disconnecting invalid user NAME ADDRESS port PORT: Too many authentication failures [preauth]",
                true,
            ),
        ] {
            let message = message.replace("ADDRESS", real[0]).replace("PORT", real[1]);
            let message = message.replace("NAME", name);
            let [_, _, user_status, user, address, port] = parts(&message);
            assert_eq!(user.as_deref(), Some(name), "{message}");
            assert_eq!(
                [address.as_deref(), port.as_deref()],
                real.map(Some),
                "{message}"
            );
            assert_eq!(user_status.is_some(), status, "{message}");
        }
    }
    // The words of a disconnect, and of a version string, are the client's, too.
    for words in [
        "from 1.1.1.1 port 1",
        "x port 1:11: y",
        "' from 1.1.1.1 port 1",
    ] {
        for message in [
            "Received disconnect from 192.0.2.66 port 666:11: NAME [preauth]",
            "Bad protocol version identification 'NAME' from 192.0.2.66 port 666",
        ] {
            let [_, _, _, user, address, port] = parts(&message.replace("NAME", words));
            assert_eq!(user, None);
            assert_eq!([address.as_deref(), port.as_deref()], real.map(Some));
        }
    }
}
