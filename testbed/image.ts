/**
 * The image all machines stand on: Debian 12 with systemd, sshd, cron and the real harness. Built once per recipe; a
 * folder without the recipe's stamp in its name is not used, and a build that was interrupted leaves only a staging
 * folder, which the next one removes.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import path from "node:path";

import { exclusively } from "../toolchain/exclusive.ts";
import { processInfo } from "../toolchain/process-info.ts";
import { VERSIONS } from "../toolchain/versions.ts";
import { mirrorOf } from "./apt-sources.ts";
import { endGroup, inGroup } from "./cgroup.ts";
import { run } from "./command.ts";
import { mountOverlay, mounts, unmountBelow } from "./mounts.ts";
import { PREFIX, cacheFolder, imagesFolder, shortId } from "./paths.ts";

/** Tells the operator what takes long. One line each, without a line feed. */
export type Progress = (line: string) => void;

/** `full` has everything; `bare` has neither bash nor Python nor the harness. */
export type Flavour = "full" | "bare";

const SUITE = "bookworm";
/** The one Python of that suite; the wheels are chosen for it. */
const PYTHON = "3.11";
const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "libpam-systemd",
  "openssh-server",
  "cron",
  "sudo",
  "iproute2",
  "procps",
  "ca-certificates",
  "curl",
  "python3",
  "python3-venv",
];
const REQUIREMENT = `hermes-agent[messaging]==${VERSIONS.hermesAgent}`;
const RECIPE = path.join(import.meta.dirname, "recipe");

/** Programs run inside the image see nothing of this machine's environment. */
const INSIDE = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LC_ALL: "C.UTF-8",
};

/** Names what the image is made of: another recipe is another image. */
export function recipeStamp(): string {
  const hash = createHash("sha256").update(JSON.stringify([SUITE, PYTHON, PACKAGES, REQUIREMENT]));
  for (const script of ["customize.sh", "bare.sh"]) hash.update(readFileSync(path.join(RECIPE, script)));
  return hash.digest("hex").slice(0, 12);
}

/** The layers of a machine of this flavour, the uppermost first. */
export function layersOf(image: string, flavour: Flavour): string[] {
  const base = path.join(image, "base");
  return flavour === "bare" ? [path.join(image, "bare"), base] : [base];
}

/** Folder of the image for today's recipe, built where there is none. Whoever comes second waits for the first. */
export async function ensureImage(progress: Progress): Promise<string> {
  const images = imagesFolder();
  const image = path.join(images, recipeStamp());
  if (existsSync(image)) return image;
  await exclusively(
    path.join(images, "lock"),
    (pid) => progress(`waiting for process ${pid}, which is building the image`),
    async () => {
      await removeInterruptedBuilds(progress);
      if (!existsSync(image)) await build(image, progress);
    },
  );
  return image;
}

async function build(image: string, progress: Progress): Promise<void> {
  const from = Date.now();
  const images = path.dirname(image);
  const staging = path.join(images, `${STAGING}${process.pid}`);
  const step = (argv: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> =>
    run(inGroup(groupOf(process.pid), argv), { env, title: argv.join(" ") });
  mkdirSync(staging);
  try {
    const base = path.join(staging, "base");
    progress(`building the image (once, about two minutes): Debian ${SUITE} with systemd, sshd and cron`);
    await debootstrap(base, step);
    progress(`building the image: ${REQUIREMENT}`);
    cpSync(await wheels(step), path.join(base, "tmp/wheels"), { recursive: true });
    await inside(base, "customize.sh", [REQUIREMENT], step);
    await makeBareLayer(staging, step);
    renameSync(staging, image);
  } finally {
    await endGroup(groupOf(process.pid));
    await unmountBelow(staging);
    rmSync(staging, { recursive: true, force: true });
  }
  removeOldImages(images, image);
  progress(`the image is built, in ${Math.round((Date.now() - from) / 1000)} s`);
}

type Step = (argv: readonly string[], env?: NodeJS.ProcessEnv) => Promise<string>;

async function debootstrap(base: string, step: Step): Promise<void> {
  const mirror = mirrorOf(SUITE);
  const packages = path.join(cacheFolder(), "debs");
  mkdirSync(packages, { recursive: true });
  await step([
    "debootstrap",
    "--variant=minbase",
    `--include=${PACKAGES.join(",")}`,
    `--cache-dir=${packages}`,
    ...(mirror.keyring === undefined ? [] : [`--keyring=${mirror.keyring}`]),
    SUITE,
    base,
    mirror.uri,
  ]);
}

/** The harness's wheels, downloaded by this machine's pip, from where that is set up to download. */
async function wheels(step: Step): Promise<string> {
  const folder = path.join(cacheFolder(), `wheels-${VERSIONS.hermesAgent}`);
  if (existsSync(folder)) return folder;
  const staging = `${folder}.${process.pid}`;
  rmSync(staging, { recursive: true, force: true });
  const choice = [
    "--only-binary=:all:",
    `--python-version=${PYTHON}`,
    "--quiet",
    "--disable-pip-version-check",
  ];
  await step(["python3", "-m", "pip", "download", ...choice, `--dest=${staging}`, REQUIREMENT]);
  renameSync(staging, folder);
  return folder;
}

/** Runs one of the recipe's scripts inside a root. */
async function inside(root: string, script: string, args: readonly string[], step: Step): Promise<void> {
  cpSync(path.join(RECIPE, script), path.join(root, "tmp", script));
  await step(["chroot", root, "sh", `/tmp/${script}`, ...args], INSIDE);
  rmSync(path.join(root, "tmp", script));
}

async function makeBareLayer(staging: string, step: Step): Promise<void> {
  const [upper, work, root] = ["bare", "work", "merged"].map((name) => path.join(staging, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [upper, work, root]) mkdirSync(folder);
  await mountOverlay({ lower: [path.join(staging, "base")], upper, work }, root, groupOf(process.pid));
  await inside(root, "bare.sh", [], step);
  await unmountBelow(root);
  for (const folder of [work, root]) rmSync(folder, { recursive: true });
}

const STAGING = ".staging-";
const groupOf = (pid: number): string => `${PREFIX}${shortId(imagesFolder())}-image-${pid}`;

/** Ends what a killed build left running, unmounts and removes its staging folder. Builds of the living stay. */
export async function removeInterruptedBuilds(progress: Progress): Promise<void> {
  const images = imagesFolder();
  for (const name of readdirSync(images).filter((entry) => entry.startsWith(STAGING))) {
    const pid = Number(name.slice(STAGING.length));
    const folder = path.join(images, name);
    const builder = pid === process.pid ? undefined : processInfo(pid);
    // A process that started after the folder was made got its number from the builder, who is dead.
    if (builder !== undefined && builder.startedAt.getTime() < statSync(folder).birthtimeMs + 2000) continue;
    progress("an earlier build of the image was interrupted; removing what is left of it");
    await endGroup(groupOf(pid));
    await unmountBelow(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Images of other recipes go, unless a machine stands on one. */
function removeOldImages(images: string, current: string): void {
  const inUse = mounts().map((mount) => mount.options);
  for (const name of readdirSync(images).filter((entry) => /^[0-9a-f]{12}$/.test(entry))) {
    const folder = path.join(images, name);
    if (folder === current || inUse.some((options) => options.includes(`${folder}/`))) continue;
    rmSync(folder, { recursive: true, force: true });
  }
}
