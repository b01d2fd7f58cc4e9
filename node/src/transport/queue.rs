//! What waits to be written on a link: three bounded queues, shared by the owner and one writer.
//!
//! The owner's `send` puts frames straight in, so a queue's bound is the only bound, and whatever
//! does not fit is counted at that moment. Urgent refuses the newest, since the older ones stand in
//! order; bulk and repair drop the oldest, since repair heals and the newest is worth most. Refused
//! here: waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::Waker,
};

use libp2p::futures::task::AtomicWaker;
use tokio::sync::Notify;

use super::{
    handler::Door,
    key::DeviceKey,
    limits::{
        BULK_QUEUE_BYTES, BULK_QUEUE_FRAMES, QUEUED_BYTES_MAX, REPAIR_QUEUE_BYTES,
        REPAIR_QUEUE_FRAMES, URGENT_QUEUE_BYTES, URGENT_QUEUE_FRAMES,
    },
    message::Lane,
    usage::Gauges,
    way::Way,
};

/// The mailboxes of all links that stand, where `send` finds them.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    mailboxes: Mutex<BTreeMap<DeviceKey, Arc<Mailbox>>>,
    ways: Mutex<BTreeMap<DeviceKey, Way>>,
    /// Rung when some mailbox has dropped a frame.
    pub(crate) overflowed: Arc<Notify>,
    /// Where the bytes of all mailboxes together are counted, beside what others count.
    pub(crate) gauges: Arc<Gauges>,
}

impl LinkTable {
    /// A fresh mailbox for a link that now stands.
    pub(crate) fn add(&self, peer: DeviceKey) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::new(self.overflowed.clone(), self.gauges.clone()));
        lock(&self.mailboxes).insert(peer, mailbox.clone());
        mailbox
    }

    /// Forgets a link that is down.
    pub(crate) fn remove(&self, peer: &DeviceKey) {
        lock(&self.mailboxes).remove(peer);
        lock(&self.ways).remove(peer);
    }

    /// Notes how a link that stands reaches its peer.
    pub(crate) fn note_way(&self, peer: &DeviceKey, way: Way) {
        lock(&self.ways).insert(*peer, way);
    }

    /// How every link that stands reaches its peer.
    pub(crate) fn ways(&self) -> BTreeMap<DeviceKey, Way> {
        lock(&self.ways).clone()
    }

    /// The mailbox of a link that stands.
    pub(crate) fn find(&self, peer: &DeviceKey) -> Option<Arc<Mailbox>> {
        lock(&self.mailboxes).get(peer).cloned()
    }
}

/// One link's queues, and the connection that its writer should use.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<MailboxState>,
    writer: AtomicWaker,
    overflowed: Arc<Notify>,
    gauges: Arc<Gauges>,
}

#[derive(Debug)]
struct MailboxState {
    lanes: [LaneQueue; 3],
    door: Option<Door>,
    /// Counts changes of `door`, so that the writer notices each.
    door_number: u64,
    closing: bool,
}

impl Mailbox {
    fn new(overflowed: Arc<Notify>, gauges: Arc<Gauges>) -> Self {
        let lanes = Lane::ALL.map(LaneQueue::new);
        let state = MailboxState { lanes, door: None, door_number: 0, closing: false };
        Self { state: Mutex::new(state), writer: AtomicWaker::new(), overflowed, gauges }
    }

    /// Queues one encoded frame, or counts what was dropped for or instead of it.
    pub(crate) fn push(&self, lane: Lane, frame: Vec<u8>) {
        let full = lane != Lane::Urgent
            && self.gauges.queued_bytes.load(Ordering::Relaxed) + frame.len() > QUEUED_BYTES_MAX;
        let fit = self.counted(|state| match state.closing || full {
            true => state.lanes[lane.index()].refuse(),
            false => state.lanes[lane.index()].push(frame),
        });
        match fit {
            Fit::Whole => {}
            Fit::Dropped => self.overflowed.notify_one(),
        }
        self.writer.wake();
    }

    /// The next frame of a lane.
    pub(crate) fn pop(&self, lane: Lane) -> Option<Vec<u8>> {
        self.counted(|state| state.lanes[lane.index()].pop())
    }

    /// Changes the queues, and counts what that does to the bytes of all of them.
    fn counted<R>(&self, change: impl FnOnce(&mut MailboxState) -> R) -> R {
        let mut state = lock(&self.state);
        let before = state.bytes();
        let done = change(&mut state);
        let after = state.bytes();
        if after >= before {
            self.gauges.queued_bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.gauges.queued_bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
        done
    }

    /// Frames dropped per lane since the last call.
    pub(crate) fn take_dropped(&self) -> [u32; 3] {
        lock(&self.state).lanes.each_mut().map(|queue| std::mem::take(&mut queue.dropped))
    }

    /// Counts whatever still waits as dropped and forgets it.
    pub(crate) fn drop_all(&self) {
        self.counted(|state| state.lanes.iter_mut().for_each(LaneQueue::drop_all));
    }

    /// Tells the writer which connection to use from now on.
    pub(crate) fn set_door(&self, door: Option<Door>) {
        let mut state = lock(&self.state);
        state.door = door;
        state.door_number += 1;
        drop(state);
        self.writer.wake();
    }

    /// The connection to use and the number of that choice.
    pub(crate) fn door(&self) -> (u64, Option<Door>) {
        let state = lock(&self.state);
        (state.door_number, state.door.clone())
    }

    /// Takes no more frames, forgets bulk and repair, and lets the writer finish the urgent ones.
    pub(crate) fn close(&self) {
        self.counted(|state| {
            state.closing = true;
            state.lanes[Lane::Bulk.index()].drop_all();
            state.lanes[Lane::Repair.index()].drop_all();
        });
        self.writer.wake();
    }

    /// Whether the link is being hung up.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    /// Whom to wake when anything here changes.
    pub(crate) fn register(&self, writer: &Waker) {
        self.writer.register(writer);
    }
}

impl MailboxState {
    fn bytes(&self) -> usize {
        self.lanes.iter().map(|queue| queue.bytes).sum()
    }
}

/// What waited in it waits no more.
impl Drop for Mailbox {
    fn drop(&mut self) {
        self.drop_all();
    }
}

/// Whether a push lost anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    Dropped,
}

