//! Who is at the other end of a loopback connection: the kernel's table names the socket, the
//! descriptors of a process name whose it is.
//!
//! Refused here: guessing. A socket that no process below the root holds, or whose holder cannot
//! be looked at, stands nowhere.

use super::process::children_of;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};

/// How often the table is read: an entry may be passed over while others come and go.
const READINGS: usize = 3;

/// Processes looked at below one root.
const PROCESSES_MAX: usize = 4096;

/// Whether the socket that is connected from `peer` to `local` is held by a process below `root`.
pub(crate) fn stands_below(root: u32, peer: SocketAddr, local: SocketAddr) -> bool {
    let found = (0..READINGS).find_map(|_| socket(peer, local));
    found.is_some_and(|inode| is_held_below(root, &inode))
}

/// The inode of the socket whose own end is `own`.
fn socket(own: SocketAddr, far: SocketAddr) -> Option<String> {
    let mapped = |address: SocketAddr| format!("0000000000000000FFFF0000{}", written(address));
    let four = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    inode(&four, &written(own), &written(far)).or_else(|| {
        let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
        inode(&six, &mapped(own), &mapped(far))
    })
}

/// `local remote state … uid timeout inode`, after the number of the line.
fn inode(table: &str, own: &str, far: &str) -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let ours = fields.get(1) == Some(&own) && fields.get(2) == Some(&far);
        let ours = ours && fields.get(7) == Some(&uid.as_str());
        fields.get(9).filter(|inode| ours && **inode != "0").map(|inode| (*inode).to_owned())
    })
}

/// As the kernel writes it: the address as a number of this machine's byte order, in hex.
fn written(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    };
    let number = ip.map_or(0, |ip| u32::from_ne_bytes(ip.octets()));
    format!("{number:08X}:{:04X}", address.port())
}

fn is_held_below(root: u32, inode: &str) -> bool {
    let wanted = format!("socket:[{inode}]");
    let (mut queue, mut seen) = (children_of(root), BTreeSet::new());
    while let Some(pid) = queue.pop() {
        if !seen.insert(pid) || seen.len() > PROCESSES_MAX {
            continue;
        }
        if holds(pid, &wanted) {
            return true;
        }
        queue.extend(children_of(pid));
    }
    false
}

fn holds(pid: u32, wanted: &str) -> bool {
    let Ok(mut all) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    all.any(|entry| {
        let target = entry.and_then(|entry| fs::read_link(entry.path()));
        target.is_ok_and(|target| target.as_os_str() == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    /// Goal: a connection is found with its socket, and it stands below whoever holds it and below
    /// nobody else. Method: one connection of this test's own process, looked for below its parent
    /// and below itself.
    #[test]
    fn a_connection_stands_where_its_holder_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let peer = client.local_addr().unwrap();
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get().unsigned_abs();
        assert!(stands_below(parent, peer, local));
        // Another test's child holds it too, until it has become its program.
        let nowhere = |root| {
            let until = Instant::now() + Duration::from_secs(10);
            while stands_below(root, peer, local) {
                assert!(Instant::now() < until, "it still stands below {root}");
                std::thread::yield_now();
            }
        };
        nowhere(std::process::id());
        drop(client);
        nowhere(parent);
    }

    /// Goal: the kernel's writing of an address is read as it is, whoever's socket it is.
    #[test]
    fn the_table_is_read() {
        let uid = rustix::process::getuid().as_raw();
        let line = |uid: u32| {
            format!(
                "  sl  local_address rem_address   st tx rx tr tm retrnsmt uid timeout inode\n   \
                 0: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000 {uid} 0 \
                 4711 1\n"
            )
        };
        let (own, far) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let (own, far) = (written(own), written(far));
        if cfg!(target_endian = "little") {
            assert_eq!(inode(&line(uid), &own, &far).as_deref(), Some("4711"));
            assert_eq!(inode(&line(uid + 1), &own, &far), None, "another user's");
            assert_eq!(inode(&line(uid), &far, &own), None, "the other end");
        }
    }
}
