const exitOf = (result) => result?.details?.exitCode ?? null;

export default {
  id: "ID",
  name: "Belay",
  description: "Asks the node of this device before each call of a tool.",
  register(api) {
    const config = () => api.runtime.config?.current?.() ?? api.config;
    const folder = (agent) => api.runtime.agent.resolveAgentWorkspaceDir(config(), agent);
    const known = ({ toolName, toolKind, runId, toolCallId }, { sessionKey }) => ({
      tool: toolName,
      kind: toolKind ?? null,
      session: sessionKey ?? "",
      runID: runId ?? "",
      callID: toolCallId ?? null,
    });
    api.on("before_tool_call", async (event, ctx) => {
      const directory = folder(ctx.agentId);
      const call = { event: "before", ...known(event, ctx), args: event.params ?? {}, directory };
      const answer = await ask(call);
      if (answer?.allow !== true) {
        return { block: true, blockReason: answer?.why ?? "belay: denied: its hook gave no reason." };
      }
    });
    api.on("after_tool_call", async (event, ctx) => {
      const { error, durationMs, result } = event;
      const came = { exit: exitOf(result), error: error ?? null, took_ms: durationMs ?? null };
      await ask({ event: "after", ...known(event, ctx), ...came });
    });
  },
};
