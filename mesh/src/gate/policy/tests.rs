//! What the rules promise, through the door that the gate uses: `load` and `judge`.
//!
//! Only the comparison with unsliced Cedar reaches behind it.

mod again;
mod drawn;
mod studied;
mod typed;

use super::outline::{RULE_NESTING_MAX, RULE_STEPS_MAX, RULES_BYTES_MAX, RULES_MAX};
use super::{
    Action, ActionClass, Here, Origin, Question, RULE_ID_BYTES_MAX, Rules, RulesError, Ruling,
    faults,
};
use crate::input::Posture;

const AGENT: &str = "spiffe://acme.belay/agent/builder";
const STARTER: &str = include_str!("../../../../configs/policies/starter/policy.cedar");
const STARTER_RELEASE: &str = include_str!("../../../../configs/policies/starter/release.toml");

const HERE: Here<'static> = Here {
    site: "plant",
    kind: "laptop",
    posture: Posture { disk_encrypted: true, secure_boot: false },
    time_known: true,
};

pub(super) fn question(action: Action) -> Question<'static> {
    Question {
        agent: AGENT,
        user: "ana",
        project: "default",
        class: "default",
        manifest: "00ff",
        device: "spiffe://acme.belay/device/laptop",
        here: HERE,
        action,
        target: "git.commit",
        args: &[],
        depth: 1,
        chain: &[AGENT],
        lease_ms: 60_000,
        wall: "none",
        origin: Origin::Here,
        data_class: "internal",
    }
}

fn loaded(cedar: &str) -> Rules {
    Rules::load(cedar).unwrap_or_else(|error| panic!("{error}; {}", error.hint()))
}

fn refused(cedar: &str) -> RulesError {
    let error = Rules::load(cedar).expect_err("these rules must be refused");
    assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    error
}

fn permit(rule: &str) -> Ruling {
    Ruling::Permit { rule: rule.into() }
}

fn forbid(rule: &str) -> Ruling {
    Ruling::Forbid { rule: Some(rule.into()) }
}

const UNMATCHED: Ruling = Ruling::Forbid { rule: None };

// Loading: each fault is told with its line, and nothing half-understood is loaded.

#[test]
fn a_text_that_is_too_long_is_refused_before_it_is_read() {
    let cedar = " ".repeat(RULES_BYTES_MAX + 1);
    assert_eq!(refused(&cedar), RulesError::TooLarge { bytes: RULES_BYTES_MAX + 1 });
}

#[test]
fn one_rule_too_many_is_refused() {
    let rules = |count: usize| -> String {
        (0..count).map(|n| format!("@id(\"{n}\")\npermit(principal,action,resource);\n")).collect()
    };
    let too_many = rules(RULES_MAX + 1);
    assert_eq!(refused(&too_many), RulesError::TooMany { line: 2 * RULES_MAX + 1 });
}

#[test]
fn syntax_errors_name_the_line() {
    let cedar = "@id(\"a\")\npermit (principal, action, resource)\nwhen { depth > };\n";
    assert!(matches!(refused(cedar), RulesError::Syntax { line: 3, .. }), "{}", refused(cedar));
}

#[test]
fn every_rule_needs_an_id_of_its_own() {
    let nameless = "// the first\n@id(\"a\") permit (principal, action, resource);\n\n// ;\nforbid (principal, action, resource);";
    assert_eq!(refused(nameless), RulesError::MissingId { line: 5 });
    assert_eq!(
        refused("@id permit (principal, action, resource);"),
        RulesError::MissingId { line: 1 }
    );
    let twice = "@id(\"a\")\npermit (principal, action, resource);\n@id(\"b\") forbid (principal, action, resource);\n@id(\"a\")\npermit (principal, action, resource);";
    let error = RulesError::DuplicateId { rule: "a".into(), first: 1, line: 4 };
    assert_eq!(refused(twice), error);
}

#[test]
fn an_id_fits_into_one_line_of_an_audit_record() {
    let with = |id: &str| format!("@id(\"{id}\") permit (principal, action, resource);");
    for id in ["two words", "belay:unasked", "a\\nb", "é", &"x".repeat(RULE_ID_BYTES_MAX + 1)] {
        assert_eq!(refused(&with(id)), RulesError::BadId { line: 1 }, "{id}");
    }
    loaded(&with(&"x".repeat(RULE_ID_BYTES_MAX)));
}

