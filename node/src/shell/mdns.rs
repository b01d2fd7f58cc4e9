//! Tells the local network's voice what the engine has announced, and the engine what was heard.
//!
//! Refused here: judging either. Where the file names whom to dial, or says `mdns = false`, nothing
//! is announced and nothing heard.

use super::Shell;
use crate::config::{Dials, NodeConfig};
use crate::transport::mdns::{Announced, MdnsNews, speak};
use belay_mesh::Input;
use tokio::sync::{mpsc, watch};

/// News of the local network not yet taken by the loop; more are lost, and heard again later.
const NEWS_QUEUED: usize = 16;

/// Begins to listen for what is to be announced; nothing is, where the file says so.
pub(super) fn start(config: &NodeConfig) -> (watch::Sender<Announced>, mpsc::Receiver<MdnsNews>) {
    let (announced, told) = watch::channel(Announced::default());
    let (news, heard) = mpsc::channel(NEWS_QUEUED);
    if config.mdns && config.dials == Dials::Fleet {
        tokio::spawn(speak(told, news));
    }
    (announced, heard)
}

impl Shell {
    /// Tells the voice under which name this device is announced, and where it listens.
    pub(super) fn tend_announcement(&mut self) {
        let now = Announced {
            tag: self.engine.announced_as(),
            at: Announced::sockets(self.addresses.iter()),
            alone: self.net.ways().is_empty(),
        };
        self.announced.send_if_modified(|before| {
            let news = *before != now;
            *before = now;
            news
        });
    }

    /// Whoever was heard may be dialled now.
    pub(super) fn on_mdns(&mut self, news: MdnsNews) {
        match news {
            MdnsNews::Heard(hints) => {
                self.give(Input::Hinted { hints });
                self.choose_neighbours();
            }
            MdnsNews::Failed(at, why) => self.log.line(&format!(
                "not announced on the local network of {at}: {why}; \
                 `mdns = false` under [mesh] in node.toml ends the trying"
            )),
        }
    }
}
