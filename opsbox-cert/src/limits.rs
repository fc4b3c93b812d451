//! Every limit of the crate, each with its reason.
//!
//! A limit that is reached is always reported, as a problem or in the counts: nothing is dropped in
//! silence. Those of a scan can be changed on [`Scan`](crate::Scan).
//!
//! ```
//! use opsbox_cert::{Scan, limits};
//!
//! // A folder of one huge CA bundle: allow a bigger file, look less deep.
//! let scan = Scan::new()
//!     .max_file_bytes(4 * limits::MAX_FILE_BYTES)
//!     .max_depth(1);
//! # drop(scan);
//! ```

/// Largest file that is read: 16 MiB, some seventy times the bundle of all public CAs.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a file without a certificate extension is searched for a PEM marker: 64 KiB, which
/// covers a text dump or a comment block in front of the first certificate.
pub const SNIFF_BYTES: u64 = 64 * 1024;

/// Most PEM sections that are read from one input: 65,536. The rest is one problem.
pub const MAX_PEM_SECTIONS: usize = 65_536;

/// Longest label of a PEM section that is shown in a message, in bytes: 40. The longest one in use has
/// 30; a longer one is more likely a line of a body that may be secret.
pub const MAX_PEM_LABEL_BYTES: usize = 40;

/// Deepest sub folder a scan enters, the given folder being 0: 16. An explicit stack is used, so
/// the limit is there against surprises such as a scan of `/`, not to protect the call stack.
pub const MAX_DEPTH: usize = 16;

/// Most folder entries that a scan looks at: one million.
pub const MAX_FILES: usize = 1_000_000;

/// Longest value of a Prometheus label in bytes: 2,048. It is the longest one that Mimir and Cortex
/// accept by default, and a refused series is an alert that never fires. A longer text is cut between
/// two characters and ends in `...+N bytes`; a longer `san` is cut between two names and ends in
/// `,+N more`.
pub const MAX_LABEL_BYTES: usize = 2_048;

/// Most certificates of one subject that are tried as the issuer of another: 16. Real cross-signing
/// has two or three; without a limit a bundle of equal names would cost quadratic time.
pub const MAX_ISSUERS_PER_NAME: usize = 16;

/// Most names of one certificate: 100, as Let's Encrypt takes (other CAs take fewer).
pub const MAX_IDENTIFIERS: usize = 100;

/// Longest DNS name in bytes, without the dot at its end: 253 (RFC 1035, section 2.3.4).
pub const MAX_DNS_NAME_BYTES: usize = 253;

/// Longest part of a DNS name between its dots, in bytes: 63 (RFC 1035, section 2.3.4).
pub const MAX_DNS_LABEL_BYTES: usize = 63;

/// How long one issuance may take before a manager goes on with the next certificate: 5 minutes. DNS
/// records take minutes to be seen everywhere.
pub const ISSUE_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Longest time that a manager sleeps: 10 minutes, after which it looks whether the clock was set or
/// another instance has stored a certificate.
pub const MAX_MANAGER_SLEEP: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Most issuances on demand at once: 4. It can be changed on the options, as all that follow about
/// on-demand issuance.
pub const ON_DEMAND_AT_ONCE: usize = 4;

/// Most issuances on demand within a time: 50 within an hour. Let's Encrypt takes 300 orders of an account in
/// 3 hours, so that half of them are left for renewals and others.
pub const ON_DEMAND_WINDOW: (usize, std::time::Duration) =
    (50, std::time::Duration::from_secs(60 * 60));

/// How long a handshake waits for a certificate on demand: 30 seconds, longer than CAs take and about as long
/// as clients have patience.
pub const ON_DEMAND_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Most handshakes that wait for certificates on demand, and most names that are worked at: 1,024.
pub const MAX_ON_DEMAND_WAITING: usize = 1_024;

/// Most calls of the ask function at once: 16, which a database bears.
pub const ON_DEMAND_ASKS_AT_ONCE: usize = 16;

/// How long the ask function may take: 10 seconds.
pub const ON_DEMAND_ASK_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a refusal of the ask function counts: 5 minutes, which a new customer waits at most.
pub const ON_DEMAND_REFUSED_FOR: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Longest time until a name that failed is tried again on demand: 1 hour, if the CA does not ask for more.
/// With what [`renewal::retry_after`](crate::renewal::retry_after) says of the first failures it keeps to the
/// five failed validations of a name and hour that Let's Encrypt takes.
pub const ON_DEMAND_MAX_RETRY: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Most names that are remembered as refused, and as many that failed: 10,000.
pub const MAX_ON_DEMAND_REMEMBERED: usize = 10_000;

