//! Ports for servers of tests, which run in many processes at once.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// Ports below those that systems give to clients.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// The locks of the ports that this process has, until its end.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 that no other test has, nor any client gets by chance.
pub(crate) fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("opsbox-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Tests of one run begin at places of their own.
    let start = std::process::id().wrapping_mul(31) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap_or(0);
    for offset in 0..COUNT {
        let port = FIRST + (start + offset) % COUNT;
        let lock = File::create(folder.join(port.to_string())).unwrap();
        let is_free = lock.try_lock().is_ok()
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if is_free {
            taken.push(lock);
            return port;
        }
    }
    panic!("no port is free");
}
