import { serveParent } from "./measured-process.ts";
import { startMeasuredWorker } from "./measured-worker.ts";

/* The worker on the settings in the directory that the first argument names, as a measured process. */
serveParent(await startMeasuredWorker(process.argv[2] ?? "."));
