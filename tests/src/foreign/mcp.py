"""Talks to MCP servers with the official client: once directly, once through the gateway.

Usage: mcp.py SPEC. SPEC names servers, each with its direct way, its way through the gateway, and
what is asked of it. A way is a command, a URL, or `gateway:NAME`: the endpoint that an agent finds
in its environment. Prints one JSON object: what each way answered, by server.
"""

import asyncio
import json
import os
import sys
import time

import httpx2
from mcp import ClientSession, StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ListRootsResult, Root


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def asked(session, method, *args):
    """What a call gave: a result, or the error that the client raised."""
    try:
        return plain(await getattr(session, method)(*args))
    except Exception as error:  # the client's own class differs by version
        return {"raised": str(error)}


def session_of(streams, roots):
    async def list_roots(_context):
        return ListRootsResult(roots=[Root(uri=uri) for uri in roots])

    more = {"list_roots_callback": list_roots} if roots else {}
    return ClientSession(streams[0], streams[1], **more)


def program(way):
    return StdioServerParameters(command=way[0], args=way[1:], env=dict(os.environ))


def over_http(url):
    headers = {}
    if url.startswith("gateway:"):
        headers["Authorization"] = "Bearer " + os.environ["BELAY_MCP_TOKEN"]
        url = os.environ["BELAY_MCP_URL"] + "/" + url.removeprefix("gateway:")
    client = httpx2.AsyncClient(headers=headers, timeout=60)
    return streamable_http_client(url, http_client=client)


def opened(way):
    return over_http(way) if isinstance(way, str) else stdio_client(program(way))


async def look(way, asks, roots):
    async with opened(way) as streams, session_of(streams, roots) as session:
        said = {"initialize": plain(await session.initialize())}
        said["tools"] = plain(await session.list_tools())["tools"]
        said["asked"] = []
        for method, *args in asks:
            if method == "wait":
                # A server asks for roots when it likes: until it has them, or for good.
                await until(session, *args)
                continue
            said["asked"].append(await asked(session, method, *args))
        return said


async def by_mode(spec):
    """What the client of both eras gets in each of its modes."""
    said = {}
    for mode in spec["modes"]:
        way = spec["command"]
        server = over_http(way) if isinstance(way, str) else program(way)
        async with Client(server, mode=mode) as client:
            tools = plain(await client.list_tools())["tools"]
            result = plain(await client.call_tool(spec["tool"], spec["arguments"]))
            version = str(client.session.protocol_version)
        said[mode] = {"version": version, "tools": tools, "result": result}
    return said


async def until(session, tool, word):
    for _ in range(100):
        said = json.dumps(await asked(session, "call_tool", tool, {}))
        if word in said:
            return
        await asyncio.sleep(0.1)
    raise SystemExit(f"{tool} never said {word}")


async def timed(session, tool, arguments, calls, at_once):
    await session.initialize()
    await session.call_tool(tool, arguments)
    took = []

    async def some(count):
        for _ in range(count):
            begun = time.perf_counter()
            await session.call_tool(tool, arguments)
            took.append((time.perf_counter() - begun) * 1e6)

    begun = time.perf_counter()
    await asyncio.gather(*[some(calls // at_once) for _ in range(at_once)])
    whole = time.perf_counter() - begun
    took.sort()
    return {
        "n": len(took),
        "p50_us": round(took[len(took) // 2]),
        "p99_us": round(took[len(took) * 99 // 100]),
        "per_s": round(len(took) / whole),
    }


async def figures(spec, at_once):
    tool, arguments, calls = spec["tool"], spec["arguments"], spec["calls"]
    found = {}
    for name, way in spec["ways"].items():
        async with opened(way) as streams, session_of(streams, []) as session:
            found[name] = await timed(session, tool, arguments, calls, at_once)
            if not isinstance(way, str):
                found[name]["rss_kib"] = memory(way[0])
    return found


def memory(program):
    """Resident memory of this process's child that runs a program."""
    name = os.path.realpath(program)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") != name:
                continue
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            if int(fields[1]) != os.getpid():
                continue
            for line in open(f"/proc/{pid}/status"):
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        except OSError:
            continue
    return None


async def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    said = {}
    for server in spec.get("servers", []):
        ways = {}
        for way in ("direct", "gateway"):
            ways[way] = await look(server[way], server["asks"], server.get("roots", []))
        said[server["name"]] = ways
    if "modes" in spec:
        said = await by_mode(spec)
    if "ways" in spec:
        said = {"one": await figures(spec, 1), "sixteen": await figures(spec, 16)}
    print(json.dumps(said))


asyncio.run(main())
