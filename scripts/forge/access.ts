/** Which forge and repository are meant: what Actions of both forges put into the environment, and a token. */
import { UsageError } from "../arguments.ts";
import { Forge } from "./client.ts";

/**
 * Reads `GITHUB_API_URL`, `GITHUB_REPOSITORY` and `FORGE_TOKEN`, and takes the token out of the environment: no program
 * that is started from here needs it. Throws a {@link UsageError}.
 */
export function forgeFrom(env: NodeJS.ProcessEnv): Forge {
  const { GITHUB_API_URL: api, GITHUB_REPOSITORY: repository, FORGE_TOKEN: token } = env;
  delete env["FORGE_TOKEN"];
  if (api === undefined || !/^https?:\/\/[^\s?#]+$/.test(api))
    throw new UsageError(
      `GITHUB_API_URL ${shown(api)}; allowed: the forge's API, e.g. https://forge.example/api/v1`,
    );
  if (repository === undefined || !/^[\w.-]+\/[\w.-]+$/.test(repository))
    throw new UsageError(`GITHUB_REPOSITORY ${shown(repository)}; allowed: <owner>/<name>`);
  if (!token) throw new UsageError("FORGE_TOKEN is not set; it needs a token that may write issues");
  return new Forge({ api: api.replace(/\/+$/, ""), repository, token });
}

const shown = (value: string | undefined): string =>
  value === undefined ? "is not set" : `is ${JSON.stringify(value)}`;
