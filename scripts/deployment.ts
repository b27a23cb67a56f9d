/** Pure: a stack's state as `pulumi stack export` gives it, and the two changes our commands make to it. */
import { dropletComponent } from "../fleet/droplet.ts";
import { HOUSE, nameOf, typeOf } from "./places.ts";
import { valueAt } from "./property-path.ts";

/** What our commands read and change of a resource; everything else of it stays as it is. */
export interface StateResource {
  urn: string;
  type: string;
  custom?: boolean;
  parent?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[] | null> | null;
  /** It has been replaced, and could not be taken down yet. */
  delete?: boolean;
  deletedWith?: string;
  replaceWith?: string[];
}

/** Secrets in it are encrypted. */
export interface Deployment {
  version: number;
  deployment: {
    resources?: StateResource[];
    pending_operations?: { resource: { urn: string } }[];
  };
}

const HOST = "fleet:index:Host";
const MACHINE = "fleet:index:Droplet";
const DROPLET = "digitalocean:index/droplet:Droplet";

export interface StateHouse {
  name: string;
  /** Host it is on; empty where nothing of the house says so. */
  host: string;
  /** The house itself and everything below it, from top to bottom. */
  resources: StateResource[];
}

const resourcesOf = (state: Deployment): StateResource[] => state.deployment.resources ?? [];

/** A component and everything below it. The state lists what is above a resource before it. */
function below(state: Deployment, top: string): StateResource[] {
  const urns = new Set([top]);
  return resourcesOf(state).filter(({ urn, parent }) => {
    if (parent !== undefined && urns.has(parent)) urns.add(urn);
    return urns.has(urn);
  });
}

function hostOf(resources: readonly StateResource[]): string {
  const names = resources.map(({ inputs }) => valueAt(inputs, ["host", "name"]));
  return names.find((name) => typeof name === "string") ?? "";
}

/** A component on one host: its host and what it is made of. */
function componentsOf(state: Deployment, type: string): StateHouse[] {
  const tops = new Set(resourcesOf(state).flatMap(({ urn }) => (typeOf(urn) === type ? [urn] : [])));
  return [...tops].map((urn) => {
    const resources = below(state, urn);
    return { name: nameOf(urn), host: hostOf(resources), resources };
  });
}

/** The houses of a state, in its order. */
export const housesIn = (state: Deployment): StateHouse[] => componentsOf(state, HOUSE);

/** Machines that the state has for a host, of whatever generation, and has not deleted yet. */
export const dropletsOf = (state: Deployment, host: string): StateResource[] =>
  componentsOf(state, MACHINE)
    .filter(({ name }) => name === dropletComponent(host))
    .flatMap(({ resources }) => resources.filter(({ urn }) => typeOf(urn) === DROPLET));

/** What belongs to these houses: they themselves, and of hosts that have no other house, what the host's houses share. */
export function belongings(state: Deployment, names: readonly string[]): StateResource[] {
  const houses = housesIn(state);
  const chosen = houses.filter(({ name }) => names.includes(name));
  const others = new Set(houses.filter(({ name }) => !names.includes(name)).map(({ host }) => host));
  const hosts = new Set(chosen.map(({ host }) => host).filter((host) => host !== "" && !others.has(host)));
  const shared = componentsOf(state, HOST).filter(({ host }) => hosts.has(host));
  const urns = new Set([...chosen, ...shared].flatMap(({ resources }) => resources.map(({ urn }) => urn)));
  return resourcesOf(state).filter(({ urn }) => urns.has(urn));
}

/** The state without these resources. Those that waited for them do so no more. */
export function without(state: Deployment, urns: ReadonlySet<string>): Deployment {
  const { pending_operations: pending } = state.deployment;
  return {
    ...state,
    deployment: {
      ...state.deployment,
      resources: resourcesOf(state)
        .filter(({ urn }) => !urns.has(urn))
        .map((resource) => forgetting(resource, (urn) => urns.has(urn))),
      ...(pending && { pending_operations: pending.filter(({ resource }) => !urns.has(resource.urn)) }),
    },
  };
}

