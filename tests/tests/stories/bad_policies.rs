//! Policies that do not hold together: refused by file and place, before anything is signed.

use super::exe;
use belay_tests::story::{ANY_PORT, Nodes};
use std::path::Path;

/// Goal: every half-written policy is refused with exit 7, its file and its place, and leaves no
/// state behind. Method: one change each to a policy that is good; then that one founds.
#[test]
fn a_half_written_policy_founds_nothing() {
    let mut fleet = Nodes::empty(exe());
    let good = |name: &str| std::fs::read_to_string(fleet.path(&format!("policy/{name}"))).unwrap();
    let (rules, release) = (good("policy.cedar"), good("release.toml"));
    let rules_less = |from: &str, to: &str| ("policy.cedar", rules.replacen(from, to, 1));
    let release_less = |from: &str, to: &str| ("release.toml", release.replacen(from, to, 1));
    let cases = [
        (rules_less("@id(\"demo.local\")", ""), ["line", "@id"]),
        (rules_less("demo.work", "demo.local"), ["line", "demo.local"]),
        (rules_less("permit", "allow"), ["line", "allow"]),
        (rules_less("context.args", "context.agrs"), ["line", "agrs"]),
        (release_less("[run]", "[runs]"), ["line", "runs"]),
        (release_less("lapse_grace", "laps_grace"), ["line", "laps_grace"]),
        (release_less("local = \"4s\"", "local = \"4 s\""), ["leases.local", "4 s"]),
        (release_less("\"enforce\"", "\"enforced\""), ["modes.local", "enforced"]),
        (
            ("release.toml", format!("{release}\n[links]\nmdns = [\"tablet\"]\n")),
            ["mdns", "tablet"],
        ),
        (("release.toml", format!("{release}\n[links]\nmdns = [\"robot\"]\n")), ["mdns", "robot"]),
        (("release.toml", release[..release.len() / 2].to_owned()), ["line", "TOML"]),
    ];
    for ((name, text), words) in cases {
        let folder = fleet.path("half");
        std::fs::create_dir_all(&folder).unwrap();
        for (known, good) in [("policy.cedar", &rules), ("release.toml", &release)] {
            let text = if known == name { &text } else { good };
            std::fs::write(Path::new(&folder).join(known), text).unwrap();
        }
        let unlock = fleet.unlock();
        let up = ["up", "--policy", &folder, "--listen", ANY_PORT, "--unlock-file", &unlock];
        fleet.ask("half-node", &up).refuses(7, &[name, words[0], words[1]]);
        assert!(!Path::new(&fleet.path("half-node/node.toml")).exists(), "nothing was founded");
    }
    std::fs::remove_file(fleet.path("half/release.toml")).unwrap();
    let (folder, unlock) = (fleet.path("half"), fleet.unlock());
    let up = ["up", "--policy", &folder, "--listen", ANY_PORT, "--unlock-file", &unlock];
    fleet.ask("half-node", &up).refuses(7, &["release.toml"]);
    fleet.found("half-node", "mended.belay");
    assert_eq!(fleet.status("half-node")["domain"], "mended.belay");
}
