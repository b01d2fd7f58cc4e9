//! INV-NET-1: bounded memory per peer, as far as it shows outside: links and frames stay in bounds.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_mesh::{limits, wire};

pub(super) struct Net;

impl Checker for Net {
    fn id(&self) -> &'static str {
        "INV-NET-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, _: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Sent { node, lane, bytes } => {
                tally.expect(*bytes <= wire::bytes_max(*lane), now, || {
                    format!("node {node} sends a {lane} frame of {bytes} bytes")
                });
            }
            Sight::Links { node, links } => {
                tally.expect(*links <= limits::LINKS_MAX, now, || {
                    format!("node {node} holds {links} links")
                });
            }
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::LetGoOn { .. }
            | Sight::Acted { .. }
            | Sight::Digest { .. }
            | Sight::Talked { .. }
            | Sight::Restarted { .. }
            | Sight::DraftRead { .. }
            | Sight::DevicesRead { .. }
            | Sight::CaseRead { .. }
            | Sight::End { .. } => {}
        }
    }
}
