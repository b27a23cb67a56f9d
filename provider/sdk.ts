/**
 * The resources of the provider `host` as a Pulumi program sees them: argument types and one class each.
 *
 * This is the provider's public face, written by hand; `tests/unit/provider-schema.test.ts` compares it with what the
 * provider serves in `getSchema`. It holds no behaviour: what a resource does stands in `provider/resources/`.
 */
import * as pulumi from "@pulumi/pulumi";

import type { CronEntry } from "../fleet/cron.ts";

/** How a host is reached. `name` is its identity: changing it replaces, changing anything else is an update in place. */
export interface Connection {
  /** The host's name in the fleet, e.g. `forge`. */
  name: string;
  /** `local`: a folder of this machine stands for the host. `ssh`: OpenSSH to a Debian host. */
  transport: "local" | "ssh";
  /** `local` only: the folder, relative to the Pulumi project or absolute. It is created on first use. */
  root?: string;
  /** `ssh` only: name or IP address. */
  address?: pulumi.Input<string>;
  /** `ssh` only; 22 if absent. */
  port?: number;
  /** `ssh` only: the login; anything but `root` goes through `sudo -n`. */
  user?: string;
  /** `ssh` only: the pinned host key, `ssh-ed25519 AAAA…`. Without it there is no connection. */
  hostKey?: pulumi.Input<string>;
  /** `ssh` only: seconds within which a connection must be made, new attempts included; 20 if absent. */
  connectDeadline?: number;
}

/** A file. Modes are octal strings such as `"0640"`; owner and group are account names on the host. */
export interface FileArgs {
  /** What it holds; else `source` and `sha256` say it. */
  content?: pulumi.Input<string>;
  /** It holds what this file of the project holds, e.g. `components/deadman/deadman.sh`: only its digest gets into the state. */
  source?: string;
  /** Digest of `source`'s bytes, 64 hex digits. */
  sha256?: string;
  /** Default `"0640"` in a release, `"0644"` elsewhere. */
  mode?: string;
  /** Default `root`. */
  owner?: string;
  /** Default: the house's group in a release, `root` elsewhere. */
  group?: string;
  /** Which part of the house contributed it, e.g. `golden-state`. Shown in drift reports, stored nowhere on the host. */
  part?: string;
}

/** A symbolic link in the house, e.g. `home/SOUL.md`, to a file of the current release. */
export interface LinkArgs {
  /** Path inside the release, e.g. `SOUL.md`. */
  target: string;
  part?: string;
}

/** A folder of the house that outlives releases, e.g. `home`. */
export interface DirectoryArgs {
  /** Default `"0750"`. */
  mode?: string;
  /** Default `root`. */
  owner?: string;
  /** Default: the house's group. */
  group?: string;
  part?: string;
}

/** A systemd unit. */
export interface UnitArgs {
  content: pulumi.Input<string>;
  /** Whether it is enabled, that is, linked into `<wantedBy>.wants`. Default true. */
  enabled?: boolean;
  /** Whether it runs. Default as `enabled`. Not acted on by the `local` transport, where nothing runs. */
  running?: boolean;
  /** Default `multi-user.target`. */
  wantedBy?: string;
  /**
   * Release files whose change restarts the unit; a change of any other file does not. Outside a house, values, e.g.
   * digests of files that it reads. Default none.
   */
  restartOn?: pulumi.Input<string[]>;
  part?: string;
}

/** One file of /etc/cron.d. */
export interface CronFileArgs {
  entries: CronEntry[];
  part?: string;
}

/** When a release counts as healthy. Not acted on by the `local` transport, where nothing runs. */
export interface HealthArgs {
  /** The unit whose health it is. May be left out where the release has one unit. */
  unit?: string;
  /** URL that must answer 200. */
  http?: string;
  /** File in which the unit's own process leaves its pid (`{"pid": 123}`), relative to the house. */
  heartbeat?: string;
  /** Account of the unit; needed with `heartbeat` and `probe`. */
  user?: string;
  /** Run with the unit's account, mounts and environment, must exit 0 within a minute: whether it runs on the release. */
  probe?: string[];
  /** Seconds the unit must stay up. Default 5. */
  stableFor?: number;
  /** Seconds until health must be reached. Default 60. */
  deadline?: number;
}

