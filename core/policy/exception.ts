/** A domain's settings where one of its exceptions matches. */
import type { DomainSettings, TlsException } from "../record/domain.ts";

/** The domain's settings as they are where an exception matches. */
export function withException(settings: DomainSettings, exception: TlsException): DomainSettings {
  const { tls } = settings;
  const level = exception.level ?? tls.server.level;
  // Plaintext is taken for this mailbox, so no version of TLS may be refused: RFC 8460 section 3 has
  // reporters ignore TLS failures.
  const anyVersion = exception.match.recipient !== undefined && level !== "require";
  return {
    ...settings,
    tls: {
      ...tls,
      server: { ...tls.server, level, minVersion: anyVersion ? "TLSv1.2" : tls.server.minVersion },
      clientCertificate: {
        ...tls.clientCertificate,
        mode: exception.clientCertificateMode ?? tls.clientCertificate.mode,
      },
    },
  };
}