/// Most certificates in service that were issued on demand: 10,000. Of more, the one that was not asked for
/// the longest is taken out of service, and found in the store when it is asked for again.
pub const MAX_ON_DEMAND_KEPT: usize = 10_000;

/// A certificate on demand that was not asked for in so long a time is not renewed: 7 days.
pub const ON_DEMAND_IDLE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);

/// How long the lock of an issuance on demand is held without renewal: 15 seconds, after which another
/// instance takes over from a dead one. It cannot be changed.
pub const ON_DEMAND_LEASE: std::time::Duration = std::time::Duration::from_secs(15);

/// Largest configuration file: 4 MiB, some 40,000 certificates.
pub const MAX_CONFIG_BYTES: u64 = 4 * 1024 * 1024;

/// Largest file with a secret that a configuration names, in bytes.
#[cfg(feature = "config")]
pub const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Most values of a configuration file, tables and lists included: one million.
pub const MAX_CONFIG_VALUES: usize = 1_000_000;

/// Deepest value of a configuration file: 32. The deepest one that is known has 4.
pub const MAX_CONFIG_DEPTH: usize = 32;

/// Largest record of a store, all parts together: 512 KiB. A key, a chain of five certificates and
/// metadata are about 10 KiB; a Kubernetes Secret holds 1 MiB.
pub const MAX_RECORD_BYTES: usize = 512 * 1024;

/// Most parts of one record: 16. A certificate has three.
pub const MAX_RECORD_PARTS: usize = 16;

/// Longest name of a part in bytes: 64.
pub const MAX_PART_NAME_BYTES: usize = 64;

/// Longest name of a folder of a store in bytes: 32.
pub const MAX_FOLDER_BYTES: usize = 32;

/// Longest id of a record or a lock within its folder, in bytes: 255, as a DNS name with a wildcard has.
pub const MAX_ID_BYTES: usize = 255;

/// Longest text that names the owner of a lock, in bytes: 128.
pub const MAX_OWNER_BYTES: usize = 128;

/// Shortest time that a lock is held without renewal: 1 second, the finest step that every store has.
pub const MIN_LEASE: std::time::Duration = std::time::Duration::from_secs(1);

/// Longest time that a lock is held without renewal: 1 day, after which a dead owner is in the way of
/// no one.
pub const MAX_LEASE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// How many records a store reads at once that has no way of its own to read many: 16.
pub const STORE_READS: usize = 16;

/// How long one operation of a store may take before it fails as unavailable: 30 seconds. It can be
/// changed on each store.
pub const STORE_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Longest text of a CA's answer that is kept for a message, in characters: 500. It is escaped, and cut
/// with `...`.
pub const MAX_PROBLEM_CHARS: usize = 500;

/// Most subproblems of a CA's answer that are kept: [`MAX_IDENTIFIERS`].
pub const MAX_SUBPROBLEMS: usize = MAX_IDENTIFIERS;

/// How long a certificate of `LocalCa` is good unless set otherwise: 7 days.
pub const LOCAL_CA_LEAF_VALIDITY: std::time::Duration =
    std::time::Duration::from_secs(7 * 24 * 60 * 60);

/// How long a new `LocalCa` is good unless set otherwise: 10 years of 365 days.
pub const LOCAL_CA_VALIDITY: std::time::Duration =
    std::time::Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How far before its issuance a certificate of `LocalCa` is already good: 5 minutes, for clients
/// whose clock is behind.
pub const LOCAL_CA_BACKDATE: std::time::Duration = std::time::Duration::from_secs(5 * 60);
/// How long a TLS handshake may take, the wait for its turn included: 10 seconds. It can be changed on
/// each acceptor.
pub const HANDSHAKE_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Most TLS handshakes at once: 1,024, some 32 MiB of buffers. More wait for their turn. It can be changed
/// on each acceptor.
pub const MAX_HANDSHAKES: usize = 1_024;

/// Most connections of one server at once: 16,384. More wait in the queue of the operating system. It can
/// be changed on each server.
pub const MAX_CONNECTIONS: usize = 16_384;

/// How long a client may take for the head of a request: 30 seconds, as hyper has it.
pub const HEAD_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Largest head of a request on the port that only redirects, in bytes: 16 KiB.
pub const MAX_REDIRECT_HEAD_BYTES: usize = 16 * 1024;

/// How long an answer to a challenge may take to be found: 10 seconds, which is as long as CAs wait.
pub const ANSWER_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long requests in progress are waited for at a shutdown: 30 seconds, as Kubernetes waits for a
/// Pod. It can be changed on each server.
pub const DRAIN_TIME: std::time::Duration = std::time::Duration::from_secs(30);

