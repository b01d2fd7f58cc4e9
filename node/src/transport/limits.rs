//! Every number that bounds a link, each with its reason, and the names under which they are told.
//!
//! They are our own numbers, passed to libp2p or kept by us. Refused here: any bound without a
//! name, because a link that closes for no stated reason cannot be repaired by the people who run
//! it.

use std::{fmt, num::NonZeroU32, time::Duration};

use belay_mesh::limits::PRESENCE_ITEMS_MAX;

/// Body bytes of the longest urgent frame: an order of 1 KiB with the chain that gives it force.
pub const URGENT_BODY_BYTES_MAX: usize = 8 * 1024;
/// Body bytes of the longest bulk or repair frame: a statement of 64 KiB plus its framing.
pub const BULK_BODY_BYTES_MAX: usize = 80 * 1024;
/// Bytes of one write on bulk or repair: what an urgent frame waits for at most in our own writer.
pub const SLICE_BYTES: usize = 16 * 1024;

/// Bytes read from a peer before it is admitted: a hello, its chain, and some root epochs.
pub const LOBBY_BYTES: usize = 16 * 1024;
/// How long a peer may stay without being admitted: several round trips over a slow radio link.
pub const LOBBY_TIME: Duration = Duration::from_secs(10);
/// Peers in the lobby that we did not dial: strangers must not fill memory. One more, and the one
/// that has stayed longest gives way, since whoever belongs here leaves the lobby at once.
pub const LOBBY_PEERS_MAX: usize = 8;
/// Links at once of devices that an order cuts: their orders and receipts take moments, and thirty
/// of them must not fill the seats of the others.
pub const CUT_PEERS_MAX: usize = 8;
/// Streams a peer may open before it is admitted: three lanes over a relay, three over each of the
/// two paths that both sides may punch past it, and each once more.
pub const LOBBY_STREAMS_MAX: u32 = 12;
/// How long reading pauses at the lobby's last byte while an admission is still being decided: an
/// admitting peer sends at once, and must not be cut because our own checks take a moment.
pub const LOBBY_GRACE: Duration = Duration::from_secs(2);

/// Urgent frames waiting for one link: an order floods in one frame, catching up in few.
pub const URGENT_QUEUE_FRAMES: usize = 256;
/// Urgent bytes waiting for one link: 128 of the longest frames.
pub const URGENT_QUEUE_BYTES: usize = 128 * URGENT_BODY_BYTES_MAX;
/// Bulk frames waiting for one link: more would be stale before a slow link drains them.
pub const BULK_QUEUE_FRAMES: usize = 256;
/// Bulk bytes waiting for one link: 2 MiB, 64 MiB over 32 links.
pub const BULK_QUEUE_BYTES: usize = 2 * 1024 * 1024;
/// Repair frames waiting for one link: a repair round is a short exchange.
pub const REPAIR_QUEUE_FRAMES: usize = 256;
/// Repair bytes waiting for one link: half of bulk, since repair asks again by itself.
pub const REPAIR_QUEUE_BYTES: usize = 1024 * 1024;

/// Bulk and repair bytes waiting for all links together, above which the newest are dropped. Urgent
/// frames are bounded by link alone: an order never gives way to a backlog.
pub const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Commands on their way to the loop: dialling a whole fleet plan at once fits.
pub const COMMANDS_QUEUED: usize = 256;
/// Link events and urgent frames not yet taken by the owner: at most 2 MiB, then QUIC slows peers.
pub const FIRST_EVENTS_QUEUED: usize = 256;
/// Bulk and repair frames not yet taken by the owner: at most 1.25 MiB, then QUIC slows peers.
pub const LATER_EVENTS_QUEUED: usize = 16;

/// Connections to one peer: both sides may dial at once, and a newer one of either side replaces
/// the older, which is closed only once the newer stands; and both sides may have come over a relay
/// before that.
pub const CONNECTIONS_PER_PEER: u32 = 5;
/// Inbound handshakes at once, over QUIC and TCP together; one more and the oldest of the busiest
/// address gives way. An honest one takes a few round trips, a half-open one stays, so who floods
/// pushes out himself. Each holds about 50 kB.
pub const HANDSHAKES_MAX: usize = 256;
/// Inbound handshakes of one address at once: a site behind one address that wakes up together.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 64;
/// Inbound handshakes that libp2p may hold: those that gave way are still counted until their tasks
/// have run.
pub const PENDING_INCOMING: u32 = 2 * HANDSHAKES_MAX as u32;
/// Outbound handshakes at once: each second's redials of a site whose switch was restarted.
pub const PENDING_OUTGOING: u32 = 16;
/// Inbound connections: 24 seats and 8 in the lobby, two connections each.
pub const ESTABLISHED_INCOMING: u32 = 64;
/// Outbound connections: every peer kept dialled, once.
pub const ESTABLISHED_OUTGOING: u32 = 64;
/// All connections: less than both sums, so that neither side's share can take every socket buffer.
pub const ESTABLISHED_TOTAL: u32 = 96;