#[derive(Debug)]
struct LaneQueue {
    lane: Lane,
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u32,
}

impl LaneQueue {
    fn new(lane: Lane) -> Self {
        Self { lane, frames: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    fn push(&mut self, frame: Vec<u8>) -> Fit {
        let mut fit = Fit::Whole;
        while !self.has_room(frame.len()) {
            match self.lane {
                Lane::Urgent => return self.refuse(),
                Lane::Bulk | Lane::Repair => fit = self.drop_oldest(),
            }
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        fit
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }

    fn has_room(&self, frame_bytes: usize) -> bool {
        let (frames_max, bytes_max) = match self.lane {
            Lane::Urgent => (URGENT_QUEUE_FRAMES, URGENT_QUEUE_BYTES),
            Lane::Bulk => (BULK_QUEUE_FRAMES, BULK_QUEUE_BYTES),
            Lane::Repair => (REPAIR_QUEUE_FRAMES, REPAIR_QUEUE_BYTES),
        };
        self.frames.len() < frames_max && self.bytes + frame_bytes <= bytes_max
    }

    fn refuse(&mut self) -> Fit {
        self.dropped = self.dropped.saturating_add(1);
        Fit::Dropped
    }

    fn drop_oldest(&mut self) -> Fit {
        self.pop();
        self.refuse()
    }

    fn drop_all(&mut self) {
        while self.pop().is_some() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// A panic elsewhere leaves these plain queues whole, so its poison is of no concern.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Mailbox {
        Mailbox::new(Arc::new(Notify::new()), Arc::default())
    }

    /// Goal: a full urgent queue keeps its order and counts the newest. Method: one over the bound.
    #[test]
    fn urgent_refuses_the_newest_and_counts_it() {
        let mailbox = mailbox();
        for number in 0..=URGENT_QUEUE_FRAMES {
            mailbox.push(Lane::Urgent, number.to_be_bytes().to_vec());
        }
        assert_eq!(mailbox.take_dropped(), [1, 0, 0]);
        assert_eq!(mailbox.take_dropped(), [0, 0, 0]);
        assert_eq!(mailbox.pop(Lane::Urgent), Some(0usize.to_be_bytes().to_vec()));
    }

    /// Goal: bulk and repair make room by dropping the oldest, by bytes as well as by frames.
    #[test]
    fn bulk_and_repair_drop_the_oldest() {
        for (lane, bytes_max) in
            [(Lane::Bulk, BULK_QUEUE_BYTES), (Lane::Repair, REPAIR_QUEUE_BYTES)]
        {
            let mailbox = mailbox();
            mailbox.push(lane, vec![1; bytes_max / 2]);
            mailbox.push(lane, vec![2; bytes_max / 2]);
            assert_eq!(mailbox.take_dropped()[lane.index()], 0);
            mailbox.push(lane, vec![3]);
            assert_eq!(mailbox.take_dropped()[lane.index()], 1);
            assert_eq!(mailbox.pop(lane).map(|frame| frame[0]), Some(2));
        }
    }

    /// Goal: the bytes of all links together are bounded, and an urgent frame is taken even then;
    /// what leaves, leaves the count. Method: links filled with bulk until one is over.
    #[test]
    fn all_links_together_are_bounded() {
        let table = LinkTable::default();
        let queued = || table.gauges.queued_bytes.load(Ordering::Relaxed);
        let frame = || vec![1; BULK_QUEUE_BYTES];
        let links = QUEUED_BYTES_MAX / BULK_QUEUE_BYTES;
        let full: Vec<_> = (0..links)
            .map(|number| table.add([u8::try_from(number).expect("few"); 32]))
            .inspect(|mailbox| mailbox.push(Lane::Bulk, frame()))
            .collect();
        assert_eq!(queued(), QUEUED_BYTES_MAX);
        let over = table.add([255; 32]);
        over.push(Lane::Repair, vec![2]);
        over.push(Lane::Urgent, vec![3]);
        assert_eq!((over.take_dropped(), queued()), ([0, 0, 1], QUEUED_BYTES_MAX + 1));
        assert_eq!(full[0].pop(Lane::Bulk).map(|frame| frame.len()), Some(BULK_QUEUE_BYTES));
        over.push(Lane::Repair, vec![2]);
        assert_eq!((over.take_dropped(), over.pop(Lane::Repair)), ([0; 3], Some(vec![2])));
        (0..links).for_each(|n| table.remove(&[u8::try_from(n).expect("few"); 32]));
        drop(full);
        assert_eq!(queued(), 1, "only the urgent frame waits");
    }

    /// Goal: after a hangup nothing is taken silently. Method: close, push, count.
    #[test]
    fn a_closing_mailbox_counts_what_it_refuses() {
        let mailbox = mailbox();
        mailbox.push(Lane::Urgent, vec![1]);
        mailbox.push(Lane::Bulk, vec![2]);
        mailbox.close();
        mailbox.push(Lane::Urgent, vec![3]);
        assert_eq!(mailbox.take_dropped(), [1, 1, 0]);
        assert_eq!(mailbox.pop(Lane::Urgent), Some(vec![1]));
    }
}
