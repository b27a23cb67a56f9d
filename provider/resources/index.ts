/** Every resource of the provider by its token. */
import type { Managed } from "../managed.ts";
import type { OpenHost } from "../operations.ts";
import type { Resource } from "../resource.ts";
import type { ResourceSpec } from "../schema/spec.ts";
import { files } from "./files.ts";
import { harnesses } from "./harnesses.ts";
import { hostKey, hostKeySpec } from "./host-key.ts";
import { keyPair, keyPairSpec } from "./key-pair.ts";
import { packages } from "./packages.ts";
import { release } from "./release/release.ts";
import { unit } from "./unit.ts";
import { user } from "./user.ts";

/** What is on a host. */
export const resources: Record<string, Resource> = {
  "host:index:Release": release,
  "host:index:Files": files,
  "host:index:Unit": unit,
  "host:index:User": user,
  "host:index:Packages": packages,
  "host:index:Harnesses": harnesses,
};

/** What answers for itself: it is in the state alone, or is no matter of facts and plans. */
export const others = (open: OpenHost): Record<string, Managed> => ({
  "host:index:KeyPair": keyPair,
  "host:index:HostKey": hostKey(open),
});

/** All of them, as the schema describes them. */
export const specs: Record<string, ResourceSpec> = {
  ...Object.fromEntries(Object.entries(resources).map(([token, { spec }]) => [token, spec])),
  "host:index:KeyPair": keyPairSpec,
  "host:index:HostKey": hostKeySpec,
};
