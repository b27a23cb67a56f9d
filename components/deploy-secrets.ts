/**
 * What a delivery's HMAC is made with, from the stack's secret configuration:
 *
 *     pulumi config set --secret deployHookSecret            # in force
 *     pulumi config set --secret deployHookFormerSecret      # still taken, until the forge has the new one
 *
 * Pure. Error texts hold no value.
 */

/** Names in the namespace `wizard-houses`; the first is in force. */
export const DEPLOY_SECRETS = ["deployHookSecret", "deployHookFormerSecret"] as const;

/** Every secret that is taken, or what is wrong with them. */
export function deploySecrets(get: (key: string) => string | undefined): {
  secrets: string[];
  problems: string[];
} {
  const [current, former] = DEPLOY_SECRETS;
  const problems: string[] = [];
  const secrets = DEPLOY_SECRETS.flatMap((key) => {
    const value = get(key);
    if (value === undefined) return [];
    if (/^[\x21-\x7e]{16,256}$/.test(value)) return [value];
    problems.push(
      `${key} must be 16 to 256 printable characters without blanks, for example what "openssl rand -hex 32" says`,
    );
    return [];
  });
  if (get(current) === undefined) {
    const why = "without it anybody could start a deploy";
    problems.push(
      `${current} is not set, needed by deployHook in wizards/fleet.yaml: ${why}; ` +
        `run: pulumi config set --secret ${current}, and give the forge the same`,
    );
  }
  if (secrets.length === 2 && secrets[0] === secrets[1])
    problems.push(`${former} is the same as ${current}; run: pulumi config rm ${former}`);
  return { secrets, problems };
}
