//! A case file of three statements: the founding root epoch, a hold, a receipt.

use super::{Sample, founding, statements};
use belay_crdt::case::CaseFile;
use std::sync::Arc;

/// The sample of a case file.
pub fn case() -> Sample {
    let all = statements();
    let of = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, made)| made);
    let (hold, receipt) = (of("hold").expect(MADE), of("receipt").expect(MADE));
    let founding = founding();
    let mut held = [&founding, hold, receipt];
    held.sort_by_key(|made| made.id());
    let statements = held.map(|made| Arc::clone(made.bytes())).into();
    let file = CaseFile { order: hold.id(), statements };
    Sample { name: "case".into(), id: None, bytes: file.to_bytes() }
}

const MADE: &str = "a sample of every kind is made";