export interface ReleaseArgs {
  host: Connection;
  /** Absolute path of the house on the host, e.g. `/srv/wizards/bezalel`. Changing it replaces. */
  house: string;
  /** The house's group: it may read the release, and nobody but root may write it. */
  group: string;
  /** Salt of the release id and of digests of secret files. Unique per stack, not secret. */
  salt: string;
  /** Keyed by path inside the release. */
  files: Record<string, FileArgs>;
  /** Keyed by path inside the house. */
  links?: Record<string, LinkArgs>;
  /** Keyed by path inside the house. */
  directories?: Record<string, DirectoryArgs>;
  /** Keyed by unit name, e.g. `hermes-bezalel.service`. */
  units?: Record<string, UnitArgs>;
  /** Keyed by file name in /etc/cron.d. */
  cron?: Record<string, CronFileArgs>;
  /**
   * Absolute path of what the release runs with, e.g. a virtualenv: `harness` in the release is a link to it, so that
   * whatever switches the release switches it too. `restartOn` of a unit may name it.
   */
  harness?: string;
  /**
   * Checks a new release on a live host before anything is switched: run as `user` with the release as working
   * directory, must exit 0 within a minute.
   */
  check?: { argv: string[]; user: string };
  health?: HealthArgs;
  /** Seconds until an unconfirmed release is reverted by the host itself. Default 120. Live hosts only. */
  revertAfter?: number;
  /**
   * What of the house goes into a file that its agent writes as well, by two programs that run as `user`: `apply` after
   * each switch and where `compare` says that they differ. `findings` says what is wrong with what the agent keeps, and
   * `withdraw` takes ours out when the house is taken down and its home stays. Live hosts only.
   */
  jobs?: { user: string; apply: string[]; compare: string[]; findings?: string[]; withdraw?: string[] };
  /** File that, while it exists, keeps the house from being changed; its text says why. */
  hold?: string;
  /** File that, while it exists, says that the house was drained: it keeps it from being changed as `hold` does. */
  drained?: string;
  /** Where backups of the house are on the host, and hours after which the newest is told as too old. Live hosts only. */
  backups?: { folder: string; maxAge: number };
  /** Folders outside the house in which what runs in it keeps records, e.g. `/var/lib/x/bezalel`; destroy removes them. */
  traces?: string[];
  /** How many releases stay on the host. Default 3. */
  keep?: number;
  /** What `destroy` leaves. `keep-home` (default) keeps directories the agent wrote in; `remove-all` removes them. */
  onDestroy?: "keep-home" | "remove-all";
  /** Take over a house folder or links that exist but were not made by this stack. Default false: they are an error. */
  adopt?: boolean;
}

/** A house's files, links, units and cron entries, switched from one whole version to the next by one rename. */
export class Release extends pulumi.CustomResource {
  /** Id of the release the program wants; equals what `current` points at after a successful update. */
  declare readonly release: pulumi.Output<string>;
  /** The release `current` pointed at before, empty if there was none. */
  declare readonly previous: pulumi.Output<string>;
  /** The last release that was confirmed: what the house goes back to. Empty if there is none. */
  declare readonly knownGood: pulumi.Output<string>;
  /** Since when and why the house is left alone; empty if it is not. */
  declare readonly held: pulumi.Output<string>;
  /** Ids of releases that failed here or were revoked, and are not put into force again. */
  declare readonly refused: pulumi.Output<string[]>;
  constructor(name: string, args: pulumi.Inputs & ReleaseArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = {
      release: undefined,
      previous: undefined,
      knownGood: undefined,
      held: undefined,
      refused: undefined,
    };
    super("host:index:Release", name, { ...args, ...outputs }, opts);
  }
}

export interface FilesArgs {
  host: Connection;
  /** Keyed by absolute path. */
  files: Record<string, FileArgs>;
  /** Take over files that exist and differ. Default false: they are an error. */
  adopt?: boolean;
}

/** Files at fixed places that are not part of a house, e.g. what houses of one host share. */
export class Files extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs & FilesArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:Files", name, args, opts);
  }
}

export interface UnitResourceArgs extends UnitArgs {
  host: Connection;
  /** Unit name, e.g. `webhook.service`. Changing it replaces. */
  unit: string;
  /**
   * Something else starts it, such as a path unit: whether it runs is left alone, and a change of its file does not end
   * a run. Default false.
   */
  triggered?: boolean;
  /**
   * Only looks, as root, within a minute; exits 0 while what the unit set up is in force. Where it does not, the unit
   * does not count as running, and an update restarts it. Default none. Live hosts only.
   */
  probe?: string[];
  /** Take over a unit file that exists and differs. Default false. */
  adopt?: boolean;
}

