//! A store in Redis 5 or later, or what speaks its protocol and runs its scripts.
//!
//! Each step is one Lua script, which Redis runs alone, so conditions and fences are checked in one step with
//! the write; locks expire by the clock of the server, so those of the instances do not matter.
//! All keys begin with `{prefix}:`, so that a cluster keeps them in one slot.
//!
//! | Key | Holds |
//! |---|---|
//! | `{prefix}:record:NAME` | a hash: version `v`, data `d` |
//! | `{prefix}:names` | a sorted set of all names |
//! | `{prefix}:lock:NAME` | a hash: owner `o`, token `t`; it expires by itself |
//! | `{prefix}:token` | the last fencing token |
//!
//! # What the server has to be told
//!
//! As it comes, Redis can lose what it has answered: set `appendonly yes` (and `appendfsync always`
//! to lose nothing with the machine), and `maxmemory-policy noeviction`, or it deletes certificates when
//! memory is short. A replica that takes over may not have the last writes: a record may be an old one, whole.
//! The tokens go on growing all the same.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, RedisError, Script, ServerErrorKind};

use super::fault::{self, conflict, corrupt, fenced, invalid, timed_out};
use super::lease::{Acquired, Holder, Lease, Owner, check_ttl, millis};
use super::{Condition, Folder, Name, Record, Store, Stored, Version, codec, random};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::STORE_TIME_LIMIT;

/// Keeps records in Redis. Clones share a connection, which is made again when it is lost.
///
/// ```no_run
/// # async fn example() -> opsbox_cert::Result<()> {
/// use opsbox_cert::store::RedisStore;
///
/// let store = RedisStore::connect("redis://redis.internal:6379/0", "certificates").await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// `rediss://` works if your own manifest turns on `tokio-rustls-comp` of the crate `redis`.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    prefix: Arc<str>,
    clock: Arc<dyn Clock>,
    time_limit: Duration,
}

/// KEYS: record, names, lock. ARGV: owner and token or two empty texts, condition, version that is
/// expected, name, and to save: new version, data.
static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if ARGV[1] ~= '' then
            local held = redis.call('HMGET', KEYS[3], 'o', 't')
            if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 'fenced' end
        end
        local version = redis.call('HGET', KEYS[1], 'v')
        if ARGV[3] == 'absent' and version then return 'conflict' end
        if ARGV[3] == 'version' and version ~= ARGV[4] then return 'conflict' end
        if #ARGV == 5 then
            redis.call('ZREM', KEYS[2], ARGV[5])
            if redis.call('DEL', KEYS[1]) == 1 then return 'deleted' end
            return 'none'
        end
        redis.call('HSET', KEYS[1], 'v', ARGV[6], 'd', ARGV[7])
        redis.call('ZADD', KEYS[2], 0, ARGV[5])
        return 'saved'
        ",
    )
});

/// KEYS: lock, token. ARGV: owner, time in milliseconds. The floor of the token is the time of the
/// server, so that it grows even after the server lost it.
static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local owner = redis.call('HGET', KEYS[1], 'o')
        if owner then return {'held', owner, tostring(redis.call('PTTL', KEYS[1]))} end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local last = tonumber(redis.call('GET', KEYS[2]) or '0')
        local token = string.format('%.0f', math.max(last + 1, now))
        redis.call('SET', KEYS[2], token)
        redis.call('HSET', KEYS[1], 'o', ARGV[1], 't', token)
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return {'granted', token, ''}
        ",
    )
});

/// KEYS: lock. ARGV: owner, token, and time in milliseconds to renew, nothing to release.
static HOLD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HMGET', KEYS[1], 'o', 't')
        if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 'fenced' end
        if #ARGV == 3 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) else redis.call('DEL', KEYS[1]) end
        return 'done'
        ",
    )
});

