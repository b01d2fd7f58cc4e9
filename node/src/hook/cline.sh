#!/bin/sh
# Written by `belay`: before Cline calls a tool, the node of this device is asked. Cline believes
# nothing but JSON, so whatever is no answer becomes a No. `belay agent unwrap cline` removes it.
said=$(HOOK 2>/dev/null) && [ -n "$said" ] || said='{"cancel":true,"errorMessage":"NO"}'
printf 'HOOK_CONTROL\t%s\n' "$said"
