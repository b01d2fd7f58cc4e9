//! A link's one writer: urgent first, then bulk in slices, then repair.
//!
//! A lane writes only when every lane before it has nothing to write; a lane that the peer does not
//! read holds back the lanes after it and never those before it. A stream that breaks is opened
//! again while the connection lives, and the frame that it broke in is written again from its first
//! byte: the reader never saw it whole. Refused here: sending again what was written whole (repair
//! heals).

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::futures::{AsyncRead as _, AsyncWrite as _};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep, timeout},
};

use super::{
    handler::{Door, Wish},
    limits::{HANGUP_FLUSH, REOPEN_FIRST, REOPEN_LONGEST, SLICE_BYTES},
    message::Lane,
    pulse::Pulse,
    queue::Mailbox,
    stream::Stream,
};

/// Writes until the mailbox closes, then until the peer has read the last urgent frame, 1 s at
/// most.
pub(crate) async fn write_link(mailbox: Arc<Mailbox>, pulse: Arc<Pulse>) {
    let mut writer = Writer::new(mailbox, pulse);
    poll_fn(|cx| writer.poll_open(cx)).await;
    // Out of time: what was not delivered is counted when the link goes down.
    let _ = timeout(HANGUP_FLUSH, poll_fn(|cx| writer.poll_flushed(cx))).await;
}

struct Writer {
    mailbox: Arc<Mailbox>,
    pulse: Arc<Pulse>,
    door: Option<Door>,
    door_number: u64,
    lanes: [LaneOut; 3],
}

/// What became of one attempt to write.
enum Step {
    Wrote,
    Blocked,
    Idle,
}

impl Writer {
    fn new(mailbox: Arc<Mailbox>, pulse: Arc<Pulse>) -> Self {
        Self { mailbox, pulse, door: None, door_number: 0, lanes: Lane::ALL.map(LaneOut::new) }
    }

    /// Writes what waits; ready once the mailbox closes.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox.register(cx.waker());
        self.write_all(cx);
        match self.mailbox.is_closing() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Writes the last urgent frames; ready once the peer has let go of the ended urgent stream,
    /// which it does after reading it to its end.
    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox.register(cx.waker());
        self.write_all(cx);
        self.lanes[Lane::Urgent.index()].poll_ended(cx)
    }

    fn write_all(&mut self, cx: &mut Context<'_>) {
        loop {
            self.follow_door();
            for lane in &mut self.lanes {
                lane.keep_open(self.door.as_ref(), cx);
            }
            match self.write_one(cx) {
                Step::Wrote => {}
                Step::Blocked | Step::Idle => return,
            }
        }
    }

    /// Moves all lanes when the link changed its connection; dropping a stream ends it in order.
    fn follow_door(&mut self) {
        let (number, door) = self.mailbox.door();
        if number == self.door_number {
            return;
        }
        self.door_number = number;
        self.door = door;
        for lane in &mut self.lanes {
            lane.start_over();
        }
    }

    fn write_one(&mut self, cx: &mut Context<'_>) -> Step {
        for lane in &mut self.lanes {
            match lane.write(&self.mailbox, cx) {
                Step::Idle => {}
                Step::Wrote => {
                    self.pulse.said();
                    return Step::Wrote;
                }
                // A stream that a dead peer never opens is as silent as one that it never reads.
                Step::Blocked => {
                    self.pulse.said();
                    return Step::Blocked;
                }
            }
        }
        Step::Idle
    }
}

/// One lane's sending side.
struct LaneOut {
    lane: Lane,
    stream: Sending,
    frame: Option<Vec<u8>>,
    /// Bytes of `frame` that the stream has taken.
    written: usize,
    reopen_after: Duration,
}

enum Sending {
    Closed,
    Waiting(Pin<Box<Sleep>>),
    Opening(oneshot::Receiver<Stream>),
    Open(Stream),
    /// Nothing more will be written; the peer has not let go yet.
    Ending(Stream),
}

