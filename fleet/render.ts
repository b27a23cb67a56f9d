/** Rendering one house for one environment: from the loaded fleet to the texts of a release. Pure. */
import { stringify } from "yaml";

import { goldenEnvironment, goldenLayer, houseKeys, overlay } from "./golden.ts";
import { harnessFacts } from "./harness/facts.ts";
import type { AgentJob, Environment, House, LoadedFleet, ProviderEntry, RenderedHouse } from "./model.ts";

/** Everything a release of this house needs, except the values of its secrets. Throws on a house that is not in the fleet. */
export function renderHouse(fleet: LoadedFleet, house: House, environment: Environment): RenderedHouse {
  const sources = fleet.sources[house.name];
  if (sources === undefined) throw new Error(`House ${house.name} is not in the loaded fleet`);
  const facts = harnessFacts(house.harness.version);
  const merged = sources.config[environment];
  const config = overlay(merged, goldenLayer(fleet, house, merged, facts));
  return {
    config,
    files: {
      "config.yaml": yaml(config, `${house.name}, environment ${environment}: ${house.role}`),
      "golden.yaml": yaml(
        thinConfig(fleet, house),
        `What a health check of ${house.name} compares with the running harness`,
      ),
      "SOUL.md": sources.soul,
      [`skins/${house.skin}.yaml`]: sources.skin,
      "channel_aliases.json": json(sources.channelAliases),
      "jobs.json": json({ house: house.name, jobs: house.jobs.map((job) => jobRecord(job, house)) }),
      "banned.json": json(fleet.banned),
      ...prefixed("scripts", sources.scripts),
    },
    links: {
      "home/SOUL.md": "SOUL.md",
      [`home/skins/${house.skin}.yaml`]: `skins/${house.skin}.yaml`,
      "home/channel_aliases.json": "channel_aliases.json",
    },
    keys: houseKeys(house),
    env: goldenEnvironment(fleet, house, facts),
  };
}

/** The seeds of a house in a few lines: chain with placeholders for keys, ports, harness. */
function thinConfig(fleet: LoadedFleet, house: House): Record<string, unknown> {
  return {
    house: house.name,
    harness: house.harness.version,
    ports: house.ports,
    providers: house.providers.map(thinEntry),
  };
}

function thinEntry(entry: ProviderEntry): Record<string, unknown> {
  return {
    provider: entry.provider,
    model: entry.model,
    ...(entry.baseUrl === undefined ? {} : { base_url: entry.baseUrl }),
    ...(entry.keyEnv === undefined ? {} : { api_key: `\${${entry.keyEnv}}` }),
  };
}

/**
 * A job as the harness records it, without the fields it keeps itself; `enabled` is one of those, since a paused job is
 * not. Provider and model are pinned and there is no snapshot of them: with one, the harness skips the job once the
 * house's primary model changes. What an agent could add to the job to make another one of it is declared empty.
 */
function jobRecord(job: AgentJob, house: House): Record<string, unknown> {
  const link = house.providers.find((entry) => entry.provider === job.provider);
  return {
    id: job.id,
    name: job.name,
    prompt: job.prompt,
    skills: job.skills,
    provider: job.provider,
    model: job.model,
    base_url: link?.baseUrl ?? null,
    provider_snapshot: null,
    model_snapshot: null,
    script: job.script ?? null,
    no_agent: job.noAgent,
    context_from: null,
    schedule: job.schedule,
    schedule_display: job.schedule.display,
    deliver: job.deliver,
    enabled_toolsets: null,
    workdir: null,
  };
}

function prefixed(folder: string, files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));
}

/** The harness reads YAML 1.1, where a bare `off` or `12:30` is no text; the writer quotes accordingly. */
function yaml(value: unknown, title: string): string {
  const note = `# ${title}.\n# Rendered from wizards/: change it there. The agent cannot override what stands here.\n`;
  return note + stringify(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
