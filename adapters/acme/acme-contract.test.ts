import { acmeCaContract } from "../../test/contract/acme-ca.contract.ts";
import { TestAcmeCa } from "../../test/support/acme-ca/acme-ca.ts";
import { createAcmeCas } from "./acme-cas.ts";

acmeCaContract({
  name: "of test/support, through the client",
  create: async () => {
    const txt = new Map<string, readonly string[]>();
    const http = new Map<string, string>();
    const server = await TestAcmeCa.start({
      lookUpTxt: (name) => txt.get(name) ?? [],
      fetchHttp: (_name, token) => http.get(token) ?? null,
      profiles: { default: "as ever", shortlived: "six days" },
      processingPolls: 1,
      validationPolls: 1,
      retryAfter: "1",
    });
    const { directoryUrl: url, caFile } = server;
    const cas = createAcmeCas({
      directories: [{ name: "test", url, contact: [], eabKeyId: null, caFile }],
      readEabKey: async () => null,
      clock: { now: () => Date.now() },
      release: "test",
    });
    const ca = cas.ca("test");
    if (ca === null) throw new Error("not configured");
    return {
      ca,
      answers: {
        putTxt: (name, values) => void txt.set(`_acme-challenge.${name}`, values),
        putHttp: (token, content) => void http.set(token, content),
      },
      close: () => server.close(),
    };
  },
});
