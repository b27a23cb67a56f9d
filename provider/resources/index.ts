/** Every resource of the provider by its token. */
import type { Resource } from "../resource.ts";
import { files } from "./files.ts";
import { packages } from "./packages.ts";
import { release } from "./release/release.ts";
import { unit } from "./unit.ts";
import { user } from "./user.ts";

export const resources: Record<string, Resource> = {
  "host:index:Release": release,
  "host:index:Files": files,
  "host:index:Unit": unit,
  "host:index:User": user,
  "host:index:Packages": packages,
};
