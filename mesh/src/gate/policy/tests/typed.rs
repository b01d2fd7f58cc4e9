//! What rules decide on: types of resources, arguments, the attribute that flips a No, and texts
//! that are too long.

use super::super::{TOO_LONG, TOO_MANY, UNASKED};
use super::{Action, Question, Rules, Ruling, UNMATCHED, forbid, loaded, permit, question};

/// Goal: rules decide on what a thing is and on what a call carries. Method: one rule for each
/// type of resource, each with something that it meets and something that only looks like it.
#[test]
fn rules_decide_on_types_and_arguments() {
    let cases: [(Action, &str, &str, &str, &str); 9] = [
        (
            Action::Read,
            "resource in Belay::Path::\"/home/ada/work\"",
            "",
            "/home/ada/work/a.txt",
            "/home/ada/work/../.ssh/id",
        ),
        (
            Action::Write,
            "resource",
            "when { resource.path like \"/etc/*\" }",
            "/tmp/../etc/passwd",
            "/etc",
        ),
        (
            Action::Call,
            "resource in Belay::Connector::\"github\"",
            "when { resource.tool like \"get_*\" }",
            "github/get_issue",
            "github2/get_issue",
        ),
        (Action::Call, "resource == Belay::Tool::\"files/read\"", "", "files/read", "files/write"),
        (
            Action::Connect,
            "resource in Belay::Host::\"example.org\"",
            "when { resource.port == 443 && !resource.ip }",
            "https://API.example.org./x",
            "api.example.org:80",
        ),
        (
            Action::InferElsewhere,
            "resource in Belay::Model::\"acme\"",
            "",
            "acme/large",
            "acmeplus/large",
        ),
        (Action::Run, "resource in Belay::Program::\"git\"", "", "/usr/bin/git", "/usr/bin/gitk"),
        (
            Action::Offload,
            "resource == Belay::Device::\"spiffe://acme.belay/device/robot\"",
            "",
            "robot",
            "laptop",
        ),
        (Action::Move, "resource in Belay::Actuator::\"arm\"", "", "arm/elbow", "wheel"),
    ];
    for (action, resource, condition, meets, other) in cases {
        let verb = action.text();
        let rules = loaded(&format!(
            "@id(\"a\") permit (principal, action == Belay::Action::\"{verb}\", {resource}) {condition};"
        ));
        let device = "spiffe://acme.belay/device/laptop";
        let asked = |target| rules.judge(&Question { target, device, ..question(action) });
        assert_eq!(asked(meets), permit("a"), "{verb} {meets}");
        assert_eq!(asked(other), UNMATCHED, "{verb} {other}");
    }
    let rules = loaded(
        r#"@id("all") permit (principal, action == Belay::Action::"tool.call", resource);
           @id("rm") forbid (principal, action, resource)
               when { context.arg has command && context.arg.command like "rm *" };
           @id("much") forbid (principal, action, resource)
               when { context.argKeys.contains("amount") }
               unless { context.num has amount && context.num.amount <= 100 };
           @id("deep") forbid (principal, action == Belay::Action::"tool.call", resource)
               when { resource.hasTag("options.depth") && resource.getTag("options.depth") != "1" };"#,
    );
    let asked = |key: &str, value: &str| {
        let args = [(key.to_owned(), value.to_owned())];
        rules.judge(&Question { args: &args, target: "shell/exec", ..question(Action::Call) })
    };
    assert_eq!(asked("command", "ls"), permit("all"));
    assert_eq!(asked("command", "rm -r /"), forbid("rm"));
    assert_eq!(asked("amount", "100"), permit("all"));
    for amount in ["101", "1e9", "100.5", ""] {
        assert_eq!(asked("amount", amount), forbid("much"), "{amount}");
    }
    assert_eq!(asked("options.depth", "2"), forbid("deep"));
    assert_eq!(asked("options.depth", "1"), permit("all"));
}