/// Memory that this process may hold and still let somebody in: twice what the connections may fill
/// with unread bytes, beside a set of a million statements.
pub const MEMORY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// How old a look at that may be: a few handshakes of a flood come in between.
pub const MEMORY_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// Head start of one address over the next when a peer is dialled: the attempt delay of RFC 8305
/// (section 5), so that a path that drops everything costs a quarter of a second.
pub const HEAD_START: Duration = Duration::from_millis(250);
/// Hosts of which is remembered that TCP reached them and QUIC did not: more than are kept dialled,
/// each with two addresses.
pub const TCP_HOSTS_MAX: usize = 128;
/// How long that is believed: then QUIC is tried first again, since it is the better carrier.
pub const TCP_FIRST_FOR: Duration = Duration::from_secs(10 * 60);

/// Peers kept dialled: larger fleets choose their neighbours before they come here.
pub const DIAL_PEERS_MAX: usize = 64;
/// Addresses tried per peer, as many as a device says of itself: wired, radio and fallback, in both
/// IP versions, by QUIC and by TCP, and some old ones.
pub const DIAL_ADDRESSES_MAX: usize = PRESENCE_ITEMS_MAX;
/// Time between redials at first: a link that flickers is back within a second.
pub const REDIAL_FIRST: Duration = Duration::from_secs(1);
/// How long redialling stays that quick after a loss.
pub const REDIAL_QUICK_FOR: Duration = Duration::from_secs(30);
/// The longest wait between redials, before jitter.
pub const REDIAL_LONGEST: Duration = Duration::from_secs(60);

