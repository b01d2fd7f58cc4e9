"""A model that asks for the tool calls of a script and keeps what became of them.

Reached on loopback alone. It speaks the dialects of the makers whose agents are driven: Anthropic's
messages, OpenAI's responses and chat completions, Google's generateContent. A conversation whose
first words hold `SCRIPT:name` asks for the calls of that script, one after each result, and then
says that it is done. The scripts are read anew each time. A `session_id` of
`last` stands for the last one that a result named. Every result is kept as one line of JSON: whatever an agent tells its model
stands there.

Usage: model.py PORT SCRIPTS.json RESULTS.jsonl
"""

import http.server
import json
import re
import sys

PORT, SCRIPTS, RESULTS = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def script_of(text):
    named = re.findall(r"SCRIPT:(\w+)", text)
    return named[0] if named else None


def text_of(content):
    return content if isinstance(content, str) else json.dumps(content)


class Dialect:
    """What one maker's wire says: the conversation in, one call or one word out."""

    def __init__(self, body):
        self.body = body

    def offered(self):
        tools = [t.get("function", t) for t in self.body.get("tools", [])]
        return [t.get("name") for t in tools]

    def next(self):
        name = script_of(json.dumps(self.said()))
        results = self.results()
        with open(SCRIPTS) as scripts:
            calls = json.load(scripts).get(name, [])
        call = calls[len(results)] if len(results) < len(calls) and self.offers() else None
        if call and isinstance(call["input"], dict) and call["input"].get("session_id") == "last":
            named = re.findall(r"session ID (\d+)", " ".join(results))
            session = int(named[-1]) if named else 0
            call = call | {"input": call["input"] | {"session_id": session}}
        return name, results, call


class Messages(Dialect):
    """Anthropic: POST /v1/messages."""

    def said(self):
        return [m for m in self.body.get("messages", []) if m["role"] == "user"][:1]

    def offers(self):
        return bool(self.body.get("tools"))

    def results(self):
        parts = [p for m in self.body.get("messages", []) if isinstance(m["content"], list) for p in m["content"]]
        return [text_of(p.get("content")) for p in parts if p.get("type") == "tool_result"]

    def events(self, call, number):
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": "done"}
        if call:
            block = {"type": "tool_use", "id": f"toolu_{number}", "name": call["tool"], "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
        yield "message_start", {"message": message | {"stop_reason": None, "usage": usage}}
        yield "content_block_start", {"index": 0, "content_block": block}
        yield "content_block_delta", {"index": 0, "delta": delta}
        yield "content_block_stop", {"index": 0}
        reason = "tool_use" if call else "end_turn"
        yield "message_delta", {"delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}}
        yield "message_stop", {}


class Responses(Dialect):
    """OpenAI: POST /v1/responses."""

    def said(self):
        users = [i for i in self.body.get("input", []) if i.get("role") == "user"]
        return [i for i in users if "SCRIPT:" in json.dumps(i)][:1]

    def offers(self):
        return bool(self.body.get("tools"))

    def results(self):
        kinds = ("function_call_output", "custom_tool_call_output")
        return [text_of(i.get("output")) for i in self.body.get("input", []) if i.get("type") in kinds]

    def events(self, call, number):
        item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
        if call and isinstance(call["input"], str):
            item = {"type": "custom_tool_call", "name": call["tool"], "input": call["input"], "call_id": f"c{number}"}
        elif call:
            item = {"type": "function_call", "name": call["tool"], "arguments": json.dumps(call["input"]), "call_id": f"c{number}"}
            item |= {"namespace": call["namespace"]} if "namespace" in call else {}
        yield "response.created", {"response": {"id": "r"}}
        yield "response.output_item.done", {"item": item}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": None, "output_tokens_details": None}
        yield "response.completed", {"response": {"id": "r", "usage": usage}}


class Chat(Dialect):
    """OpenAI: POST /v1/chat/completions."""

    def said(self):
        return [m for m in self.body.get("messages", []) if m["role"] == "user"][:1]

    def offers(self):
        return bool(self.body.get("tools"))

    def results(self):
        return [text_of(m.get("content")) for m in self.body.get("messages", []) if m["role"] == "tool"]

    def events(self, call, number):
        delta = {"role": "assistant", "content": "done"}
        if call:
            function = {"name": call["tool"], "arguments": json.dumps(call["input"])}
            delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": f"c{number}", "type": "function", "function": function}]}
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        yield None, head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        reason = "tool_calls" if call else "stop"
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        yield None, head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}


class Generate(Dialect):
    """Google: POST /v1beta/models/NAME:streamGenerateContent."""

    def said(self):
        users = [c for c in self.body.get("contents", []) if c.get("role") == "user"]
        return [c for c in users if "SCRIPT:" in json.dumps(c)][:1]

    def offers(self):
        return bool(self.body.get("tools"))

    def results(self):
        parts = [p for c in self.body.get("contents", []) for p in c.get("parts", [])]
        return [text_of(p["functionResponse"].get("response")) for p in parts if "functionResponse" in p]

    def events(self, call, _number):
        part = {"functionCall": {"name": call["tool"], "args": call["input"]}} if call else {"text": "done"}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        content = {"role": "model", "parts": [part]}
        yield None, {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


def dialect_of(path):
    for part, dialect in (("/messages", Messages), ("/responses", Responses), ("/chat/completions", Chat), ("GenerateContent", Generate), ("generateContent", Generate)):
        if part in path and "count_tokens" not in path:
            return dialect
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.whole({"data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        dialect = dialect_of(self.path)
        if dialect is None:
            return self.whole({"input_tokens": 1, "totalTokens": 1})
        talk = dialect(body)
        name, results, call = talk.next()
        with open(RESULTS, "a") as kept:
            kept.write(json.dumps({"script": name, "results": results, "asks": call, "offered": talk.offered()}) + "\n")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for kind, data in talk.events(call, len(results)):
            head = f"event: {kind}\n" if kind else ""
            data = {"type": kind} | data if kind else data
            self.wfile.write(f"{head}data: {json.dumps(data)}\n\n".encode())
        if dialect is Chat:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def whole(self, said):
        text = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", PORT), Handler)
open(RESULTS, "w").close()
server.serve_forever()
