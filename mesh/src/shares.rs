//! What each author may cost this device: a share of its memory and its disk that nobody outgrows.
//!
//! Whoever signs is charged: an operator or root for his own logs, a device for its own and for
//! those of the agents whose credentials it signed. A key that nobody here knows has no share of
//! its own, or a member could have as many as it likes: all of those together have one small share,
//! and are charged anew once their papers have come. What does not fit is neither kept nor passed
//! on; repair offers it again (INV-NET-1).
//!
//! A share belongs to a key, so a device that has used its own up begins anew with another key,
//! which an operator certifies. It stops taking work before that, so that what ends work still
//! fits. Drafts have rooms of their own (`crate::drafts`); a register replaces itself.
//!
//! Refused here: dropping what is held, and saying whether it counts; the folds do that.

use crate::engine::Engine;
use crate::known::Known;
use crate::limits::{
    MEMBER_SHARE, NEWCOMER_SHARE, OFFICE_SHARE, REPAIR_EVERY_MS, SHARE_SHOWN_PERCENT,
    SHARE_WORK_PERCENT, STRANGERS_SHARE,
};
use crate::output::{Refusal, RefusalKind};
use crate::time::BootTime;
use belay_crdt::set::is_register;
use belay_identity::body::Body;
use belay_identity::principal::Principal;
use belay_identity::{Class, PublicKey, Scope, Statement, StatementId, Verified};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an author's statements cost, or may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How many there are.
    pub statements: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How many logs they stand in: each is a line in every list of heads.
    pub logs: usize,
}

/// Whose share a statement is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Payer {
    /// A key that is or was a root's or an operator's.
    Office(PublicKey),
    /// A device's key.
    Member(PublicKey),
    /// A key that somebody in office has named and that is nobody yet: an invite's, a coming
    /// root's.
    Newcomer(PublicKey),
    /// All other keys together.
    Strangers,
}

/// Whom a statement is charged to, and what it costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bill {
    payer: Payer,
    cost: Share,
}

/// What every author has used of his share; copies share what was counted from one disk.
#[derive(Clone, Default)]
pub(crate) struct Shares {
    counted: Arc<BTreeMap<Payer, Share>>,
    since: BTreeMap<Payer, Share>,
    /// What is charged to nobody in particular, and at what cost.
    strangers: Vec<(StatementId, Share)>,
    /// When those were last asked after.
    asked_after: BootTime,
}

/// An author who has used most of his share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLine {
    /// His name; none for all whom nobody here knows.
    pub author: Option<String>,
    /// How much of it, in hundredths, of what he has used most.
    pub percent: u64,
}

impl Share {
    fn and(self, more: Self) -> Self {
        Self {
            statements: self.statements.saturating_add(more.statements),
            bytes: self.bytes.saturating_add(more.bytes),
            logs: self.logs.saturating_add(more.logs),
        }
    }

    fn less(self, gone: Self) -> Self {
        Self {
            statements: self.statements.saturating_sub(gone.statements),
            bytes: self.bytes.saturating_sub(gone.bytes),
            logs: self.logs.saturating_sub(gone.logs),
        }
    }

    fn fits(self, whole: Self) -> bool {
        self.statements <= whole.statements && self.bytes <= whole.bytes && self.logs <= whole.logs
    }

    /// How much of a whole it is, in hundredths, by what it has most of.
    fn percent(self, whole: Self) -> u64 {
        let part = |used: usize, of: usize| (used as u64).saturating_mul(100) / (of as u64).max(1);
        let statements = part(self.statements, whole.statements);
        statements.max(part(self.bytes, whole.bytes)).max(part(self.logs, whole.logs))
    }
}

impl Payer {
    /// Who pays for a statement first of all.
    pub(crate) fn of(known: &Known, statement: &Verified<Statement>) -> Self {
        payers(known, statement).first().copied().unwrap_or(Self::Strangers)
    }

    fn whole(self) -> Share {
        match self {
            Self::Office(_) => OFFICE_SHARE,
            Self::Member(_) => MEMBER_SHARE,
            Self::Newcomer(_) => NEWCOMER_SHARE,
            Self::Strangers => STRANGERS_SHARE,
        }
    }
}

