//! What QUIC does itself and a TCP socket must be told: little in its buffer, and a dead path seen.

use rustix::net::sockopt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Silent probes after which the kernel gives a connection up.
const PROBES: u32 = 2;

/// Bounds one TCP socket: `buffer_bytes` at most wait in the kernel to be sent, a path on which
/// nothing comes is probed after `probe_after`, and is dead after `dead_after` without an answer.
pub(crate) fn bound_tcp(
    socket: &impl AsFd,
    buffer_bytes: usize,
    probe_after: Duration,
    dead_after: Duration,
) -> io::Result<()> {
    sockopt::set_socket_send_buffer_size(socket, buffer_bytes)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, probe_after)?;
    sockopt::set_tcp_keepintvl(socket, probe_after)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    let dead_after_ms = u32::try_from(dead_after.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(socket, dead_after_ms)?)
}
