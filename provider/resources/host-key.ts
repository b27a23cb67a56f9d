/**
 * The resource `HostKey`: the key that a host shows instead of the one it was born with, which can be read in its user data.
 *
 * Both public halves are in the state before anything changes. Until the host has been logged in to with the new key it is
 * believed by either; afterwards by the new one alone. Whenever this is cut off, the next attempt meets one of the two.
 */
import { difference } from "../diff.ts";
import { CANNOT_LOOK, CannotLook, InitFailed } from "../errors.ts";
import { connectionFailures } from "../host/connection.ts";
import { factOf, noFacts } from "../host/facts.ts";
import { parseHostKey } from "../host/host-key.ts";
import type { Made, Managed } from "../managed.ts";
import type { OpenHost } from "../operations.ts";
import type { State } from "../resource.ts";
import { checkObject, type ResourceSpec } from "../schema/spec.ts";
import { CONNECTION, types } from "../schema/types.ts";
import { UNKNOWN, type Path, type Values } from "../values.ts";
import { attributesAgree, contentAgrees, observeFile, proven, type OwnedFile } from "./observed.ts";
import { SYSTEM_LOCK } from "./system.ts";

export const hostKeySpec: ResourceSpec = {
  description:
    "The ed25519 key that a host shows in place of the one it was born with. It stays when the resource is removed.",
  inputProperties: {
    host: { ...CONNECTION, description: "The host, with the key it was born with pinned." },
    publicKey: { type: "string", description: "`ssh-ed25519 AAAA…`, without a comment." },
    privateKey: { type: "string", description: "The text of the private key file.", secret: true },
  },
  requiredInputs: ["host", "publicKey", "privateKey"],
  properties: { hostKey: { type: "string", description: "The key to be pinned from now on." } },
};

const PRIVATE = "/etc/ssh/ssh_host_ed25519_key";
const PUBLIC = `${PRIVATE}.pub`;

const connection = (inputs: Values): Values => inputs["host"] as Values;
const idOf = (inputs: Values): string => `${String(connection(inputs)["name"])}:host-key`;
const own = { owner: "root", group: "root" };

function filesOf(inputs: Values): Record<string, OwnedFile> {
  return {
    [PRIVATE]: { ...own, mode: "0600", content: String(inputs["privateKey"]) },
    [PUBLIC]: { ...own, mode: "0644", content: `${String(inputs["publicKey"])}\n` },
  };
}

const paths = { ...noFacts, paths: [PRIVATE, PUBLIC] };

export function hostKey(open: OpenHost): Managed {
  /** The host, known by the new key alone. */
  const rotated = (inputs: Values, key: unknown) => open({ ...connection(inputs), hostKey: String(key) });

  async function rotate(inputs: Values): Promise<void> {
    const { hostKey: former = "" } = connection(inputs);
    const either = open({ ...connection(inputs), hostKey: inputs["publicKey"]!, formerHostKey: former });
    const facts = await either.observe(paths);
    const steps = Object.entries(filesOf(inputs)).flatMap(([path, file]) => {
      const fact = proven(path, factOf(facts, path));
      if (contentAgrees(fact, file) && attributesAgree(fact, file)) return [];
      return [{ do: "file", path, ...file } as const];
    });
    // sshd reads its key anew for each connection, so the next one shows it.
    if (steps.length > 0) await either.change({ lock: SYSTEM_LOCK, steps });
    await rotated(inputs, inputs["publicKey"]).observe(paths);
  }

  return {
    check(news) {
      const shape = { properties: hostKeySpec.inputProperties, required: hostKeySpec.requiredInputs };
      const { values, failures } = checkObject(shape, types, news);
      failures.push(...connectionFailures(values["host"]));
      const key = values["publicKey"];
      if (typeof key === "string" && parseHostKey(key)?.type !== "ssh-ed25519")
        failures.push({ path: ["publicKey"], reason: "must be ssh-ed25519 and the key, without a comment" });
      return { inputs: values, failures };
    },
    diff: (oldInputs, news) => difference(oldInputs, news, ["host.name"]),
    async reconcile({ inputs, old, preview }): Promise<Made> {
      const made: Made = { id: idOf(inputs), outputs: { hostKey: inputs["publicKey"] ?? null } };
      // Until then nobody is told of a key that the host does not show yet.
      if (preview) return { ...made, outputs: old?.outputs ?? { hostKey: UNKNOWN } };
      try {
        await rotate(inputs);
      } catch (error) {
        if (!(error instanceof CannotLook)) throw error;
        throw new Error(`${made.id} ${CANNOT_LOOK}: ${error.message}`, { cause: error });
      }
      return made;
    },
    async read(id, state: State) {
      const { inputs, outputs } = state;
      try {
        const facts = await rotated(inputs, outputs["hostKey"] ?? inputs["publicKey"]).observe(paths);
        const replaced: Path[] = [];
        const file = filesOf(inputs)[PRIVATE]!;
        const seen = observeFile(
          { ...file } as unknown as Values,
          proven(PRIVATE, factOf(facts, PRIVATE)),
          ["privateKey"],
          replaced,
        );
        const privateKey = seen?.["content"] ?? "(on the host: absent)";
        const changed = privateKey !== inputs["privateKey"];
        return {
          inputs: { ...inputs, privateKey },
          outputs,
          replaced: changed ? [["privateKey"]] : [],
        };
      } catch (error) {
        if (!(error instanceof CannotLook)) throw error;
        throw new InitFailed(`${id} ${CANNOT_LOOK}: ${error.message}`, { id, ...state });
      }
    },
    // The host goes on showing it: it has no other.
    remove: () => Promise.resolve(),
  };
}
