//! Agents on this device, whether anybody governs them or not: found where they run.
//!
//! A process is known by where its program lies or what it is called, its version by what its
//! package says, its file by hash. Nothing is started and nobody is asked over a network. Refused
//! here: calling the list complete; an agent under another name is found by its warden only.

mod configured;
mod known;
mod limits;
mod running;
mod version;

pub(crate) use configured::{Configured, ConfiguredConnector, configured, homes};
pub(crate) use known::KnownBy;
pub(crate) use running::{Found, Sight, look};
