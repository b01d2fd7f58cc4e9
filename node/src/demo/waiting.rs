//! Waiting for observed states, with a deadline, until somebody interrupts.
//!
//! Refused here: waiting for luck. Whoever waits names the state that is to come.

use super::failure::Failure;
use super::limits::LOOK_EVERY;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How patient the demo is: until a deadline, or until somebody interrupts.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    interrupted: Arc<AtomicBool>,
}

impl Patience {
    /// Looks until the state comes.
    pub(super) fn wait_for<T>(
        &self,
        state: &str,
        max: Duration,
        mut look: impl FnMut() -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            if let Some(seen) = look()? {
                return Ok(seen);
            }
            if begun.elapsed() >= max {
                return Err(Failure::NotSeen { state: state.to_owned(), waited: max });
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends with the first interrupt, terminate or hangup that this process gets from now on.
    pub(super) fn until_interrupted() -> Result<Self, Failure> {
        let patience = Self::default();
        let interrupted = patience.interrupted.clone();
        let (ready, listening) = mpsc::channel();
        let listen = move || {
            let outcome = listen(&ready, &interrupted);
            // Nobody waits any more once listening has begun.
            let _begun = ready.send(outcome);
        };
        let refused = |what: String| Failure::Machine {
            what: format!("cannot listen for Ctrl-C: {what}"),
            hint: "try again when the machine has threads and descriptors to spare",
        };
        let spawned = thread::Builder::new().name("interrupts".to_owned()).spawn(listen);
        spawned.map_err(|error| refused(error.to_string()))?;
        match listening.recv() {
            Ok(Ok(())) => Ok(patience),
            Ok(Err(error)) => Err(refused(error.to_string())),
            Err(error) => Err(refused(error.to_string())),
        }
    }
}

/// Handlers, not a blocked mask: a program that is started gets back the default.
fn listen(
    ready: &mpsc::Sender<std::io::Result<()>>,
    interrupted: &AtomicBool,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        // Whoever waits for this has gone only if the demo has ended.
        let _waited_for = ready.send(Ok(()));
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        interrupted.store(true, Ordering::Relaxed);
        Ok(())
    })
}
