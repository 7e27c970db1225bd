import { installPebble } from "../test/support/peers/pebble-install.ts";

// A peer of test/peers that is built from Go modules instead of installed from Debian.
const { pebble, challengeServer } = await installPebble();
process.stdout.write(`Pebble: ${pebble}, ${challengeServer}\n`);
