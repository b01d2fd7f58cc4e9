//! Hangs the engine's picture of who may come in beside the direct doors.
//!
//! Refused here: judging a key.

use super::Shell;
use crate::transport::NetCommand;
use crate::transport::direct::{Circuits, Doorway, Strangers};
use belay_mesh::doorway;
use std::collections::BTreeSet;

impl Shell {
    /// Hangs a fresh picture where something was learnt that may change it.
    pub(super) fn tend_doorway(&mut self) {
        let changes = self.engine.doorway_changes();
        if self.doorway == Some(changes) {
            return;
        }
        let doorway = hung(self.engine.doorway());
        // Links that are behind are told with the next thing that happens.
        if self.net.send(NetCommand::Know { doorway }).is_ok() {
            self.doorway = Some(changes);
        }
    }
}

fn hung(picture: doorway::Doorway) -> Doorway {
    let keys = |keys: BTreeSet<belay_identity::PublicKey>| keys.iter().map(|key| key.0).collect();
    let strangers = match picture.strangers {
        doorway::Strangers::Lobby => Strangers::Lobby,
        doorway::Strangers::Refused => Strangers::Refused,
    };
    let circuits = match picture.circuits {
        doorway::Circuits::Given => Circuits::Given,
        doorway::Circuits::Refused => Circuits::Refused,
    };
    Doorway { members: keys(picture.members), cut: keys(picture.cut), strangers, circuits }
}