/// Unread bytes that a peer may send on one stream: what may stand before an urgent frame on the
/// wire.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Streams that a peer may have open: three lanes, their successors while they are replaced, two
/// spare, two by which both sides tell how they see each other's address, and its circuits.
pub const STREAMS_MAX: u32 = 8 + 2 + CIRCUITS_PER_PEER_MAX as u32;
/// Unread bytes that a peer may send on one connection: all its streams together.
pub const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Streams over one TCP connection, those of both sides together, as yamux counts them.
pub const MUXED_STREAMS_MAX: usize = 2 * STREAMS_MAX as usize;
/// Unread bytes that a peer may send over one TCP connection, all its streams together: the 256 KiB
/// that yamux gives each stream, and never more.
pub const MUXED_WINDOWS_BYTES: usize = MUXED_STREAMS_MAX * yamux::DEFAULT_CREDIT as usize;
/// Members that a relay keeps a place for: as many as can be linked with it.
pub const PLACES_MAX: usize = ESTABLISHED_TOTAL as usize;
/// Places of one member at one relay: one for each connection that each side dialled.
pub const PLACES_PER_PEER_MAX: usize = 2;
/// How long a place is kept without being asked for anew: a member that is cut loses its place
/// within it, and asking anew is one small exchange.
pub const PLACE_TIME: Duration = Duration::from_secs(10 * 60);
/// Relays at which a device keeps a place: when one dies the other is there.
pub const PLACES_WANTED_MAX: usize = 2;
/// Wait before a relay that refused a place, or lost it, is asked again.
pub const PLACE_RETRY: Duration = Duration::from_secs(5);
/// Circuits over one relay at once: each copies through two buffers of 8 KiB.
pub const CIRCUITS_MAX: usize = 32;
/// Circuits that begin or end at one member, so that nobody uses up a relay: a member links to few
/// that it cannot dial.
pub const CIRCUITS_PER_PEER_MAX: usize = 4;
/// How long a circuit lasts: a link over it is then made anew, and a direct path tried again.
pub const CIRCUIT_TIME: Duration = Duration::from_secs(60 * 60);
/// Bytes over one circuit, both ways: an idle link needs 1 MiB in that time, a member that comes
/// back after months some ten thousand statements of 1 KiB.
pub const CIRCUIT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Places, or circuits, that a member may ask for in a row: a link that flickers is redialled each
/// second for 30 s.
pub const RELAY_ASKS_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// How often it may ask once more.
pub const RELAY_ASK_EVERY: Duration = Duration::from_secs(10);
/// Addresses of a relay by which a circuit over it is dialled: a wired and a radio one, by QUIC and
/// by TCP.
pub const RELAY_ADDRESSES_MAX: usize = 4;
/// How long a relayed connection stays once a direct one stands beside it: what was under way on it
/// arrives.
pub const RELAYED_DRAIN: Duration = Duration::from_secs(2);
/// A handshake over a relay that is linked already: two more round trips, through both of its
/// paths.
pub const RELAYED_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(6);
/// Between two words of a peer about how it sees this device's address, after the first.
pub const IDENTIFY_EVERY: Duration = Duration::from_secs(10 * 60);
/// Bytes that may wait in a TCP socket before an urgent frame: as much as one QUIC stream holds.
pub const SOCKET_BYTES: usize = STREAM_WINDOW_BYTES as usize;
/// Silence after which QUIC calls a connection dead. It counts anew from the first sign of life
/// sent into the silence, so a cut shows after at most this plus `KEEP_ALIVE`.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which we send a sign of life: two may be lost within the idle timeout.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Quiet after something was said, before the peer is asked for a sign of life: several round trips
/// of a slow radio link, so that a peer that answers is hardly ever asked.
pub const QUIET_BEFORE_ASKING: Duration = Duration::from_secs(1);
/// Silence after something was said, the question included, after which a link is dropped and
/// dialled again: two lost packets are sent again within it.
pub const SILENCE_MAX: Duration = Duration::from_secs(3);
/// A handshake that takes longer is given up and tried again by the redial.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Opening a lane: one round trip, so this is a dead or unwilling peer.
pub const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait before a broken lane is opened again; doubles up to `REOPEN_LONGEST`.
pub const REOPEN_FIRST: Duration = Duration::from_millis(100);
/// The longest wait before a broken lane is opened again while its connection lives.
pub const REOPEN_LONGEST: Duration = Duration::from_secs(2);
/// Wishes on their way to a connection: one per lane and a sign of life.
pub const OPENS_QUEUED: usize = 4;
/// How long a replaced stream may still hand over what had already arrived on it.
pub const STREAM_DRAIN: Duration = Duration::from_millis(500);
/// How long a hangup waits for the peer to have read the last urgent frame.
pub const HANGUP_FLUSH: Duration = Duration::from_secs(1);
/// How long a shutdown then waits for connections to close.
pub const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// The bound that a peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// More bytes than `LOBBY_BYTES` before it was admitted.
    LobbyBytes,
    /// Not admitted within `LOBBY_TIME`.
    LobbyTime,
    /// The lobby already held `LOBBY_PEERS_MAX` strangers.
    LobbyPeers,
    /// More than `CUT_PEERS_MAX` devices that an order cuts.
    CutPeers,
    /// More streams than `LOBBY_STREAMS_MAX` before it was admitted.
    LobbyStreams,
    /// An urgent frame longer than `URGENT_BODY_BYTES_MAX`.
    UrgentFrame,
    /// A bulk or repair frame longer than `BULK_BODY_BYTES_MAX`.
    BulkFrame,
    /// More connections of one peer than `CONNECTIONS_PER_PEER`.
    ConnectionsPerPeer,
    /// More inbound handshakes than `PENDING_INCOMING`.
    PendingIncoming,
    /// More outbound handshakes than `PENDING_OUTGOING`.
    PendingOutgoing,
    /// More inbound connections than `ESTABLISHED_INCOMING`.
    EstablishedIncoming,
    /// More outbound connections than `ESTABLISHED_OUTGOING`.
    EstablishedOutgoing,
    /// More connections than `ESTABLISHED_TOTAL`.
    EstablishedTotal,
    /// More memory than `MEMORY_BYTES_MAX`.
    Memory,
    /// An identity that is not one Ed25519 key.
    DeviceKeyKind,
}

impl Bound {
    /// The bound in words and numbers, for logs and screens.
    pub fn name(self) -> &'static str {
        match self {
            Self::LobbyBytes => "lobby: 16 KiB before admission",
            Self::LobbyTime => "lobby: admission within 10 s",
            Self::LobbyPeers => "lobby: 8 peers at once",
            Self::CutPeers => "links of cut devices: 8 at once",
            Self::LobbyStreams => "lobby: 12 streams before admission",
            Self::UrgentFrame => "urgent frame: 8 KiB",
            Self::BulkFrame => "bulk or repair frame: 80 KiB",
            Self::ConnectionsPerPeer => "connections of one peer: 5",
            Self::PendingIncoming => "inbound handshakes at once: 512",
            Self::PendingOutgoing => "outbound handshakes at once: 16",
            Self::EstablishedIncoming => "inbound connections: 64",
            Self::EstablishedOutgoing => "outbound connections: 64",
            Self::EstablishedTotal => "connections: 96",
            Self::Memory => "memory of this node: 1 GiB",
            Self::DeviceKeyKind => "identity: one Ed25519 key",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
