//! A question as Cedar wants it: a request and its entities.
//!
//! It carries only what the rules that it meets look at. An ancestor that no rule names is in
//! nobody's way, and an attribute that none of them reads is not built: the answer is the same, and
//! a property test holds it against the whole. Refused here: choosing the rules.

use super::asked::{ARG_NAMES, Asked, NUM_NAMES, short};
use super::guard::plain_key;
use super::question::{Action, Here, Origin};
use super::resource::{Kind, Parts};
use crate::input::Posture;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, Var};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, Request,
    RestrictedExpression,
};
use cedar_policy_core::entities::{NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use std::collections::{BTreeMap, HashSet};

/// What some rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Needs(u32);

impl Needs {
    const PRINCIPAL: Self = Self(1);
    const RESOURCE: Self = Self(1 << 1);
    const TAGS: Self = Self(1 << 2);
    const ARGS: Self = Self(1 << 3);
    const ARG_KEYS: Self = Self(1 << 4);
    const ARG: Self = Self(1 << 5);
    const NUM: Self = Self(1 << 6);
    const DEPTH: Self = Self(1 << 7);
    const CHAIN: Self = Self(1 << 8);
    const WALL: Self = Self(1 << 9);
    const ARRIVING: Self = Self(1 << 10);
    const DATA_CLASS: Self = Self(1 << 11);
    const LEASE: Self = Self(1 << 12);
    const DEVICE: Self = Self(1 << 13);
    const SITE: Self = Self(1 << 14);
    const KIND: Self = Self(1 << 15);
    const POSTURE: Self = Self(1 << 16);
    /// Whether anything is a `Belay::Target`, by type or by name: nothing is.
    const TARGET_TYPE: Self = Self(1 << 17);
    /// Whether an agent or a device is one of a short name, which none is.
    const SHORT_NAME: Self = Self(1 << 18);
    /// Everything: what a rule gets that is not understood here.
    pub(super) const ALL: Self = Self((1 << 17) - 1);

    /// What a rule looks at.
    pub(super) fn of(rule: &Policy) -> Self {
        let mut needs = Self::default();
        if !rule.has_non_scope_constraint() {
            return needs;
        }
        let Ok(read) = rule.to_pst() else { return Self::ALL };
        for clause in read.body().clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            needs.look(expr);
        }
        needs
    }

    pub(super) fn and(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// What some rule asks that is never so, for its author.
    pub(super) const fn never(self) -> Option<&'static str> {
        if self.has(Self::TARGET_TYPE) {
            return Some(
                "nothing is a Belay::Target, though everything is in one: ask `resource in \
                 Belay::Target::\"…\"`, or name the type",
            );
        }
        if self.has(Self::SHORT_NAME) {
            return Some(
                "an agent or a device is its whole SPIFFE id, and in its short name: write `in` \
                 in place of `==`",
            );
        }
        None
    }

    /// True for what changes with the arguments.
    pub(super) const fn looks_at_arguments(self) -> bool {
        self.reads_one_value() || self.has(Self::ARGS) || self.has(Self::ARG_KEYS)
    }

    /// True for what sees one value of each argument, though a list may give several.
    pub(super) const fn reads_one_value(self) -> bool {
        self.has(Self::ARG) || self.has(Self::NUM) || self.has(Self::TAGS)
    }

    /// True where some rule may read the one value of the argument of this name.
    pub(super) fn reads_value_of(self, key: &str) -> bool {
        self.has(Self::TAGS)
            || (self.has(Self::ARG) && ARG_NAMES.contains(&key))
            || (self.has(Self::NUM) && NUM_NAMES.contains(&key))
    }

    const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }

    fn look(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(Literal::EntityUID(uid)) => {
                if Kind::of_entity(&uid.ty.to_string()) == Some(Kind::Target) {
                    self.and(Self::TARGET_TYPE);
                }
            }
            Expr::Literal(_) => {}
            // One that stands alone may be looked at by whatever is around it.
            Expr::Var(_) => self.and(Self::ALL),
            Expr::GetAttr { expr, attr } => self.attribute(expr, attr),
            Expr::HasAttr { expr, attrs } => self.attribute(expr, &attrs.head),
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.look(expr),
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => {
                self.and(Self::TAGS);
                self.compared(left);
                self.look(right);
            }
            Expr::BinaryOp { op: BinaryOp::In, left, right } => {
                self.compared(left);
                self.within(right);
            }
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => {
                if [left, right].into_iter().any(|side| names_by_short(side)) {
                    self.and(Self::SHORT_NAME);
                }
                self.compared(left);
                self.compared(right);
            }
            Expr::BinaryOp { left, right, .. } => {
                self.look(left);
                self.look(right);
            }
            Expr::Is { expr, in_expr, entity_type } => {
                if Kind::of_entity(&entity_type.to_string()) == Some(Kind::Target) {
                    self.and(Self::TARGET_TYPE);
                }
                self.compared(expr);
                in_expr.iter().for_each(|expr| self.within(expr));
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().for_each(|expr| self.look(expr));
            }
            Expr::Set(all) => all.iter().for_each(|expr| self.look(expr)),
            _ => self.and(Self::ALL),
        }
    }

    /// What is only compared is known by its name.
    fn compared(&mut self, expr: &Expr) {
        match expr {
            Expr::Var(Var::Principal | Var::Action | Var::Resource) => {}
            expr => self.look(expr),
        }
    }

    /// What something may be in.
    fn within(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(_) => {}
            Expr::Set(all) => all.iter().for_each(|expr| self.within(expr)),
            expr => self.compared(expr),
        }
    }

    fn attribute(&mut self, of: &Expr, name: &str) {
        self.and(match (of, name) {
            (Expr::Var(Var::Principal), _) => Self::PRINCIPAL,
            (Expr::Var(Var::Resource), _) => Self::RESOURCE,
            (Expr::Var(Var::Context), "args") => Self::ARGS,
            (Expr::Var(Var::Context), "argKeys") => Self::ARG_KEYS,
            (Expr::Var(Var::Context), "arg") => Self::ARG,
            (Expr::Var(Var::Context), "num") => Self::NUM,
            (Expr::Var(Var::Context), "depth") => Self::DEPTH,
            (Expr::Var(Var::Context), "chain") => Self::CHAIN,
            (Expr::Var(Var::Context), "wall") => Self::WALL,
            (Expr::Var(Var::Context), "arriving") => Self::ARRIVING,
            (Expr::Var(Var::Context), "dataClass") => Self::DATA_CLASS,
            (Expr::Var(Var::Context), "leaseMs") => Self::LEASE,
            (Expr::Var(Var::Context), "device") => Self::DEVICE,
            (Expr::Var(Var::Context), "site") => Self::SITE,
            (Expr::Var(Var::Context), "kind") => Self::KIND,
            (Expr::Var(Var::Context), "posture") => Self::POSTURE,
            (of, _) => return self.look(of),
        });
    }
}

