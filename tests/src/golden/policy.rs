//! Policies: canonical bytes that a release names by their hash.

use super::Sample;
use belay_identity::body::{
    DataClass, DataMark, DeviceKind, HeldBy, Mode, Modes, Policy, UnknownBlocked,
};

/// A policy that says as little as one can, and one that says everything.
pub fn policies() -> Vec<Sample> {
    let mode = Mode::Enforce;
    let bare = Policy {
        rules: "@id(\"local\") permit(principal, action, resource);\n".into(),
        modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".into()],
        classes: vec!["default".into()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    };
    let whole = Policy {
        modes: Modes { local: Mode::Observe, outward: Mode::Ask, ..bare.modes.clone() },
        sanctioned: vec![[0x61; 32], [0x62; 32]],
        tolerated: vec![[0x63; 32]],
        unknown: Some(UnknownBlocked),
        announced: vec![DeviceKind::Laptop, DeviceKind::Phone],
        data: vec![
            DataClass { name: "internal".into(), marks: Vec::new() },
            DataClass { name: "secret".into(), marks: held_by_each() },
        ],
        ..bare.clone()
    };
    let sample = |(name, policy): (&str, Policy)| Sample {
        name: name.into(),
        id: None,
        bytes: policy.to_bytes(),
    };
    [("policy", whole), ("policy-bare", bare)].map(sample).into()
}

fn held_by_each() -> Vec<DataMark> {
    let mark = |kind: &HeldBy| DataMark { kind: *kind, name: format!("/a-{kind:?}") };
    HeldBy::ALL.iter().map(mark).collect()
}
