/** Lets a number of things happen at a time; the rest wait in line. */
export class Turns {
  #limit: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when there is a turn; whoever has it gives it back. */
  async take(): Promise<void> {
    if (this.#taken >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken++;
  }

  give(): void {
    const next = this.#taken <= this.#limit ? this.#waiting.shift() : undefined;
    if (next) next();
    else this.#taken--;
  }

  /** For somebody who has a turn and found that there is one too many: gives it back for good and takes another. */
  async fewer(): Promise<void> {
    this.#limit = Math.max(1, this.#taken - 1);
    this.#taken--;
    await this.take();
  }
}