/// Goal: no rule can pose as a check of the gate. Method: each name of a check, and one like it.
#[test]
fn names_of_the_gates_checks_are_its_own() {
    let with = |id: &str| {
        format!(
            "@id(\"ok\") permit (principal, action, resource);\n@id(\"{id}\") permit (principal, action, resource);"
        )
    };
    for id in ["manifest", "chain", "delegation", "no-rule", "observe", "release"] {
        let error = RulesError::ReservedId { rule: id.into(), line: 2 };
        assert_eq!(refused(&with(id)), error);
        assert_eq!(faults(&with(id)), [error], "an author is told of each");
    }
    loaded(&with("my-manifest"));
}

#[test]
fn templates_are_refused() {
    let cedar = "@id(\"a\") permit (principal, action, resource);\n@id(\"b\") permit (principal == ?principal, action, resource);";
    assert_eq!(refused(cedar), RulesError::Template { line: 2 });
}

#[test]
fn rules_speak_only_of_what_questions_carry() {
    let faults = [
        "permit (principal, action == Belay::Action::\"tool.cal\", resource);",
        "permit (principal in Belay::Team::\"x\", action, resource);",
        "permit (principal, action, resource) when { context.deep > 1 };",
        "permit (principal, action, resource) when { context.depth == \"1\" };",
        "permit (principal, action, resource) when { principal.role == \"x\" };",
        "permit (principal, action, resource) when { Belay::Target::\"d\".name == \"d\" };",
        "permit (principal, action, resource) when { resource == Belay::Target::\"d\" };",
        "forbid (principal, action, resource) when { resource is Belay::Target };",
        "permit (principal, action, resource) when { principal == Belay::Agent::\"ana\" };",
        "permit (principal, action, resource) when { resource.path like \"/etc/*\" };",
        "permit (principal, action, resource) when { context.arg.command like \"ls*\" };",
    ];
    for fault in faults {
        let cedar =
            format!("@id(\"ok\") permit (principal, action, resource);\n\n@id(\"bad\")\n{fault}");
        let error = refused(&cedar);
        let told = matches!(&error, RulesError::Schema { rule, line: 3, .. } if rule == "bad");
        assert!(told, "{fault}: {error:?}");
    }
}

/// Goal: no text ends the process, and none slips past the type checker. Method: shapes that do so
/// when given to Cedar alone, also hidden behind what its lexer takes for the end of a comment, a
/// string or a rule.
#[test]
fn shapes_that_exhaust_the_stack_are_refused() {
    let rule =
        |body: &str| format!("@id(\"a\") permit (principal, action, resource) when {{ {body} }};");
    let nested =
        |open: &str, close: &str, n: usize| open.repeat(n) + "context.q" + &close.repeat(n);
    let deep = 20_000;
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{a:", "}"), ("!(", ")"), ("if (", ") then 1 else 2")]
    {
        let cedar = rule(&nested(open, close, deep));
        assert_eq!(refused(&cedar), RulesError::TooIntricate { line: 1 }, "{open}");
    }
    for chain in [".a", " && true", " || true", "+1", "-1", "*1", ".contains(1)"] {
        let cedar = rule(&nested("", chain, deep));
        assert_eq!(refused(&cedar), RulesError::TooIntricate { line: 1 }, "{chain}");
    }
    let clauses =
        rule(&("true } ".to_owned() + &"when { true } ".repeat(600) + "when { context.q"));
    assert_eq!(refused(&clauses), RulesError::TooIntricate { line: 1 });
    let hidden = format!("// \r{}", rule(&nested("(", ")", deep)));
    assert_eq!(refused(&hidden), RulesError::TooIntricate { line: 1 });
    for prefix in ["\"\\\n", "\"", "\"\\"] {
        let cedar = prefix.to_owned() + &rule(&nested("(", ")", deep));
        assert!(matches!(refused(&cedar), RulesError::Syntax { .. }), "{prefix}");
    }
    for unit in [
        "(;",
        "((((;",
        "[;",
        "{;",
        "permit(;",
        "if(;",
        "@id(;",
        "permit(principal,action,resource)when{(;",
    ] {
        refused(&unit.repeat(deep));
    }
    refused(&rule(&"a == ".repeat(deep)));
    refused(&rule(&"1 % ".repeat(deep)));
    refused(&rule(&"a in ".repeat(deep)));
    refused(&rule(&format!("context.{} > 1", "a::".repeat(deep))));
}

