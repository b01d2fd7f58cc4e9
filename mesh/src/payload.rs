//! Payloads: files that travel with work, by content hash, and who may have them.
//!
//! An award names its payload; the executor fetches it from the delegator before the work starts,
//! and a task whose payload does not come never starts. The bytes never pass through the engine: it
//! says what to fetch, hears what came of it, and answers who may have what from the signed awards
//! alone, so that a restart changes nothing.
//!
//! Refused here: a payload for anybody but the executor of an award that names it and is still
//! open, and names that would leave the task's folder.

use crate::engine::Engine;
use crate::input::TaskEvent;
use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_PER_MS_MIN, PAYLOAD_NAME_CHARS_MAX};
use crate::output::Output;
use crate::task::{Phase, Task};
use belay_identity::body::{Award, Body, Payload};
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeSet;

/// The payload of a task: what it is, and whether it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cargo {
    pub(crate) payload: Payload,
    pub(crate) here: bool,
}

impl Engine {
    /// May the device of this key have this payload? Why not, for its log.
    pub fn may_have(&self, who: &PublicKey, hash: &[u8; 32]) -> Result<Payload, String> {
        let device = self.known.registry.device_by_key(who).ok_or("this key is no member's")?;
        if self.device_cut(&device.id) {
            return Err("an order stands against this device".into());
        }
        let theirs = |award: &Award| award.executor == device.id;
        let open = self.own_payloads().find(|(award, named)| theirs(award) && named.hash == *hash);
        let open = open.map(|(_, payload)| payload.clone());
        open.ok_or_else(|| "no open award of this device names this payload for you".into())
    }

    /// Payloads that somebody may still fetch here: of open awards, and of work being arranged.
    pub fn payloads_in_use(&self) -> BTreeSet<[u8; 32]> {
        let awarded = self.own_payloads().map(|(_, payload)| payload.hash);
        awarded.chain(self.work.offers.payloads()).collect()
    }

    /// Payloads of this device's own awards that are neither answered nor cancelled.
    fn own_payloads(&self) -> impl Iterator<Item = (&Award, &Payload)> {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        self.known.set.of_kind("award").filter_map(move |statement| {
            let Body::Award(award) = &statement.body else { return None };
            let payload = award.payload.as_ref()?;
            let id = statement.id();
            let open = statement.key() == self.key
                && !self.known.is_answered(&id)
                && tasks.cancelled(registry, &id).is_none();
            open.then_some((award, payload))
        })
    }

    /// Asks for the payload of a task that cannot start without it; true when it has to be waited
    /// for.
    pub(crate) fn awaits_payload(&mut self, award: StatementId) -> bool {
        let own = self.key;
        let Some(task) = self.work.task_mut(&award) else { return false };
        let Some(Cargo { payload, here: false }) = task.cargo.clone() else { return false };
        task.phase = Phase::Fetching;
        let from = task.delegator.unwrap_or(own);
        let said = self.known.presences.by(&from).map(|said| &said.body);
        let addresses = match said {
            Some(Body::Presence(presence)) => presence.addresses.clone(),
            _ => Vec::new(),
        };
        self.out(Output::Fetch { award, payload, from, addresses });
        true
    }

    /// A payload is here, or will not come.
    pub(crate) fn on_fetched(&mut self, award: StatementId, result: Result<(), String>) {
        let fetching = |task: &&mut Task| task.phase == Phase::Fetching;
        let Some(task) = self.work.task_mut(&award).filter(fetching) else { return };
        match result {
            Ok(()) => {
                task.cargo = task.cargo.take().map(|cargo| Cargo { here: true, ..cargo });
                self.start(award);
            }
            Err(why) => self.on_end(award, TaskEvent::NotStarted { why }),
        }
    }
}

/// What is wrong with a payload as somebody names it.
pub(crate) fn check_payload(payload: Option<&Payload>) -> Result<(), String> {
    let Some(Payload { bytes, name, .. }) = payload else { return Ok(()) };
    if *bytes > PAYLOAD_BYTES_MAX {
        return Err(format!("a payload of {bytes} bytes; at most {PAYLOAD_BYTES_MAX} travel"));
    }
    let short = (1..=PAYLOAD_NAME_CHARS_MAX).contains(&name.chars().count());
    let plain = !name.chars().any(|c| c == '/' || c.is_control()) && !name.starts_with('.');
    if short && plain {
        return Ok(());
    }
    Err("a payload's name is a plain file name that does not begin with a dot".to_owned())
}

/// How much longer than other work an award may take to begin, milliseconds.
pub(crate) fn fetching_ms(payload: Option<&Payload>) -> u64 {
    payload.map_or(0, |payload| payload.bytes.min(PAYLOAD_BYTES_MAX) / PAYLOAD_BYTES_PER_MS_MIN)
}
