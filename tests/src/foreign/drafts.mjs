// Opens a saved draft with Automerge's own JavaScript, says what it reads, edits, saves.
//
// Usage: node drafts.mjs SAVED EDITED. Prints one JSON object: the files and heads before and after
// the edit, which puts one line before the first of policy.cedar.

import { readFileSync, writeFileSync } from "node:fs";
import { change, getAllChanges, getHeads, load, save, splice } from "@automerge/automerge";

const [, , saved, edited] = process.argv;

function read(document) {
  const files = Object.entries(document.files).map(([name, text]) => [name, String(text)]);
  return { files: Object.fromEntries(files), heads: [...getHeads(document)].sort() };
}

const before = load(readFileSync(saved));
const after = change(before, { message: "from JavaScript", time: 1 }, (document) => {
  splice(document, ["files", "policy.cedar"], 0, 0, "// edited in JavaScript\n");
});
writeFileSync(edited, save(after));
const changes = getAllChanges(after).length;
console.log(JSON.stringify({ before: read(before), after: read(after), changes }));
