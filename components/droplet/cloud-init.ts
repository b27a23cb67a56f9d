/** What a new droplet is told by cloud-init: who it is and how to log in. Pure. Everything else comes over SSH. */
import { stringify } from "yaml";

/** The host's key, in OpenSSH's formats. */
export interface HostKeyFiles {
  publicKey: string;
  privateKey: string;
}

/**
 * User data that makes a Debian host show this key and no other, and lets keys in and no passwords. The droplet's
 * metadata names the operators' keys. There is no API key in it, because it can be read on the host for ever.
 */
export function cloudInit({ publicKey, privateKey }: HostKeyFiles): string {
  const settings = {
    ssh_pwauth: false,
    // The keys of the metadata are for root, who is there already: no further account is made.
    disable_root: false,
    users: ["root"],
    locale: "C.UTF-8",
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey },
    // Packages come later, by a resource that sees to them for ever.
    package_update: false,
    package_upgrade: false,
  };
  return `#cloud-config\n${stringify(settings, { lineWidth: 0 })}`;
}

/** Seconds that a new droplet may take to boot and to do what it was told. */
export const READY_WITHIN = 600;

/** Ends well once cloud-init has done all it was told, else says what went wrong. */
export const AWAIT_CLOUD_INIT = [
  `timeout ${READY_WITHIN} cloud-init status --wait >/dev/null && exit 0`,
  "cloud-init status --long >&2",
  "exit 1",
].join("\n");
