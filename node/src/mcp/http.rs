//! The gateway's other door: streamable HTTP on loopback, for agents that speak nothing else.
//!
//! One gateway core, two transports: what is read here is parsed by the same strict reader and fed
//! to the same [`super::session::Session`] as on a pipe. It runs beside the agent below its
//! warden, in the agent's own network, and ends with the agent's first process. Who connects has to
//! stand below that warden too: the kernel names the socket, `os::stands_below` finds its holder.
//! So the token is no more than a second lock: an agent holds it and may tell it, but nobody who
//! stands elsewhere can use it.
//!
//! Read in this order: this file (connections), `route` (one request), `guard` (may it be heard),
//! `tokens`, `headers` (which era, and whether the header says what the body says), `sessions`,
//! `kept`, `answer`.
//! Refused here: whoever stands elsewhere, and waiting without end.

mod answer;
mod guard;
mod headers;
mod kept;
mod refused;
mod route;
mod sessions;
pub(crate) mod tokens;

use super::credential::Place;
use super::limits::{CONNECTIONS_MAX, END_GRACE_MS, HEAD_BYTES_MAX, HEAD_MS_MAX};
use crate::os;
use guard::Guard;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use refused::Refused;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use rustix::stdio::stdin;
use sessions::Sessions;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokens::Tokens;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The hidden word that makes this program the gateway of a task, on the listener that is its
/// standard input.
pub(crate) const BEGIN: &str = "mcp-http";

/// The variable in which an agent finds where to connect.
pub(crate) const URL: &str = "BELAY_MCP_URL";

/// The variable in which it finds what to say in `Authorization: Bearer`.
pub(crate) const TOKEN: &str = "BELAY_MCP_TOKEN";

/// The variable in which it finds a file that holds the same for a few minutes, then another.
pub(crate) const TOKEN_FILE: &str = "BELAY_MCP_TOKEN_FILE";

/// The first descriptor that is not a standard stream.
const FIRST_FREE: i32 = 3;

/// Serves an agent until its first process has ended. The arguments: the warden, that process.
pub(crate) fn begin(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut number = || args.next().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
    let (Some(warden), Some(agent)) = (number(), number()) else {
        return ExitCode::from(2);
    };
    match serve(warden, agent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::screen::talk(format_args!("belay: no gateway listens on loopback: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What every connection needs.
struct Host {
    warden: u32,
    local: SocketAddr,
    guard: Guard,
    sessions: Sessions,
    /// Where the agent reads its token.
    file: Option<PathBuf>,
}

fn serve(warden: u32, agent: u32) -> io::Result<()> {
    tie(warden)?;
    os::hide_memory()?;
    let listener = std::net::TcpListener::from(fcntl_dupfd_cloexec(stdin(), FIRST_FREE)?);
    listener.set_nonblocking(true)?;
    let local = listener.local_addr()?;
    let missing = |name: &str| io::Error::other(format!("{name} is not set"));
    let token = std::env::var(TOKEN).map_err(|_| missing(TOKEN))?;
    let door = std::env::var_os("BELAY_SOCKET").ok_or_else(|| missing("BELAY_SOCKET"))?;
    let sessions = Sessions::behind(PathBuf::from(door));
    let file = std::env::var_os(TOKEN_FILE).map(PathBuf::from);
    let held = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let tokens = Arc::new(Tokens::new(&token, held.as_deref()));
    if let Some(file) = &file {
        tokens::keep_rotating(Arc::clone(&tokens), file.clone())?;
    }
    let guard = Guard::new(local.port(), tokens);
    let host = Arc::new(Host { warden, local, guard, sessions, file });
    end_with(warden, agent, Arc::clone(&host))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept(listener, host))
}

/// Ties this process's life to the warden's; the second look covers one that died before.
fn tie(warden: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == warden { Ok(()) } else { Err(io::Error::other("only a warden starts it")) }
}

/// Ends this process with the agent's first one.
fn end_with(warden: u32, agent: u32, host: Arc<Host>) -> io::Result<()> {
    let pidfd = os::open_pidfd(agent);
    // A pid that was given to another meanwhile is no child of the warden.
    let is_there = os::parents_of(agent).first().is_some_and(|(parent, _)| *parent == warden);
    let Some(pidfd) = pidfd.ok().filter(|_| is_there) else { std::process::exit(0) };
    let wait = move || {
        let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
        while matches!(poll(&mut ended, None), Ok(0) | Err(rustix::io::Errno::INTR)) {}
        // What it holds opens nothing any more.
        drop(host.file.as_ref().map(std::fs::remove_file));
        host.sessions.end_all(Duration::from_millis(2 * END_GRACE_MS));
        std::process::exit(0);
    };
    thread::Builder::new().spawn(wait).map(drop)
}

async fn accept(listener: std::net::TcpListener, host: Arc<Host>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match Arc::clone(&seats).try_acquire_owned() {
                Ok(seat) => drop(tokio::spawn(attend(stream, peer, Arc::clone(&host), seat))),
                Err(_full) => turn_away(&stream),
            },
            // Out of descriptors: the next one may find some.
            Err(_busy) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Whoever comes when all seats are taken is told so and not kept waiting.
fn turn_away(stream: &TcpStream) {
    let said =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // Whoever does not read it hears nothing.
    let _ = stream.try_write(said);
}

async fn attend(stream: TcpStream, peer: SocketAddr, host: Arc<Host>, _seat: OwnedSemaphorePermit) {
    let (warden, local) = (host.warden, host.local);
    let looked = tokio::task::spawn_blocking(move || os::stands_below(warden, peer, local)).await;
    let place = if looked.unwrap_or(false) { Place::Below } else { Place::Elsewhere };
    let service = service_fn(|request| {
        let host = Arc::clone(&host);
        async move {
            let answered = route::answer(&host, request, place).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(Refused::response))
        }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // Strangers get one answer.
        .keep_alive(place == Place::Below);
    // What a client does with its connection is its own affair.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}
