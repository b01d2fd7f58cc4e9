//! Every bound of discovery, with its reason.

/// Folders above a program in which its package may begin: the deepest layout known has five.
pub(super) const FOLDERS_UP_MAX: usize = 8;

/// Bytes of a `package.json` that is read: those of agents have some thousand.
pub(super) const PACKAGE_BYTES_MAX: u64 = 256 * 1024;

/// Bytes of a program that is hashed: the largest agent known has 250 MB.
pub(super) const PROGRAM_BYTES_MAX: u64 = 1 << 30;

/// Agents that are told of one device: more are a farm, of which the first say enough.
pub(crate) const AGENTS_MAX: usize = 256;

/// Bytes of an agent's configuration that is read: the largest holds a history of some MB.
pub(super) const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Connectors of one file that are told of.
pub(super) const CONNECTORS_MAX: usize = 256;

/// Homes and projects that are looked into: a shared machine has some dozen.
pub(super) const FOLDERS_MAX: usize = 256;
