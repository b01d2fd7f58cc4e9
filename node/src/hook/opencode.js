export const Belay = async ({ directory }) => ({
  "tool.execute.before": async ({ tool, sessionID, callID }, { args }) => {
    const answer = await ask({ event: "before", tool, sessionID, callID, args: args ?? {}, directory });
    if (answer?.allow !== true) {
      throw new Error(answer?.why ?? "belay: denied: the hook of belay gave no reason.");
    }
  },
  "tool.execute.after": async ({ tool, sessionID, callID }, output) => {
    await ask({ event: "after", tool, sessionID, callID, exit: output?.metadata?.exit ?? null });
  },
});
