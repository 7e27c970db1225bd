/**
 * The FQDN of this machine without a DNS query: its host name when that has a dot, else the first name with a
 * dot that /etc/hosts gives on the line of the host name, as `hostname -f` would answer from files.
 *
 * @param hosts the text of /etc/hosts, empty where there is none.
 * @returns null when the machine has no name with a dot.
 */
export function fullHostName(hostName: string, hosts: string): string | null {
  if (hostName.includes(".")) return hostName;
  if (hostName === "" || hostName === "localhost") return null;
  for (const line of hosts.split("\n")) {
    const [, ...names] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    if (!names.includes(hostName)) continue;
    const full = names.find((name) => name.startsWith(`${hostName}.`));
    if (full !== undefined) return full;
  }
  return null;
}