/// True for an agent or device by another name than its id.
fn names_by_short(expr: &Expr) -> bool {
    let Expr::Literal(Literal::EntityUID(uid)) = expr else { return false };
    let kind = Kind::of_entity(&uid.ty.to_string());
    matches!(kind, Some(Kind::Agent | Kind::Device)) && !uid.eid.starts_with("spiffe://")
}

/// Characters of a rule's patterns, but for those that are compared once: with no `*`, or with one
/// at their end.
pub(super) fn patterns(rule: &Policy) -> u64 {
    if !rule.has_non_scope_constraint() {
        return 0;
    }
    let Ok(read) = rule.to_pst() else { return 0 };
    let mut found = 0;
    for clause in read.body().clauses() {
        let (Clause::When(expr) | Clause::Unless(expr)) = clause;
        found += expr.reduce(&pattern, &|one, other| one + other, 0);
    }
    found
}

fn pattern(expr: &Expr) -> Option<u64> {
    let Expr::Like { pattern, .. } = expr else { return None };
    let stars = pattern.iter().filter(|sign| **sign == PatternElem::Wildcard).count();
    let once = stars == 0 || (stars == 1 && pattern.last() == Some(&PatternElem::Wildcard));
    Some(if once { 0 } else { pattern.len() as u64 })
}

/// The names of the schema, parsed once, and every entity that some rule names.
#[derive(Debug)]
pub(super) struct Words {
    kinds: Vec<Option<EntityTypeName>>,
    actions: Vec<(EntityUid, Entity)>,
    named: Vec<BTreeMap<String, EntityUid>>,
}