impl Shares {
    /// What is used by what is held already.
    pub(crate) fn of(known: &Known) -> Self {
        let mut shares = Self::default();
        let mut last = None;
        for held in known.set.in_logs() {
            let log = held.log(held.key());
            let logs = usize::from(last.as_ref() != Some(&log));
            last = Some(log);
            if !is_counted(held) {
                continue;
            }
            let cost = Share { statements: 1, bytes: held.bytes().len(), logs };
            let payer = shares.who_can_pay(known, held, cost);
            shares.charge(payer.unwrap_or_else(|| Payer::of(known, held)), held.id(), cost);
        }
        shares.counted = Arc::new(std::mem::take(&mut shares.since));
        shares
    }

    fn used(&self, payer: Payer) -> Share {
        let counted = || self.counted.get(&payer);
        self.since.get(&payer).or_else(counted).copied().unwrap_or_default()
    }

    fn has_room(&self, payer: Payer, cost: Share) -> bool {
        self.used(payer).and(cost).fits(payer.whole())
    }

    /// The first of those who may pay for a statement and can.
    fn who_can_pay(
        &self,
        known: &Known,
        statement: &Verified<Statement>,
        cost: Share,
    ) -> Option<Payer> {
        payers(known, statement).into_iter().find(|payer| self.has_room(*payer, cost))
    }

    fn charge(&mut self, payer: Payer, id: StatementId, cost: Share) {
        if payer == Payer::Strangers {
            self.strangers.push((id, cost));
        }
        let used = self.used(payer).and(cost);
        self.since.insert(payer, used);
    }

    /// Charges what strangers signed to those who have become known and have room for it.
    fn ask_after_strangers(&mut self, known: &Known) {
        for (id, cost) in std::mem::take(&mut self.strangers) {
            let left = self.used(Payer::Strangers).less(cost);
            self.since.insert(Payer::Strangers, left);
            let payer = known.get(&id).and_then(|held| self.who_can_pay(known, held, cost));
            self.charge(payer.unwrap_or(Payer::Strangers), id, cost);
        }
    }

    fn all(&self) -> impl Iterator<Item = (Payer, Share)> {
        let only = self.counted.iter().filter(|(payer, _)| !self.since.contains_key(payer));
        only.chain(&self.since).map(|(payer, used)| (*payer, *used))
    }
}

/// A register has one statement for each place, and drafts have rooms of their own.
pub(crate) fn is_counted(statement: &Statement) -> bool {
    !is_register(statement.class) && statement.class != Class::Draft
}

/// Who may pay for a statement.
fn payers(known: &Known, statement: &Verified<Statement>) -> Vec<Payer> {
    let key = statement.key();
    if known.authority.held_office(&key) {
        return vec![Payer::Office(key)];
    }
    if is_members(known, &key, &statement.author) {
        return vec![Payer::Member(key)];
    }
    let issuers: Vec<Payer> = known.registry.issuers_of(&key).map(Payer::Member).collect();
    if !issuers.is_empty() {
        return issuers;
    }
    match is_named(known, statement) {
        true => vec![Payer::Newcomer(key)],
        false => vec![Payer::Strangers],
    }
}

/// True for the key that a device has, or had before an enrolment replaced it.
fn is_members(known: &Known, key: &PublicKey, author: &Principal) -> bool {
    let once = match author {
        Principal::Device(device) => known.registry.speaks_for(key, device),
        _ => false,
    };
    once || known.registry.device_by_key(key).is_some()
}

/// True for the enrolment that an invite lets a key sign, and for a root's yes to his own coming.
fn is_named(known: &Known, statement: &Verified<Statement>) -> bool {
    let of = match &statement.body {
        Body::Enrol(_) => statement.refs.first(),
        Body::Approve(yes) => Some(&yes.of),
        _ => None,
    };
    match of.and_then(|of| known.get(of)).map(|of| &of.body) {
        Some(Body::Invite(invite)) => invite.key == statement.key(),
        Some(Body::Root(root)) => root.keys.contains(&statement.key()),
        _ => false,
    }
}

