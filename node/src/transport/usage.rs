//! How much of each bound is used, for screens.
//!
//! The loop writes what it sees after every turn; whoever asks reads without waiting for it.
//! Refused here: keeping a bound; each is kept where the thing is.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::limits::{
    CIRCUITS_MAX, CUT_PEERS_MAX, ESTABLISHED_TOTAL, HANDSHAKES_MAX, LOBBY_PEERS_MAX,
    MEMORY_BYTES_MAX, PLACES_MAX, QUEUED_BYTES_MAX, STREAMS_MAX,
};

use crate::os;

/// One bound and what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// What is bounded, in words.
    pub what: &'static str,
    /// How much is used now.
    pub used: usize,
    /// The most that may be.
    pub limit: usize,
}

/// What is used now; written by the loop, the handshakes and the queues.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Connections that stand.
    pub(crate) connections: AtomicUsize,
    /// Strangers in the lobby.
    pub(crate) strangers: AtomicUsize,
    /// Links of devices that an order cuts.
    pub(crate) cut: AtomicUsize,
    /// Streams that the busiest peer sends on.
    pub(crate) streams: AtomicUsize,
    /// Inbound handshakes under way.
    pub(crate) handshakes: AtomicUsize,
    /// Members that have a place here, to be reached over this device.
    pub(crate) places: AtomicUsize,
    /// Circuits that lead over this device.
    pub(crate) circuits: AtomicUsize,
    /// Bytes that wait to be written, all links together.
    pub(crate) queued_bytes: AtomicUsize,
}

impl Gauges {
    /// Every bound with what is used of it.
    pub(crate) fn read(&self) -> Vec<Used> {
        let total = usize::try_from(ESTABLISHED_TOTAL).unwrap_or(usize::MAX);
        let streams = usize::try_from(STREAMS_MAX).unwrap_or(usize::MAX);
        let bounds = [
            ("connections", &self.connections, total),
            ("inbound handshakes", &self.handshakes, HANDSHAKES_MAX),
            ("strangers in the lobby", &self.strangers, LOBBY_PEERS_MAX),
            ("cut devices", &self.cut, CUT_PEERS_MAX),
            ("streams of the busiest peer", &self.streams, streams),
            ("places kept for members", &self.places, PLACES_MAX),
            ("circuits relayed", &self.circuits, CIRCUITS_MAX),
            ("bytes waiting to be sent", &self.queued_bytes, QUEUED_BYTES_MAX),
        ];
        let used = |(what, used, limit): (&'static str, &AtomicUsize, usize)| {
            let used = used.load(Ordering::Relaxed);
            Used { what, used, limit }
        };
        let memory = os::resident_bytes().unwrap_or(0);
        let memory = Used { what: "bytes of memory", used: memory, limit: MEMORY_BYTES_MAX };
        bounds.map(used).into_iter().chain([memory]).collect()
    }
}