impl Words {
    pub(super) fn of<'r>(rules: impl Iterator<Item = &'r Policy>) -> Self {
        let action_type = type_name("Belay::Action");
        let action = |action: Action| {
            let uid = named_uid(&action_type, action.text());
            let class = named_uid(&action_type, action.class().as_str());
            let entity = Entity::new_no_attrs(uid.clone(), HashSet::from([class]));
            (uid, entity)
        };
        let mut named = vec![BTreeMap::new(); Kind::ALL.len()];
        for uid in rules.flat_map(Policy::entity_literals) {
            if let Some(kind) = Kind::of_entity(&uid.type_name().to_string()) {
                named[kind.index()].insert(uid.id().unescaped().to_owned(), uid);
            }
        }
        Self {
            kinds: Kind::ALL.iter().map(|kind| kind.entity_type().map(type_name)).collect(),
            actions: Action::ALL.into_iter().map(action).collect(),
            named,
        }
    }

    /// Takes an entity for one that some rule names.
    #[cfg(test)]
    pub(super) fn also(&mut self, kind: Kind, id: &str) {
        if self.kinds[kind.index()].is_some() {
            let uid = self.uid(kind, id);
            self.named[kind.index()].insert(id.to_owned(), uid);
        }
    }

    /// Every entity of a kind that some rule names, ascending.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.named[kind.index()].keys().map(String::as_str)
    }

    /// The question as Cedar wants it, for rules of these needs.
    ///
    /// # Errors
    /// Where Cedar finds no stack left to build it, in its words.
    pub(super) fn ask(
        &self,
        asked: &Asked<'_>,
        needs: Needs,
    ) -> Result<(Request, Entities), String> {
        let question = asked.question;
        let (action, action_entity) = &self.actions[question.action.index()];
        let agent = self.uid(Kind::Agent, question.agent);
        let target = self.uid(asked.resource.kind, &asked.resource.id);
        let mut entities = vec![
            self.principal(asked, needs, agent.clone())?,
            self.resource(asked, needs, target.clone())?,
            action_entity.clone(),
        ];
        let device = needs.has(Needs::DEVICE).then(|| self.uid(Kind::Device, question.device));
        let apart = device.as_ref().filter(|device| **device != target);
        if let Some(device) = apart {
            let name = [("name".to_owned(), string(question.device))];
            let parent = short(question.device).and_then(|name| self.known(Kind::Device, name));
            entities.push(entity(device.clone(), name, parent, [])?);
        }
        let entities = match apart {
            // It may be in what the act is about, and by that in more.
            Some(_) => Entities::from_entities(entities, None).map_err(|e| e.to_string())?,
            None => closed(&entities)?,
        };
        let context = self.context(asked, needs, device)?;
        let request = Request::new(agent, action.clone(), target, context, None);
        Ok((request.map_err(|e| e.to_string())?, entities))
    }

    fn uid(&self, kind: Kind, id: &str) -> EntityUid {
        if let Some(known) = self.named[kind.index()].get(id) {
            return known.clone();
        }
        let kind = self.kinds[kind.index()].as_ref();
        named_uid(kind.expect("asked for kinds of entities only"), id)
    }

    fn principal(&self, asked: &Asked<'_>, needs: Needs, uid: EntityUid) -> Result<Entity, String> {
        let question = asked.question;
        let known =
            |(kind, id)| [self.known(kind, id), short(id).and_then(|id| self.known(kind, id))];
        let parents = question.parties().into_iter().flat_map(known).flatten();
        let parents = parents.filter(|parent| *parent != uid).collect::<Vec<_>>();
        let about = [("name", question.agent), ("manifest", question.manifest)];
        let about = about.into_iter().filter(|_| needs.has(Needs::PRINCIPAL));
        entity(uid, about.map(|(name, value)| (name.to_owned(), string(value))), parents, [])
    }

    fn resource(&self, asked: &Asked<'_>, needs: Needs, uid: EntityUid) -> Result<Entity, String> {
        let resource = &asked.resource;
        let mut parents = Vec::new();
        resource.each(&mut |kind, id| parents.extend(self.known(kind, id)));
        parents.retain(|parent| *parent != uid);
        let mut about = Vec::new();
        let mut note = |name: &str, value| about.push((name.to_owned(), value));
        if needs.has(Needs::RESOURCE) {
            note("name", string(resource.name));
            match &resource.parts {
                Parts::Tool { connector, tool } => {
                    note("connector", string(*connector));
                    note("tool", string(*tool));
                }
                Parts::Path => note("path", string(&*resource.id)),
                Parts::Host { host, port, ip } => {
                    note("host", string(host.as_str()));
                    note("port", RestrictedExpression::new_long((*port).into()));
                    note("ip", RestrictedExpression::new_bool(*ip));
                }
                Parts::Program { program } => note("program", string(*program)),
                Parts::Named => {}
            }
        }
        let args = asked.question.args.iter().filter(|_| needs.has(Needs::TAGS));
        let tags = args.filter_map(|(key, _)| Some((key.as_str(), asked.arg(key)?)));
        let tags: BTreeMap<&str, &str> = tags.collect();
        let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), string(value)));
        entity(uid, about, parents, tags)
    }

    /// An entity, if some rule names it.
    fn known(&self, kind: Kind, id: &str) -> Option<EntityUid> {
        self.named[kind.index()].get(id).cloned()
    }

    fn context(
        &self,
        asked: &Asked<'_>,
        needs: Needs,
        device: Option<EntityUid>,
    ) -> Result<Context, String> {
        let question = asked.question;
        if needs == Needs::default() {
            return Ok(Context::empty());
        }
        let mut pairs = Vec::with_capacity(15);
        let mut note = |need, name: &str, value: &dyn Fn() -> Result<_, String>| {
            if needs.has(need) {
                pairs.push((name.to_owned(), value()?));
            }
            Ok::<(), String>(())
        };
        let args = question.args;
        let plain = |text: &str| RestrictedExpression::new_string(text.to_owned());
        note(Needs::ARGS, "args", &|| {
            let each =
                args.iter().map(|(key, value)| string(format!("{}={value}", plain_key(key))));
            Ok(RestrictedExpression::new_set(each))
        })?;
        note(Needs::ARG_KEYS, "argKeys", &|| {
            Ok(RestrictedExpression::new_set(args.iter().map(|(key, _)| plain(&plain_key(key)))))
        })?;
        note(Needs::ARG, "arg", &|| {
            let known = ARG_NAMES.iter().filter_map(|name| Some((name, asked.arg(name)?)));
            record(known.map(|(name, value)| ((*name).to_owned(), plain(value))))
        })?;
        note(Needs::NUM, "num", &|| {
            let known = NUM_NAMES.iter().filter_map(|name| Some((name, asked.arg(name)?)));
            let numbers = known.filter_map(|(name, value)| Some((name, value.parse().ok()?)));
            let long = RestrictedExpression::new_long;
            record(numbers.map(|(name, value)| ((*name).to_owned(), long(value))))
        })?;
        let long = |value: i64| Ok(RestrictedExpression::new_long(value));
        note(Needs::DEPTH, "depth", &|| long(question.depth.into()))?;
        note(Needs::CHAIN, "chain", &|| {
            let names = question.chain.iter().flat_map(|id| [Some(*id), short(id)]).flatten();
            let all = names.map(|name| self.uid(Kind::Agent, name));
            Ok(RestrictedExpression::new_set(all.map(RestrictedExpression::new_entity_uid)))
        })?;
        note(Needs::WALL, "wall", &|| Ok(plain(question.wall)))?;
        let arriving = question.origin == Origin::Arriving;
        note(Needs::ARRIVING, "arriving", &|| Ok(RestrictedExpression::new_bool(arriving)))?;
        note(Needs::DATA_CLASS, "dataClass", &|| Ok(plain(question.data_class)))?;
        note(Needs::LEASE, "leaseMs", &|| long(question.lease_ms))?;
        note(Needs::SITE, "site", &|| Ok(plain(question.here.site)))?;
        note(Needs::KIND, "kind", &|| Ok(plain(question.here.kind)))?;
        note(Needs::POSTURE, "posture", &|| posture(question.here))?;
        if let Some(device) = device {
            pairs.push(("device".to_owned(), RestrictedExpression::new_entity_uid(device)));
        }
        Context::from_pairs(pairs).map_err(|e| e.to_string())
    }
}

