//! Every bound of a hook, with its reason.

/// Bytes of one call on standard input: what the door takes at a time, and room for what a hook is
/// told and does not pass on.
pub(super) const CALL_BYTES_MAX: usize = 1024 * 1024;

/// Acts that one call may become: the files of one patch.
pub(super) const ACTS_MAX: usize = 64;

/// Arguments of one act: more than any tool takes, few enough for the rules to look at.
pub(super) const ARGS_MAX: usize = 256;

/// How deep a tool's arguments may nest.
pub(super) const ARGS_DEPTH_MAX: usize = 16;

/// Characters of what an agent says came of a call: an exit status, an error's first line.
pub(super) const NOTE_CHARS_MAX: usize = 160;

/// Tenants that a hook asks whose node does not know the agent: each may take a while to answer,
/// and all have to within what a hook waits.
pub(super) const TENANTS_MAX: usize = 8;

/// Links that are followed on the way to one file: as many as Linux follows.
pub(super) const LINKS_MAX: usize = 40;

/// Programs that are looked for in one line of a shell.
pub(super) const PROGRAMS_MAX: usize = 64;

/// How long a hook waits for the whole answer, in milliseconds: well below the patience of every
/// agent, so that the No is the hook's own and says why.
pub(super) const ANSWER_MS_MAX: u64 = 10_000;

/// What an agent is told to wait for its hook where it then denies, in seconds.
pub(super) const PATIENCE_S: u64 = 30;

/// The same where an agent that has waited long enough goes on, in seconds: a day, so that a hook
/// that was halted holds the call and does not let it through.
pub(super) const PATIENCE_THAT_LETS_S: u64 = 24 * 60 * 60;

/// How long an agent may take to say which hooks it has, in milliseconds.
pub(super) const HOOKS_LISTED_MS_MAX: u64 = 20_000;
