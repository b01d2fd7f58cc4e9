//! What the stories play on.
//!
//! `fleet` is what a story sees in either world, with the two adapters that play it. The rest is
//! the driver of real nodes: processes, a path that can be cut, eyes of its own.
//!
//! A story uses the public commands, as anybody would, and looks at `/proc` and at files beside
//! them. A state that does not come, or a command that ends otherwise than the story wants, panics
//! with its name: a story is a test. Refused here: asking a node what an outsider can see, and
//! leaving a process or a file behind.

mod bare;
pub mod behind_nat;
pub mod blocked_udp;
pub mod by_hand;
mod changed;
mod command;
pub mod figures;
pub mod fleet;
pub mod half_open;
mod kill_run;
pub mod lending;
pub mod local_network;
pub mod matrix;
mod nat;
mod nodes;
mod order_run;
pub mod real;
mod relay;
pub mod roaming;
mod script;
mod ssh;
mod telling;
mod terminal;
mod waiting;
mod witness;

pub use changed::change_a_receipt;
pub use command::{Answer, Belay, Running};
pub use kill_run::{Blow, KillRun, kill_run};
pub use nodes::{ANY_PORT, LAPTOP, LEASE, Nodes, ROBOT};
pub use order_run::{OrderRun, order_run};
pub use relay::Relay;
pub use script::WORKER_FILES;
pub use ssh::{Agent, orders_by};
pub use waiting::{SOON, wait_for};
pub use witness::{Process, Work, limit_files};