/// Goal: a No names the one attribute that turns it. Method: for each attribute a policy where only
/// that is amiss; then two at once, and an answer that is no No.
#[test]
fn a_no_names_the_attribute_that_flips_it() {
    let call = |rule: &str| format!("@id(\"r\") permit {rule};");
    let cases = [
        (
            call("(principal, action, resource) when { context.wall == \"sealed\" }"),
            "context.wall",
            "\"sealed\"",
        ),
        (
            call("(principal, action, resource) unless { context.depth <= 3 }"),
            "context.depth",
            "4 or more",
        ),
        (
            call("(principal, action, resource) when { context.arriving }"),
            "context.arriving",
            "true",
        ),
        (
            call("(principal in Belay::Project::\"site\", action, resource)"),
            "the principal's project",
            "\"site\"",
        ),
        (
            call("(principal, action, resource in Belay::Connector::\"files\")")
                .replace("action,", "action == Belay::Action::\"tool.call\","),
            "the resource",
            "\"files\"",
        ),
        (
            call("(principal, action, resource) when { context.args.contains(\"mode=dry\") }"),
            "argument mode",
            "\"mode=dry\"",
        ),
        (
            call("(principal, action, resource)")
                + "@id(\"f\") forbid (principal, action, resource) when { context.argKeys.contains(\"force\") };",
            "argument force",
            "left out",
        ),
        (
            call("(principal, action, resource)")
                + "@id(\"f\") forbid (principal, action, resource) when { [\"none\", \"partial\"].contains(context.wall) };",
            "context.wall",
            "\"sealed\"",
        ),
        (
            call("(principal, action, resource)")
                + "@id(\"f\") forbid (principal, action, resource in Belay::Target::\"git/commit\");",
            "the resource",
            "outside \"git/commit\"",
        ),
        (
            call(
                "(principal, action, resource) when { (context.wall == \"sealed\" && \
                  context.arriving) || (context.depth == 1 && context.arriving) || \
                  principal in Belay::Project::\"site\" }",
            ),
            "context.arriving",
            "true",
        ),
        (
            call(
                "(principal, action, resource) when { context.arriving || \
                  resource in Belay::Connector::\"files\" }",
            )
            .replace("action,", "action == Belay::Action::\"tool.call\","),
            "context.arriving",
            "true",
        ),
        (
            call(
                "(principal, action, resource) when { [\"plant\", \"yard\"].contains(\
                  context.dataClass) }",
            ),
            "context.dataClass",
            "\"plant\"",
        ),
        (
            call("(principal, action, resource)")
                + "@id(\"f\") forbid (principal, action, resource) when { context.arriving || \
                   context.args.contains(\"force=yes\") };",
            "argument force",
            "left out, or another",
        ),
    ];
    let args = [("force".to_owned(), "yes".to_owned())];
    let asked = Question { args: &args, target: "git/commit", ..question(Action::Call) };
    for (cedar, attribute, to) in &cases {
        let flip = loaded(cedar).near_miss(&asked).flip;
        let flip = flip.unwrap_or_else(|| panic!("nothing flips {cedar}"));
        assert_eq!((flip.attribute.as_str(), flip.to.as_str()), (*attribute, *to), "{cedar}");
        assert_eq!(flip.rule, "r");
    }
    let two = loaded(&call(
        "(principal in Belay::Project::\"site\", action, resource) when { context.arriving }",
    ));
    assert_eq!(two.near_miss(&asked).flip, None);
    let ways = "(principal, action, resource) when { (context.wall == \"sealed\" && context.arriving) \
                || (context.dataClass == \"open\" && context.arriving) }";
    assert_eq!(loaded(&call(ways)).near_miss(&asked).flip, None, "each way lacks two");
    let others = "(principal, action == Belay::Action::\"tool.call\", resource) when { \
                  [\"git/push\", \"git/pull\"].contains(resource.name) }";
    let others = loaded(&format!("@id(\"r\") permit {others};"));
    assert_eq!(others.near_miss(&asked).flip, None, "nobody is told to act on something else");
    assert_eq!(loaded(&call("(principal, action, resource)")).near_miss(&asked).flip, None);
}

