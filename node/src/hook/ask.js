// Written by `belay`: before this agent calls a tool, the node of this device is asked, and whatever
// is no Yes keeps the call from happening. `belay agent unwrap` removes it.
import { spawn } from "node:child_process";

const WORDS = [];

const ask = (call) =>
  new Promise((tell) => {
    const next = "Next: whoever owns this device installs belay again.";
    const no = (why) => tell({ allow: false, why: `belay: denied: the hook of belay did not run: ${why}. ${next}` });
    try {
      const hook = spawn(WORDS[0], WORDS.slice(1), { stdio: ["pipe", "pipe", "ignore"] });
      let said = "";
      hook.on("error", (error) => no(error.message));
      hook.stdin.on("error", () => {});
      hook.stdout.on("data", (part) => {
        said += part;
      });
      hook.on("close", (code) => {
        try {
          const answer = JSON.parse(said);
          code === 0 ? tell(answer) : no(`it ended with ${code}`);
        } catch {
          no(`it ended with ${code} and said nothing`);
        }
      });
      hook.stdin.end(JSON.stringify(call));
    } catch (error) {
      no(error.message);
    }
  });

