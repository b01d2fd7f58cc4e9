//! Work between devices, and the signed word on what became of it.

use crate::codec::Bytes;
use crate::principal::DeviceId;
use crate::record;
use crate::signed::StatementId;

record! {
    /// Work given to a device, by the device of whoever delegates.
    pub struct Award("award") {
        /// The credential under which it is given: the delegator's, or the runner's own.
        1 => credential: StatementId,
        /// The delegation it rests on; absent where a tree begins.
        2 => delegation: Option<StatementId>,
        /// Who does it.
        3 => executor: DeviceId,
        /// The fence: a later award of the same work carries a higher one.
        4 => fence: u64,
        /// SHA-256 of the command line.
        5 => argv: [u8; 32],
        /// What happens when the delegator falls silent.
        6 => on_silence: OnSilence,
        /// How long the work may go on without hearing from its delegator, milliseconds.
        7 => lease_ms: u64,
        /// When it ends in any case, Unix milliseconds.
        8 => deadline_ms: Option<u64>,
        /// The file that travels with it.
        9 => payload: Option<Payload>,
    }
}

record! {
    /// A file that travels with work, named by its content.
    pub struct Payload("payload") {
        /// Its content hash: SHA-256 over the length and the SHA-256 of every piece of 1 MiB, so
        /// that each piece is verified as it arrives.
        1 => hash: [u8; 32],
        /// Its length, bytes.
        2 => bytes: u64,
        /// Its name in the task's folder.
        3 => name: String,
    }
}

crate::codes! {
    /// What work does when its delegator falls silent.
    pub enum OnSilence {
        /// It ends with the task lease.
        End = 1 "end",
        /// It runs on to its deadline; orders still bind through the device lease.
        RunToDeadline = 2 "run to deadline",
    }
}

record! {
    /// The executor has begun.
    pub struct Started("started") {
        /// Which award.
        1 => award: StatementId,
        /// The credential it runs under there.
        2 => credential: StatementId,
    }
}

record! {
    /// The executor says No before beginning.
    pub struct Refused("refused") {
        /// Which award.
        1 => award: StatementId,
        /// Why.
        2 => reason: String,
    }
}

record! {
    /// One task and everything below it must end.
    pub struct Cancel("cancel") {
        /// Which award.
        1 => award: StatementId,
        /// Why.
        2 => reason: String,
    }
}

record! {
    /// The executor's word on one award, or, with no award, that nothing of an order's ran there.
    /// The order or cancel that ended it stands in its refs.
    pub struct Receipt("receipt") {
        /// Which award; absent in a `none-ran` receipt.
        1 => award: Option<StatementId>,
        /// What became of it.
        2 => outcome: Outcome,
        /// What ended it.
        3 => cause: Cause,
        /// What the operating system showed.
        4 => seen: Seen,
        /// The enclosure it ran in.
        5 => wall: Wall,
        /// The device's own wall clock, Unix milliseconds; only shown.
        6 => wall_clock_ms: u64,
        /// Every award that the task ever made.
        7 => made: Vec<Made>,
        /// Acts refused to it.
        8 => attempts: u64,
        /// Acts permitted to it that left the device or changed it.
        9 => effects: u64,
        /// The end of this device's log of the tree before this receipt.
        10 => log: Option<LogMark>,
        /// Exit status of the main process.
        11 => exit: Option<u64>,
        /// Signal that ended the main process.
        12 => signal: Option<u64>,
        /// The last bytes of its output.
        13 => tail: Option<Bytes>,
    }
}

record! {
    /// One award that a task made.
    pub struct Made("made award") {
        /// The award.
        1 => award: StatementId,
        /// Who was to do it.
        2 => executor: DeviceId,
    }
}

record! {
    /// A place in the signer's log of a tree.
    pub struct LogMark("log mark") {
        /// The number.
        1 => seq: u64,
        /// The statement there.
        2 => id: StatementId,
    }
}

crate::codes! {
    /// What became of an award; one, final.
    pub enum Outcome {
        /// It never ran here.
        NeverStarted = 1 "never-started",
        /// It ended by itself before anything stopped it.
        FinishedBefore = 2 "finished-before",
        /// It was ended, and the process tree was seen empty.
        Stopped = 3 "stopped",
        /// A restart of the device ended it.
        StoppedByRestart = 4 "stopped-by-restart",
        /// Nobody saw the tree empty.
        NotProven = 5 "not-proven",
        /// Something in the tree could not be ended.
        Unstoppable = 6 "unstoppable",
    }
}

crate::codes! {
    /// What ended an award.
    pub enum Cause {
        /// It ended by itself.
        Itself = 1 "itself",
        /// An order.
        Order = 2 "order",
        /// A cancel.
        Cancel = 3 "cancel",
        /// The device lease ran out.
        Lapse = 4 "lapse",
        /// The delegator fell silent.
        Silence = 5 "silence",
        /// The node died.
        NodeDied = 6 "node-died",
        /// Its deadline came.
        Deadline = 7 "deadline",
        /// A release blocks its program.
        Release = 8 "release",
    }
}

crate::codes! {
    /// How the end was seen.
    pub enum Seen {
        /// The control group was empty.
        GroupEmpty = 1 "group empty",
        /// The operating system said that no child is left.
        NoChildrenLeft = 2 "no children left",
        /// Nobody looked, or nobody could.
        NotSeen = 3 "not seen",
    }
}

crate::codes! {
    /// The level of enforcement around a task.
    pub enum Wall {
        /// No other way than through the gate.
        Sealed = 1 "sealed",
        /// Some ways are open, and named.
        Partial = 2 "partial",
        /// The agent's own hooks ask the gate.
        HooksOnly = 3 "hooks only",
        /// Nothing.
        None = 4 "none",
    }
}
