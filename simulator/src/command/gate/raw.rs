//! Cedar by itself over the same rules: one set, every rule, a request with everything in it.
//!
//! Built from the question by this room alone, as somebody would who has only the schema: all
//! ancestors, all attributes, all circumstances. Refused here: any shortcut of the gate's.

use belay_mesh::gate::{Here, Origin, Question, Verb};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicyId, PolicySet, Request, RestrictedExpression as Value,
};
use std::collections::{BTreeMap, HashSet};

/// Cedar and a whole set of rules.
pub(super) struct Raw {
    rules: PolicySet,
    authorizer: Authorizer,
    types: BTreeMap<&'static str, EntityTypeName>,
}

const TYPES: [&str; 15] = [
    "Action",
    "Agent",
    "User",
    "Project",
    "Class",
    "Target",
    "Connector",
    "Tool",
    "Path",
    "Model",
    "Host",
    "Program",
    "Device",
    "Delegate",
    "Actuator",
];

impl Raw {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let parsed: PolicySet = text.parse().map_err(|error| format!("{error}"))?;
        let named = parsed.policies().map(|rule| {
            let id = rule.annotation("id").unwrap_or_default();
            rule.new_id(PolicyId::new(id))
        });
        let rules = PolicySet::from_policies(named).map_err(|error| error.to_string())?;
        let typed = |name: &'static str| {
            let parsed = format!("Belay::{name}").parse();
            parsed.map(|parsed| (name, parsed)).map_err(|error| format!("{error}"))
        };
        let types = TYPES.into_iter().map(typed).collect::<Result<_, String>>()?;
        Ok(Self { rules, authorizer: Authorizer::new(), types })
    }

    /// What Cedar says, and by which rule: the first by name.
    pub(super) fn judge(&self, question: &Question<'_>) -> (&'static str, Option<String>) {
        let Ok((request, entities)) = self.asked(question) else { return ("error", None) };
        let response = self.authorizer.is_authorized(&request, &self.rules, &entities);
        let failed = response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        });
        let reason = response.diagnostics().reason().map(ToString::to_string).min();
        match (failed.min(), response.decision()) {
            (Some(rule), _) => ("error", Some(rule)),
            (None, Decision::Allow) => ("permit", reason),
            (None, Decision::Deny) => ("forbid", reason),
        }
    }

    fn uid(&self, kind: &'static str, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.types[kind].clone(), EntityId::new(id))
    }

    fn asked(&self, question: &Question<'_>) -> Result<(Request, Entities), String> {
        let action = self.uid("Action", question.action.text());
        let class = self.uid("Action", question.action.class().as_str());
        let agent = self.uid("Agent", question.agent);
        let parties = [
            ("Agent", question.agent),
            ("User", question.user),
            ("Project", question.project),
            ("Class", question.class),
        ];
        let short = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
        let parents: HashSet<EntityUid> = parties
            .iter()
            .flat_map(|(kind, id)| [self.uid(kind, id), self.uid(kind, &short(id))])
            .filter(|parent| *parent != agent)
            .collect();
        let about = [("name", text(question.agent)), ("manifest", text(question.manifest))];
        let about = about.map(|(name, value)| (name.to_owned(), value)).into();
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let principal = Entity::new(agent.clone(), about, parents).map_err(|e| told(&e))?;
        let (target, resource) = self.resource(question)?;
        let acts = Entity::new_no_attrs(action.clone(), HashSet::from([class]));
        let entities = Entities::from_entities([principal, resource, acts], None);
        let context = self.context(question)?;
        let request = Request::new(agent, action, target, context, None);
        Ok((request.map_err(|e| told(&e))?, entities.map_err(|e| told(&e))?))
    }

    fn resource(&self, question: &Question<'_>) -> Result<(EntityUid, Entity), String> {
        let name = question.target;
        let mut about = vec![("name".to_owned(), text(name))];
        let mut note = |name: &str, value| about.push((name.to_owned(), value));
        let mut parents = vec![("Target", name.to_owned())];
        let above = |kind: &'static str, name: &str| -> Vec<(&'static str, String)> {
            name.match_indices('/').map(|(at, _)| (kind, name[..at].to_owned())).collect()
        };
        let folders = || -> Vec<(&'static str, String)> {
            let all = above("Path", name).into_iter();
            all.map(|(kind, at)| (kind, if at.is_empty() { "/".to_owned() } else { at })).collect()
        };
        let (kind, id) = match question.action {
            Verb::Read | Verb::Write => {
                note("path", text(name));
                parents.extend(folders());
                ("Path", name.to_owned())
            }
            Verb::Call => {
                let (connector, tool) = name.split_once('/').unwrap_or(("", name));
                note("connector", text(connector));
                note("tool", text(tool));
                parents.push(("Connector", connector.to_owned()));
                ("Tool", name.to_owned())
            }
            Verb::Connect => {
                let (host, port) = name.split_once(':').unwrap_or((name, "0"));
                note("host", text(host));
                note("port", Value::new_long(port.parse().unwrap_or(0)));
                note("ip", Value::new_bool(false));
                parents.push(("Host", host.to_owned()));
                let dots = host.match_indices('.');
                parents.extend(dots.map(|(at, _)| ("Host", host[at + 1..].to_owned())));
                ("Host", name.to_owned())
            }
            Verb::Run | Verb::Install => {
                let program = name.rsplit('/').next().unwrap_or(name);
                note("program", text(program));
                parents.push(("Program", program.to_owned()));
                parents.extend(folders());
                ("Program", name.to_owned())
            }
            Verb::InferHere | Verb::InferElsewhere => {
                parents.extend(above("Model", name));
                ("Model", name.to_owned())
            }
            Verb::Offload => {
                parents.push(("Device", name.to_owned()));
                ("Device", format!("spiffe://sim.belay/device/{name}"))
            }
            Verb::Delegate => {
                parents.extend(above("Delegate", name));
                ("Delegate", name.to_owned())
            }
            Verb::Move => {
                parents.extend(above("Actuator", name));
                ("Actuator", name.to_owned())
            }
        };
        let uid = self.uid(kind, &id);
        let parents = parents.iter().map(|(kind, id)| self.uid(kind, id));
        let parents: Vec<EntityUid> = parents.filter(|parent| *parent != uid).collect();
        let tags = question.args.iter().map(|(key, value)| (key.clone(), text(value)));
        let tags: BTreeMap<String, Value> = tags.collect();
        let entity = Entity::new_with_tags(uid.clone(), about, parents, tags);
        Ok((uid, entity.map_err(|error| error.to_string())?))
    }

    fn context(&self, question: &Question<'_>) -> Result<Context, String> {
        let record = |fields: BTreeMap<String, Value>| {
            Value::new_record(fields).map_err(|error| error.to_string())
        };
        let args = question.args;
        let arg = args.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let pairs = args.iter().map(|(key, value)| text(&format!("{key}={value}")));
        let chain = question.chain.iter().map(|id| Value::new_entity_uid(self.uid("Agent", id)));
        let fields = [
            ("arg", record(arg)?),
            ("num", record(BTreeMap::new())?),
            ("args", Value::new_set(pairs)),
            ("argKeys", Value::new_set(args.iter().map(|(key, _)| text(key)))),
            ("depth", Value::new_long(question.depth.into())),
            ("chain", Value::new_set(chain)),
            ("wall", text(question.wall)),
            ("arriving", Value::new_bool(question.origin == Origin::Arriving)),
            ("dataClass", text(question.data_class)),
            ("leaseMs", Value::new_long(question.lease_ms)),
            ("site", text(question.here.site)),
            ("kind", text(question.here.kind)),
            ("posture", record(seen(question.here))?),
            ("device", Value::new_entity_uid(self.uid("Device", question.device))),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        Context::from_pairs(fields).map_err(|error| error.to_string())
    }
}

fn seen(here: Here<'_>) -> BTreeMap<String, Value> {
    let seen = [
        ("diskEncrypted", here.posture.disk_encrypted),
        ("secureBoot", here.posture.secure_boot),
        ("timeKnown", here.time_known),
    ];
    seen.into_iter().map(|(name, seen)| (name.to_owned(), Value::new_bool(seen))).collect()
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}
