import { clientChainVerifierContract } from "../../test/contract/client-chain-verifier.contract.ts";
import { findOpenSsl, runCommand } from "./command.ts";
import { createOpenSslChainVerifier } from "./openssl-chain-verifier.ts";

const { problem } = await findOpenSsl("openssl", runCommand);

clientChainVerifierContract({
  name: "openssl verify",
  missing: problem,
  create: async () => {
    const clock = { now: () => Date.now() };
    const verifier = await createOpenSslChainVerifier({ clock, maxPerClientPerMinute: 10_000 });
    return { verifier, close: () => verifier.close() };
  },
});
