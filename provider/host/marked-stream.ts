/**
 * What belongs to one run in a stream that also carries other things: the words of a login shell, of ssh, of the run
 * before. It stands between two marks that hold a random token.
 */

const NUL = 0;

/** Finds `\0<token>\n`, hands on what follows, and stops at `\0<token> <exit code>\n`. */
export class MarkedStream {
  readonly #begin: Buffer;
  readonly #end: Buffer;
  readonly #content: (bytes: Buffer) => void;
  #held: Buffer = Buffer.alloc(0);
  #begun = false;
  #code: number | undefined;

  /** @param content called with the bytes between the marks as they come */
  constructor(token: string, content: (bytes: Buffer) => void) {
    this.#begin = Buffer.from(`\0${token}\n`, "latin1");
    this.#end = Buffer.from(`\0${token} `, "latin1");
    this.#content = content;
  }

  /** Whether the first mark has come. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The exit code in the second mark; undefined as long as that has not come. */
  get code(): number | undefined {
    return this.#code;
  }

  push(bytes: Buffer): void {
    if (this.#code !== undefined) return;
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (!this.#begun) {
      const at = this.#held.indexOf(this.#begin);
      if (at === -1) {
        this.#held = this.#held.subarray(-this.#begin.length);
        return;
      }
      this.#begun = true;
      this.#held = this.#held.subarray(at + this.#begin.length);
    }
    const at = this.#held.indexOf(this.#end);
    if (at === -1) return this.#release(this.#possibleEnd());
    const newline = this.#held.indexOf("\n", at + this.#end.length);
    this.#release(at);
    if (newline !== -1)
      this.#code = Number(this.#held.subarray(this.#end.length, newline - at).toString("latin1"));
  }

  /** Where the beginning of an end mark stands whose rest is still to come; the end of what is held if nowhere. */
  #possibleEnd(): number {
    const at = this.#held.lastIndexOf(NUL);
    if (at === -1) return this.#held.length;
    const rest = this.#held.subarray(at);
    return rest.equals(this.#end.subarray(0, rest.length)) ? at : this.#held.length;
  }

  #release(length: number): void {
    if (length > 0) this.#content(this.#held.subarray(0, length));
    this.#held = this.#held.subarray(length);
  }
}
