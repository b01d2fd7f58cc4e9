//! Every bound of this room, with its reason.

use crate::shares::Share;

/// Bytes of a frame in the urgent lane: an order of 1 KiB with the root epochs that precede it.
pub const URGENT_FRAME_BYTES_MAX: usize = 8 * 1024;

/// Logs that a hold on an operator names: a third of the kilobyte that an order may have; every
/// start of a node at which he signs begins a log, and a root epoch seals in those before it.
pub const HOLD_REFS_MAX: usize = 8;

/// Bytes of a frame in the other lanes: one statement of 64 KiB and its framing.
pub const FRAME_BYTES_MAX: usize = 80 * 1024;

/// Bytes of statements put into one repair frame, so that a slow link yields between frames.
pub const REPAIR_FRAME_BYTES: usize = 48 * 1024;

/// Statements in one frame: bounds signature checks before the link has earned any.
pub const FRAME_STATEMENTS_MAX: usize = 256;

/// Ids in one announcement or wish.
pub const FRAME_IDS_MAX: usize = 1024;

/// Log heads in one frame; longer lists come in parts.
pub const FRAME_HEADS_MAX: usize = 256;

/// Parts of one list of heads: 65,536 logs, a fleet of thousands with its tasks.
pub const HEADS_PARTS_MAX: usize = 256;

/// Links that an engine holds at once: 4 outbound, 24 inbound seats, and room for the lobby.
pub const LINKS_MAX: usize = 40;

/// Ids that a link may announce before we have asked for them (protocol table of bounds).
pub const ANNOUNCED_MAX: usize = 256;

/// How long a wish waits before the next link that announced the id is asked, milliseconds.
pub const WANT_RETRY_MS: u64 = 1_000;

/// How often one link is repaired, milliseconds.
pub const REPAIR_EVERY_MS: u64 = 10_000;

/// The longest pause between two draws of the device lease, milliseconds.
pub const DRAW_EVERY_MS_MAX: u64 = 20_000;

/// The shortest pause between two draws, milliseconds: a lease of seconds must still be renewable.
pub const DRAW_EVERY_MS_MIN: u64 = 500;

/// Draws remembered while their answers are on the way; an older nonce is worth nothing.
pub const DRAWS_OPEN_MAX: usize = 32;

/// Answers of beacons that a gateway passes on at once: each is a signature to check.
pub const PASSED_MAX: usize = 16;

/// Heads that an answer to a draw lists, some 115 bytes each: beyond it the answer names them by
/// their hash alone, or who left a thousand short logs behind would make it longer than a frame.
pub const ANSWER_HEADS_MAX: usize = 256;

/// Bytes of the answers that a gateway passes on at once: they lie in one frame with the heads that
/// it lists itself.
pub const PASSED_BYTES_MAX: usize = 48 * 1024;

/// How long a credential lives, milliseconds: revocation by expiry within a quarter of an hour.
pub const CREDENTIAL_MS: u64 = 15 * 60_000;

/// When a credential is renewed, milliseconds before its end.
pub const CREDENTIAL_RENEW_MS: u64 = 5 * 60_000;

/// How far ahead a warden is fed, milliseconds: what a dead node can lend at most.
pub const FEED_AHEAD_MS: u64 = 30_000;

/// How long a bid keeps a place, milliseconds: one slow round trip.
pub const RESERVATION_MS: u64 = 5_000;

/// How long an offer waits for its bid, and an award for its start, milliseconds.
pub const OFFER_ANSWER_MS: u64 = 5_000;

/// Places kept at once: more offers than that are refused until some lapse.
pub const RESERVATIONS_MAX: usize = 64;

/// Places kept for one link: one peer cannot take them all.
pub const RESERVATIONS_PER_LINK_MAX: usize = 16;

/// Candidates asked at once: beyond three the wait grows hardly shorter and the places idle.
pub const OFFERS_AT_ONCE: usize = 3;

/// Pieces of work that wait for somebody to begin them: each holds a caller at a door.
pub const ERRANDS_MAX: usize = 256;

/// How long an asker waits for the lease of a silent award to end before somebody else is asked,
/// milliseconds. Where the lease is longer he is told so, and the award is cancelled.
pub const REAWARD_WAIT_MS: u64 = 60_000;

/// Pieces of work that one standing offer lets a device award at once: a burst, not a share.
pub const STANDING_PLACES: u64 = 4;

