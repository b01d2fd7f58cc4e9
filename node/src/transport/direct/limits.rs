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

/// Bytes of one piece of a payload: what a liar can send before it is found out.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;
/// Bytes read from a payload at once.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks read before the peer takes them: one in hand, three that hide the disk.
pub(crate) const BLOCKS_AHEAD: usize = 4;
/// Pieces that arrived and are not yet verified and written.
pub(crate) const PIECES_AHEAD: usize = 2;
/// Payloads sent at once: a mebibyte of memory and one descriptor each.
pub(crate) const LENDS_MAX: usize = 8;
/// Payloads sent to one device at once: a quarter of them, so that who asks and never reads keeps
/// nobody else waiting.
pub(crate) const LENDS_PER_DEVICE_MAX: usize = 2;
/// How long the peer may take over one block, or over the last word: a quarter of a piece, and so a
/// quarter of what it grants us for one.
pub(crate) const LEND_BLOCK_MAX: Duration = Duration::from_secs(30);
/// Payloads fetched at once: 4 MiB of memory and the window each.
pub(crate) const FETCHES_MAX: usize = 4;
/// Unread bytes of a payload: 100 MB/s over 80 ms.
pub(crate) const PAYLOAD_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Silence within a transfer after which it counts as cut.
pub(crate) const FETCH_SILENCE: Duration = Duration::from_secs(10);
/// How long one piece may take: 8 kB/s.
pub(crate) const FETCH_PIECE_MAX: Duration = Duration::from_secs(120);
/// Attempts that bring nothing new before a fetch is given up.
pub(crate) const FETCH_TRIES: u32 = 5;
/// The wait before the second attempt; each is twice the one before: 3.75 s in all.
pub(crate) const FETCH_AGAIN: Duration = Duration::from_millis(250);
/// Bytes of the reason of a No.
pub(crate) const REASON_BYTES_MAX: usize = 512;
