//! INV-CENSUS-1: what a list says of the agents on a device, that device said itself, last as far
//! as the reader heard; each device stands in it once, in one of three populations; and only one
//! that is reached and tells counts as having answered.
//!
//! Refused here: whether a device told the truth of itself; whoever owns it can hide an agent.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::body::Inventory;
use belay_identity::{Body, Statement, Verified};
use belay_mesh::listing::{DeviceReach, DeviceReport, Population};
use std::collections::{BTreeMap, BTreeSet};

/// Which life of an author, and the number in it: the greater is the later word.
type Place = (u64, u64);

/// What each host has heard of each device's own words, the latest.
#[derive(Default)]
pub(super) struct Census {
    /// By device and place: everything that it ever said of itself.
    said: BTreeMap<(usize, Place), Inventory>,
    /// By reader and device: the latest that it heard in this life.
    heard: BTreeMap<(usize, usize), Place>,
}

impl Checker for Census {
    fn id(&self) -> &'static str {
        "INV-CENSUS-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Taken { node, statement, .. } => self.take(*node, statement, ledger),
            // What was not on disk is forgotten, and heard again.
            Sight::Restarted { node } => self.heard.retain(|(reader, _), _| reader != node),
            Sight::DevicesRead { node, reports } => {
                let wrong = self.wrong(*node, reports, ledger);
                tally.expect(wrong.is_none(), now, || {
                    format!("node {node} lists {}", wrong.unwrap_or_default())
                });
            }
            Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::LetGoOn { .. }
            | Sight::Acted { .. }
            | Sight::Digest { .. }
            | Sight::Sent { .. }
            | Sight::Talked { .. }
            | Sight::Links { .. }
            | Sight::DraftRead { .. }
            | Sight::CaseRead { .. }
            | Sight::End { .. } => {}
        }
    }
}

impl Census {
    fn take(&mut self, node: usize, statement: &Verified<Statement>, ledger: &Ledger) {
        let Body::Inventory(said) = &statement.body else { return };
        let Some(device) = ledger.node_of(&statement.key()) else { return };
        let place = (statement.incarnation.counter, statement.seq);
        self.said.insert((device, place), said.clone());
        let heard = self.heard.entry((node, device)).or_default();
        *heard = place.max(*heard);
    }

    /// What is wrong with a list; nothing where it is as it has to be.
    fn wrong(&self, node: usize, reports: &[DeviceReport], ledger: &Ledger) -> Option<String> {
        let mut listed = BTreeSet::new();
        for report in reports {
            let name = &report.name;
            let Some(device) = ledger.node_called(name) else {
                return Some(format!("{name}, which is no device"));
            };
            if !listed.insert(device) {
                return Some(format!("{name} twice"));
            }
            if let Some(wrong) = self.wrong_of(node, device, report) {
                return Some(format!("{name} {wrong}"));
            }
        }
        let of_others = self.heard.keys().filter(|(reader, _)| *reader == node);
        let left_out = of_others.map(|(_, device)| *device).find(|one| !listed.contains(one));
        left_out.map(|device| format!("nothing of node {device}, whose word it has"))
    }

    fn wrong_of(&self, node: usize, device: usize, report: &DeviceReport) -> Option<&'static str> {
        let reached = matches!(report.reach, DeviceReach::Here | DeviceReach::Linked(_));
        let tells = report.inventory.as_ref().is_some_and(|said| said.untold.is_none());
        let shown = report.inventory.as_ref().map_or(0, |said| said.agents.len());
        if (report.population() == Population::Answered) != (reached && tells) {
            return Some("among those that answered, or not among them, wrongly");
        }
        if report.population() == Population::Refused && tells && reached {
            return Some("as refusing, though it tells");
        }
        if !tells && shown > 0 {
            return Some("with agents of which it does not tell");
        }
        let Some(inventory) = &report.inventory else { return None };
        let latest = self.heard.get(&(node, device)).copied().unwrap_or_default();
        let since = self.said.range((device, latest)..=(device, (u64::MAX, u64::MAX)));
        let its_own = since.into_iter().any(|(_, said)| said == inventory);
        (!its_own).then_some("with something that it did not say, or said before")
    }
}