/// How long a standing offer stands, milliseconds. It is renewed by use alone, so a link without
/// work carries none of it.
pub const STANDING_MS: u64 = 60_000;

/// Places of all standing offers of one device: half of what it keeps for offers.
pub const STANDING_PLACES_MAX: u64 = 32;

/// From this load on a device takes no work it was not named for, unless its owner says otherwise;
/// thousandths of one core on average over its cores.
pub const LOAD_FULL: u64 = 750;

/// The steps in which a load is said, thousandths: fewer changes are news to the whole fleet.
pub const LOAD_STEP: u64 = 250;

/// The highest load that is said, thousandths: above it all are equally full.
pub const LOAD_MAX: u64 = 4_000;

/// The shortest pause between two words of a device about itself, milliseconds. One is about 350
/// bytes on each link that lacks it: 300 bytes a second leave room for fifty busy devices a minute.
pub const PRESENCE_EVERY_MS: u64 = 60_000;

/// The same where an address has changed, milliseconds: who moves, or has just found a relay, is
/// looked for there; an interface that comes and goes still says no more than six words a minute.
pub const ADDRESSES_EVERY_MS: u64 = 10_000;

/// The shortest pause between two heads of an audit log, milliseconds: of a thousand busy devices
/// one kilobyte a second on each link; what happened in it can be cut unseen.
pub const AUDIT_HEAD_EVERY_MS: u64 = 300_000;

/// The shortest pause between two words of a device about the agents on it, milliseconds: agents
/// come and go with people's work, and a list that is a minute old still tells who is there.
pub const INVENTORY_EVERY_MS: u64 = 60_000;

/// Agents and connectors that a device says of itself, each: a statement of about 8 KiB at most.
pub const INVENTORY_ITEMS_MAX: usize = 48;

/// Characters of one text in it: as long as a name may be.
pub const INVENTORY_CHARS_MAX: usize = 64;

/// Addresses and capabilities that a device says of itself, each: a statement of about 1 KiB.
pub const PRESENCE_ITEMS_MAX: usize = 16;

/// Characters of one address or capability.
pub const PRESENCE_CHARS_MAX: usize = 128;

/// Awards to this device that wait for the papers they rest on: what a repair brings out of order.
pub const EARLY_AWARDS_MAX: usize = 256;

/// Pieces of work that one task may give away, and awards that one receipt lists: with the longest
/// names that devices may have it still fits a statement.
pub const MADE_MAX: usize = 128;

/// Bytes of a file that travels with work: a large model or image, and 1,024 pieces.
pub const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Characters of the name of such a file: what every file system takes.
pub const PAYLOAD_NAME_CHARS_MAX: usize = 60;

/// Bytes in a millisecond that a payload takes at the slowest before its award counts as silent: a
/// poor mobile uplink.
pub const PAYLOAD_BYTES_PER_MS_MIN: u64 = 64;

/// Arguments of one act: what a large call flattens to. Each may be compared with every rule.
pub const ACT_ARGS_MAX: usize = 1_024;

/// Acts of which one outlook is asked: a page of tools, some milliseconds of the engine's time.
pub const OUTLOOK_ACTS_MAX: usize = 256;

/// How often a paused task is looked at again, for a hold that ends by its time, milliseconds.
pub const PAUSE_LOOK_MS: u64 = 1_000;

/// How long a task that nothing moved may go untended, milliseconds: only its time can have come,
/// which the fleet's clock tells, and minutes of credentials and leases hang on it.
pub const TEND_EVERY_MS: u64 = 100;

/// How often one link's list of heads is answered, milliseconds: a small question costs a long
/// answer.
pub const HEADS_EVERY_MS: u64 = 200;

/// Bytes pushed to one link in one round of repair: what a bulk queue takes; the next round goes
/// on.
pub const PUSH_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one author's among them, as long as others have anything to say.
pub const PUSH_BYTES_PER_AUTHOR_MAX: usize = PUSH_BYTES_MAX / 4;

/// What a device's key, with those of its agents, may cost another device: some twenty thousand
/// pieces of work, and a quarter of the logs that a list of heads can name.
pub const MEMBER_SHARE: Share = Share { statements: 1 << 17, bytes: 64 << 20, logs: 1 << 14 };

