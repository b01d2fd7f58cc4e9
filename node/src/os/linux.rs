//! Linux: the boot clock, `/proc`, pidfds, the subreaper, what a socket is told, and
//! the keyring.
//!
//! A process is always meant together with its start time. Reading is by `/proc`, signalling by
//! pidfd. A name that cannot be proven to be still the same process is never signalled.

mod clock;
mod keyring;
mod load;
mod orphans;
mod peer;
mod posture;
mod process;
mod running;
mod socket;
mod strays;
mod tree;

pub use clock::{boot_id, boot_now_ns};
pub use keyring::KeyringError;
pub use orphans::{become_subreaper, end_below, end_orphans, has_ended, open_pidfd, wake};
pub use process::{is_warden, parents_of, process_alive};
pub use strays::end_strays;

pub(crate) use clock::BootTimer;
pub(crate) use keyring::{forget_secret, keep_secret, kept_secret};
pub(crate) use load::{load_thousandths, resident_bytes};
pub(crate) use peer::stands_below;
pub(crate) use posture::posture;
pub(crate) use process::{NODE_NAME, WARDEN_NAME, be_named, find_process, hide_memory, own_group};
pub(crate) use running::{Running, folder_of, open_program, running};
pub(crate) use socket::bound_tcp;
pub(crate) use tree::{Sweep, Tree};
