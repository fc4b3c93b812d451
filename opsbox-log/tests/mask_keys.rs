//! Where keys come from: a file, and AWS KMS as `moto` plays it. `MOTO_SERVER` names the program if it
//! is not in the path; without it the trials of KMS are ignored with a line on stderr, and with
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(feature = "mask-kms")]
#[path = "common/ports.rs"]
mod ports;
#[path = "common/trials.rs"]
mod trials;

use std::{fs, path::Path, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use opsbox_log::{
    ErrorKind,
    mask::{
        Action, KeyContext, KeyProvider, KeyRing, Keys, LocalKeyFile, MaskReport, Masker, Policy,
    },
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let file = |name: &str, check: fn(&Path)| {
        Trial::test(name.to_owned(), move || {
            check(tempfile::tempdir()?.path());
            Ok::<(), Failed>(())
        })
    };
    let all = vec![
        file("a_key_file_conforms", file_conforms),
        file("others_are_kept_out", others_are_kept_out),
        file("files_that_are_none_are_refused", broken_files),
        file("rotations_of_two_programs_are_both_kept", rotations),
        file("nothing_is_left_beside_the_files", nothing_left),
    ];
    #[cfg(feature = "mask-kms")]
    let all = all.into_iter().chain(kms::trials()).collect();
    libtest_mimic::run(&arguments, all).exit_code()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// What every provider keeps to.
fn conforms(provider: &dyn KeyProvider, folder: &Path) {
    block_on(async {
        let context = KeyContext::new("acme", 1);
        let one = provider.generate(&context).await.unwrap();
        let two = provider.generate(&context).await.unwrap();
        assert_ne!(one.key.expose(), two.key.expose());
        let back = provider.unwrap_key(&one.wrapped, &context).await.unwrap();
        assert_eq!(back.expose(), one.key.expose());
        let plain = one.key.expose();
        assert!(
            !one.wrapped.windows(8).any(|it| it == &plain[..8]),
            "wrapped is not plain"
        );
        for other in [KeyContext::new("acme", 2), KeyContext::new("umbrella", 1)] {
            let error = provider.unwrap_key(&one.wrapped, &other).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Key, false),
                "{error}"
            );
        }
        for at in [0, one.wrapped.len() / 2, one.wrapped.len() - 1] {
            let mut changed = one.wrapped.clone();
            changed[at] ^= 1;
            assert!(
                provider.unwrap_key(&changed, &context).await.is_err(),
                "byte {at}"
            );
        }
        assert!(provider.unwrap_key(b"", &context).await.is_err());

        // A ring: two versions, of which the newer encrypts and both decrypt.
        let path = folder.join("ring");
        let mut ring = KeyRing::create(&path, "acme").unwrap();
        let error = ring.keys(provider).await.unwrap_err();
        assert!(
            error.to_string().contains("call KeyRing::rotate first"),
            "{error}"
        );
        assert_eq!(ring.rotate(provider).await.unwrap(), 1);
        let before = encrypt(ring.keys(provider).await.unwrap());
        assert_eq!(ring.rotate(provider).await.unwrap(), 2);
        let ring = KeyRing::open(&path).unwrap();
        assert_eq!(
            (ring.tenant(), ring.versions().collect::<Vec<_>>()),
            ("acme", vec![1, 2])
        );
        let keys = ring.keys(provider).await.unwrap();
        for (token, version) in [
            (before, ":1:"),
            (encrypt(ring.keys(provider).await.unwrap()), ":2:"),
        ] {
            assert!(token.contains(version), "{token}");
            assert_eq!(
                &keys.decrypt(token.as_bytes()).unwrap()[..],
                b"a.b@example.com"
            );
        }
        // The file is of no use for another tenant.
        let text = fs::read_to_string(&path).unwrap();
        let moved = folder.join("moved");
        KeyRing::create(&moved, "umbrella").unwrap();
        fs::write(&moved, text.replace("acme", "umbrella")).unwrap();
        let error = KeyRing::open(&moved)
            .unwrap()
            .keys(provider)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("for another tenant or version"),
            "{error}"
        );
    });
}

