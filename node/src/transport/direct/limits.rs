//! The numbers that bound direct connections, each with its reason. What holds for every link (the
//! windows, the idle time, the lobby) stands beside them in the links' own limits.

use std::time::Duration;

use super::super::limits::{STREAM_WINDOW_BYTES, STREAMS_MAX};

/// Inbound handshakes at once: each costs two signatures.
pub(crate) const HANDSHAKES_MAX: usize = 16;
/// Inbound handshakes from where on a peer must first prove its address: a spoofed flood pays a
/// round trip before it costs a signature.
pub(crate) const HANDSHAKES_UNPROVEN_MAX: usize = 4;
/// Connections of one device, all told: its link, the one that replaces it, and payloads.
pub(crate) const CONNECTIONS_PER_DEVICE: usize = 4;
/// Connections that peers opened, all told: 24 seats, the lobby, and payloads beside them.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Streams that a peer may have open on one connection: three lanes with their successors, signs of
/// life, and two payloads.
pub(crate) const STREAMS_OPEN_MAX: u32 = STREAMS_MAX + 4;
/// Unread bytes that a peer may send on a link, all streams together.
pub(crate) const LINK_WINDOW_BYTES: u32 = STREAMS_OPEN_MAX * STREAM_WINDOW_BYTES;
/// News of connections not yet taken by the loop: one of each connection at once.
pub(crate) const NEWS_QUEUED: usize = 64;
/// How often the way to a peer is looked up, for a device that roams: half of the silence after
/// which a link is doubted, so that a changed address is used before that.
pub(crate) const LOOK_AT_WAY: Duration = Duration::from_millis(500);
