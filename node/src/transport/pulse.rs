//! Whether a peer still answers: a link that said something and then heard nothing is asked.
//!
//! QUIC notices a dead peer only after its idle time, which is longer than a short lease. So
//! whoever was told something and stays quiet is asked to agree on a stream, which only a living
//! process can, whatever else it has to say. Refused here: asking a link on which nothing was said,
//! and doubting a peer that answers slowly but does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::error::TrySendError, oneshot},
    time::{sleep, timeout},
};

use super::{
    handler::Wish,
    limits::{QUIET_BEFORE_ASKING, SILENCE_MAX},
    queue::Mailbox,
};

/// What a link's writer and readers did, as its watcher sees it.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    heard: AtomicU64,
    said: Notify,
}

impl Pulse {
    /// A frame went out, or waits for the peer to take it.
    pub(crate) fn said(&self) {
        self.said.notify_one();
    }

    /// Something came in.
    pub(crate) fn heard(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

/// Ends when the peer was asked and did not answer: `SILENCE_MAX` after something was said to it.
pub(crate) async fn watch_link(pulse: Arc<Pulse>, mailbox: Arc<Mailbox>) {
    loop {
        pulse.said.notified().await;
        let before = pulse.count();
        sleep(QUIET_BEFORE_ASKING).await;
        if pulse.count() != before {
            continue;
        }
        let answered = answers(&mailbox, SILENCE_MAX.saturating_sub(QUIET_BEFORE_ASKING)).await;
        if !answered && pulse.count() == before {
            return;
        }
    }
}

/// Asks the connection in use for a sign of life; false when none came in that time.
async fn answers(mailbox: &Mailbox, within: Duration) -> bool {
    let (answer, alive) = oneshot::channel();
    let (number, Some(door)) = mailbox.door() else { return true };
    match door.try_send(Wish::Life(answer)) {
        Ok(()) => {}
        // Its connection has just ended, which the link hears of by itself.
        Err(TrySendError::Closed(_)) => return true,
        // So many wishes wait only where none is answered.
        Err(TrySendError::Full(_)) => {
            sleep(within).await;
            return false;
        }
    }
    match timeout(within, alive).await {
        // Without an answer, the connection that was asked has ended, which the link hears of too.
        Ok(Ok(()) | Err(_)) => true,
        // The link has moved to a newer connection meanwhile, and that one was not asked.
        Err(_) => mailbox.door().0 != number,
    }
}