impl RedisStore {
    /// Connects to `redis://[user:password@]host[:port]/[database]` and keeps all keys under `prefix`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the URL or the prefix is none,
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Denied`](ErrorKind::Denied) if the server
    /// cannot be reached or does not let us in.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self> {
        // The URL may hold a password, so it is in no message.
        let object = "the Redis store";
        let client = redis::Client::open(url).map_err(|_| {
            invalid(
                "the URL of the Redis store",
                "it is no URL of Redis; write it as redis://host:6379/0",
            )
        })?;
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(invalid(
                object,
                "its prefix is empty or has a brace in it; choose another",
            ));
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(STORE_TIME_LIMIT))
            .set_response_timeout(Some(STORE_TIME_LIMIT));
        let connection = tokio::time::timeout(
            STORE_TIME_LIMIT,
            ConnectionManager::new_with_config(client, config),
        )
        .await;
        let connection = connection.map_err(|_| timed_out("open", object, STORE_TIME_LIMIT))?;
        Ok(Self {
            connection: connection.map_err(|error| redis_fault("open", object, &error))?,
            prefix: prefix.into(),
            clock: Arc::new(SystemClock),
            time_limit: STORE_TIME_LIMIT,
        })
    }

    /// How long an operation may take.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    fn key(&self, kind: &str) -> String {
        format!("{{{}}}:{kind}", self.prefix)
    }

    fn record_key(&self, name: &Name) -> String {
        self.key(&format!("record:{name}"))
    }

    fn lock_key(&self, name: &Name) -> String {
        self.key(&format!("lock:{name}"))
    }

    async fn run<T>(
        &self,
        attempt: &'static str,
        object: impl fmt::Display,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.time_limit, work).await {
            Ok(done) => done.map_err(|error| redis_fault(attempt, object, &error)),
            Err(_) => Err(timed_out(attempt, object, self.time_limit)),
        }
    }

    async fn write(
        &self,
        attempt: &'static str,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
        data: Option<(&Version, &[u8])>,
    ) -> Result<bool> {
        let (condition, version) = match condition {
            Condition::Any => ("any", ""),
            Condition::Absent => ("absent", ""),
            Condition::Version(version) => ("version", version.as_str()),
        };
        let mut script = WRITE.prepare_invoke();
        script.key(self.record_key(name)).key(self.key("names"));
        match lease {
            Some(lease) => {
                script.key(self.lock_key(lease.lock()));
                script.arg(lease.owner().as_str()).arg(lease.token());
            }
            None => {
                script.key(self.key("names")).arg("").arg("");
            }
        }
        script.arg(condition).arg(version).arg(name.as_str());
        if let Some((version, data)) = data {
            script.arg(version.as_str()).arg(data);
        }
        let mut connection = self.connection.clone();
        let said: String = self
            .run(attempt, name, script.invoke_async(&mut connection))
            .await?;
        match (said.as_str(), lease) {
            ("fenced", Some(lease)) => Err(fenced(attempt, name, lease.lock())),
            ("conflict", _) => Err(conflict(attempt, name)),
            (said, _) => Ok(said != "none"),
        }
    }

    async fn hold(
        &self,
        attempt: &'static str,
        lease: &Lease,
        time: Option<Duration>,
    ) -> Result<bool> {
        let mut script = HOLD.prepare_invoke();
        script
            .key(self.lock_key(lease.lock()))
            .arg(lease.owner().as_str())
            .arg(lease.token());
        if let Some(time) = time {
            script.arg(millis(time));
        }
        let mut connection = self.connection.clone();
        let said: String = self
            .run(
                attempt,
                fault::lock(lease.lock()),
                script.invoke_async(&mut connection),
            )
            .await?;
        Ok(said == "done")
    }

    fn lease(&self, lock: &Name, owner: &Owner, token: u64, ttl: Duration) -> Lease {
        let now = self.clock.now();
        Lease::new(
            lock.clone(),
            owner.clone(),
            token,
            ttl,
            now.checked_add(ttl).unwrap_or(now),
        )
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The text of the error is left out: a server may repeat in it what it was sent.
fn redis_fault(attempt: &'static str, object: impl fmt::Display, error: &RedisError) -> Error {
    use redis::ErrorKind as Redis;
    let (kind, reason) = match (error.kind(), error.code()) {
        (_, Some("OOM")) => (
            ErrorKind::Full,
            "Redis has no memory left; raise `maxmemory`, nothing was changed",
        ),
        (_, Some("MISCONF")) => (
            ErrorKind::Full,
            "Redis cannot write to its disk and takes no writes (MISCONF); see its log",
        ),
        (Redis::Server(ServerErrorKind::ReadOnly), _) => (
            ErrorKind::ReadOnly,
            "it is a read-only replica; connect to the primary",
        ),
        (Redis::AuthenticationFailed | Redis::Server(ServerErrorKind::NoPerm), _)
        | (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => (
            ErrorKind::Denied,
            "Redis does not let us in; check user and password, and that the ACL allows scripts, hashes and sorted sets under the prefix",
        ),
        (Redis::InvalidClientConfig, _) => (
            ErrorKind::Invalid,
            "the URL asks for what the crate redis was built without; turn on its feature, such as `tokio-rustls-comp` for rediss://",
        ),
        (Redis::Parse | Redis::UnexpectedReturnType, _) => (
            ErrorKind::Corrupt,
            "the server does not answer as Redis does; check the address and what was stored there",
        ),
        _ => (
            ErrorKind::Unavailable,
            "Redis cannot be reached or does not answer, so a write may have been done or not; check address and server, and try again",
        ),
    };
    let code = error
        .code()
        .map(|code| format!(" (code {code})"))
        .unwrap_or_default();
    Error::store(kind, attempt, object, format!("{reason}{code}"))
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let mut connection = self.connection.clone();
        let data: Option<Vec<u8>> = self
            .run("load", name, connection.hget(self.record_key(name), "d"))
            .await?;
        decode(name, data)
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        let mut pipe = redis::pipe();
        for name in names {
            pipe.hget(self.record_key(name), "d");
        }
        let mut connection = self.connection.clone();
        let object = format!("{} records", names.len());
        let found = self
            .run(
                "load",
                object,
                pipe.query_async::<Vec<Option<Vec<u8>>>>(&mut connection),
            )
            .await;
        match found {
            Ok(found) => names
                .iter()
                .zip(found)
                .map(|(name, data)| decode(name, data))
                .collect(),
            Err(error) => names
                .iter()
                .map(|name| Err(error.clone().about("load", name)))
                .collect(),
        }
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let version = Version::new(random::id()?);
        let data = codec::encode(name, record, &version, None)?;
        self.write("save", name, condition, lease, Some((&version, &data)))
            .await?;
        Ok(version)
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        self.write("delete", name, condition, lease, None).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        let mut connection = self.connection.clone();
        // '0' follows '/'.
        let (first, end) = (format!("[{folder}/"), format!("({folder}0"));
        let names: Vec<String> = self
            .run(
                "list",
                folder,
                connection.zrangebylex(self.key("names"), first, end),
            )
            .await?;
        let mut names = names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<Name>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        check_ttl(ttl)?;
        let object = fault::lock(lock);
        let mut script = ACQUIRE.prepare_invoke();
        script
            .key(self.lock_key(lock))
            .key(self.key("token"))
            .arg(owner.as_str())
            .arg(millis(ttl));
        let mut connection = self.connection.clone();
        let (said, first, second): (String, String, String) = self
            .run("acquire", &object, script.invoke_async(&mut connection))
            .await?;
        if said == "granted" {
            let token = first
                .parse()
                .map_err(|_| corrupt(&object, "its token is no number"))?;
            return Ok(Acquired::Granted(self.lease(lock, owner, token, ttl)));
        }
        let now = self.clock.now();
        let left = Duration::from_millis(second.parse().unwrap_or(0));
        let holder = Owner::new(&first).map_err(|_| corrupt(&object, "its owner is none"))?;
        Ok(Acquired::Held(Holder::new(
            holder,
            now.checked_add(left).unwrap_or(now),
        )))
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        if self.hold("renew", lease, Some(lease.ttl())).await? {
            return Ok(self.lease(lease.lock(), lease.owner(), lease.token(), lease.ttl()));
        }
        Err(fenced("renew", fault::lock(lease.lock()), lease.lock()))
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.hold("release", lease, None).await.map(drop)
    }
}

fn decode(name: &Name, data: Option<Vec<u8>>) -> Result<Option<Stored>> {
    let data = data.map(zeroize::Zeroizing::new);
    let decoded = data.map(|data| codec::decode_as(name, &data)).transpose()?;
    Ok(decoded.map(|decoded| Stored::new(decoded.record, decoded.version)))
}
