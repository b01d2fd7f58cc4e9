//! What rules decide on: types of resources, arguments, the attribute that flips a No, and texts
//! that are too long.

use super::super::{TOO_LONG, UNASKED};
use super::{Action, Question, Rules, Ruling, forbid, loaded, permit, question, unmatched};

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
        assert_eq!(asked(other), unmatched(&["a"]), "{verb} {other}");
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
    ];
    let args = [("force".to_owned(), "yes".to_owned())];
    let asked = Question { args: &args, target: "git/commit", ..question(Action::Call) };
    for (cedar, attribute, to) in &cases {
        let flip = loaded(cedar).flip(&asked).unwrap_or_else(|| panic!("nothing flips {cedar}"));
        assert_eq!((flip.attribute.as_str(), flip.to.as_str()), (*attribute, *to), "{cedar}");
        assert_eq!(flip.rule, "r");
    }
    let two = loaded(&call(
        "(principal in Belay::Project::\"site\", action, resource) when { context.arriving }",
    ));
    assert_eq!(two.flip(&asked), None);
    assert_eq!(loaded(&call("(principal, action, resource)")).flip(&asked), None);
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
    assert_eq!(judged(&hard, 100), unmatched(&["p"]));
    assert_eq!(judged(&easy, long), permit("p"));
    let ruling = judged(&hard, long);
    assert!(matches!(&ruling, Ruling::Error { rule, .. } if rule == TOO_LONG), "{ruling:?}");
    let deep = "/a".repeat(1_000);
    let ruling = easy.judge(&Question { target: &deep, ..question(Action::Read) });
    assert!(matches!(&ruling, Ruling::Error { rule, .. } if rule == UNASKED), "{ruling:?}");
}
