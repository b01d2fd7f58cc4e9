"""A connector with one tool, `mark`: it makes the file that its `path` names.

Into the file go the variable TOKEN and the words that started the two processes above this server:
its keeper and the gateway, where it has them. A `path` of `nowhere` is a call that fails. Spoken on standard input and output, one message a line.
"""

import json
import os
import sys


def words(pid):
    with open(f"/proc/{pid}/cmdline") as kept:
        return kept.read().replace("\0", " ")


def above(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[1]


for line in sys.stdin:
    said = json.loads(line)
    method, number = said.get("method"), said.get("id")
    if number is None:
        continue
    answer = {"jsonrpc": "2.0", "id": number}
    if method == "initialize":
        server = {"name": "files", "version": "1"}
        version = said["params"]["protocolVersion"]
        answer["result"] = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
        tools = [{"name": name, "description": name, "inputSchema": schema} for name in ("mark",)]
        answer["result"] = {"tools": tools}
    elif method == "tools/call":
        path = said["params"]["arguments"]["path"]
        failed = path == "nowhere"
        if not failed:
            with open(path, "w") as made:
                parent = os.getppid()
                made.write(os.environ.get("TOKEN", "") + " " + words(parent) + words(above(parent)))
        text = "there is no such place" if failed else "made"
        answer["result"] = {"content": [{"type": "text", "text": text}], "isError": failed}
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)