/// The same for a root's or an operator's key: an order every quarter of an hour for two years, or
/// the epochs of two years and more, one a month, of 5,000 devices with three logs each besides
/// their invites' (20,000 pins of some 110 bytes, 36 statements each); each start of a node at
/// which he signs begins two logs.
pub const OFFICE_SHARE: Share = Share { statements: 1 << 16, bytes: 64 << 20, logs: 1 << 13 };

/// The same for a key that was named and is nobody yet: it signs one enrolment, or one yes for each
/// life of the node at which a coming root gives it.
pub const NEWCOMER_SHARE: Share = Share { statements: 16, bytes: 128 << 10, logs: 16 };

/// The same for all keys that nobody here knows, together: what comes before its papers in a busy
/// minute.
pub const STRANGERS_SHARE: Share = Share { statements: 1 << 12, bytes: 4 << 20, logs: 1 << 12 };

/// Hundredths of its own share at which a device takes no more work, so that receipts still fit.
pub const SHARE_WORK_PERCENT: u64 = 90;

/// Hundredths of a share from which `status` tells of it.
pub const SHARE_SHOWN_PERCENT: u64 = 75;

/// How long a device that sees a fork waits at most before it writes the proof, milliseconds: a
/// flood of another's proof takes a tenth of it, and the fold has fenced the author before.
pub const PROOF_WAIT_MS_MAX: u64 = 2_000;

/// Bytes of the two statements in a proof: with its own envelope it is still a statement. Larger
/// ones are proof by themselves, wherever both are held.
pub const PROOF_BYTES_MAX: usize = 60 * 1024;

/// Proofs of forks kept of one key: a member that tells on many is believed a few at a time.
pub const PROOFS_PER_KEY_MAX: usize = 64;

/// Live tasks of one device: each holds a warden and its descriptors.
pub const TASKS_MAX: usize = 256;

/// The stop grace, milliseconds: time between terminate and kill.
pub const STOP_GRACE_MS: u64 = 250;

/// Writes under way at once; beyond it the engine says No to new work.
pub const WRITES_OPEN_MAX: usize = 4_096;

/// How long a failed write waits before its statements are written again, milliseconds.
pub const WRITE_AGAIN_MS: u64 = 1_000;

/// Clock-rate error between two devices, parts per million, generous for cheap oscillators.
pub const CLOCK_PPM: u64 = 200;

/// How far two words of one clock may lie apart before it has stepped, milliseconds: corrections of
/// a second are ordinary, and a lease that outlives a hidden pause by more is a lease too long.
pub const WALL_STEP_MS: u64 = 5_000;

/// How often a beacon reads its own clock to measure it by, milliseconds: 12 ms of drift between.
pub const OWN_CLOCK_EVERY_MS: u64 = 60_000;

/// How long a clock that has stepped goes on steadily before its word is taken again alone,
/// milliseconds: one that is set right takes an hour, one that jumps and is set back costs nothing.
pub const CLOCK_SETTLES_MS: u64 = 3_600_000;

/// Default deadline of a delegation, milliseconds: a working day.
pub const DELEGATION_MS: u64 = 8 * 3_600_000;

/// Default depth of a root delegation's chain below it.
pub const DELEGATION_DEPTH: u64 = 8;

/// Default number of permits of a delegation.
pub const DELEGATION_BUDGET: u64 = 1_000_000;

/// Decisions kept so that they can be explained: some minutes of a busy agent, 100 kB.
pub const DECISIONS_KEPT: usize = 256;

/// Characters kept of each text of a decision: what fits in three lines of a terminal.
pub const DECISION_TEXT_CHARS_MAX: usize = 240;

/// Characters of a target in what an agent is told of a No: a path that a person still reads.
pub const SHORT_TARGET_CHARS_MAX: usize = 120;

/// Characters of what would change a No, for the agent: a model reads every refusal as its input.
pub const SHORT_TEXT_CHARS_MAX: usize = 240;

/// The argument by which an agent says what an act is for: of it alone the value is kept.
pub const INTENT_ARG: &str = "belay.intent";

/// Characters of one text of an outcome: a line of a terminal.
pub const EVENT_TEXT_CHARS_MAX: usize = 120;

/// Effects named in one outcome; more are a job that should tell of its parts.
pub const EVENT_EFFECTS_MAX: usize = 8;

/// Links of a chain that an event names, the acting one last: as deep as a chain may be.
pub const EVENT_CHAIN_MAX: usize = 32;

