//! The end of the links: every peer hears the last urgent words, within bounds.
//!
//! Refused here: waiting for a peer longer than the bounds allow.

use std::time::Instant;

use libp2p::{futures::StreamExt as _, swarm::SwarmEvent};
use tokio::time::{sleep_until, timeout};

use super::{
    behaviour::LinksEvent,
    direct::DirectNews,
    key::device_key,
    limits::{CLOSE_WAIT, HANGUP_FLUSH},
    link::{Ended, TaskEnd},
    swarm::Shell,
};

impl Shell {
    /// Hangs up every link and waits for the peers to have read the last urgent frames, within
    /// bounds.
    pub(super) async fn close(mut self) {
        for link in self.links.values() {
            link.mailbox.close();
        }
        let end = Instant::now() + HANGUP_FLUSH + CLOSE_WAIT;
        while !self.links.is_empty() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_closing(event),
                news = self.direct.next() => {
                    if let DirectNews::Closed { peer, .. } = news {
                        self.links.remove(&peer);
                    }
                }
                Some(task) = self.tasks.join_next() => {
                    if let Ok(TaskEnd { peer, ended: Ended::Writer, .. }) = task {
                        self.disconnect(&peer);
                    }
                }
                () = sleep_until(end.into()) => break,
            }
        }
        // Whoever does not hear the last words hears nothing for the idle time instead.
        let _ = timeout(CLOSE_WAIT, self.direct.finish()).await;
    }

    fn on_closing(&mut self, event: SwarmEvent<LinksEvent>) {
        if let SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } = event
            && let Some(peer) = device_key(&peer_id)
        {
            self.links.remove(&peer);
        }
    }
}