fn encrypt(keys: Keys) -> String {
    let policy = Policy::new().default_action(Action::Encrypt);
    let mut masker = Masker::new(policy, Some(Arc::new(keys))).unwrap();
    let (mut out, mut report) = (Vec::new(), MaskReport::default());
    masker.mask_text("t", b"a.b@example.com", &mut out, &mut report);
    String::from_utf8(out).unwrap()
}

fn file_conforms(folder: &Path) {
    let path = folder.join("master");
    let mut file = LocalKeyFile::create(&path).unwrap();
    conforms(&file, folder);
    // Of a rotated file the older version still unwraps.
    let context = KeyContext::new("acme", 1);
    let wrapped = block_on(file.generate(&context)).unwrap();
    assert_eq!(file.rotate().unwrap(), 2);
    let file = LocalKeyFile::open(&path).unwrap();
    assert_eq!(file.versions().collect::<Vec<_>>(), [1, 2]);
    let back = block_on(file.unwrap_key(&wrapped.wrapped, &context)).unwrap();
    assert_eq!(back.expose(), wrapped.key.expose());
    // Nothing of the keys is printed.
    let text = fs::read_to_string(&path).unwrap();
    let debug = format!("{file:?} {wrapped:?}");
    for line in text.lines().skip(1) {
        assert!(!debug.contains(line.split_once(' ').unwrap().1), "{debug}");
    }
    assert!(debug.contains("SecretKey(..)"), "{debug}");
    let other = LocalKeyFile::create(folder.join("other")).unwrap();
    let error = block_on(other.unwrap_key(&wrapped.wrapped, &context)).unwrap_err();
    assert!(error.to_string().contains("by another key"), "{error}");
}

fn others_are_kept_out(folder: &Path) {
    let path = folder.join("master");
    LocalKeyFile::create(&path).unwrap();
    let error = LocalKeyFile::create(&path).unwrap_err();
    assert!(error.to_string().contains("it exists already"), "{error}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for bad in [0o640, 0o604, 0o610, 0o666] {
            mode(bad);
            let error = LocalKeyFile::open(&path).unwrap_err().to_string();
            let said = format!(
                "its mode is {bad:04o}, so that others than its owner can get at it; run `chmod 600` on it"
            );
            assert!(error.contains(&said) && error.contains("master"), "{error}");
        }
        mode(0o400);
        LocalKeyFile::open(&path).unwrap();
        let ring = folder.join("ring");
        KeyRing::create(&ring, "acme").unwrap();
        assert_eq!(
            fs::metadata(&ring).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        LocalKeyFile::open(folder).unwrap_err().kind(),
        ErrorKind::Key
    );
    let error = LocalKeyFile::open(folder.join("absent")).unwrap_err();
    assert!(
        error.to_string().contains("absent: No such file"),
        "{error}"
    );
}

fn broken_files(folder: &Path) {
    let path = folder.join("master");
    LocalKeyFile::create(&path).unwrap();
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    for (text, says) in [
        (String::new(), "it does not begin with"),
        ("opsbox-key-file 1\n".into(), "it has no key"),
        (
            "opsbox-key-file 1\n1 c2hvcnQ=\n".into(),
            "line 2: it is no version and key of 32 bytes",
        ),
        (
            format!("opsbox-key-file 1\n1 {key}\n1 {key}\n"),
            "line 3: there is a key of that version already",
        ),
        (format!("opsbox-key-file 1\nx {key}\n"), "line 2"),
        ("opsbox-data-keys 1 acme\n".into(), "it does not begin with"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = LocalKeyFile::open(&path).unwrap_err().to_string();
        assert!(
            error.contains(says) && !error.contains(key) && !error.contains("c2hvcnQ"),
            "{error}"
        );
    }
    fs::write(&path, vec![b'a'; (1 << 20) + 1]).unwrap();
    let error = LocalKeyFile::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("larger than the limit of 1048576 bytes"),
        "{error}"
    );
    for tenant in ["", " a", "a\nb", &"x".repeat(257)] {
        assert_eq!(
            KeyRing::create(folder.join("ring"), tenant)
                .unwrap_err()
                .kind(),
            ErrorKind::Key
        );
    }
}

