export interface Subproblem {
  readonly name: string;
  readonly type: string;
  readonly detail: string;
}

/** A problem document (RFC 8555 section 6.7) that the test CA answers with. */
export class Refusal extends Error {
  readonly type: string;
  readonly status: number;
  readonly subproblems: readonly Subproblem[];
  constructor(type: string, detail: string, status = 400, subproblems: readonly Subproblem[] = []) {
    super(detail);
    this.type = type;
    this.status = status;
    this.subproblems = subproblems;
  }

  document(): object {
    const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;
    const subproblems = this.subproblems.map(({ name, type, detail }) => ({
      identifier: { type: "dns", value: name },
      type: urn(type),
      detail,
    }));
    const document = { type: urn(this.type), detail: this.message, status: this.status };
    return subproblems.length === 0 ? document : { ...document, subproblems };
  }
}