impl Engine {
    /// Whether a peer's statement fits what its author may cost this device.
    pub(crate) fn takes(&mut self, statement: &Verified<Statement>) -> bool {
        if statement.class == Class::Draft {
            return self.takes_draft(statement);
        }
        if is_register(statement.class) {
            // One place for each device: what it says of itself, to everybody; and one for what it
            // says of the agents on it, to its site.
            let own = is_members(&self.known, &statement.key(), &statement.author);
            return own && (statement.scope == Scope::Fleet || self.is_inventory(statement));
        }
        self.fits(statement) || {
            let again = self.shares.asked_after.plus_ms(REPAIR_EVERY_MS);
            let due = self.now.boot >= again && !self.shares.strangers.is_empty();
            if due {
                self.shares.asked_after = self.now.boot;
                self.shares.ask_after_strangers(&self.known);
            }
            due && self.fits(statement)
        }
    }

    fn fits(&self, statement: &Verified<Statement>) -> bool {
        self.shares.who_can_pay(&self.known, statement, self.cost(statement)).is_some()
    }

    /// What a statement that is not held would cost.
    fn cost(&self, statement: &Verified<Statement>) -> Share {
        let log = statement.log(statement.key());
        let logs = usize::from(self.known.set.log(&log).next().is_none());
        Share { statements: 1, bytes: statement.bytes().len(), logs }
    }

    /// Whom a statement that is not held would be charged to, and what it would cost: as long as it
    /// is not held, for it may change who its author is.
    pub(crate) fn bill(&self, statement: &Verified<Statement>) -> Bill {
        let cost = self.cost(statement);
        let payer = self.shares.who_can_pay(&self.known, statement, cost);
        Bill { payer: payer.unwrap_or_else(|| Payer::of(&self.known, statement)), cost }
    }

    /// Counts a statement that was taken in.
    pub(crate) fn note_cost(&mut self, statement: &Verified<Statement>, bill: Bill) {
        if statement.class == Class::Draft {
            self.rooms.note(statement);
        }
        if is_counted(statement) {
            self.shares.charge(bill.payer, statement.id(), bill.cost);
        }
    }

    /// # Panics
    /// When what a peer sent has outgrown the share of who pays for it: our own fault.
    pub(crate) fn check_share(&self, bill: Bill) {
        let used = self.shares.used(bill.payer);
        let fits = used.fits(bill.payer.whole());
        assert!(fits, "INV-NET-1: {:?} is charged {used:?}", bill.payer);
    }

    /// Work begins only while what ends it will surely fit.
    pub(crate) fn has_share_for_work(&self) -> Result<(), Refusal> {
        let payer = Payer::Member(self.key);
        if self.shares.used(payer).percent(payer.whole()) < SHARE_WORK_PERCENT {
            return Ok(());
        }
        let why = "this device has nearly used up what its peers keep of one key";
        let hint = "an operator gives it another key: `belay key rotate device`";
        Err(Refusal::new(RefusalKind::Failed, why, hint))
    }

    /// Everybody who has used most of his share, the fullest first.
    pub(crate) fn share_lines(&self) -> Vec<ShareLine> {
        let line = |(payer, used): (Payer, Share)| {
            let percent = used.percent(payer.whole());
            (percent >= SHARE_SHOWN_PERCENT).then(|| self.share_line(payer, percent))
        };
        let mut lines: Vec<ShareLine> = self.shares.all().filter_map(line).collect();
        lines.sort_by(|one, other| (other.percent, &one.author).cmp(&(one.percent, &other.author)));
        lines
    }

    fn share_line(&self, payer: Payer, percent: u64) -> ShareLine {
        let author =
            match payer {
                Payer::Office(key) => {
                    let operator = self.known.authority.operator(&key);
                    Some(operator.map_or_else(
                        || format!("root {}", key.to_hex()),
                        |id| id.name().to_owned(),
                    ))
                }
                Payer::Member(key) | Payer::Newcomer(key) => Some(self.name_of(&key)),
                Payer::Strangers => None,
            };
        ShareLine { author, percent }
    }
}
