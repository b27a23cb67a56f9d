/**
 * The resource `KeyPair`: a host's key that exists before the host does, so that its first connection is pinned. It is in
 * the state alone; its private half is a secret there.
 */
import { difference } from "../diff.ts";
import { makeKeyPair } from "../host/key-file.ts";
import type { Made, Managed } from "../managed.ts";
import { checkObject, type ResourceSpec } from "../schema/spec.ts";
import { types } from "../schema/types.ts";
import { UNKNOWN, type Value } from "../values.ts";

export const keyPairSpec: ResourceSpec = {
  description:
    "An ed25519 key pair in OpenSSH's formats, made once and kept in the state alone. For the key of a host that is yet to be made.",
  inputProperties: {
    comment: {
      type: "string",
      description: "Whose key it is, e.g. the host's name. Changing it makes another key.",
      pattern: { expression: /^[A-Za-z0-9._@-]{1,64}$/, words: "1 to 64 letters, digits, . _ @ and -" },
    },
  },
  requiredInputs: ["comment"],
  properties: {
    publicKey: { type: "string", description: "`ssh-ed25519 AAAA…`, without a comment: what is pinned." },
    privateKey: { type: "string", description: "The text of the private key file.", secret: true },
  },
};

const SECRETS = [["privateKey"]];
const NOT_YET: { publicKey: Value; privateKey: Value } = { publicKey: UNKNOWN, privateKey: UNKNOWN };

export const keyPair: Managed = {
  check(news) {
    const shape = { properties: keyPairSpec.inputProperties, required: keyPairSpec.requiredInputs };
    const { values, failures } = checkObject(shape, types, news);
    return { inputs: values, failures };
  },
  diff: (oldInputs, news) => difference(oldInputs, news, ["comment"]),
  reconcile({ inputs, old, preview }): Promise<Made> {
    const id = String(inputs["comment"]);
    if (old) return Promise.resolve({ id, outputs: old.outputs, secrets: SECRETS });
    const { publicKey, privateKey } = preview ? NOT_YET : makeKeyPair(id);
    return Promise.resolve({ id, outputs: { ...inputs, publicKey, privateKey }, secrets: SECRETS });
  },
  read: (_id, state) => Promise.resolve({ ...state, replaced: [] }),
  remove: () => Promise.resolve(),
};
