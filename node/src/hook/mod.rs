//! The hooks of real coding agents: what an agent is about to do becomes acts for the gate, and
//! what the gate says goes back in that agent's own words.
//!
//! A dialect is pure: bytes in, acts out; a saying in, bytes out. One file holds each. `answer`
//! alone touches the world: it reads the call, finds where paths lead, asks the node, and says No
//! whenever it cannot. `lend` gives an agent its hook for one run.
//!
//! Refused here: deciding, and believing that a hook holds an agent which may run any program as
//! its user; that is the wall's work, and `hooks only` is said wherever a hook is all there is.

mod acts;
mod answer;
mod call;
mod change;
mod claude_code;
mod codex;
mod dialect;
mod lend;
mod limits;
mod places;
mod shell_line;
mod trust;
mod wrap;

pub(crate) use answer::answer;
pub(crate) use dialect::Dialect;
pub(crate) use lend::{HookCommand, lend};
pub(crate) use places::{Place, open_ways, wanted};
pub(crate) use wrap::{Stands, Undone, Wrap};
