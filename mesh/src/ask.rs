//! What is asked at this device's own doors.
//!
//! Operators' statements arrive signed: the calling process signs, this node only numbers, checks,
//! writes and sends. Refused here: signing for anybody.

use crate::engine::{Effect, Engine};
use crate::input::{AskId, Request};
use crate::limits::ROOTS_BYTES_MAX;
use crate::output::{Answer, Place, Refusal, RefusalKind};
use belay_crdt::authority::{Authority, Void};
use belay_crdt::case::CaseFile;
use belay_crdt::orders::Orders;
use belay_identity::body::Role;
use belay_identity::{
    Class, Incarnation, LogId, PublicKey, Scope, Statement, StatementId, Verified,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

impl Engine {
    /// Takes up what was asked: an act is answered when it is done, a question at once.
    pub(crate) fn on_ask(&mut self, ask: AskId, request: Request) {
        let answer = match request {
            Request::Submit { statements, bodies } => {
                return self.on_submit(ask, statements, &bodies);
            }
            Request::Propose { statements } => return self.on_propose(ask, statements),
            Request::Run(run) => return self.on_run(ask, run),
            Request::Act(act) => return self.on_act(ask, act),
            Request::Outlook { task, acts } => {
                self.outlook(task, &acts).map(|outlook| Answer::Outlook(Box::new(outlook)))
            }
            Request::Offload(want) => return self.on_offload(ask, want),
            Request::Cancel { award, by, reason } => {
                return self.on_cancel(ask, &award, by, reason);
            }
            Request::Outcome { task, told } => return self.on_told(ask, task, told),
            Request::Status => Ok(Answer::Status(self.status())),
            Request::Place { key, class } => Ok(Answer::Place(self.place(key, class))),
            Request::Roots => Ok(Answer::Roots(self.root_bytes())),
            Request::Waiting { id } => self.waiting_named(id.as_deref()).map(Answer::Waiting),
            Request::Authority => Ok(Answer::Authority(Box::new(self.authority_report()))),
            Request::NextEpoch { change } => {
                self.draw_up(&change).map(|draft| Answer::NextEpoch(Box::new(draft)))
            }
            Request::Progress { order } => {
                self.known_order(order).map(|()| Answer::Progress(self.progress(order)))
            }
            Request::Case { order } => {
                self.known_order(order).and_then(|()| self.case_file(order)).map(Answer::Case)
            }
            Request::Devices => Ok(Answer::Devices(self.device_reports())),
            Request::Agents { name: None } => Ok(Answer::Agents(self.agent_reports())),
            Request::Agents { name: Some(name) } => {
                self.agent_named(&name).map(|report| Answer::Agents(vec![report]))
            }
            Request::Tasks { of } => self.task_reports(&of).map(Answer::Tasks),
            Request::Why { of, asker } => self.why(&of, asker).map(Answer::Why),
            Request::Standing { subject } => {
                Ok(Answer::Standing(Box::new(self.standing_against(&subject))))
            }
            Request::StandingNamed { ids } => {
                self.standing_named(&ids).map(|report| Answer::Standing(Box::new(report)))
            }
            Request::History => Ok(Answer::History(self.release_history())),
            Request::Release { version } => {
                self.release_of(&version).map(|release| Answer::Release(Box::new(release)))
            }
            Request::Drafts => Ok(Answer::Drafts(self.draft_lines())),
            Request::Draft { name } => {
                self.draft_named(&name).map(|draft| Answer::Draft(Box::new(draft)))
            }
            Request::Statements { kind, author } => {
                Ok(Answer::Statements(self.statement_list(kind.as_deref(), author.as_deref())))
            }
            Request::Statement { id } => self.statement_bytes(&id).map(Answer::Statement),
            Request::Manifests => Ok(Answer::Manifests(self.manifest_reports())),
            Request::Programs { of } => self.program_reports(&of).map(Answer::Programs),
            Request::Policy { agent } => {
                self.policy_report(agent.as_deref()).map(|report| Answer::Policy(Box::new(report)))
            }
        };
        self.answer(ask, answer);
    }

    /// Root epochs with their lists of pins and approvals, original bytes, oldest first: as many as
    /// an invite file has room for. Whoever is let in hears of the others from who lets him in.
    fn root_bytes(&self) -> Vec<Vec<u8>> {
        let mut left = ROOTS_BYTES_MAX;
        let fits = |bytes: &Vec<u8>| match left.checked_sub(bytes.len()) {
            Some(less) => {
                left = less;
                true
            }
            None => false,
        };
        let roots = self.known.epochs_after(0);
        roots.iter().map(|root| root.bytes().to_vec()).take_while(fits).collect()
    }

    /// Where the next statement of an operator's key stands in the log that this state numbers.
    fn place(&self, key: PublicKey, class: Class) -> Place {
        let incarnation = self.incarnation_of(key);
        let log = LogId { key, class, scope: Scope::Fleet, incarnation };
        let (seq, prev) = self.known.set.next_place(&log);
        Place {
            incarnation,
            seq,
            prev,
            epoch: self.known.epoch(),
            fleet: self.config.fleet,
            device: self.own_id(),
            member: self.known.registry.device_by_key(&key).map(|d| (d.id.clone(), d.enrol)),
            operator: self.known.authority.operator(&key).cloned(),
            root: self.known.authority.is_root_key(&key) || self.is_proposed_root(&key),
        }
    }

    /// One key used at two nodes makes two logs: the 16 bytes belong to this state and this key.
    fn incarnation_of(&self, key: PublicKey) -> Incarnation {
        self.incarnation_in(self.incarnation, key)
    }

    /// The same in one life of this state.
    pub(crate) fn incarnation_in(&self, own: Incarnation, key: PublicKey) -> Incarnation {
        let hash = Sha256::new().chain_update(b"belay operator incarnation 1\0");
        let hash = hash.chain_update(own.counter.to_be_bytes()).chain_update(own.drawn);
        let hash = hash.chain_update(self.key.0).chain_update(key.0).finalize();
        let mut drawn = [0; 16];
        drawn.copy_from_slice(&hash[..16]);
        Incarnation { counter: 1, drawn }
    }

    fn on_submit(&mut self, ask: AskId, statements: Vec<Verified<Statement>>, bodies: &[Vec<u8>]) {
        let statements: Vec<Arc<Verified<Statement>>> =
            statements.into_iter().map(Arc::new).collect();
        let checked = self
            .may_submit(&statements)
            .and_then(|()| self.may_found(&statements))
            .and_then(|()| self.may_grant(&statements))
            .and_then(|()| self.may_name_key(&statements))
            .and_then(|()| self.may_approve(&statements))
            .and_then(|()| self.may_draft(&statements))
            .and_then(|()| self.drafts_stand(&statements))
            .and_then(|()| self.may_publish(&statements, bodies))
            .and_then(|()| self.would_count(&statements));
        if let Err(refusal) = checked {
            return self.answer(ask, Err(refusal));
        }
        for body in bodies {
            if let Err(why) = self.keep_policy(body) {
                let hint = "mend the policy and publish again";
                let refusal = Refusal::new(RefusalKind::WrongUse, why, hint);
                return self.answer(ask, Err(refusal));
            }
        }
        self.keep_submitted(ask, &statements);
    }

    /// Takes in what others are still to approve; nothing else is let in by this way.
    fn on_propose(&mut self, ask: AskId, statements: Vec<Verified<Statement>>) {
        let statements: Vec<Arc<Verified<Statement>>> =
            statements.into_iter().map(Arc::new).collect();
        match self.may_submit(&statements).and_then(|()| self.may_wait(&statements)) {
            Ok(()) => self.keep_submitted(ask, &statements),
            Err(refusal) => self.answer(ask, Err(refusal)),
        }
    }

    fn keep_submitted(&mut self, ask: AskId, statements: &[Arc<Verified<Statement>>]) {
        let ids: Vec<StatementId> = statements.iter().map(|s| self.keep_own(s.clone())).collect();
        self.once_written(Effect::Answer(ask, Box::new(Answer::Accepted(ids))));
    }

    /// Orders alone wait here, for what approvals can give; other faults are said as of any order.
    fn may_wait(&self, statements: &[Arc<Verified<Statement>>]) -> Result<(), Refusal> {
        if let Some(other) = statements.iter().find(|statement| !statement.is_order()) {
            let why = format!("a statement of kind {} is no order", other.body.kind());
            let hint = "use `belay` of the version that runs the node";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
        let orders = self.orders_with(statements);
        let root = Void::Role("root");
        let waits = [Void::Alone, Void::Repeated, Void::Budget, root];
        let lasting =
            |id: &StatementId| orders.void().get(id).is_some_and(|void| !waits.contains(void));
        match statements.iter().any(|statement| lasting(&statement.id())) {
            true => self.would_count(statements),
            false => Ok(()),
        }
    }

    fn orders_with(&self, statements: &[Arc<Verified<Statement>>]) -> Orders {
        let mut set = self.known.set.clone();
        for statement in statements {
            set.insert(statement.clone());
        }
        Orders::fold(&set, &Authority::fold(&set))
    }

    /// An order that would not count stops nobody: its author hears so before it is signed into the
    /// log, where he can have it co-signed instead.
    fn would_count(&self, statements: &[Arc<Verified<Statement>>]) -> Result<(), Refusal> {
        if !statements.iter().any(|statement| statement.is_order()) {
            return Ok(());
        }
        let orders = self.orders_with(statements);
        let void = statements.iter().find_map(|s| orders.void().get(&s.id()));
        let hint =
            "name an agent or a device beside it, or have a second security operator approve";
        match void {
            Some(void) => {
                let why = format!("this order would not count: {void}");
                Err(Refusal::new(RefusalKind::ApprovalNeeded, why, hint))
            }
            None => Ok(()),
        }
    }

    /// A statement that no fold would count is refused at the door, where its author can mend it.
    fn may_submit(&self, statements: &[Arc<Verified<Statement>>]) -> Result<(), Refusal> {
        for statement in statements {
            let key = statement.key();
            let role = Role::ALL.iter().any(|role| self.known.authority.role_now(&key, *role));
            let root = self.known.authority.is_root_key(&key) || self.is_named_root(statement);
            if !role && !root {
                let what = statement.body.kind();
                let why = format!(
                    "a {what} of {} is signed by a key that holds no role",
                    statement.author
                );
                let hint = "sign with an operator's key of the standing root";
                return Err(Refusal::new(RefusalKind::Denied, why, hint));
            }
            let log = statement.log(key);
            if self.known.set.log(&log).any(|other| other.seq == statement.seq) {
                let why = "this log already has a statement with that number".to_owned();
                return Err(Refusal::new(RefusalKind::Failed, why, "ask for the place again"));
            }
        }
        Ok(())
    }

    fn known_order(&self, order: StatementId) -> Result<(), Refusal> {
        let is_order = self.known.get(&order).is_some_and(|statement| statement.is_order());
        let why = || format!("no order {order} is known here");
        let hint = "`belay status` lists the orders that stand";
        if is_order { Ok(()) } else { Err(Refusal::new(RefusalKind::WrongUse, why(), hint)) }
    }

    fn case_file(&self, order: StatementId) -> Result<Vec<u8>, Refusal> {
        let progress = self.progress(order);
        if progress.case.statements.iter().any(|id| self.is_unsent(id)) {
            let why = "a receipt of this device is being written";
            return Err(Refusal::new(RefusalKind::Failed, why, "try again in a moment"));
        }
        Ok(CaseFile::of(&progress.case, &self.known.set).to_bytes())
    }
}
