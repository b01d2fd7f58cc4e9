//! What is known: the statement set, what two nodes lack of it, and the views folded from it.
//!
//! The set merges by union; views are pure folds that read no clock. They say "valid from, until",
//! and only the gate compares with time. Any permutation, duplication or batching of the same
//! statements folds to identical views (INV-SET-1). Reading order:
//!
//! 1. `set`: what is held, and what two nodes lack of each other; `layered`: maps shared by copies.
//! 2. `authority`: which root stands, who ever held what, which statements count.
//! 3. `orders`: what they cut, and what answered them; with it the second pass over grants.
//! 4. `releases`: which policy judges, and which judge apart.
//!    `manifests`: which operators answer for which programs.
//!    `rules`: the mistakes that would be silent, each a small function.
//! 5. `registry`, `tasks`, `case`: who there is, what runs for whom, what an order's end proves.
//!    `drafts`: policy that operators edit together.
//!    `presence`: what each device says it can do, and how busy it is.
//! 6. `views`: all of them in step with their set.

pub mod authority;
pub mod case;
pub mod drafts;
mod layered;
pub mod limits;
pub mod manifests;
pub mod orders;
pub mod presence;
pub mod registry;
pub mod releases;
mod rules;
pub mod set;
pub mod tasks;
pub mod views;

pub use authority::{Authority, Reach, Void};
pub use orders::{Cut, OperatorCut, Order, OrderKind, Orders, Revived, TimedHold};
pub use releases::{Judging, ReleaseInForce, Releases};
pub use set::{Held, Inserted, Set};
pub use views::Views;

#[cfg(test)]
mod lattice;