#[test]
fn the_limits_themselves_still_load_and_are_type_checked() {
    let rule =
        |body: &str| format!("@id(\"a\") permit (principal, action, resource) when {{ {body} }};");
    let nested = |leaf: &str, n: usize| rule(&("(".repeat(n) + leaf + &")".repeat(n)));
    loaded(&nested("true", RULE_NESTING_MAX - 1));
    assert_eq!(refused(&nested("true", RULE_NESTING_MAX)), RulesError::TooIntricate { line: 1 });
    let chained =
        |leaf: &str| rule(&(leaf.to_owned() + &" + 1".repeat(RULE_STEPS_MAX - 4) + " > 0"));
    loaded(&chained("context.depth"));
    assert!(matches!(refused(&chained("context.wall")), RulesError::Schema { .. }));
    let alternatives = rule(&("context.arriving".to_owned() + &" || false".repeat(120)));
    loaded(&alternatives);
}

#[test]
fn no_rules_at_all_permit_nothing() {
    for cedar in ["", "// nothing yet\n"] {
        let rules = loaded(cedar);
        assert_eq!(rules.ids().count(), 0);
        for action in Action::ALL {
            assert_eq!(rules.judge(&question(action)), UNMATCHED);
        }
    }
}

// Judging.

#[test]
fn permits_and_forbids_name_the_first_rule() {
    let rules = loaded(
        "@id(\"z\") permit (principal, action, resource);
         @id(\"m\") permit (principal, action == Belay::Action::\"tool.call\", resource);
         @id(\"y\") forbid (principal, action in Belay::Action::\"work\", resource);
         @id(\"n\") forbid (principal in Belay::User::\"ana\", action == Belay::Action::\"work.run\", resource);",
    );
    assert_eq!(rules.ids().collect::<Vec<_>>(), ["m", "n", "y", "z"]);
    assert_eq!(rules.judge(&question(Action::Call)), permit("m"));
    assert_eq!(rules.judge(&question(Action::Read)), permit("z"));
    assert_eq!(rules.judge(&question(Action::Run)), forbid("n"));
    let other = Question { user: "ben", ..question(Action::Run) };
    assert_eq!(rules.judge(&other), forbid("y"));
}

/// Goal: a rule can look at everything a question carries. Method: one rule that needs it all,
/// asked as it wants and then with each part changed.
#[test]
fn every_part_of_a_question_counts() {
    let rules = loaded(
        r#"@id("all") permit (
            principal == Belay::Agent::"spiffe://acme.belay/agent/builder",
            action == Belay::Action::"tool.call",
            resource == Belay::Target::"git.commit"
        ) when {
            principal in Belay::User::"ana" && principal in Belay::Project::"default"
            && principal in Belay::Class::"default" && principal.manifest == "00ff"
            && principal.name like "spiffe://acme.belay/agent/*" && resource.name like "git.*"
            && action in Belay::Action::"tool"
        } when {
            context.args.contains("branch=main") && context.argKeys.contains("force")
            && context.depth == 1 && ["none", "partial"].contains(context.wall)
            && context.site == "plant" && ["phone", "laptop"].contains(context.kind)
            && context.posture.diskEncrypted && !context.posture.secureBoot
            && context.posture.timeKnown
            && context.dataClass == "internal" && context.device == Belay::Device::"spiffe://acme.belay/device/laptop"
        } unless { context.arriving };"#,
    );
    let args = [("branch".to_owned(), "main".to_owned()), ("force".to_owned(), "yes".to_owned())];
    let asked = Question { args: &args, ..question(Action::Call) };
    assert_eq!(rules.judge(&asked), permit("all"));
    let changed = [
        Question { agent: "spiffe://acme.belay/agent/other", ..asked },
        Question { user: "ben", ..asked },
        Question { project: "site", ..asked },
        Question { class: "robot", ..asked },
        Question { manifest: "00fe", ..asked },
        Question { device: "spiffe://acme.belay/device/desk", ..asked },
        Question { target: "git.push", ..asked },
        Question { args: &args[..1], ..asked },
        Question { args: &args[1..], ..asked },
        Question { depth: 2, ..asked },
        Question { wall: "sealed", ..asked },
        Question { origin: Origin::Arriving, ..asked },
        Question { data_class: "secret", ..asked },
        Question { here: Here { site: "office", ..HERE }, ..asked },
        Question { here: Here { kind: "robot", ..HERE }, ..asked },
        Question { here: Here { time_known: false, ..HERE }, ..asked },
        Question { here: Here { posture: Posture::default(), ..HERE }, ..asked },
    ];
    for asked in changed {
        assert_eq!(rules.judge(&asked), UNMATCHED, "{asked:?}");
    }
    let elsewhere = Question { action: Action::Run, ..asked };
    assert_eq!(rules.judge(&elsewhere), UNMATCHED);
}

/// Goal: people name a principal by its short name, and a stranger under that name is not meant.
/// Method: each kind of principal by either name; an agent whose lineage is broken.
#[test]
fn principals_are_known_by_their_short_names() {
    let agent = "spiffe://acme.belay/agent/builder";
    let (user, project) = ("spiffe://acme.belay/user/ana", "spiffe://acme.belay/project/docs");
    let class = "spiffe://acme.belay/class/trusted";
    let asked = Question { agent, user, project, class, ..question(Action::Call) };
    let scopes = [
        "principal == Belay::Agent::\"builder\"".to_owned(),
        format!("principal == Belay::Agent::\"{agent}\""),
        "principal in Belay::User::\"ana\"".into(),
        format!("principal in Belay::Project::\"{project}\""),
        "principal is Belay::Agent in Belay::Project::\"docs\"".into(),
        "principal in Belay::Class::\"trusted\"".into(),
    ];
    for scope in &scopes {
        let rules = loaded(&format!("@id(\"a\") permit ({scope}, action, resource);"));
        assert_eq!(rules.judge(&asked), permit("a"), "{scope}");
    }
    let rules = loaded(&format!("@id(\"a\") permit ({}, action, resource);", scopes[0]));
    let stranger = format!("{agent}~00ff");
    assert_eq!(rules.judge(&Question { agent: &stranger, ..asked }), UNMATCHED);
    let device = loaded(
        "@id(\"a\") permit (principal, action, resource) when { context.device in Belay::Device::\"laptop\" };",
    );
    assert_eq!(device.judge(&asked), permit("a"));
}

#[test]
fn a_key_cannot_pose_as_another_key_with_a_value() {
    let rules = loaded(
        "@id(\"mine\") permit (principal, action, resource) when { context.args.contains(\"filter=owner=me\") };",
    );
    let asked = |key: &str, value: &str| {
        let args = [(key.to_owned(), value.to_owned())];
        rules.judge(&Question { args: &args, ..question(Action::Call) })
    };
    assert_eq!(asked("filter", "owner=me"), permit("mine"));
    assert_eq!(asked("filter=owner", "me"), UNMATCHED);
}

/// Goal: names taken from the world are data. Method: names with quotes, escapes and nothing in
/// them.
#[test]
fn names_are_never_read_as_rules() {
    let rules = loaded(
        "@id(\"a\") permit (principal, action, resource == Belay::Target::\"say \\\"hi\\\"\\n\");",
    );
    let asked = |target| rules.judge(&Question { target, ..question(Action::Call) });
    assert_eq!(asked("say \"hi\"\n"), permit("a"));
    for target in ["", "\\", "\"; permit", "say \\\"hi\\\"\\n", "\u{202e}", "*"] {
        assert_eq!(asked(target), UNMATCHED);
    }
}

#[test]
fn a_denial_names_what_came_nearest() {
    let rules = loaded(
        "@id(\"a-read\") permit (principal, action == Belay::Action::\"local.read\", resource);
         @id(\"b-other\") permit (principal in Belay::User::\"ben\", action == Belay::Action::\"local.write\", resource);
         @id(\"c-class\") permit (principal, action in Belay::Action::\"local\", resource) when { context.depth > 9 };
         @id(\"d-no\") forbid (principal, action in Belay::Action::\"local\", resource) when { context.depth > 9 };
         @id(\"e-tool\") permit (principal, action == Belay::Action::\"tool.call\", resource);",
    );
    let nearest = |action| {
        let question = question(action);
        assert_eq!(rules.judge(&question), UNMATCHED);
        rules.near_miss(&question).nearest
    };
    assert_eq!(nearest(Action::Write), ["c-class", "b-other"]);
    assert_eq!(nearest(Action::InferHere), ["c-class", "a-read"]);
    assert!(nearest(Action::Run).is_empty());
}

const OVERFLOWS: &str = "context.depth * 9223372036854775807 > 0";

/// Goal: a rule that fails denies under its own name, whatever the others say, but only where it
/// could apply.
#[test]
fn an_evaluation_error_denies_and_names_the_rule() {
    let rules = loaded(&format!(
        "@id(\"a\") permit (principal, action, resource);
         @id(\"c\") forbid (principal, action == Belay::Action::\"tool.call\", resource);
         @id(\"y\") permit (principal, action in Belay::Action::\"tool\", resource) when {{ {OVERFLOWS} }};
         @id(\"x\") forbid (principal in Belay::User::\"ana\", action, resource) when {{ {OVERFLOWS} }};"
    ));
    let deep = |action| Question { depth: 2, ..question(action) };
    let ruling = rules.judge(&deep(Action::Call));
    assert!(matches!(&ruling, Ruling::Error { rule, why } if rule == "x" && !why.is_empty()));
    let ben = Question { user: "ben", ..deep(Action::Call) };
    assert!(matches!(rules.judge(&ben), Ruling::Error { rule, .. } if rule == "y"));
    assert_eq!(rules.judge(&Question { action: Action::Read, ..ben }), permit("a"));
    assert_eq!(rules.judge(&question(Action::Call)), forbid("c"));
}

#[test]
fn actions_and_classes_are_known_by_their_names() {
    for action in Action::ALL {
        assert_eq!(Action::named(action.text()), Some(action));
        let class = action.text().split('.').next().and_then(ActionClass::from_word);
        assert_eq!(class, Some(action.class()));
    }
    assert_eq!(Action::named("tool"), None);
    assert_eq!(
        ActionClass::ALL.iter().map(|class| class.as_str()).collect::<Vec<_>>(),
        ["local", "tool", "outward", "work", "motion"]
    );
}

// The starter release.

#[test]
fn the_starter_rules_decide_as_documented() {
    let rules = loaded(STARTER);
    assert_eq!(rules.ids().collect::<Vec<_>>(), ["starter.local", "starter.tool", "starter.work"]);
    for action in Action::ALL {
        let expected = match action.class() {
            ActionClass::Local => permit("starter.local"),
            ActionClass::Tool => permit("starter.tool"),
            ActionClass::Work => permit("starter.work"),
            ActionClass::Outward | ActionClass::Motion => UNMATCHED,
        };
        assert_eq!(rules.judge(&question(action)), expected, "{}", action.text());
    }
    let example = STARTER.split_once("for example:\n").expect("the starter shows an example").1;
    let example: String = example.lines().map(|line| line.trim_start_matches("//")).collect();
    let rules = loaded(&(STARTER.to_owned() + &example));
    let docs = Question {
        project: "docs",
        wall: "sealed",
        target: "docs.example.org:443",
        ..question(Action::Connect)
    };
    assert_eq!(rules.judge(&docs), permit("docs-may-read-the-web"));
}

#[test]
fn the_starter_settings_cover_every_class() {
    let section = |name: &str| -> Vec<(&str, &str)> {
        let body =
            STARTER_RELEASE.split(&format!("\n[{name}]\n")).nth(1).expect("the section is there");
        let lines = body.lines().take_while(|line| !line.starts_with('['));
        let lines = lines.filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once(" = "));
        pairs.map(|(key, value)| (key, value.trim_matches('"'))).collect()
    };
    let modes = [
        ("local", "observe"),
        ("tool", "observe"),
        ("outward", "ask"),
        ("work", "observe"),
        ("motion", "enforce"),
    ];
    assert_eq!(section("modes"), modes);
    let leases =
        [("local", "8h"), ("tool", "1h"), ("outward", "15m"), ("work", "8h"), ("motion", "10s")];
    assert_eq!(section("leases"), leases);
    assert_eq!(section("run"), [("unsealed_run", "1h"), ("lapse_grace", "4h")]);
    assert_eq!(
        modes.map(|(class, _)| class).to_vec(),
        ActionClass::ALL.iter().map(|class| class.as_str()).collect::<Vec<_>>()
    );
}
