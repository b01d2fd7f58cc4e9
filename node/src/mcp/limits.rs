//! Every bound of the gateway, with its reason.

/// Longest message of a client or a server, in bytes: a page of tools with rich schemas is below
/// 1 MiB, a screenshot in base64 a few; what is longer belongs into a resource on disk.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest nesting of a message: real schemas stay below 20, and a parser's stack is not for them.
pub(crate) const DEPTH_MAX: usize = 64;

/// Longest method name, in bytes: the longest known has 36.
pub(crate) const METHOD_BYTES_MAX: usize = 128;

/// Longest id of a request that is a text, in bytes: a UUID has 36.
pub(crate) const ID_BYTES_MAX: usize = 256;

/// Longest name of a tool, prompt or argument as a server gives it, in bytes (MCP 2025-11-25,
/// Tools, "Tool Names": 1 to 128).
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Longest name that a client is shown, in bytes: several clients cut at 64, and two names cut to
/// the same would be one.
pub(crate) const SHOWN_NAME_BYTES_MAX: usize = 64;

/// Longest name of a connector, in bytes: half of what a client is shown stays for the tool.
pub(crate) const CONNECTOR_NAME_BYTES_MAX: usize = 24;

/// Connectors of one device: what a person can still look through.
pub(crate) const CONNECTORS_MAX: usize = 64;

/// Words of a connector's command.
pub(crate) const COMMAND_WORDS_MAX: usize = 64;

/// Longest word of a connector's command, or its URL, in bytes.
pub(crate) const COMMAND_WORD_BYTES_MAX: usize = 4096;

/// Tools, prompts or resources that one server may list: ten times the largest known server.
pub(crate) const LISTED_MAX: usize = 2048;

/// Ways in which one server may be said to differ from what was approved: what a person still
/// looks through before approving it anew.
pub(crate) const DIFFERS_MAX: usize = 256;

/// Digits of a SHA-256 in hex.
pub(crate) const HASH_DIGITS: usize = 64;

/// Pages that one list may have; a server that always names a next page is lying.
pub(crate) const PAGES_MAX: usize = 64;

/// Requests that may be open at one session: beyond it the newest is refused, none is forgotten.
pub(crate) const OPEN_MAX: usize = 256;

/// Messages that wait for a server or client that does not read; then it is ended.
pub(crate) const QUEUE_MAX: usize = 256;

/// Flattened arguments of one call, in bytes: they travel to the gate on one line of the door,
/// which takes 256 KiB with their quoting.
pub(crate) const ARGUMENT_BYTES_MAX: usize = 96 * 1024;

/// Single values in the arguments of one call.
pub(crate) const ARGUMENTS_MAX: usize = belay_mesh::limits::ACT_ARGS_MAX;

/// Roots that a client may announce.
pub(crate) const ROOTS_MAX: usize = 64;

/// Questions of prospects on one line of the door: 64 names of the longest kind fit many times, and
/// the engine weighs no more at once.
pub(crate) const PROSPECTS_MAX: usize = belay_mesh::limits::OUTLOOK_ACTS_MAX;

/// Time for a server to start, shake hands and list its tools: `npx` may fetch a package first.
pub(crate) const START_MS_MAX: u64 = 60_000;

/// Time between two looks at what is late: every limit of time is many times that.
pub(crate) const TICK_MS: u64 = 1_000;

/// Time without a word about a request, progress counted, after which it is given up.
pub(crate) const SILENT_MS_MAX: u64 = 600_000;

/// Time that a server has to end by itself once its input is closed (MCP, stdio, "Shutdown").
pub(crate) const END_GRACE_MS: u64 = 1_000;

/// Time for the gate to answer: its own bound is the disk's.
pub(crate) const GATE_MS_MAX: u64 = 15_000;

/// Clients of an agent that may be connected at once: it and what it started.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// Longest head of a request, in bytes: the longest real one has a tenth.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Time for the head of a request; nobody keeps a seat by saying nothing.
pub(crate) const HEAD_MS_MAX: u64 = 10_000;

/// Time for the body of a request, on loopback.
pub(crate) const BODY_MS_MAX: u64 = 30_000;

/// Sessions of one agent: it, its sub-agents, and one for each era.
pub(crate) const SESSIONS_MAX: usize = 16;

/// Life of a token in an agent's file: minutes, so that one that was told is soon of no use.
pub(crate) const TOKEN_MS: u64 = 300_000;

/// How much longer the token before it is good: a client that has just read it may take its time.
pub(crate) const TOKEN_OVERLAP_MS: u64 = 60_000;

/// Messages that a session keeps for a client whose connection broke: more than a client misses
/// in the seconds until it is back.
pub(crate) const KEPT_MAX: usize = 256;

/// The same in bytes: of 16 sessions together no more than one message may be long.
pub(crate) const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Time after which an answer becomes a stream, so that a client sees that somebody works.
pub(crate) const FIRST_WORD_MS: u64 = 1_000;

/// Time between two signs of life on a stream: proxies and clients give up after 30 s or more.
pub(crate) const BEAT_MS: u64 = 15_000;

/// Questions on their way to the gate at once: the node puts those of one moment on disk together.
pub(crate) const ASKERS_MAX: usize = 12;

/// Time after which whoever has nothing to ask gives its seat at the door back.
pub(crate) const IDLE_MS_MAX: u64 = 5_000;

/// Resources of one server whose changes a client is told of: what fits well into one message.
pub(crate) const SUBSCRIBED_MAX: usize = 256;

/// Longest time between two tries to hear again of a server whose stream broke: as long as a
/// restart may take, and no burden where the server never comes back.
pub(crate) const LISTEN_AGAIN_MS_MAX: u64 = 60_000;

/// Times that a server may ask something before it answers one call.
pub(crate) const ROUNDS_MAX: usize = 16;

/// Questions that it may ask at a time.
pub(crate) const ASKED_MAX: usize = 16;

/// Time for a server's connection, its TLS included.
pub(crate) const CONNECT_MS_MAX: u64 = 10_000;

/// Connections to one server that wait for the next request.
pub(crate) const IDLE_CONNECTIONS_MAX: usize = 8;

/// Servers that a node reaches for its agents at once: each is some threads.
pub(crate) const REACHES_MAX: usize = 64;

/// Longest file of an authority, in bytes: a chain of a few certificates.
pub(crate) const CA_BYTES_MAX: usize = 64 * 1024;

/// Headers that open one server.
pub(crate) const HEADERS_MAX: usize = 16;

/// Bytes that may follow the message that answers until its connection is given up.
pub(crate) const REST_BYTES_MAX: usize = 64 * 1024;

/// Letters of a server's own words that are told on: a sentence or two.
pub(crate) const REASON_CHARS_MAX: usize = 300;
