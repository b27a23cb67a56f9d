/**
 * The forge's API as far as our scripts use it. Gitea's and GitHub's agree in these calls; where they differ, both are
 * sent or read. Whatever pull requests hold is written by others: it is checked here and escaped where it is shown.
 */
import * as z from "zod";

/** Where a repository is and who asks. */
export interface ForgeAccess {
  /** `https://forge.example/api/v1` or `https://api.github.com`. */
  api: string;
  /** `<owner>/<name>` */
  repository: string;
  token: string;
}

export class ForgeError extends Error {
  override name = "ForgeError";
  /** Of the answer; undefined where there was none that could be understood. */
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

const user = z.object({ login: z.string() });
const pull = z.object({
  number: z.int(),
  user,
  head: z.object({ sha: z.string().regex(/^[0-9a-f]{40,64}$/) }),
  base: z.object({ ref: z.string() }),
});
const comment = z.object({ id: z.int(), body: z.string().nullish(), user });
const review = z.object({
  user: user.nullish(),
  state: z.string(),
  commit_id: z.string().nullish(),
  dismissed: z.boolean().optional(),
});
const issue = z.object({
  number: z.int(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.string(),
  user,
  pull_request: z.unknown().optional(),
});

export type Pull = z.output<typeof pull>;
export type Comment = z.output<typeof comment>;
export type Review = z.output<typeof review>;
export type Issue = z.output<typeof issue>;

/** How a commit stands; a required one keeps a pull request from being merged. */
export interface Status {
  state: "success" | "failure" | "pending";
  /** Its name, by which a forge is told to require it. */
  context: string;
  description: string;
}

/** Accounts that Actions' own tokens belong to. */
const ACTIONS: ReadonlySet<string> = new Set(["github-actions[bot]", "gitea-actions"]);

/** Entries of one answer; both forges give that many at most. */
const PAGE = 50;
/** Pages of one list: a forge that never ends is not followed for ever. */
const PAGES = 100;
/** Milliseconds for one answer. */
const ANSWERED_WITHIN = 30_000;

export class Forge {
  readonly #access: ForgeAccess;
  #own: Promise<ReadonlySet<string>> | undefined;

  constructor(access: ForgeAccess) {
    this.#access = access;
  }

  /** Who writes with this token. The tokens that Actions make may not ask that of GitHub. */
  async ownNames(): Promise<ReadonlySet<string>> {
    this.#own ??= this.#request(user, "GET", "user").then(
      ({ login }) => new Set([login]),
      (error: unknown) => {
        if (error instanceof ForgeError && error.status !== undefined) return ACTIONS;
        throw error;
      },
    );
    return await this.#own;
  }

  pull(number: number): Promise<Pull> {
    return this.#call(pull, "GET", `pulls/${number}`);
  }

  openPulls(): Promise<Pull[]> {
    return this.#list(pull, "pulls", { state: "open" });
  }

  /** In the order they were written. */
  reviews(number: number): Promise<Review[]> {
    return this.#list(review, `pulls/${number}/reviews`);
  }

  comments(number: number): Promise<Comment[]> {
    return this.#list(comment, `issues/${number}/comments`);
  }

  async addComment(number: number, body: string): Promise<void> {
    await this.#call(z.unknown(), "POST", `issues/${number}/comments`, { body });
  }

  async changeComment(id: number, body: string): Promise<void> {
    await this.#call(z.unknown(), "PATCH", `issues/comments/${id}`, { body });
  }

  /** Pull requests are issues to GitHub; they are left out. */
  async openIssues(): Promise<Issue[]> {
    const all = await this.#list(issue, "issues", { state: "open", type: "issues" });
    return all.filter(({ pull_request }) => pull_request === undefined || pull_request === null);
  }

  async openIssue(title: string, body: string): Promise<void> {
    await this.#call(z.unknown(), "POST", "issues", { title, body });
  }

  async changeIssue(number: number, change: { body?: string; state?: "closed" }): Promise<void> {
    await this.#call(z.unknown(), "PATCH", `issues/${number}`, change);
  }

  async setStatus(commit: string, status: Status): Promise<void> {
    await this.#call(z.unknown(), "POST", `statuses/${commit}`, status);
  }

  async #list<Entry>(
    entry: z.ZodType<Entry>,
    place: string,
    query: Record<string, string> = {},
  ): Promise<Entry[]> {
    const all: Entry[] = [];
    for (let page = 1; page <= PAGES; page++) {
      // One forge says limit, the other per_page.
      const words = new URLSearchParams({ ...query, limit: `${PAGE}`, per_page: `${PAGE}`, page: `${page}` });
      const found = await this.#call(z.array(entry), "GET", `${place}?${words}`);
      all.push(...found);
      if (found.length < PAGE) return all;
    }
    throw new ForgeError(`${place} has more than ${PAGES * PAGE} entries`);
  }

  #call<Answer>(shape: z.ZodType<Answer>, method: string, place: string, body?: unknown): Promise<Answer> {
    return this.#request(shape, method, `repos/${this.#access.repository}/${place}`, body);
  }

  async #request<Answer>(
    shape: z.ZodType<Answer>,
    method: string,
    place: string,
    body?: unknown,
  ): Promise<Answer> {
    const { api, token } = this.#access;
    const what = `${method} ${place}`;
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(`${api}/${place}`, {
        method,
        headers: {
          authorization: `token ${token}`,
          accept: "application/json",
          "content-type": "application/json",
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWERED_WITHIN),
      });
      text = await answer.text();
    } catch (error) {
      const { message, cause } = error as Error;
      throw new ForgeError(`${what}: ${cause instanceof Error ? cause.message : message}`);
    }
    if (!answer.ok) {
      const said = JSON.stringify(text.slice(0, 300));
      throw new ForgeError(`${what}: HTTP ${answer.status}: ${said}`, answer.status);
    }
    const read = shape.safeParse(parsed(text));
    if (!read.success)
      throw new ForgeError(`${what}: the answer is not understood: ${z.prettifyError(read.error)}`);
    return read.data;
  }
}

/** Undefined for what is no JSON, which fits no shape that anybody reads. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
