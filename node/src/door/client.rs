//! The caller's side: a blocking connection to a door.
//!
//! Refused here: starting a node, and trying again. Both are the caller's to decide.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::DoorError;
use super::limits::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};
use super::lines::{LineReader, Step};
use super::message::Answer;

/// A connection to a node's door; it may carry several calls.
pub struct DoorClient {
    stream: UnixStream,
    lines: LineReader,
}

impl DoorClient {
    /// Connects to a door's socket.
    pub fn connect(path: &Path) -> Result<Self, DoorError> {
        let stream = UnixStream::connect(path).map_err(|error| unreached(error, path))?;
        Ok(Self { stream, lines: LineReader::new(ANSWER_BYTES_MAX) })
    }

    /// Gives up waiting for an answer after `patience`; without it a call waits for ever.
    pub fn wait_at_most(&self, patience: Duration) -> Result<(), DoorError> {
        self.stream.set_read_timeout(Some(patience)).map_err(DoorError::Io)
    }

    /// Sends one request and waits for its answer.
    pub fn call<Q: Serialize, A: DeserializeOwned>(&mut self, request: &Q) -> Result<A, DoorError> {
        let mut line = serde_json::to_vec(request).map_err(DoorError::RequestUnwritable)?;
        if line.len() > REQUEST_BYTES_MAX {
            return Err(DoorError::RequestTooLong { bytes: line.len() });
        }
        line.push(b'\n');
        let sent = self.stream.write_all(&line);
        // Whoever was turned away cannot send, but the reason waits to be read.
        let line = match (sent, self.next_line()) {
            (Err(error), Err(DoorError::HungUp)) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(DoorError::Io(error));
            }
            (_, read) => read?,
        };
        let answer: Result<Answer<A>, _> = serde_json::from_slice(&line);
        match answer.map_err(|error| DoorError::NotUnderstood(error.to_string()))? {
            Answer::Ok(answer) => Ok(answer),
            Answer::Error(refusal) => Err(DoorError::Refused(refusal)),
        }
    }

    /// Hands the raw stream over; every byte behind the last answer is still in it.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    fn next_line(&mut self) -> Result<Vec<u8>, DoorError> {
        loop {
            match self.lines.step(&self.stream) {
                Ok(Step::Line(line)) => return Ok(line),
                Ok(Step::TooLong) => {
                    let why = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
                    return Err(DoorError::NotUnderstood(why));
                }
                Ok(Step::Part) => {}
                Ok(Step::Closed) => return Err(DoorError::HungUp),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unanswered(error)),
            }
        }
    }
}

fn unreached(error: io::Error, path: &Path) -> DoorError {
    let path = path.to_path_buf();
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        return DoorError::NotRunning { path };
    }
    if error.kind() == ErrorKind::PermissionDenied {
        return DoorError::NotAllowed { path };
    }
    DoorError::Io(error)
}

fn unanswered(error: io::Error) -> DoorError {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return DoorError::Silent;
    }
    if error.kind() == ErrorKind::ConnectionReset {
        return DoorError::HungUp;
    }
    DoorError::Io(error)
}
