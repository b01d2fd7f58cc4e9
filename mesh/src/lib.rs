//! What this device decides and says: the sans-IO engine, and the gate beside it.
//!
//! The contract is three calls on `Engine`:
//!
//! - `handle(now, input)`: one thing happened;
//! - `poll() -> Option<Output>`: what to do about it, until empty;
//! - `next_deadline() -> Option<BootTime>`: when to call again if nothing happens.
//!
//! Same state, same `Now`, same input, same seed: same outputs, bit for bit. `wire::check` and
//! `gate::decide` are pure, so any thread may run them. Only our own fault may panic; a bad peer
//! costs a named refusal.
//!
//! Reading order: `input`, `output`, `engine`; then `stop`, `lease`, `task`; then work between
//! devices, `offload` with `errand`, `candidates`, `standing_offers` and `presence` on the giver's
//! side, `arriving` on the other; then `spread`, `gate`, `act`, `programs`, `lineage`. Below:
//! `wire`, `clocks`, `time`, `chance`, `limits`.

mod act;
pub mod approval;
mod arriving;
mod ask;
mod audit;
mod author;
pub mod authority_report;
mod bodies;
mod cancel;
mod candidates;
mod chance;
mod clocks;
pub mod doorway;
pub mod drafts;
mod engine;
pub mod epoch;
mod errand;
pub mod event;
mod fork;
pub mod gate;
mod held;
pub mod hints;
mod in_force;
pub mod input;
mod invariant;
mod inventory;
mod judging;
mod known;
mod leaf;
mod lease;
pub mod limits;
pub mod lineage;
pub mod listing;
pub mod names;
pub mod neighbours;
mod offload;
pub mod output;
mod papers;
mod passing;
mod payload;
pub mod policy_history;
pub mod policy_report;
mod presence;
pub mod programs;
mod relays;
mod repair;
pub mod replay;
mod shares;
mod spread;
pub mod standing;
mod standing_offers;
pub mod statements;
pub mod status;
mod stop;
mod task;
mod tend;
pub mod time;
mod wants;
pub mod why;
mod wind_down;
pub mod wire;

pub use audit::AuditCut;
pub use engine::{Config, Engine, Lends, Restored};
pub use input::{Input, Request};
pub use known::Folded;
pub use output::Output;
pub use shares::{Share, ShareLine};
pub use time::{BootTime, Now};
