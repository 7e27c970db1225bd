import type { KeyVault, VaultName } from "../../core/store/key-vault.ts";
import type { VaultInventory } from "../../core/management/key-clean-up.ts";

/** A vault that is opened by the first call: S3's client costs as much to import as all code of the API's own. */
export class LazyKeyVault implements KeyVault, VaultInventory {
  readonly #open: () => Promise<KeyVault & VaultInventory>;
  #opened: Promise<KeyVault & VaultInventory> | null = null;

  constructor(open: () => Promise<KeyVault & VaultInventory>) {
    this.#open = open;
  }

  async put(name: VaultName, content: Uint8Array): Promise<string> {
    return (await this.#vault()).put(name, content);
  }

  async get(name: VaultName, sha256: string): Promise<Uint8Array> {
    return (await this.#vault()).get(name, sha256);
  }

  async delete(name: VaultName, epochMs: number): Promise<boolean> {
    return (await this.#vault()).delete(name, epochMs);
  }

  async *writtenBefore(epochMs: number): AsyncGenerator<VaultName, void> {
    yield* (await this.#vault()).writtenBefore(epochMs);
  }

  #vault(): Promise<KeyVault & VaultInventory> {
    this.#opened ??= this.#open();
    return this.#opened;
  }
}