fn posture(here: Here<'_>) -> Result<RestrictedExpression, String> {
    let Posture { disk_encrypted, secure_boot } = here.posture;
    let seen = [
        ("diskEncrypted", disk_encrypted),
        ("secureBoot", secure_boot),
        ("timeKnown", here.time_known),
    ];
    let seen = seen.into_iter();
    record(seen.map(|(name, seen)| (name.to_owned(), RestrictedExpression::new_bool(seen))))
}

/// Entities whose parents are all that they are in. Cedar would find that out itself with every
/// question, at more than its answer costs: whatever is in something is said to be in all that
/// holds it, and what an entity here is in has no parent here. Held to what Cedar finds by
/// `slices_decide_as_the_whole_set`.
fn closed(entities: &[Entity]) -> Result<Entities, String> {
    let entities = entities.iter().map(|entity| entity.as_ref().clone());
    let closed = cedar_policy_core::entities::Entities::from_entities(
        entities,
        None::<&NoEntitiesSchema>,
        TCComputation::AssumeAlreadyComputed,
        Extensions::none(),
    );
    closed.map(Entities::from).map_err(|e| e.to_string())
}

fn record(
    fields: impl Iterator<Item = (String, RestrictedExpression)>,
) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(fields).map_err(|e| e.to_string())
}

fn type_name(text: &str) -> EntityTypeName {
    text.parse().expect("a type name of the schema, which is a constant of this room")
}

fn named_uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn entity(
    uid: EntityUid,
    attributes: impl IntoIterator<Item = (String, RestrictedExpression)>,
    parents: impl IntoIterator<Item = EntityUid>,
    tags: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> Result<Entity, String> {
    Entity::new_with_tags(uid, attributes, parents, tags).map_err(|e| e.to_string())
}

fn string(text: impl Into<String>) -> RestrictedExpression {
    RestrictedExpression::new_string(text.into())
}