/// Most addresses of the machine for which an acceptor keeps a configuration: 1,024. For others one is
/// made at each handshake.
pub const MAX_ADDRESSES: usize = 1_024;

/// How long a connection to a CA may take to be made: 10 seconds.
pub const ACME_CONNECT_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long one request to a CA may take, its answer included: 30 seconds.
pub const ACME_REQUEST_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Largest answer of a CA that is read: 1 MiB. A chain of five certificates is 10 KiB.
pub const MAX_ACME_BODY_BYTES: usize = 1024 * 1024;

/// How often one request is signed again because the CA refused its nonce: 12 times. At one refusal in
/// five, one request in 800 million fails.
pub const MAX_NONCE_ATTEMPTS: usize = 12;

/// How long the work on one order may wait for the CA before it is given up until the next call: 10
/// minutes. It can be changed on the issuer.
pub const ORDER_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// How long the lock of an order is held without renewal: 60 seconds, after which another instance
/// goes on with the order of a dead one. Where both share a folder on one machine, it goes on at once. It can
/// be changed on the issuer.
pub const ORDER_LEASE: std::time::Duration = std::time::Duration::from_secs(60);

/// How long to wait between two looks at an order: 250 ms at first, up to 10 s; what the CA says in
/// `Retry-After` goes before, within the two.
pub const ORDER_POLL: (std::time::Duration, std::time::Duration) = (
    std::time::Duration::from_millis(250),
    std::time::Duration::from_secs(10),
);

/// How long a certificate that was issued and not confirmed is given again: 1 hour.
pub const ISSUED_KEPT: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// How long the answer to a challenge is served and kept if nobody takes it away: 1 day.
pub const CHALLENGE_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// How long a solver may take to take an answer away: 60 seconds.
pub const CLEANUP_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a solver may take until an answer can be seen by the CA: 10 minutes.
pub const PRESENT_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Longest token of a challenge that is looked up, in bytes: 128.
pub const MAX_TOKEN_BYTES: usize = 128;

/// Most alternate chains of a certificate that are looked at: 8.
pub const MAX_ALTERNATE_CHAINS: usize = 8;
/// Most events that wait for a slow listener: 1,024. It is told how many it missed.
pub const MAX_EVENTS: usize = 1_024;

/// How long a file has to stay as it is before it is read: 500 ms, in which its writer may still be at
/// it. It can be changed on each watcher.
pub const SETTLE_TIME: std::time::Duration = std::time::Duration::from_millis(500);

/// How often files are looked at without a notice from the operating system: every 30 seconds, which is how
/// network file systems are followed. It can be changed on each watcher.
pub const FILE_POLL: std::time::Duration = std::time::Duration::from_secs(30);

/// How often a store is asked for new certificates: every 60 seconds. It can be changed on each watcher.
pub const STORE_POLL: std::time::Duration = std::time::Duration::from_secs(60);

/// Most certificates of one watched folder: 100,000. The rest is an event.
pub const MAX_WATCHED: usize = 100_000;
/// Longest prefix of the objects of a store in Kubernetes, in bytes: 40, so that with the name's readable
/// part and its hash it stays well within the 253 of an object.
pub const MAX_KUBE_PREFIX_BYTES: usize = 40;

/// How long one watch of Kubernetes lasts before it is begun anew: 4 minutes. Load balancers end
/// silent connections after 5 minutes or more.
pub const KUBE_WATCH_TIME: std::time::Duration = std::time::Duration::from_secs(240);

/// Longest delay between two attempts to watch Kubernetes: 30 seconds.
pub const MAX_KUBE_WATCH_DELAY: std::time::Duration = std::time::Duration::from_secs(30);

/// Most requests that a store in Kubernetes makes at once to read many records: 16. API servers answer
/// some hundred at a time, of all their clients.
pub const MAX_KUBE_REQUESTS: usize = 16;

/// How long one question to a DNS server may take: 5 seconds. It is asked twice.
pub const DNS_QUERY_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// How long all authoritative servers may take to show a new record: 5 minutes. It can be changed on
/// the solver.
pub const DNS_PROPAGATION_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Most names of a CA that one challenge of dns-persist-01 has: 10 (draft-ietf-acme-dns-persist, section
/// 3.1).
pub const MAX_ISSUER_NAMES: usize = 10;

/// How long to wait between two looks at the authoritative servers: 2 seconds.
pub const DNS_PROPAGATION_POLL: std::time::Duration = std::time::Duration::from_secs(2);

/// Most CNAME records that are followed from one name: 8.
pub const MAX_CNAMES: usize = 8;

/// Most authoritative servers of a zone that are asked: 16.
pub const MAX_NAME_SERVERS: usize = 16;

/// How long a hook may run: 5 minutes. It can be changed on the hook.
pub const HOOK_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Seconds that a TXT record of a challenge may be cached: 60.
pub const CHALLENGE_TTL: u32 = 60;

/// For how long a certificate is so new that the same set of names is not ordered again: 7 days, or
/// one [`DUPLICATE_SHARE`]th of its lifetime if that is less.
pub const DUPLICATE_TIME: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);

