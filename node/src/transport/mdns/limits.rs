//! The numbers that bound what is said to, and heard from, the local network.

use std::time::Duration;

/// Interfaces on which a device is announced at once: wired, radio, and some of virtual machines.
pub(super) const INTERFACES_MAX: usize = 8;
/// Bytes of a packet that is looked at: one Ethernet frame. An announcement has some 200.
pub(super) const PACKET_BYTES_MAX: usize = 1472;
/// Packets looked at in one second, all interfaces together; more are dropped unread. Two hundred
/// devices that answer one question come within four.
pub(super) const PACKETS_PER_SECOND_MAX: u32 = 50;
/// Packets read and not yet looked at: one second's.
pub(super) const PACKETS_QUEUED: usize = PACKETS_PER_SECOND_MAX as usize;
/// Announcements kept until they are handed on: what the engine looks at in one call.
pub(super) const HINTS_KEPT_MAX: usize = belay_mesh::limits::HINTS_AT_ONCE_MAX;
/// Records of a packet that are looked at: an announcement has four.
pub(super) const RECORDS_MAX: usize = 32;
/// Between two batches of announcements handed to the engine: a flood of them costs as many dials.
pub(super) const HAND_ON_EVERY: Duration = Duration::from_secs(5);
/// How long the first of a batch waits for others: every answer to a question comes within it.
pub(super) const GATHER_FOR: Duration = Duration::from_millis(250);
/// Between two announcements on one interface, whoever asks (RFC 6762, section 6, asks for one
/// second at least): a network of hundreds of devices stays quiet.
pub(super) const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// Between the first announcement and its repetition, in case that it was lost (RFC 6762, section
/// 8.3).
pub(super) const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);
/// The longest wait before a question is answered, so that not all answer at once (RFC 6762,
/// section 6).
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(120);
/// How long a device that is linked with nobody waits before it asks again.
pub(super) const ASK_WHEN_ALONE: Duration = Duration::from_secs(15);
/// How long any other waits, at the most; a question of somebody else counts as its own (RFC 6762,
/// section 7.3), so one is asked however many devices listen.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long an announcement may be kept by whoever heard it, seconds: three rounds of asking.
pub(super) const KEPT_FOR_S: u32 = 15 * 60;
/// Wait before sockets that could not be had are tried again: another program may have ended.
pub(super) const OPEN_AGAIN: Duration = Duration::from_secs(60);
