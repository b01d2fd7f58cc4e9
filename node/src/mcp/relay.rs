//! A server behind the node: lines over the agents' door, as on a program's streams.
//!
//! The node hosts a gateway of its own there, for that one connector; it judges, so that an agent
//! that speaks to it directly gets no more than through this one. Refused here: waiting for a node
//! that does not read.

use super::child::{Heard, Line, lines};
use super::limits::{GATE_MS_MAX, QUEUE_MAX};
use crate::api::Ask;
use crate::api::connector::ConnectorAsk;
use crate::door::DoorClient;
use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// A server that the node reaches.
pub(super) struct Relay {
    stream: UnixStream,
    lines: SyncSender<String>,
}

impl Relay {
    /// Asks the node for it; `hear` is called from another thread.
    ///
    /// # Errors
    /// What the door says.
    pub(super) fn start(
        door: &Path,
        connector: &str,
        hear: impl Fn(Heard) + Send + 'static,
    ) -> io::Result<Self> {
        let stream = asked(door, connector).map_err(|error| io::Error::other(error.to_string()))?;
        stream.set_read_timeout(None)?;
        let (lines, queued) = sync_channel(QUEUE_MAX);
        let (heard, told) = (stream.try_clone()?, stream.try_clone()?);
        thread::Builder::new().spawn(move || read(heard, &hear))?;
        thread::Builder::new().spawn(move || write(told, &queued))?;
        Ok(Self { stream, lines })
    }

    /// Says a line; false where the node does not read.
    pub(super) fn say(&self, line: String) -> bool {
        // Its end is heard on its own.
        !matches!(self.lines.try_send(line), Err(TrySendError::Full(_)))
    }

    pub(super) fn end(self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn asked(door: &Path, connector: &str) -> Result<UnixStream, crate::door::DoorError> {
    let mut client = DoorClient::connect(door)?;
    client.wait_at_most(Duration::from_millis(GATE_MS_MAX))?;
    let ask = Ask::Connector(ConnectorAsk::Reach { name: connector.to_owned() });
    let () = client.call(&ask)?;
    Ok(client.into_stream())
}

fn read(stream: UnixStream, hear: &impl Fn(Heard)) {
    lines(BufReader::new(stream), |line| {
        let (heard, more) = match line {
            Line::Whole(bytes) => (Heard::Line(bytes), true),
            Line::TooLong => (Heard::TooLong, false),
        };
        hear(heard);
        more
    });
    hear(Heard::Ended("the node does not reach it any more".to_owned()));
}

fn write(mut stream: UnixStream, queued: &Receiver<String>) {
    while let Ok(mut line) = queued.recv() {
        line.push('\n');
        if stream.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}