/// One in so many parts of its lifetime is a certificate new, if that is less than [`DUPLICATE_TIME`]: 5,
/// so that one of 160 hours can be renewed at half of its time.
pub const DUPLICATE_SHARE: u32 = 5;

/// For how long after a certificate another one of the same set is a renewal for the limits of its CA: 119 days. Let's
/// Encrypt's software, Boulder, looks back 120 days at each order; the last one is left to clocks that are behind.
pub const RENEWAL_TIME: std::time::Duration = std::time::Duration::from_secs(119 * 24 * 60 * 60);

/// How long an order that nobody said the end of is held back from the limits: 2 hours. Then it counts
/// as issued.
pub const RESERVATION_TIME: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);

/// Longest time that a CA can ask to be left alone for: 8 days, since the longest of its published limits
/// is over in 7.
pub const MAX_CA_PAUSE: std::time::Duration = std::time::Duration::from_secs(8 * 24 * 60 * 60);

/// Most bytes that the planner keeps of one certificate with one name, whose time has not come: 37, of which 36 are its
/// own and 16 are shared by 32.
pub const PLANNER_BYTES: usize = 37;

/// Shortest time after which a CA is asked again for an ARI window: 1 minute (RFC 9773, section 4.3.2).
pub const MIN_ARI_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Longest such time: 12 hours, so that each certificate is asked about twice a day, whatever the CA says.
pub const MAX_ARI_WAIT: std::time::Duration = std::time::Duration::from_secs(12 * 60 * 60);

/// How far the clock of an instance may be ahead before the ledger that it shares with others forgets too early:
/// a day.
pub const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// The least time of silence after which an instance can be taken for gone.
pub const MIN_MEMBER_TIME: std::time::Duration = std::time::Duration::from_secs(3);

/// How far a shared ledger may be ahead of the clock of an instance that looks at it: 30 days. Of one that is further
/// ahead nothing is believed, and all counts as used up.
pub const MAX_CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// The least time since 1970 of a clock that may be right: that of the beginning of 2020. By an earlier one no ledger is
/// taken for lost.
pub const LEAST_TIME: std::time::Duration = std::time::Duration::from_secs(1_577_836_800);

/// By how much the clock of an instance and the time that has gone by may differ from one look at a shared ledger to
/// the next: a minute. One that differs by more was set, and what was known of it before counts no more.
pub const CLOCK_STEP: std::time::Duration = std::time::Duration::from_secs(60);

/// Largest ledger of a CA's limits, in bytes: 480 KiB, which a record of a store holds. With Let's Encrypt's limits that
/// is 23,000 certificates of a few domains that were issued within eight days, or 13,000 of domains of their own. Of more,
/// what is nearest to have come back is forgotten first, and the CA is met where it would have mattered.
pub const MAX_LEDGER_BYTES: usize = 480 * 1024;

/// Most steps in time of one forecast: 10,000,000. What is not ordered by then is said to be so.
pub const MAX_FORECAST_STEPS: usize = 10_000_000;

/// How long the lock of a certificate is held by a manager without renewal: 15 seconds, after which another
/// instance takes over from a dead one.
pub const CERTIFICATE_LEASE: std::time::Duration = std::time::Duration::from_secs(15);

/// How many records a manager reads at a time: 256, some 2.5 MiB.
pub const MANAGER_RECORDS: usize = 256;

/// How often at once a manager does so: 4 times.
pub const MANAGER_READS: usize = 4;

/// After which time a CA that has no ARI is asked again whether it has: 1 day.
pub const NO_ARI_TIME: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// From how many certificates on a manager spreads their renewals: 100. Fewer are no load for a CA.
pub const SPREAD_FROM: usize = 100;

/// How often an instance that shares the work says that it is there: every minute.
pub const MEMBER_WRITE: std::time::Duration = std::time::Duration::from_secs(60);

/// After which time an instance that said nothing is taken for gone: 3 minutes.
pub const MEMBER_TIME: std::time::Duration = std::time::Duration::from_secs(3 * 60);
