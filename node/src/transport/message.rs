//! The words between the links and their owner: what may be asked, what may happen.
//!
//! Refused here: meaning. A frame's type byte and body are the engine's own.

use std::net::IpAddr;

use libp2p::Multiaddr;

use super::{
    direct::{Content, Doorway, Fetch, Source},
    key::DeviceKey,
    limits::{BULK_BODY_BYTES_MAX, Bound, URGENT_BODY_BYTES_MAX},
};

/// One of the three lanes of a link, in order of priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Orders and what gives them force; goes before everything else.
    Urgent,
    /// Bodies that somebody asked for.
    Bulk,
    /// Comparing and catching up.
    Repair,
}

impl Lane {
    /// The lanes, first to last.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Bulk, Self::Repair];

    /// The most body bytes that one frame on this lane may have.
    pub fn body_bytes_max(self) -> usize {
        match self {
            Self::Urgent => URGENT_BODY_BYTES_MAX,
            Self::Bulk | Self::Repair => BULK_BODY_BYTES_MAX,
        }
    }

    /// The bound that a longer frame breaks.
    pub(crate) fn frame_bound(self) -> Bound {
        match self {
            Self::Urgent => Bound::UrgentFrame,
            Self::Bulk | Self::Repair => Bound::BulkFrame,
        }
    }

    /// The place of this lane in arrays of three.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Urgent => 0,
            Self::Bulk => 1,
            Self::Repair => 2,
        }
    }
}

/// The lane's protocol name on the wire.
impl AsRef<str> for Lane {
    fn as_ref(&self) -> &str {
        match self {
            Self::Urgent => "/belay/urgent/1",
            Self::Bulk => "/belay/bulk/1",
            Self::Repair => "/belay/repair/1",
        }
    }
}

/// What the owner may ask of the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetCommand {
    /// Keep this peer dialled at these addresses: each second for 30 s after a loss, then less
    /// often.
    Dial {
        /// The device that must answer there.
        peer: DeviceKey,
        /// Addresses such as `/ip4/192.0.2.7/udp/4001/quic-v1` or `/ip4/192.0.2.7/tcp/4001`; they
        /// replace earlier ones.
        addresses: Vec<Multiaddr>,
    },
    /// Stop dialling this peer; a link that stands stays.
    Forget {
        /// The device to dial no longer.
        peer: DeviceKey,
    },
    /// Let this peer out of the lobby, until its link is down; without a link it does nothing.
    Admit {
        /// The device whose chain the engine has verified.
        peer: DeviceKey,
    },
    /// Queue one frame for this peer.
    Send {
        /// The device at the other end.
        peer: DeviceKey,
        /// The lane to use.
        lane: Lane,
        /// The frame's type byte.
        kind: u8,
        /// The frame's body, at most `lane.body_bytes_max()` long.
        body: Vec<u8>,
    },
    /// This is said of device keys from now on: whom direct handshakes let in. Until it is said the
    /// first time they let in nobody.
    Know {
        /// Members, those that are cut, and what becomes of strangers.
        doorway: Doorway,
    },
    /// Keep a place at these members and at no others: whoever cannot
    /// dial this device reaches it over them. A place is asked for once this side has dialled the
    /// member, and again when it was lost.
    Reserve {
        /// The members, at most `PLACES_WANTED_MAX` of them, best first.
        relays: Vec<DeviceKey>,
    },
    /// This device has moved: direct links that it dialled go on from this address. It is noticed
    /// without being said, within half a second.
    Moved {
        /// Where it is now; unspecified leaves the choice to the system.
        to: IpAddr,
    },
    /// Fetch a payload; `NetEvent::Fetched` tells what came of it.
    Fetch(Box<Fetch>),
    /// End a fetch without a word, and leave nothing of it.
    Abandon {
        /// Which.
        ticket: u64,
    },
    /// Answer a peer's wish: where the bytes are, or why it gets none.
    Lend {
        /// Which.
        ticket: u64,
        /// Yes or no.
        source: Result<Source, String>,
    },
    /// Deliver the urgent frames already queued (the `bye`), for 1 s at most, then close the link.
    /// A peer that is kept dialled is dialled again after about 60 s.
    Hangup {
        /// The device at the other end.
        peer: DeviceKey,
    },
}

/// What the links tell the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// This device can be reached here.
    Listening {
        /// One local address; unspecified addresses are told once per interface.
        address: Multiaddr,
    },
    /// This device can be reached there no longer.
    NotListening {
        /// An address that was told as `Listening`.
        address: Multiaddr,
    },
    /// A path between both devices was tried beside one over a relay.
    Punched {
        /// The device at the other end.
        peer: DeviceKey,
        /// It stands, or why not; the link over the relay stays.
        result: Result<(), String>,
    },
    /// A listener failed; what it still answers is uncertain.
    ListenFailed {
        /// What the system said, in words.
        why: String,
    },
    /// The first connection to this peer stands; it is in the lobby until admitted.
    LinkUp {
        /// The device that proved this key.
        peer: DeviceKey,
    },
    /// The last connection to this peer is gone; whatever was on its way may be lost.
    LinkDown {
        /// The device that is gone.
        peer: DeviceKey,
    },
    /// One frame; only ever between this peer's `LinkUp` and `LinkDown`, in order within its lane.
    Frame {
        /// The device that sent it.
        peer: DeviceKey,
        /// The lane it came on.
        lane: Lane,
        /// Its type byte.
        kind: u8,
        /// Its body, unread.
        body: Vec<u8>,
    },
    /// A bound was broken and the connection, or the whole link, is being closed.
    Refused {
        /// The device, when the handshake got far enough to know it.
        peer: Option<DeviceKey>,
        /// The bound that was broken.
        bound: Bound,
    },
    /// Frames for this peer were dropped before they were sent, because the queue was full (the
    /// newest on urgent, the oldest on bulk and repair) or because the link went down or hung up
    /// over them.
    Overflow {
        /// The device they were for.
        peer: DeviceKey,
        /// The lane they were queued on.
        lane: Lane,
        /// How many since the last such event.
        dropped: u32,
    },
    /// A member wants a payload; it waits for `NetCommand::Lend`.
    Wanted {
        /// Names the wish.
        ticket: u64,
        /// The device that asks, as its handshake proved.
        peer: DeviceKey,
        /// What it wants.
        content: Content,
    },
    /// A fetch has ended.
    Fetched {
        /// Which.
        ticket: u64,
        /// All of it was verified and lies where it was wanted; or why not, and nothing is left.
        result: Result<(), String>,
    },
    /// A peer that is kept dialled does not answer; told once per reason until its link stands.
    DialFailed {
        /// The device that was dialled.
        peer: DeviceKey,
        /// What happened, where, and what to look at.
        why: String,
    },
}
