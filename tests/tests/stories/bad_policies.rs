//! Policies that do not hold together: refused by file and place, before anything is signed.

use super::exe;
use belay_tests::story::{ANY_PORT, Fleet};
use std::path::Path;

/// Goal: every half-written policy is refused with exit 7, its file and its place, and leaves no
/// state behind. Method: one change each to a policy that is good; then that one founds.
#[test]
fn a_half_written_policy_founds_nothing() {
    let mut fleet = Fleet::empty(exe());
    let good = |name: &str| std::fs::read_to_string(fleet.path(&format!("policy/{name}"))).unwrap();
    let (rules, release) = (good("policy.cedar"), good("release.toml"));
    let cases = [
        ("policy.cedar", rules.replacen("@id(\"demo.local\")", "", 1), "policy.cedar", "@id"),
        (
            "policy.cedar",
            rules.replacen("demo.work", "demo.local", 1),
            "policy.cedar",
            "demo.local",
        ),
        ("policy.cedar", rules.replacen("permit", "allow", 1), "policy.cedar", "allow"),
        ("policy.cedar", rules.replacen("context.args", "context.agrs", 1), "policy.cedar", "agrs"),
        ("release.toml", release.replacen("[run]", "[runs]", 1), "release.toml", "runs"),
        (
            "release.toml",
            release.replacen("local = \"4s\"", "local = \"4 s\"", 1),
            "release.toml",
            "leases.local",
        ),
        (
            "release.toml",
            release.replacen("\"enforce\"", "\"enforced\"", 1),
            "release.toml",
            "enforced",
        ),
        ("release.toml", release[..release.len() / 2].to_owned(), "release.toml", "line"),
    ];
    for (name, text, file, word) in cases {
        let folder = fleet.path("half");
        std::fs::create_dir_all(&folder).unwrap();
        for (known, good) in [("policy.cedar", &rules), ("release.toml", &release)] {
            let text = if known == name { &text } else { good };
            std::fs::write(Path::new(&folder).join(known), text).unwrap();
        }
        let unlock = fleet.unlock();
        let up = ["up", "--policy", &folder, "--listen", ANY_PORT, "--unlock-file", &unlock];
        fleet.ask("half-node", &up).refuses(7, &[file, word]);
        assert!(!Path::new(&fleet.path("half-node/node.toml")).exists(), "nothing was founded");
    }
    std::fs::remove_file(fleet.path("half/release.toml")).unwrap();
    let (folder, unlock) = (fleet.path("half"), fleet.unlock());
    let up = ["up", "--policy", &folder, "--listen", ANY_PORT, "--unlock-file", &unlock];
    fleet.ask("half-node", &up).refuses(7, &["release.toml"]);
    fleet.found("half-node", "mended.belay");
    assert_eq!(fleet.status("half-node")["domain"], "mended.belay");
}
