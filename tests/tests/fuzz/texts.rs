//! What people and programs write: rules, policy folders, node files, plans, lines at the doors,
//! names.

use super::Target;
use super::bend::Form;
use belay_identity::principal::{Principal, TrustDomain};
use belay_mesh::gate::{Rules, faults, rule_changes, rule_lines};
use belay_node::config::NodeFile;
use belay_node::policy_folder::Source;
use belay_node::readers;
use belay_simulator::Plan;
use std::net::Ipv4Addr;

const STARTER: [&str; 2] = [
    include_str!("../../../configs/policies/starter/policy.cedar"),
    include_str!("../../../configs/policies/starter/release.toml"),
];
const DEMO: [&str; 2] = [
    include_str!("../../../configs/policies/demo/policy.cedar"),
    include_str!("../../../configs/policies/demo/release.toml"),
];

fn bytes_of(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Goal: no text harms Cedar's parser, and the three looks at a text agree.
/// Method: rules load exactly where no fault is found; then each can be listed and compared.
#[test]
fn rules() {
    let good = bytes_of(&[STARTER[0], DEMO[0]]);
    Target { name: "rules", good, form: Form::Text, tries: 1_000, read: read_rules }.play();
}

fn read_rules(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let found = faults(text);
    match Rules::load(text) {
        Ok(_rules) => {
            assert!(found.is_empty(), "it loads, and has faults: {found:?}");
            let lines = rule_lines(text).expect("what loads can be listed");
            assert!(lines.iter().all(|rule| rule.line >= 1));
            let changes = rule_changes(text, text).expect("what loads can be compared");
            assert_eq!(changes, Default::default(), "it differs from itself");
            true
        }
        Err(error) => {
            assert!(!found.is_empty(), "it does not load, and has no fault: {error}");
            assert!(!error.hint().is_empty());
            false
        }
    }
}

/// Goal: a policy folder is a release or an error with exit 7 and a next step.
/// Method: the two texts stand one behind the other, a zero byte between.
#[test]
fn policy_folder() {
    let good = [STARTER, DEMO].map(|texts| texts.join("\0").into_bytes()).to_vec();
    let (form, read) = (Form::Text, read_policy_folder);
    Target { name: "policy_folder", good, form, tries: 1_000, read }.play();
}

fn read_policy_folder(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Some((rules, release)) = text.split_once('\0') else { return false };
    match Source::read_texts("folder", rules, release) {
        Ok(source) => {
            let bytes = source.policy.to_bytes();
            let again = belay_identity::body::Policy::from_bytes(&bytes);
            assert_eq!(again, Ok(source.policy), "a policy that peers cannot read");
            true
        }
        Err(fault) => {
            assert_eq!(fault.exit, 7, "{}", fault.what);
            assert!(!fault.what.is_empty() && !fault.hint.is_empty());
            false
        }
    }
}

/// Goal: a node file is read or refused with a next step; what is read can be written and read.
#[test]
fn node_file() {
    let fleet = "ab".repeat(32);
    let key = "cd".repeat(32);
    let whole = format!(
        "fleet = \"{fleet}\"\n[mesh]\nlisten = [\"/ip4/0.0.0.0/udp/4433/quic-v1\"]\n\
         [[mesh.peers]]\nkey = \"{key}\"\naddresses = [\"/dns4/robot/udp/1/quic-v1\"]\n\
         [device]\ncapabilities = [\"camera\"]\nlends = false\nbusy_at = 900\n\
         [enforce]\ntool = \"15m\"\nunsealed_run = \"250ms\"\n"
    );
    let bare = format!("fleet = \"{fleet}\"\n[mesh]\nlisten = []\n");
    let good = bytes_of(&[&whole, &bare]);
    let (form, read) = (Form::Text, read_node_file);
    Target { name: "node_file", good, form, tries: 20_000, read }.play();
}

fn read_node_file(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match readers::node_file(text) {
        Ok(()) => {
            let file: NodeFile = toml::from_str(text).expect("it was read");
            let again = toml::to_string(&file).expect("it can be written");
            readers::node_file(&again).expect("what we write, we read");
            true
        }
        Err(fault) => {
            assert_eq!(fault.exit, 2, "{}", fault.what);
            assert!(!fault.what.is_empty() && !fault.hint.is_empty());
            false
        }
    }
}

/// Goal: a plan of the simulator is read or refused with its reason.
#[test]
fn plan() {
    let good = bytes_of(&[
        include_str!("../../../configs/plans/offload.toml"),
        include_str!("../../../configs/plans/stop.toml"),
        include_str!("../../../configs/plans/walk.toml"),
        include_str!("../../../configs/plans/weather.toml"),
    ]);
    Target { name: "plan", good, form: Form::Text, tries: 15_000, read: read_plan }.play();
}

fn read_plan(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match Plan::read(text, None) {
        Ok(_plan) => true,
        Err(why) => {
            assert!(!why.to_string().is_empty());
            false
        }
    }
}

/// Goal: a line at a door is a question in one form, or refused; nothing is guessed.
#[test]
fn door_line() {
    let good = bytes_of(&[
        r#""status""#,
        r#"{"place":{"key":"ab","class":1}}"#,
        r#"{"submit":{"statements":["84"],"bodies":[]}}"#,
        r#"{"run":{"agent":"a","project":"p","class":"c","argv":["x"],"program":"/x","cwd":"/","env":[["A","b"]]}}"#,
        r#"{"act":{"action":"tool.call","target":"x","args":[["k","v"]]}}"#,
        r#"{"offload":{"device":null,"needs":[],"agent":"a","argv":["x"],"tools":["*"],"on_silence":"end","wait":true}}"#,
        r#"{"why":{"id":null}}"#,
        r#"{"standing":{"subject":["agent:a","and","device:b"]}}"#,
    ]);
    let (form, read) = (Form::Text, read_door_line);
    Target { name: "door_line", good, form, tries: 40_000, read }.play();
}

fn read_door_line(bytes: &[u8]) -> bool {
    let Ok(written) = readers::door_line(bytes) else { return false };
    let again = readers::door_line(&written).expect("what we write, we read");
    assert_eq!(written, again, "one question has one form");
    true
}

/// Goal: a name is only ever itself: no other text is read as the same principal.
/// Method: what is read is written letter by letter as it stood; subjects' words the same way.
#[test]
fn name() {
    let good = bytes_of(&[
        "spiffe://golden.belay/root",
        "spiffe://golden.belay/agent/scout",
        "spiffe://golden.belay/operator/ada",
        "spiffe://a/device/robot-1.north_2",
        "spiffe://a/invite/x",
        "agent:scout",
        "user:ada and device:robot",
        "class:c project:p agent:a",
        "manifest:0000000000000000000000000000000000000000000000000000000000000000",
    ]);
    Target { name: "name", good, form: Form::Text, tries: 40_000, read: read_name }.play();
}

fn read_name(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let principal = Principal::parse(text);
    if let Ok(principal) = &principal {
        assert_eq!(principal.to_string(), text, "another text for the same principal");
    }
    let domain = TrustDomain::new("golden.belay").unwrap();
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let subject = readers::subject_words(&domain, &words);
    if let Err(fault) = &subject {
        assert_eq!(fault.exit, 2, "{}", fault.what);
    }
    principal.is_ok() || subject.is_ok()
}

/// Goal: a message of the Model Context Protocol is passed on in one form or answered with JSON.
#[test]
fn mcp_message() {
    let good = bytes_of(&[
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":[1,2.50]}}}"#,
        r#"{"jsonrpc":"2.0","id":"x","result":{"content":[{"type":"text","text":"\u00e9"}]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#,
    ]);
    let read = read_mcp_message;
    Target { name: "mcp_message", good, form: Form::Text, tries: 20_000, read }.play();
}

fn read_mcp_message(bytes: &[u8]) -> bool {
    match readers::mcp_message(bytes) {
        Ok(passed) => {
            let again = readers::mcp_message(passed.as_bytes());
            assert_eq!(again.as_ref(), Ok(&passed), "what is passed on is passed on again");
            true
        }
        Err(answer) => {
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
            assert!(answer["error"]["code"].is_i64(), "{answer}");
            false
        }
    }
}

/// Goal: a call of an agent's hook is some acts or a No that says why; never nothing.
#[test]
fn hook_call() {
    let good = bytes_of(&[
        r#"{"hook_event_name":"PreToolUse","session_id":"s","cwd":"/w","tool_name":"Bash","tool_input":{"command":"ls -l | wc","description":"count"}}"#,
        r#"{"hook_event_name":"PreToolUse","session_id":"s","cwd":"/w","tool_name":"Bash","tool_input":{"command":"touch a"}}"#,
        r#"{"hook_event_name":"BeforeTool","session_id":"s","cwd":"/w","tool_name":"web_fetch","tool_input":{"prompt":"read https://a.b/c"}}"#,
        r#"{"event":"before","tool":"bash","sessionID":"s","callID":"c","args":{"command":"touch a"},"directory":"/w"}"#,
        r#"{"hookName":"tool_call","taskId":"t","agent_id":"a","parent_agent_id":null,"workspaceRoots":["/w"],"tool_call":{"id":"c","name":"run_commands","input":{"commands":["ls","touch a"]}}}"#,
        r#"{"event":"before","tool":"exec","kind":null,"session":"s","runID":"r","callID":"c","args":{"command":"ls","env":{"A":"b"}},"directory":"/w"}"#,
    ]);
    Target { name: "hook_call", good, form: Form::Text, tries: 20_000, read: read_hook_call }
        .play();
}

fn read_hook_call(bytes: &[u8]) -> bool {
    let agents = ["claude-code", "codex", "gemini", "opencode", "cline", "openclaw"];
    let said = agents.map(|agent| readers::hook_call(agent, bytes));
    let some = |said: &Result<usize, String>| match said {
        Ok(acts) => {
            assert!(*acts > 0, "a call without an act asks nobody");
            true
        }
        Err(why) => {
            assert!(!why.is_empty());
            false
        }
    };
    said.iter().map(some).filter(|some| *some).count() > 0
}

/// Goal: a packet of the local network announces at most what it has room for.
#[test]
fn announcement() {
    let good = vec![belay_tests::golden::announcement().bytes];
    let (form, read) = (Form::Cbor(0), read_announcement);
    Target { name: "announcement", good, form, tries: 20_000, read }.play();
}

fn read_announcement(bytes: &[u8]) -> bool {
    let said = belay_node::transport::mdns::announced_in(bytes, Ipv4Addr::new(192, 0, 2, 7));
    assert!(said.is_none_or(|count| count <= bytes.len() / 16), "each has a name of 16 bytes");
    said.is_some()
}
