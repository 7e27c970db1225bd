/** A number of octets that all sessions share. */
export class ByteBudget {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether so many more would fit now; takes nothing. */
  hasRoomFor(octets: number): boolean {
    return this.#taken + octets <= this.#limit;
  }

  /** Takes them, or takes nothing and answers false. */
  tryTake(octets: number): boolean {
    if (!this.hasRoomFor(octets)) return false;
    this.#taken += octets;
    return true;
  }

  release(octets: number): void {
    this.#taken -= octets;
  }
}
