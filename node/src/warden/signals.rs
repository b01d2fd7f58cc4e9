//! Signals as messages: all are blocked and read from a descriptor, so none interrupts or ends the
//! warden, and none is set to "ignored", which its task would inherit. (SIGKILL and SIGSTOP reach
//! every process.)

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What a signal means to a warden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The terminal's user asked for a pause.
    Pause,
    /// Somebody asked this process to end.
    End,
    /// Somebody let this process go on.
    Continue {
        /// Who.
        sender: u32,
    },
    /// A child changed, or something that a warden does not obey.
    Other,
}

/// The blocked signals of this process. Dropping it restores the mask.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    pub(super) fn block() -> io::Result<Self> {
        let before = SigSet::thread_get_mask()?;
        SigSet::all().thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self { descriptor: SignalFd::with_flags(&SigSet::all(), flags)?, before })
    }

    /// The next one that came.
    pub(super) fn next(&self) -> Option<Heard> {
        loop {
            match self.descriptor.read_signal() {
                Ok(signal) => return signal.map(|info| heard(info.ssi_signo, info.ssi_pid)),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

fn heard(number: u32, sender: u32) -> Heard {
    if number == Signal::SIGTSTP as u32 {
        Heard::Pause
    } else if number == Signal::SIGTERM as u32 {
        Heard::End
    } else if number == Signal::SIGCONT as u32 {
        Heard::Continue { sender }
    } else {
        Heard::Other
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Nothing can be done about a refusal, and the process is about to end.
        let _restored = self.before.thread_set_mask();
    }
}
