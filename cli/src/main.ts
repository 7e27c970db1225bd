#!/usr/bin/env node
import { COMMAND_TABLE } from "./commands.ts";
import { run } from "./frame/run.ts";
import { processEffects } from "./process-effects.ts";

process.exitCode = await run(process.argv.slice(2), COMMAND_TABLE, processEffects());
