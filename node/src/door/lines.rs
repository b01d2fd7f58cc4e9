//! Reading a socket line by line without taking a byte behind the line.
//!
//! The socket is looked at first and then read up to the line's end, so whoever takes the raw
//! stream over afterwards finds every byte that follows. Serves waiting and non-waiting sockets: a
//! step reads what is there and returns `WouldBlock` as it comes.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};

use super::limits::CHUNK_BYTES;

/// A line in the making, of bounded length.
pub(super) struct LineReader {
    line: Vec<u8>,
    skipping: bool,
    bytes_max: usize,
}

/// What one look at the socket brought.
pub(super) enum Step {
    /// A whole line, without its end.
    Line(Vec<u8>),
    /// The end of a line that was too long and is forgotten.
    TooLong,
    /// A part of a line; look again.
    Part,
    /// The other side sends nothing more; an unfinished line is forgotten.
    Closed,
}

impl LineReader {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), skipping: false, bytes_max }
    }

    /// Reads what is there, up to the end of the line.
    pub(super) fn step(&mut self, socket: impl AsFd) -> io::Result<Step> {
        let mut chunk = [0; CHUNK_BYTES];
        let (_, seen) = recv(&socket, &mut chunk, RecvFlags::PEEK)?;
        let end = chunk[..seen].iter().position(|byte| *byte == b'\n');
        let wanted = end.map_or(seen, |end| end + 1);
        if wanted == 0 {
            return Ok(Step::Closed);
        }
        let (_, read) = recv(&socket, &mut chunk[..wanted], RecvFlags::empty())?;
        match chunk[..read].strip_suffix(b"\n") {
            Some(rest) => {
                self.keep(rest);
                Ok(self.finish())
            }
            None => {
                self.keep(&chunk[..read]);
                Ok(Step::Part)
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.skipping |= self.line.len() + bytes.len() > self.bytes_max;
        if self.skipping {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Step {
        match std::mem::take(&mut self.skipping) {
            true => Step::TooLong,
            false => Step::Line(std::mem::take(&mut self.line)),
        }
    }
}