impl Sending {
    fn ending(self) -> Self {
        match self {
            Self::Open(stream) => Self::Ending(stream),
            Self::Closed | Self::Waiting(_) | Self::Opening(_) | Self::Ending(_) => self,
        }
    }
}

impl LaneOut {
    fn new(lane: Lane) -> Self {
        let (stream, reopen_after) = (Sending::Closed, REOPEN_FIRST);
        Self { lane, stream, frame: None, written: 0, reopen_after }
    }

    fn start_over(&mut self) {
        self.stream = Sending::Closed;
        self.written = 0;
        self.reopen_after = REOPEN_FIRST;
    }

    /// Takes the stream one step towards open, as often as it goes.
    fn keep_open(&mut self, door: Option<&Door>, cx: &mut Context<'_>) {
        loop {
            let next = match &mut self.stream {
                Sending::Closed => match door.and_then(|door| ask(door, self.lane)) {
                    Some(answer) => Sending::Opening(answer),
                    None if door.is_some() => self.pause(),
                    None => return,
                },
                Sending::Waiting(pause) => match pause.as_mut().poll(cx) {
                    Poll::Ready(()) => Sending::Closed,
                    Poll::Pending => return,
                },
                Sending::Opening(answer) => match Pin::new(answer).poll(cx) {
                    Poll::Ready(Ok(stream)) => Sending::Open(stream),
                    Poll::Ready(Err(_)) => self.pause(),
                    Poll::Pending => return,
                },
                Sending::Open(stream) => match poll_let_go(stream, cx) {
                    Poll::Ready(()) => self.pause(),
                    Poll::Pending => return,
                },
                Sending::Ending(_) => return,
            };
            self.stream = next;
        }
    }

    /// The wait after a failure; each is longer until a frame has been written.
    fn pause(&mut self) -> Sending {
        let wait = self.reopen_after;
        self.written = 0;
        self.reopen_after = (wait * 2).min(REOPEN_LONGEST);
        Sending::Waiting(Box::pin(sleep(wait)))
    }

    /// Writes one slice. Urgent counts as blocked until it is open, so that it is always first.
    fn write(&mut self, mailbox: &Mailbox, cx: &mut Context<'_>) -> Step {
        let Sending::Open(stream) = &mut self.stream else {
            return match self.lane {
                Lane::Urgent => Step::Blocked,
                Lane::Bulk | Lane::Repair => Step::Idle,
            };
        };
        if self.frame.is_none() {
            self.frame = mailbox.pop(self.lane);
        }
        let Some(frame) = &self.frame else {
            return Step::Idle;
        };
        let end = frame.len().min(self.written + SLICE_BYTES);
        match Pin::new(stream).poll_write(cx, &frame[self.written..end]) {
            Poll::Pending => Step::Blocked,
            Poll::Ready(Ok(taken)) if taken > 0 => {
                self.advance(taken);
                Step::Wrote
            }
            Poll::Ready(Ok(_) | Err(_)) => {
                self.stream = self.pause();
                Step::Wrote
            }
        }
    }

    fn advance(&mut self, taken: usize) {
        self.written += taken;
        if self.frame.as_ref().is_some_and(|frame| frame.len() == self.written) {
            self.frame = None;
            self.written = 0;
            self.reopen_after = REOPEN_FIRST;
        }
    }

    /// Ends the stream once nothing waits; ready once the peer has let go of it.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.frame.is_none() {
            self.stream = std::mem::replace(&mut self.stream, Sending::Closed).ending();
        }
        let Sending::Ending(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        match Pin::new(&mut *stream).poll_close(cx) {
            Poll::Ready(Ok(())) => poll_let_go(stream, cx),
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn ask(door: &Door, lane: Lane) -> Option<oneshot::Receiver<Stream>> {
    let (answer, stream) = oneshot::channel();
    door.try_send(Wish::Lane(lane, answer)).ok()?;
    Some(stream)
}

/// The peer writes nothing on our stream, so anything but silence means that it has let go.
fn poll_let_go(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
    let mut byte = [0];
    Pin::new(stream).poll_read(cx, &mut byte).map(|_| ())
}