/// Classes of data that an event or a delegation names of what somebody had met: one for each
/// release that judges, and what came from elsewhere.
pub const CARRIED_KEPT: usize = 4;

/// Bytes of the name of a class of data that work brings along: twice what a release may list.
pub const CARRIED_NAME_BYTES_MAX: usize = 64;

/// Names of arguments kept with a decision; more are not what decides.
pub const DECISION_ARGS_KEPT: usize = 16;

/// Names of known things that are named as nearest to one that is not: what fits in one line.
pub const NEAREST_NAMES_MAX: usize = 3;

/// Bytes of root epochs that go into an invite file: a year of monthly epochs of three hundred
/// devices, or two epochs of five thousand, and small enough to carry on any stick. A newcomer
/// hears of later ones from the member that lets it in.
pub const ROOTS_BYTES_MAX: usize = 6 << 20;

/// Bytes of a root epoch's body as it is drawn up, and of each part of its list of pins: a
/// statement of 64 KiB less its envelope, which is below 1 KiB, and room for an author's longest
/// name.
pub const EPOCH_BYTES_MAX: usize = 62 * 1024;

/// Policies of releases that wait for approvals, fetched so that they can be read before: as many
/// as operators have in hand at once; 64 KiB each.
pub const PROPOSED_BODIES_MAX: usize = 8;

/// Draft changes of one key that are kept: a year of a busy editor, and what bounds a liar among
/// the operators in memory and on disk.
pub const DRAFTS_PER_KEY_MAX: usize = 4_096;

/// Bytes of one key's draft changes: four operators at their bound stay below the 64 MiB that one
/// hostile document may cost a node.
pub const DRAFT_BYTES_PER_KEY_MAX: usize = 8 << 20;

/// How often one key's draft change is taken in from peers on average, milliseconds: two a second
/// are more than an editor saves.
pub const DRAFT_EVERY_MS: u64 = 500;

/// Draft changes of one key taken in at once: what a laptop wrote in a week without contact.
pub const DRAFT_BURST_MAX: u64 = 256;

/// Drafts in one list; beyond it the operators should publish or leave some.
pub const DRAFTS_SHOWN_MAX: usize = 1_024;

/// Branches of a draft that are compared with each other for lines both touched: a merge makes one
/// of them all, and more than a few at once nobody reads.
pub const DRAFT_BRANCHES_COMPARED_MAX: usize = 8;

/// Statements of one list: what a person looks through with a filter, and 2 MiB as text.
pub const STATEMENTS_LISTED_MAX: usize = 10_000;

/// Beacons that a device dials: what a quorum needs in most fleets, or the links to them would be
/// chance.
pub const NEIGHBOUR_BEACONS: usize = 3;

/// Anchors that a device dials beside them: two paths out of a site.
pub const NEIGHBOUR_ANCHORS: usize = 2;

/// Members of any kind that a device dials beside those, so that the links of a fleet stay one
/// piece when beacons and anchors are gone.
pub const NEIGHBOUR_OTHERS: usize = 2;

/// Members at which a device keeps a place to be reached over them: one may be gone.
pub const RELAYS_KEPT: usize = 2;

/// Anchors that a leaf dials.
pub const LEAF_NEIGHBOURS: usize = 3;

/// Members that a device dials because they were heard on its local network: a site that is cut off
/// from all others stays one piece.
pub const NEIGHBOUR_NEAR: usize = 2;

/// Announcements of the local network that are looked at in one call: with a hundred thousand
/// members each call costs as many hashes, however many were heard.
pub const HINTS_AT_ONCE_MAX: usize = 32;

/// Members of which is remembered where they were heard: more than are dialled.
pub const HINTS_MAX: usize = 64;

/// Addresses at which one member is remembered to have been heard: one of each network it is in.
pub const HINTS_PER_DEVICE_MAX: usize = 2;

/// How long that is believed without being heard again, milliseconds: three rounds of asking.
pub const HINT_KEPT_MS: u64 = 15 * 60_000;

/// How long a device keeps its choice of neighbours, milliseconds: an hour of a nearby liar.
pub const NEIGHBOURS_TURN_MS: u64 = 3_600_000;

/// How long a link with a revoked device lives after the order, milliseconds: orders in, receipts
/// out.
pub const WIND_DOWN_MS: u64 = 60_000;
