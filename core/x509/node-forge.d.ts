/** The part of node-forge that is used: RC2, which node:crypto lacks. Strings hold one octet a character. */

interface ForgeBuffer {
  getBytes(): string;
}

declare module "node-forge/lib/rc2.js" {
  const rc2: {
    createDecryptionCipher(
      key: string,
      effectiveBits: number,
    ): {
      start(iv: string): void;
      update(input: ForgeBuffer): void;
      /** False when the padding is wrong. */
      finish(): boolean;
      readonly output: ForgeBuffer;
    };
  };
  export default rc2;
}

declare module "node-forge/lib/util.js" {
  const util: { createBuffer(octets: string): ForgeBuffer };
  export default util;
}