fn rotations(folder: &Path) {
    let file = LocalKeyFile::create(folder.join("master")).unwrap();
    let path = folder.join("ring");
    let mut one = KeyRing::create(&path, "acme").unwrap();
    let mut two = KeyRing::open(&path).unwrap();
    block_on(async {
        assert_eq!(one.rotate(&file).await.unwrap(), 1);
        assert_eq!(two.rotate(&file).await.unwrap(), 2);
        assert_eq!(one.rotate(&file).await.unwrap(), 3);
    });
    assert_eq!(KeyRing::open(&path).unwrap().versions().len(), 3);
    let (mut one, mut two) = (file, LocalKeyFile::open(folder.join("master")).unwrap());
    assert_eq!(
        (
            one.rotate().unwrap(),
            two.rotate().unwrap(),
            one.rotate().unwrap()
        ),
        (2, 3, 4)
    );
}

fn nothing_left(folder: &Path) {
    let mut file = LocalKeyFile::create(folder.join("master")).unwrap();
    file.rotate().unwrap();
    LocalKeyFile::create(folder.join("master")).unwrap_err();
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".master.lock", "master"]);
}

#[cfg(feature = "mask-kms")]
mod kms {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        process::{Child, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use libtest_mimic::Trial;
    use opsbox_log::mask::{AwsCredentials, AwsKms, KeyContext, KeyProvider as _};

    use super::{
        block_on, conforms,
        ports::free_port,
        trials::{program, trial},
    };

    pub(super) fn trials() -> Vec<Trial> {
        let moto = program("MOTO_SERVER", "moto_server", "--help");
        vec![
            trial("kms_conforms", moto.clone(), |program| {
                let server = Server::start(&program);
                let key = server.create_key();
                conforms(&server.kms(&key), tempfile::tempdir()?.path());
                Ok(())
            }),
            trial("kms_faults_are_named", moto, |program| {
                faults(&Server::start(&program));
                Ok(())
            }),
            #[cfg(all(feature = "pipeline", feature = "config"))]
            trial(
                "kms_of_a_pipeline_file",
                program("MOTO_SERVER", "moto_server", "--help"),
                |program| {
                    in_a_file(&Server::start(&program), tempfile::tempdir()?.path());
                    Ok(())
                },
            ),
            Trial::test("kms_that_is_down_is_named", || {
                down();
                Ok(())
            }),
            Trial::test("kms_that_is_busy_is_asked_again", || {
                busy();
                Ok(())
            }),
            Trial::test("answers_that_are_none_are_refused", || {
                strange();
                Ok(())
            }),
            Trial::test("endpoints_are_checked", || {
                endpoints();
                Ok(())
            }),
        ]
    }

