//! The task's output: read to the end whatever it costs, kept up to a limit.
//!
//! The pipe is always drained, so a task that writes more than is kept neither blocks nor meets a
//! broken pipe. A disk that is full costs the output, never the task.

use super::limits::OUTPUT_TURN_BYTES_MAX;
use rustix::event::PollFlags;
use rustix::io::ioctl_fionbio;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const OUTPUT: &str = "output";
const READ_BYTES: usize = 65_536;

/// A pipe that leads into the task's `output` file.
#[derive(Debug)]
pub(super) struct Capture {
    pipe: Option<PipeReader>,
    file: File,
    room_bytes: u64,
}

impl Capture {
    /// Creates the file, and the pipe whose writing end the task gets.
    pub(super) fn create(folder: &Path, limit_bytes: u64) -> io::Result<(Self, PipeWriter)> {
        let path = folder.join(OUTPUT);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        let (pipe, writer) = io::pipe()?;
        ioctl_fionbio(&pipe, true)?;
        Ok((Self { pipe: Some(pipe), file, room_bytes: limit_bytes }, writer))
    }

    /// What to wait for, until the last writer is gone.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.pipe.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN))
    }

    /// Takes what is there, up to one turn's share.
    pub(super) fn drain(&mut self) {
        let mut bytes = vec![0; READ_BYTES];
        let mut turn = 0;
        while let (Some(pipe), true) = (&mut self.pipe, turn < OUTPUT_TURN_BYTES_MAX) {
            match pipe.read(&mut bytes) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    turn += count;
                    self.keep(&bytes[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.room_bytes).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        match self.file.write_all(kept) {
            Ok(()) => self.room_bytes -= kept.len() as u64,
            Err(_) => self.room_bytes = 0,
        }
    }

    /// Puts the output on disk as far as the disk allows; it is evidence of nothing.
    pub(super) fn finish(&mut self) {
        self.drain();
        let _synced = self.file.sync_data();
    }
}
