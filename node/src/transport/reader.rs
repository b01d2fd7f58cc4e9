//! Reading one lane of one peer: bounds first, then bytes, then the owner.
//!
//! In the lobby only urgent is read, and only `LOBBY_BYTES` of it. A newer stream of the same lane
//! waits until the older one has handed over what had arrived on it, so frames stay in order when a
//! link moves to another connection. Refused here: opening a body, and reading on while the owner
//! is behind.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{
    frame::{HEAD_BYTES, Head, read_body, read_head},
    key::DeviceKey,
    limits::{Bound, LOBBY_BYTES, LOBBY_GRACE, STREAM_DRAIN},
    message::{Lane, NetEvent},
    net::Stamped,
    pulse::Pulse,
    stream::Stream,
};

/// Reads frames until the stream ends; the bound, when one was broken.
pub(crate) async fn read_lane(mut reader: LaneReader, mut stream: Stream) -> Option<Bound> {
    if let Some(older) = reader.older.take() {
        older.replaced().await;
    }
    loop {
        match reader.read_frame(&mut stream).await {
            Ok(event) => {
                let stamped = Stamped { link: reader.link, event };
                reader.events.send(stamped).await.ok()?;
            }
            Err(ReadEnd::Stream) => return None,
            Err(ReadEnd::Bound(bound)) => return Some(bound),
        }
    }
}

/// One reader's place in its link.
pub(crate) struct LaneReader {
    /// The peer that writes.
    pub(crate) peer: DeviceKey,
    /// The link's number, so that no frame outlives its link.
    pub(crate) link: u64,
    /// The lane that is read.
    pub(crate) lane: Lane,
    /// The link's admission.
    pub(crate) pass: LobbyPass,
    /// Told of everything that is read.
    pub(crate) pulse: Arc<Pulse>,
    /// Where frames go.
    pub(crate) events: mpsc::Sender<Stamped>,
    /// The reader of the stream that this one replaces.
    pub(crate) older: Option<RunningReader>,
}

impl LaneReader {
    async fn read_frame(&mut self, stream: &mut Stream) -> Result<NetEvent, ReadEnd> {
        self.pass.may_read(self.lane, HEAD_BYTES).await?;
        let head = read_head(stream).await?;
        self.pulse.heard();
        self.check_length(head)?;
        self.pass.may_read(self.lane, head.body_bytes).await?;
        let body = read_body(stream, head).await?;
        self.pulse.heard();
        Ok(NetEvent::Frame { peer: self.peer, lane: self.lane, kind: head.kind, body })
    }

    fn check_length(&self, head: Head) -> Result<(), ReadEnd> {
        match head.body_bytes <= self.lane.body_bytes_max() {
            true => Ok(()),
            false => Err(ReadEnd::Bound(self.lane.frame_bound())),
        }
    }
}

/// Why reading ended: the stream's own end, or the peer broke a bound.
enum ReadEnd {
    Stream,
    Bound(Bound),
}

impl From<io::Error> for ReadEnd {
    fn from(_: io::Error) -> Self {
        Self::Stream
    }
}

impl From<Bound> for ReadEnd {
    fn from(bound: Bound) -> Self {
        Self::Bound(bound)
    }
}

/// Whether the link is admitted, and what its peer has used of the lobby.
#[derive(Debug, Clone)]
pub(crate) struct LobbyPass {
    /// True once admitted; shared by all readers of the link.
    pub(crate) admitted: watch::Receiver<bool>,
    /// Bytes that readers of the link have asked for in the lobby.
    pub(crate) used: Arc<AtomicUsize>,
}

impl LobbyPass {
    /// Waits until this many further bytes may be read, or names the bound that they would break.
    async fn may_read(&mut self, lane: Lane, bytes: usize) -> Result<(), Bound> {
        if *self.admitted.borrow() {
            return Ok(());
        }
        match lane {
            Lane::Urgent => self.charge(bytes).await,
            Lane::Bulk | Lane::Repair => {
                self.admission().await;
                Ok(())
            }
        }
    }

    async fn charge(&mut self, bytes: usize) -> Result<(), Bound> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used <= LOBBY_BYTES {
            return Ok(());
        }
        timeout(LOBBY_GRACE, self.admission()).await.map_err(|_| Bound::LobbyBytes)
    }

    /// A link that is gone takes its readers with it, so its silence may count as an answer.
    async fn admission(&mut self) {
        let _ = self.admitted.wait_for(|admitted| *admitted).await;
    }
}

/// A reader that runs; dropping this ends it.
#[derive(Debug)]
pub(crate) struct RunningReader {
    /// The task.
    pub(crate) abort: AbortHandle,
    /// Resolves when it has ended.
    pub(crate) done: oneshot::Receiver<()>,
}

impl RunningReader {
    async fn replaced(mut self) {
        // Ended or out of time: either way it reads no further.
        let _ = timeout(STREAM_DRAIN, &mut self.done).await;
    }
}

impl Drop for RunningReader {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
