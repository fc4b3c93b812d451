//! The stores that are servers: each real one has to conform.
//!
//! A server that is missing makes its trials ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it makes them fail. `REDIS_SERVER` and `MOTO_SERVER` name the programs if
//! they are not in the path.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "common/ports.rs"]
mod ports;
#[path = "common/trials.rs"]
mod trials;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use async_trait::async_trait;
use libtest_mimic::{Arguments, Failed};
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use opsbox_cert::store::conformance::{self, Harness};
use opsbox_cert::store::{
    Acquired, Condition, Folder, Name, ObjectRecords, Owner, Record, RedisStore, Store,
};
use opsbox_cert::{ErrorKind, ManualClock};
use ports::free_port;
use trials::{program, trial};

type Check = fn(&str) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let redis = program("REDIS_SERVER", "redis-server", "--help");
    let moto = program("MOTO_SERVER", "moto_server", "--help");
    let none = Ok(String::new());
    let trials = [
        ("redis_conforms", &redis, redis_conforms as Check),
        ("redis_faults_are_named", &redis, redis_faults),
        ("s3_conforms", &moto, s3_conforms),
        ("s3_faults_are_named", &moto, s3_faults),
        ("objects_in_memory_conform", &none, objects_conform),
        ("objects_of_the_deleted_are_swept", &none, objects_swept),
        ("a_late_write_is_never_over_a_newer_one", &none, late_write),
    ];
    let trials = trials
        .map(|(name, program, check)| trial(name, program.clone(), move |program| check(&program)));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// A server of this test alone, killed at its end.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments = arguments
            .iter()
            .map(|argument| argument.replace("PORT", &port.to_string()));
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{program} does not start"
            );
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn redis(program: &str, more: &[&str]) -> Self {
        let arguments = [
            "--port",
            "PORT",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        Self::start(program, &[&arguments, more].concat())
    }

    fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn s3(program: &str) -> Self {
        let server = Self::start(program, &["-H", "127.0.0.1", "-p", "PORT"]);
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream
            .write_all(
                b"PUT /bucket HTTP/1.0\r\nHost: s3.amazonaws.com\r\nContent-Length: 0\r\n\r\n",
            )
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.lines().next().unwrap().contains(" 200 "), "{answer}");
        server
    }

    fn bucket(&self, bucket: &str) -> Arc<dyn ObjectStore> {
        let builder = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{}", self.port))
            .with_allow_http(true)
            .with_bucket_name(bucket)
            .with_region("us-east-1")
            .with_access_key_id("id")
            .with_secret_access_key("secret");
        Arc::new(builder.build().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

fn record(text: &str) -> Record {
    Record::new().with("tls.key", text).unwrap()
}

struct Redis(Server);

#[async_trait]
impl Harness for Redis {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(
            RedisStore::connect(&self.0.redis_url(), "test")
                .await
                .unwrap(),
        )
    }
}

fn redis_conforms(program: &str) -> Result<(), Failed> {
    block_on(conformance::run(&Redis(Server::redis(program, &[]))))?;
    Ok(())
}

fn redis_faults(program: &str) -> Result<(), Failed> {
    let mut server = Server::redis(program, &["--requirepass", "right"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", server.port);
    let (right, wrong) = (url("right"), url("wrong"));
    block_on(async {
        for bad in [&server.redis_url(), &wrong] {
            let denied = async {
                let store = RedisStore::connect(bad, "test").await?;
                store.list(&Folder::ORDERS).await
            };
            let error = denied.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert!(!format!("{error} {error:?}").contains("wrong"));
        }
        for (url, prefix) in [("http://x", "a"), (&right, ""), (&right, "a{b")] {
            let error = RedisStore::connect(url, prefix).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
        let store = RedisStore::connect(&right, "test")
            .await
            .unwrap()
            .time_limit(Duration::from_secs(3));
        let name = Name::order("a.example").unwrap();
        store
            .save(&name, &record("a"), &Condition::Any, None)
            .await
            .unwrap();
        let mut raw = redis::Client::open(&*right)
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let mut config = async |key: &str, value: &str| {
            let _: () = redis::cmd("CONFIG")
                .arg("SET")
                .arg(key)
                .arg(value)
                .query_async(&mut raw)
                .await
                .unwrap();
        };
        config("maxmemory", "1").await;
        let error = store
            .save(&name, &record("b"), &Condition::Any, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        config("maxmemory", "0").await;
        assert!(store.load(&name).await.unwrap().unwrap().record == record("a"));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let error = store
            .save(&name, &record("b"), &Condition::Any, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
    });
    Ok(())
}

struct Objects(Arc<dyn ObjectStore>);

#[async_trait]
impl Harness for Objects {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(ObjectRecords::new(self.0.clone(), "a/b c"))
    }
}

fn s3_conforms(program: &str) -> Result<(), Failed> {
    let server = Server::s3(program);
    block_on(async { conformance::run(&Objects(server.bucket("bucket"))).await })?;
    Ok(())
}

fn s3_faults(program: &str) -> Result<(), Failed> {
    let server = Server::s3(program);
    block_on(async {
        let name = Name::order("a.example").unwrap();
        let store = ObjectRecords::new(server.bucket("none"), "x");
        let error = store
            .save(&name, &record("b"), &Condition::Any, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("no such bucket"), "{error}");
        Ok(())
    })
}

fn objects_conform(_: &str) -> Result<(), Failed> {
    block_on(conformance::run(&Objects(Arc::new(InMemory::new()))))?;
    Ok(())
}

fn objects_swept(_: &str) -> Result<(), Failed> {
    block_on(async {
        let bucket = Arc::new(InMemory::new());
        let far = Arc::new(ManualClock::new(
            UNIX_EPOCH + Duration::from_secs(4_000_000_000),
        ));
        let store = ObjectRecords::new(bucket.clone(), "x").clock(far);
        let [kept, gone] = ["kept", "gone"].map(|id| Name::challenge(id).unwrap());
        for name in [&kept, &gone] {
            store
                .save(name, &record("a"), &Condition::Any, None)
                .await
                .unwrap();
        }
        store.delete(&gone, &Condition::Any, None).await.unwrap();
        let day = Duration::from_secs(86_400);
        assert!(bucket.head(&store.path(&gone)).await.is_ok());
        assert_eq!(store.sweep(&Folder::CHALLENGES, day).await.unwrap(), 1);
        assert!(bucket.head(&store.path(&gone)).await.is_err());
        assert_eq!(store.sweep(&Folder::CHALLENGES, day).await.unwrap(), 0);
        assert!(store.load(&kept).await.unwrap().is_some());
    });
    Ok(())
}

/// Many owners, each of which writes under its lock until it is told that the lock is gone, while
/// the next takes the lock over: the token in the record never goes back.
fn late_write(_: &str) -> Result<(), Failed> {
    block_on(async {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let clock = Arc::new(ManualClock::new(
            UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        ));
        let store = ObjectRecords::new(bucket.clone(), "x").clock(clock.clone());
        let name = Name::certificate("a.example").unwrap();
        let mut writers = Vec::new();
        for _ in 0..30 {
            let ask = store
                .acquire(&name, &Owner::random("w").unwrap(), Duration::from_secs(1))
                .await
                .unwrap();
            let Acquired::Granted(lease) = ask else {
                panic!("held")
            };
            let (writer, written) = (store.clone(), name.clone());
            writers.push(tokio::spawn(async move {
                loop {
                    let token = record(&format!("{:020}", lease.token()));
                    match writer
                        .save(&written, &token, &Condition::Any, Some(&lease))
                        .await
                    {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) => return error.kind(),
                    }
                }
            }));
            let mut last = Vec::new();
            for _ in 0..50 {
                if let Some(stored) = store.load(&name).await.unwrap() {
                    let token = stored.record.part("tls.key").unwrap().to_vec();
                    assert!(token >= last, "the token went back");
                    last = token;
                }
                tokio::task::yield_now().await;
            }
            clock.advance(Duration::from_secs(2));
        }
        let owner = Owner::random("last").unwrap();
        let last = store
            .acquire(&name, &owner, Duration::from_secs(1))
            .await
            .unwrap()
            .lease()
            .unwrap();
        for writer in writers {
            assert_eq!(writer.await.unwrap(), ErrorKind::Fenced);
        }
        store.release(&last).await.unwrap();
    });
    Ok(())
}
