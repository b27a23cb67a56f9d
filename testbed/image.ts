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
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { HARNESS_PYTHON, lockName } from "../fleet/harness/lock.ts";
import { exclusively, madeOnce } from "../toolchain/exclusive.ts";
import { byLock, downloadArguments, harnessRequirement } from "../toolchain/harness-wheels.ts";
import { processInfo } from "../toolchain/process-info.ts";
import { VERSIONS } from "../toolchain/versions.ts";
import { mirrorOf } from "./apt-sources.ts";
import { endGroup, inGroup } from "./cgroup.ts";
import { run } from "./command.ts";
import { mountOverlay, mounts, unmountBelow } from "./mounts.ts";
import { PREFIX, cacheFolder, imagesFolder, shortId } from "./paths.ts";

/** Tells the operator what takes long. One line each, without a line feed. */
export type Progress = (line: string) => void;

/**
 * `full` has everything; `bare` has neither bash nor Python nor the harness; `cloud` is what a cloud makes machines from:
 * Debian with cloud-init, without name, keys, users and the harness.
 */
export type Flavour = "full" | "bare" | "cloud";

const SUITE = "bookworm";
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
const REQUIREMENT = harnessRequirement(VERSIONS.hermesAgent);
const LOCK = path.join(import.meta.dirname, "..", "wizards", "harness", lockName(VERSIONS.hermesAgent));
const RECIPE = path.join(import.meta.dirname, "recipe");

/** Programs run inside the image see nothing of this machine's environment. */
const INSIDE = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LC_ALL: "C.UTF-8",
};

/** Names what the image is made of: another recipe is another image. */
export function recipeStamp(): string {
  const hash = createHash("sha256").update(JSON.stringify([SUITE, HARNESS_PYTHON, PACKAGES, REQUIREMENT]));
  for (const script of ["customize.sh", "bare.sh"]) hash.update(readFileSync(path.join(RECIPE, script)));
  return hash.digest("hex").slice(0, 12);
}

/** The layers of a machine of this flavour, the uppermost first. */
export function layersOf(image: string, flavour: Flavour): string[] {
  const base = path.join(image, "base");
  if (flavour === "bare") return [path.join(image, "bare"), base];
  return flavour === "cloud" ? [cloudLayer(image), base] : [base];
}

/** What Debian's image for clouds has beside ours. */
const CLOUD_PACKAGES = ["cloud-init", "locales", "nftables"];

/** The layer of the flavour `cloud` lies beside the image, because few beds need it. */
function cloudLayer(image: string): string {
  const hash = createHash("sha256").update(JSON.stringify(CLOUD_PACKAGES));
  hash.update(readFileSync(path.join(RECIPE, "cloud.sh")));
  return path.join(cacheFolder(), `cloud-${path.basename(image)}-${hash.digest("hex").slice(0, 12)}`);
}

/** Makes the layer of the flavour `cloud` where there is none. */
export async function ensureCloudLayer(image: string, progress: Progress): Promise<void> {
  const layer = cloudLayer(image);
  await madeOnce(
    layer,
    (pid) => progress(`waiting for process ${pid}, which is building the layer with cloud-init`),
    async () => {
      progress(`building the image's layer with ${CLOUD_PACKAGES.join(", ")} (once, about a minute)`);
      const staging = path.join(imagesFolder(), `${STAGING}${process.pid}`);
      const step: Step = (argv, env) =>
        run(inGroup(groupOf(process.pid), argv), { env, title: argv.join(" ") });
      mkdirSync(staging);
      try {
        await makeLayer(staging, [path.join(image, "base")], "cloud.sh", CLOUD_PACKAGES, step, (root) =>
          // Packages come from where this machine's apt has them; the script empties the file again.
          writeFileSync(path.join(root, "etc/resolv.conf"), readFileSync("/etc/resolv.conf")),
        );
        renameSync(path.join(staging, "upper"), layer);
      } finally {
        await endGroup(groupOf(process.pid));
        await unmountBelow(staging);
        rmSync(staging, { recursive: true, force: true });
      }
    },
  );
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
    cpSync(await wheels(step, progress), path.join(base, "tmp/wheels"), { recursive: true });
    await inside(base, "customize.sh", [REQUIREMENT], step);
    await makeLayer(staging, [base], "bare.sh", [], step);
    renameSync(path.join(staging, "upper"), path.join(staging, "bare"));
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

/** The harness's wheels, those of its lock, downloaded where there are none. */
function wheels(step: Step, progress: Progress): Promise<string> {
  const folder = path.join(cacheFolder(), `wheels-${VERSIONS.hermesAgent}`);
  return madeOnce(
    folder,
    (pid) => progress(`waiting for process ${pid}, which is downloading the wheels of ${REQUIREMENT}`),
    async () => {
      const staging = `${folder}.staging`;
      rmSync(staging, { recursive: true, force: true });
      const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
      await step(["python3", ...downloadArguments(byLock(LOCK), staging, machine)]);
      renameSync(staging, folder);
    },
  );
}

/** The folder of the harness's wheels, for tests that install it themselves; an image that is there may have come without. */
export const ensureWheels = (): Promise<string> =>
  wheels(
    (argv, env) => run(argv, { env }),
    () => undefined,
  );

/** Runs one of the recipe's scripts inside a root. */
async function inside(root: string, script: string, args: readonly string[], step: Step): Promise<void> {
  cpSync(path.join(RECIPE, script), path.join(root, "tmp", script));
  await step(["chroot", root, "sh", `/tmp/${script}`, ...args], INSIDE);
  rmSync(path.join(root, "tmp", script));
}

/** What a script changes in a root becomes the layer `upper` of the staging folder. */
async function makeLayer(
  staging: string,
  lower: readonly string[],
  script: string,
  args: readonly string[],
  step: Step,
  prepare: (root: string) => void = () => undefined,
): Promise<void> {
  const [upper, work, root] = ["upper", "work", "merged"].map((name) => path.join(staging, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [upper, work, root]) mkdirSync(folder);
  await mountOverlay({ lower, upper, work }, root, groupOf(process.pid));
  prepare(root);
  await inside(root, script, args, step);
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