    /// A pipeline whose keys a file names, from a runtime too, and a KMS that is down.
    #[cfg(all(feature = "pipeline", feature = "config"))]
    fn in_a_file(server: &Server, folder: &std::path::Path) {
        use std::collections::BTreeMap;

        use opsbox_log::{ErrorKind, config::Language, mask::KeyRing, pipeline::PipelineConfig};

        let key = server.create_key();
        let kms = server.kms(&key);
        let mut ring = KeyRing::create(folder.join("data.keys"), "acme").unwrap();
        block_on(ring.rotate(&kms)).unwrap();
        std::fs::write(folder.join("mask.toml"), "default_action = \"encrypt\"\n").unwrap();
        let text = format!(
            "[input]\npreset = \"logfmt\"\n[mask]\npolicy = \"mask.toml\"\n\
             [mask.keys]\nring = \"data.keys\"\nkms = {{ key_id = \"{key}\", region = \"us-east-1\" }}\n"
        );
        let variables = |port: u16| {
            let endpoint = format!("http://127.0.0.1:{port}");
            BTreeMap::from(
                [
                    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                    ("AWS_SECRET_ACCESS_KEY", "secret-canary"),
                    ("AWS_ENDPOINT_URL_KMS", &*endpoint),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            )
        };
        let config = |variables: &BTreeMap<String, String>| {
            let file = folder.join("p.toml");
            PipelineConfig::parse(file, &text, Language::Toml, variables).unwrap()
        };
        let here = config(&variables(server.port));
        let built = [here.build(None), block_on(async { here.build(None) })];
        for pipeline in built {
            let mut out = Vec::new();
            let mut pipeline = pipeline.unwrap();
            pipeline.run(&b"a=x@example.com\n"[..], &mut out).unwrap();
            assert!(String::from_utf8_lossy(&out).contains("[enc1:PII_EMAIL:1:"));
            let keys = block_on(ring.keys(&kms)).unwrap();
            let (plain, _) = keys.decrypt_text(&out);
            assert_eq!(&plain[..], b"{\"a\":\"x@example.com\"}\n");
        }
        let error = config(&variables(free_port())).build(None).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("p.toml: line 7 column 1: mask.keys.kms: "),
            "{said}"
        );
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Key, true));
        let mut without = variables(server.port);
        without.remove("AWS_SECRET_ACCESS_KEY");
        let said = config(&without).build(None).unwrap_err().to_string();
        assert!(said.contains("AWS_SECRET_ACCESS_KEY is not set"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }

    fn credentials() -> AwsCredentials {
        AwsCredentials::new("AKIDEXAMPLE", "secret-canary").session_token("session-canary")
    }

    fn at(port: u16, key: &str) -> AwsKms {
        let kms = AwsKms::new(key, "us-east-1", credentials()).unwrap();
        kms.endpoint(&format!("http://127.0.0.1:{port}")).unwrap()
    }

    /// A server of this test alone, killed at its end.
    struct Server {
        child: Child,
        port: u16,
    }

    impl Server {
        fn start(program: &str) -> Self {
            let port = free_port();
            let child = Command::new(program)
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let server = Self { child, port };
            let started = Instant::now();
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(
                    started.elapsed() < Duration::from_secs(90),
                    "{program} does not start"
                );
                thread::sleep(Duration::from_millis(20));
            }
            server
        }

        fn kms(&self, key: &str) -> AwsKms {
            at(self.port, key)
        }

        /// An operation that the library does not have.
        fn ask(&self, operation: &str, body: &str) -> String {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            let request = format!(
                "POST / HTTP/1.0\r\nHost: kms.us-east-1.amazonaws.com\r\nX-Amz-Target: TrentService.{operation}\r\n\
                 Content-Type: application/x-amz-json-1.1\r\n\
                 Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.lines().next().unwrap().contains(" 200 "), "{answer}");
            answer
        }

        fn create_key(&self) -> String {
            let answer = self.ask("CreateKey", "{}");
            let id = answer.split_once("\"KeyId\":").unwrap().1.trim_start();
            id[1..].split('"').next().unwrap().to_owned()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    fn faults(server: &Server) {
        let context = KeyContext::new("acme", 1);
        let absent = server.kms("00000000-0000-0000-0000-000000000000");
        let error = block_on(absent.generate(&context)).unwrap_err();
        assert!(
            error.to_string().contains("NotFoundException")
                && error
                    .to_string()
                    .ends_with("check the key's id and the region"),
            "{error}"
        );
    }

    fn down() {
        let started = Instant::now();
        let kms = at(free_port(), "k");
        let error = block_on(kms.generate(&KeyContext::new("acme", 1))).unwrap_err();
        let text = format!("{error} {error:?} {kms:?}");
        assert!(
            error.is_retryable()
                && text.contains("cannot be reached")
                && text.contains("Connection refused"),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
        // Four attempts with waits between.
        let took = started.elapsed();
        assert!(
            took > Duration::from_millis(700) && took < Duration::from_secs(20),
            "{took:?}"
        );
    }

    /// A server that gives these answers, one for each connection.
    fn answering(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                // The request's end: its body is one JSON object.
                while !request.ends_with(b"}}") {
                    let read = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..read]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        port
    }

    fn answer(status: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn busy() {
        let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        let port = answering(vec![
            answer(
                "400 Bad Request",
                r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
            ),
            answer("503 Service Unavailable", ""),
            answer(
                "200 OK",
                &format!(r#"{{"KeyId":"k","Plaintext":"{key}","CiphertextBlob":"d3JhcHBlZA=="}}"#),
            ),
        ]);
        let made = block_on(at(port, "k").generate(&KeyContext::new("acme", 1))).unwrap();
        assert_eq!(
            (made.key.expose(), &made.wrapped[..]),
            (&[b'A'; 32], &b"wrapped"[..])
        );
    }

    fn strange() {
        let context = KeyContext::new("acme", 1);
        for (body, says) in [
            ("<html>", "the answer is none of KMS"),
            (
                r#"{"Plaintext":"cGxhaW4tY2FuYXJ5","CiphertextBlob":"AAAA"}"#,
                "the answer is none of KMS",
            ),
            (
                r#"{"Plaintext":"plain-canary!","CiphertextBlob":"AAAA"}"#,
                "the answer is none of KMS",
            ),
            (
                r#"{"Plaintext":"plain-canary"}"#,
                "the answer is none of KMS",
            ),
            (&"x".repeat(70_000), "larger than 65536 bytes"),
        ] {
            let port = answering(vec![answer("200 OK", body)]);
            let error = block_on(at(port, "k").generate(&context)).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(
                text.contains(says) && !text.contains("canary") && !text.contains("cGxhaW4"),
                "{text}"
            );
        }
        let disabled = r#"{"__type":"DisabledException"}"#;
        let port = answering(vec![answer("400 Bad Request", disabled)]);
        let error = block_on(at(port, "k").generate(&context)).unwrap_err();
        assert!(
            error.to_string().ends_with("enable the key") && !error.is_retryable(),
            "{error}"
        );
        let port = answering(vec![answer(
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.kms#AccessDeniedException","Message":"no\n"}"#,
        )]);
        let error = block_on(at(port, "k").generate(&context)).unwrap_err();
        assert!(error.to_string().ends_with(r"KMS answered 400 AccessDeniedException (no\u{a}); allow kms:GenerateDataKey and kms:Decrypt on the key"), "{error}");
    }

    fn endpoints() {
        let kms = || AwsKms::new("k", "eu-central-1", credentials()).unwrap();
        for good in [
            "https://kms.example.com",
            "https://kms.example.com:8443/",
            "http://localhost:4566",
            "http://[::1]:4566",
        ] {
            kms().endpoint(good).unwrap();
        }
        for (bad, says) in [
            ("http://kms.example.com", "it would send keys in the clear"),
            ("kms.example.com", "it has no scheme"),
            ("https://kms.example.com/path", "more than a host and port"),
            ("https://kms.example.com/?a=b", "more than a host and port"),
            ("", "it is no URL"),
        ] {
            let error = kms().endpoint(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        for bad in [
            "https://user:pass-canary@kms.example.com",
            "http://user:pass-canary@kms.example.com",
            "ftp://pass-canary@kms.example.com",
            "https://kms.example.com/?X-Amz-Security-Token=pass-canary",
            "https://us er:pass-canary@kms.example.com",
            "user:pass-canary@kms.example.com",
        ] {
            let error = kms().endpoint(bad).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("canary"), "{bad}: {said}");
        }
        assert!(AwsKms::new("k", "eu central", credentials()).is_err());
    }
}