/** A systemd unit outside any house. A house's own units belong to its Release. */
export class Unit extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs & UnitResourceArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:Unit", name, args, opts);
  }
}

export interface UserArgs {
  host: Connection;
  /** Login name; a group of the same name goes with it. Changing it replaces. */
  user: string;
  /** Home folder as written to passwd; it is not created. */
  home: string;
  /** Default `/usr/sbin/nologin`. */
  shell?: string;
  /** Supplementary groups, which must exist. Default none. */
  groups?: string[];
}

/** A system account with its own group. Removed on destroy only if this resource made it and its home is gone. */
export class User extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs & UserArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:User", name, args, opts);
  }
}

/** A Debian package. */
export interface PackageArgs {
  /** Exact version, e.g. `7.88.1-10+deb12u8`. Any if absent. */
  version?: string;
  /** Whether it is on hold: upgrades of the host then leave it alone. Default false. */
  held?: boolean;
}

export interface PackagesArgs {
  host: Connection;
  /** Keyed by package name. */
  packages: Record<string, PackageArgs>;
  /**
   * Whom the host's record has them down for, e.g. `wizard-houses/prod`; a name of its own for each such resource of a
   * host, over all stacks. Changing it replaces.
   */
  claimant: string;
}

/**
 * Debian packages that must be on a host. Destroy removes those that were not there before, with what came along with
 * them, unless another such resource wants them or something depends on them. A version is not changed back.
 */
export class Packages extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs & PackagesArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:Packages", name, args, opts);
  }
}

export interface HarnessArgs {
  /** Version of hermes-agent, which the lock must pin. */
  version: string;
  /** Text of the lock: pip requirements, each with its exact version and the hashes of its wheels. */
  lock: string;
  /** Absolute paths of the houses that run with it. */
  houses: string[];
}

export interface HarnessesArgs {
  host: Connection;
  /** Keyed by id: the version and the beginning of the SHA-256 of the lock, see `fleet/harness/lock.ts`. */
  harnesses: Record<string, HarnessArgs>;
  /** Whom the host's record has them down for, e.g. `wizard-houses/prod`. */
  claimant: string;
  /** Folder of this machine with the wheels, which are carried to the host. Not with `index`. */
  wheels?: string;
  /** URL of the package index that the host installs from; may hold a password. Default: what its pip is set up with. */
  index?: pulumi.Input<string>;
}

/** The agent harnesses of a host. One is removed when no release of a house runs with it any more. */
export class Harnesses extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs & HarnessesArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:Harnesses", name, args, opts);
  }
}

export interface KeyPairArgs {
  /** Whose key it is, e.g. the host's name. Changing it makes another key. */
  comment: string;
}

/** An ed25519 key pair in OpenSSH's formats, made once and kept in the state alone. */
export class KeyPair extends pulumi.CustomResource {
  /** `ssh-ed25519 AAAA…`, without a comment: what is pinned. */
  declare readonly publicKey: pulumi.Output<string>;
  /** The text of the private key file; a secret. */
  declare readonly privateKey: pulumi.Output<string>;
  constructor(name: string, args: pulumi.Inputs & KeyPairArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:KeyPair", name, { ...args, publicKey: undefined, privateKey: undefined }, opts);
  }
}

export interface HostKeyArgs {
  /** The host, with the key it was born with pinned. */
  host: Connection;
  /** `ssh-ed25519 AAAA…`, without a comment. */
  publicKey: pulumi.Input<string>;
  /** The text of the private key file; a secret. */
  privateKey: pulumi.Input<string>;
}

/** The key that a host shows in place of the one it was born with. It stays when the resource is removed. */
export class HostKey extends pulumi.CustomResource {
  /** The key to be pinned from now on; known once the host has been logged in to with it. */
  declare readonly hostKey: pulumi.Output<string>;
  constructor(name: string, args: pulumi.Inputs & HostKeyArgs, opts?: pulumi.CustomResourceOptions) {
    super("host:index:HostKey", name, { ...args, hostKey: undefined }, opts);
  }
}
