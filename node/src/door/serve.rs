//! The node's side: doors, and the visits that come through them.
//!
//! A door is a Unix socket in the state directory. Holding the `StateDir` proves that no other
//! node listens there, so a socket left by a dead one may be replaced. A visit knows its caller
//! before its first line is read; callers of another user, or that cannot be seen, are told so
//! and turned away.
//!
//! Refused here: deciding what a caller may ask. That follows from the caller and the door.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::caller::Caller;
use super::error::{ListenError, VisitEnd};
use super::limits::{
    ANSWER_MS_MAX, FIRST_REQUEST_MS_MAX, NEXT_REQUEST_MS_MAX, REQUEST_BYTES_MAX, VISITS_MAX,
};
use super::lines::{LineReader, Step};
use super::message::{self, Answer, Refusal};
use crate::store::StateDir;

/// Which door of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorName {
    /// What agents ask about themselves.
    Agent,
    /// What operators ask and hand in.
    Operator,
    /// The feed of wardens in the foreground.
    Run,
}

impl DoorName {
    /// The socket of this door in a state directory.
    pub fn path(self, state: &Path) -> PathBuf {
        state.join(match self {
            Self::Agent => "agent.sock",
            Self::Operator => "operator.sock",
            Self::Run => "run.sock",
        })
    }
}

/// An open door.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    seats: Arc<Semaphore>,
    _state: StateDir,
}

impl Door {
    /// Opens a door with mode 600, in place of a socket that a dead node left.
    ///
    /// Must be called inside a tokio runtime.
    pub fn listen(state: &StateDir, name: DoorName) -> Result<Self, ListenError> {
        let path = name.path(state.path());
        clear(&path)?;
        let listener = UnixListener::bind(&path).map_err(failed("listen on", &path))?;
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, private).map_err(failed("close to others", &path))?;
        let seats = Arc::new(Semaphore::new(VISITS_MAX));
        Ok(Self { listener, seats, _state: state.clone() })
    }

    /// The next visit. Dropping the wait loses nobody.
    ///
    /// An error is the system's, such as no descriptor left: wait a moment, then call again.
    pub async fn accept(&self) -> io::Result<Visit> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            match self.admit(&stream) {
                Ok((caller, seat)) => return Ok(Visit::new(stream, caller, seat)),
                Err(refusal) => turn_away(&stream, &refusal),
            }
        }
    }

    fn admit(&self, stream: &UnixStream) -> Result<(Caller, OwnedSemaphorePermit), Refusal> {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        let seat = seat.map_err(|_| Refusal::too_many())?;
        let caller = Caller::of(stream).map_err(|error| Refusal::unseen(&error))?;
        if caller.uid() != rustix::process::geteuid().as_raw() {
            return Err(Refusal::other_user(caller.uid()));
        }
        Ok((caller, seat))
    }
}

/// Says why, as far as the caller's buffer takes it at once, and hangs up.
fn turn_away(stream: &UnixStream, refusal: &Refusal) {
    let _ = stream.try_write(&message::refusal_line(refusal));
}

fn clear(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).map_err(failed("replace", path))
        }
        Ok(_) => Err(ListenError::NotASocket { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ListenError + use<> {
    let path = path.to_path_buf();
    move |source| ListenError::Io { path, doing, source }
}

/// One caller's connection.
pub struct Visit {
    stream: UnixStream,
    caller: Caller,
    lines: LineReader,
    patience_ms: u64,
    seat: OwnedSemaphorePermit,
}

impl Visit {
    fn new(stream: UnixStream, caller: Caller, seat: OwnedSemaphorePermit) -> Self {
        let lines = LineReader::new(REQUEST_BYTES_MAX);
        Self { stream, caller, lines, patience_ms: FIRST_REQUEST_MS_MAX, seat }
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The next request; lines that are none are answered with their fault and passed over.
    pub async fn request<T: DeserializeOwned>(&mut self) -> Result<T, VisitEnd> {
        loop {
            let refusal = match self.next_line().await? {
                Ok(line) => match serde_json::from_slice(&line) {
                    Ok(request) => {
                        self.patience_ms = NEXT_REQUEST_MS_MAX;
                        return Ok(request);
                    }
                    Err(error) => Refusal::malformed(&error),
                },
                Err(refusal) => refusal,
            };
            self.refuse(&refusal).await?;
        }
    }

    /// Answers the last request.
    pub async fn answer<T: Serialize>(&mut self, answer: &T) -> Result<(), VisitEnd> {
        match message::line(&Answer::Ok(answer)) {
            Ok(line) => self.send(&line).await,
            Err(VisitEnd::AnswerTooLong { bytes }) => {
                self.refuse(&Refusal::answer_too_long(bytes)).await?;
                Err(VisitEnd::AnswerTooLong { bytes })
            }
            Err(end) => Err(end),
        }
    }

    /// Refuses the last request.
    pub async fn refuse(&mut self, refusal: &Refusal) -> Result<(), VisitEnd> {
        self.send(&message::refusal_line(refusal)).await
    }

    /// Hands the raw stream over; every byte behind the last line read is still in it.
    ///
    /// The seat is taken until it is dropped.
    pub fn into_stream(self) -> (UnixStream, Caller, Seat) {
        (self.stream, self.caller, Seat { _permit: self.seat })
    }

    async fn next_line(&mut self) -> Result<Result<Vec<u8>, Refusal>, VisitEnd> {
        let patience = Duration::from_millis(self.patience_ms);
        let (stream, lines) = (&self.stream, &mut self.lines);
        let line = async {
            loop {
                match stream.async_io(Interest::READABLE, || lines.step(stream)).await? {
                    Step::Line(line) => return Ok(Some(Ok(line))),
                    Step::TooLong => return Ok(Some(Err(Refusal::request_too_long()))),
                    Step::Part => {}
                    Step::Closed => return Ok(None),
                }
            }
        };
        let line: io::Result<_> = timeout(patience, line).await.map_err(|_| VisitEnd::Silent)?;
        line.map_err(hung_up_or)?.ok_or(VisitEnd::HungUp)
    }

    async fn send(&mut self, line: &[u8]) -> Result<(), VisitEnd> {
        let patience = Duration::from_millis(ANSWER_MS_MAX);
        let sent = timeout(patience, self.stream.write_all(line)).await;
        sent.map_err(|_| VisitEnd::Silent)?.map_err(hung_up_or)
    }
}

/// A place at a door, free again when dropped.
#[derive(Debug)]
pub struct Seat {
    _permit: OwnedSemaphorePermit,
}

fn hung_up_or(error: io::Error) -> VisitEnd {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    if matches!(error.kind(), BrokenPipe | ConnectionReset) {
        return VisitEnd::HungUp;
    }
    VisitEnd::Io(error)
}
