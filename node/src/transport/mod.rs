//! The links: one per peer device, libp2p over QUIC, or TCP where UDP is blocked.
//!
//! The engine above decides; this moves its frames. A link is a peer, not a connection: there may
//! be two connections to one peer (both sides dialled), and the link stands while one of them does.
//! Each side opens its own sending stream per lane and reads the other's; one writer per link gives
//! urgent frames strict priority, because neither QUIC as libp2p has it nor yamux knows priorities.
//! Every bound stands in `limits`, and breaking one closes the link with an event that names it.
//!
//! Read in this order: `message` (the words), `net` (the doors), `swarm` (the loop), `link`, then
//! `writer`, `reader` and `pulse` (one task each), `queue`, `dial`; `handler` is all that libp2p
//! needs of us above `carrier` (QUIC and TCP), `pace` (which first), `handshakes` (how many at
//! once) and `muxer` (streams over TCP). Who cannot be dialled is reached over a member that can:
//! `relaying`, `circuit`, `way`.
//!
//! Refused here: who may join (the engine says `Admit`), what a frame means, sending again what was
//! on a connection when it broke (repair heals), finding peers.

mod behaviour;
mod carrier;
pub mod circuit;
mod dial;
pub mod direct;
mod ending;
mod frame;
mod handler;
mod handshakes;
mod key;
pub mod limits;
mod link;
pub mod mdns;
pub mod measure;
mod memory;
mod message;
mod muxer;
mod net;
mod pace;
mod pulse;
mod queue;
mod reader;
mod relaying;
mod seats;
mod stream;
mod swarm;
mod usage;
mod way;
mod writer;

#[cfg(test)]
mod tests;

pub use key::{DeviceKey, NotADeviceKey, device_key, peer_id};
pub use limits::Bound;
pub use link::Side;
pub use message::{Lane, NetCommand, NetEvent};
pub use net::{Net, NetConfig, NetError, NetEvents, NetHandle, Unsent};
pub use usage::Used;
pub use way::{Carrier, Way};