/** Whether a house is elsewhere by now, and what it was before could not be taken down. */
export const hasLeftBehind = ({ resources }: StateHouse): boolean =>
  resources.some((resource) => resource.delete === true);

/** What these houses were before they were replaced, and of hosts that have no house any more, what those shared. */
export function leftBehind(state: Deployment, names: readonly string[]): StateResource[] {
  const houses = housesIn(state);
  const chosen = houses.filter(({ name }) => names.includes(name));
  const old = chosen.flatMap(({ resources }) => resources.filter((resource) => resource.delete === true));
  const living = houses.flatMap(({ resources }) => resources.filter((resource) => resource.delete !== true));
  const hosts = (resources: readonly StateResource[]): string[] =>
    resources.map((resource) => hostOf([resource])).filter((host) => host !== "");
  const used = new Set(hosts(living));
  const empty = new Set(hosts(old).filter((host) => !used.has(host)));
  const shared = componentsOf(state, HOST).filter(({ host }) => empty.has(host));
  return [...old, ...shared.flatMap(({ resources }) => resources)];
}

/** The state without that. What has come in its place has the same names, and stays. */
export function withoutReplaced(state: Deployment, gone: readonly StateResource[]): Deployment {
  const replaced = new Set(gone.filter((resource) => resource.delete === true));
  const kept = resourcesOf(state).filter((resource) => !replaced.has(resource));
  const shared = new Set(gone.filter((resource) => resource.delete !== true).map(({ urn }) => urn));
  return without({ ...state, deployment: { ...state.deployment, resources: kept } }, shared);
}

/** The state in which nobody else waits for these resources. The program states anew who waits for whom. */
export function released(state: Deployment, urns: ReadonlySet<string>): Deployment {
  const resources = resourcesOf(state).map((resource) =>
    urns.has(resource.urn) ? resource : forgetting(resource, (urn) => urns.has(urn)),
  );
  return { ...state, deployment: { ...state.deployment, resources } };
}

/**
 * The state in which these resources wait for each other only, so that all others can be destroyed without them.
 * Undefined if it is so already.
 */
export function detached(state: Deployment, urns: ReadonlySet<string>): Deployment | undefined {
  let changed = false;
  const managed = (urn: string): boolean => !/^pulumi:(pulumi|providers):/.test(typeOf(urn));
  const outside = (urn: string): boolean => managed(urn) && !urns.has(urn);
  const resources = resourcesOf(state).map((resource) => {
    if (!urns.has(resource.urn)) return resource;
    changed ||= relations(resource).some(outside);
    return forgetting(resource, outside);
  });
  return changed ? { ...state, deployment: { ...state.deployment, resources } } : undefined;
}

function relations(resource: StateResource): string[] {
  const { dependencies = [], propertyDependencies, deletedWith, replaceWith = [] } = resource;
  const properties = Object.values(propertyDependencies ?? {}).flatMap((urns) => urns ?? []);
  return [...dependencies, ...properties, ...(deletedWith ? [deletedWith] : []), ...replaceWith];
}

/** The resource without its relations to those that are gone. Whose child it is stays: nobody loses the resource above. */
function forgetting(resource: StateResource, isGone: (urn: string) => boolean): StateResource {
  const { dependencies, propertyDependencies, deletedWith, replaceWith, ...rest } = resource;
  const staying = (urns: readonly string[] | null): string[] => (urns ?? []).filter((urn) => !isGone(urn));
  return {
    ...rest,
    ...(dependencies && { dependencies: staying(dependencies) }),
    ...(propertyDependencies && {
      propertyDependencies: Object.fromEntries(
        Object.entries(propertyDependencies).map(([name, urns]) => [name, staying(urns)]),
      ),
    }),
    ...(deletedWith !== undefined && !isGone(deletedWith) && { deletedWith }),
    ...(replaceWith && { replaceWith: staying(replaceWith) }),
  };
}
