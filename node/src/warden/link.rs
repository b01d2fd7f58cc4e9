//! The warden's end of its channel: never blocks, and is closed once and for good, by the node's
//! death, by bytes that are no message, or by a node that stopped reading.

use super::channel::{encode, take};
use super::limits::{FLUSH_MS_MAX, OUTBOX_BYTES_MAX};
use super::{FromWarden, ToWarden};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const READ_BYTES: usize = 4_096;

/// The channel to the node.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    closed: bool,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Vec::new(), closed: false })
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// The pid at the other end, as the kernel noted it when the channel was made.
    pub(super) fn peer(&self) -> Option<u32> {
        let peer = socket_peercred(&self.stream).ok()?;
        Some(peer.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// What to wait for, while there is anything.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, !self.outbox.is_empty());
        (!self.closed).then(|| (self.stream.as_fd(), flags))
    }

    /// Every message that has arrived whole. What was said before the end still counts.
    pub(super) fn receive(&mut self) -> Vec<ToWarden> {
        self.fill();
        let mut messages = Vec::new();
        loop {
            match take(&mut self.inbox) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return messages,
                Err(_) => {
                    self.close();
                    return messages;
                }
            }
        }
    }

    fn fill(&mut self) {
        let mut bytes = [0; READ_BYTES];
        while !self.closed {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.close_reading(),
                Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.close_reading(),
            }
        }
    }

    /// Sends, or keeps for later what the node does not take yet.
    pub(super) fn send(&mut self, message: &FromWarden) {
        if let (false, Ok(frame)) = (self.closed, encode(message)) {
            self.outbox.extend_from_slice(&frame);
            self.flush();
        }
    }

    /// Writes what the node takes now.
    pub(super) fn flush(&mut self) {
        while !self.closed && !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.close(),
            }
        }
        if self.outbox.len() > OUTBOX_BYTES_MAX {
            self.close();
        }
    }

    /// Gives a slow node a moment to take the last words.
    pub(super) fn finish(&mut self) {
        let deadline = Instant::now() + Duration::from_millis(FLUSH_MS_MAX);
        self.flush();
        while let (Some((fd, flags)), false) = (self.interest(), self.outbox.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(timeout) = Timespec::try_from(left) else { return };
            let waited = poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout));
            if left.is_zero() || waited.is_err() {
                return;
            }
            self.fill();
            self.flush();
        }
    }

    fn close_reading(&mut self) {
        self.closed = true;
        self.outbox.clear();
    }

    fn close(&mut self) {
        self.close_reading();
        self.inbox.clear();
    }
}