/// Goal: no text of a request makes the gate slow. Method: a pattern that goes back and forth, and
/// a text within the bound and above it; a pattern that is compared once has no bound.
#[test]
fn a_text_too_long_for_the_patterns_is_denied_by_name() {
    let rules = |pattern: &str| {
        loaded(&format!(
            "@id(\"p\") permit (principal, action, resource) when {{ context.arg has command && \
             context.arg.command like \"{pattern}\" }};"
        ))
    };
    let judged = |rules: &Rules, length: usize| {
        let args = [("command".to_owned(), "a".repeat(length))];
        rules.judge(&Question { args: &args, ..question(Action::Run) })
    };
    let long = 1 << 18;
    let (hard, easy) = (rules(&format!("{}b", "a*".repeat(1_000))), rules("a*"));
    assert_eq!(judged(&hard, 100), UNMATCHED);
    assert_eq!(judged(&easy, long), permit("p"));
    let ruling = judged(&hard, long);
    assert!(matches!(&ruling, Ruling::Error { rule, .. } if rule == TOO_LONG), "{ruling:?}");
    let deep = "/a".repeat(1_000);
    let ruling = easy.judge(&Question { target: &deep, ..question(Action::Read) });
    assert!(matches!(&ruling, Ruling::Error { rule, .. } if rule == UNASKED), "{ruling:?}");
}

/// Goal: of a list, every value is judged, not the one that happens to come last. Method: rules
/// that read one value of an argument in each of the three ways, met by one of two values, in both
/// orders; two lists at once; more values than are judged.
#[test]
fn every_value_of_a_list_is_judged() {
    let rules = loaded(
        r#"@id("all") permit (principal, action == Belay::Action::"tool.call",
               resource in Belay::Connector::"pay");
           @id("work") permit (principal, action, resource == Belay::Tool::"files/read")
               when { resource.hasTag("paths") && resource.getTag("paths") like "/work/*" };
           @id("much") forbid (principal, action, resource)
               when { context.num has amount && context.num.amount > 100 };
           @id("rm") forbid (principal, action, resource)
               when { context.arg has command && context.arg.command like "rm *" &&
                      context.arg has cwd && context.arg.cwd == "/" };"#,
    );
    let asked = |target: &str, pairs: &[(&str, &str)]| {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut there: Vec<(String, String)> = pairs.iter().map(pair).collect();
        let judged = |args: &[(String, String)]| {
            rules.judge(&Question { args, target, ..question(Action::Call) })
        };
        let ruling = judged(&there);
        there.reverse();
        assert_eq!(ruling, judged(&there), "the order of values changes nothing: {pairs:?}");
        ruling
    };
    assert_eq!(asked("files/read", &[("paths", "/work/a"), ("paths", "/work/b")]), permit("work"));
    assert_eq!(asked("files/read", &[("paths", "/work/a"), ("paths", "/etc/shadow")]), UNMATCHED);
    assert_eq!(asked("pay/now", &[("amount", "1"), ("amount", "1000000")]), forbid("much"));
    assert_eq!(asked("pay/now", &[("amount", "1"), ("amount", "2")]), permit("all"));
    let two = [("command", "ls"), ("command", "rm x"), ("cwd", "/tmp"), ("cwd", "/")];
    assert_eq!(asked("pay/now", &two), forbid("rm"));
    let texts: Vec<String> = (0..65).map(|number| format!("/work/{number}")).collect();
    let many: Vec<(&str, &str)> = texts.iter().map(|text| ("paths", text.as_str())).collect();
    assert_eq!(asked("files/read", &many[..64]), permit("work"));
    let ruling = asked("files/read", &many);
    assert!(matches!(&ruling, Ruling::Error { rule, .. } if rule == TOO_MANY), "{ruling:?}");
    let note: Vec<(&str, &str)> = many.iter().map(|(_, value)| ("note", *value)).collect();
    let unread = loaded(
        "@id(\"n\") permit (principal, action, resource) when { context.args.contains(\"note=/work/1\") };",
    );
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let args: Vec<(String, String)> = note.iter().map(pair).collect();
    let ruling = unread.judge(&Question { args: &args, ..question(Action::Call) });
    assert_eq!(ruling, permit("n"), "what no rule reads by one value may have any number");
}

/// Goal: a long question gets its No, and nobody looks for what it came near to. Method: the same
/// near miss with a short text and with one above the bound.
#[test]
fn a_long_question_is_not_asked_again() {
    let rules = loaded(
        "@id(\"r\") permit (principal, action, resource) when { context.wall == \"sealed\" };",
    );
    for (length, told) in [(4_096, true), (4_097, false)] {
        let args = [("text".to_owned(), "a".repeat(length))];
        let asked = Question { args: &args, ..question(Action::Call) };
        assert_eq!(rules.judge(&asked), UNMATCHED);
        let near = rules.near_miss(&asked);
        assert_eq!((near.flip.is_some(), !near.nearest.is_empty()), (told, told));
    }
}
