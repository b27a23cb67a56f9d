/** Rule `ssh-pinned`: a host is who it says it is before anything is sent to it. */
import { connectionFindings } from "../../fleet/rules/ssh-pinned.ts";
import type { ResourceRule } from "../rule.ts";

export const sshPinned: ResourceRule = {
  name: "ssh-pinned",
  description: "Every connection over SSH has the host's own ed25519 key pinned, and no two hosts share one.",
  remediation:
    "Read /etc/ssh/ssh_host_ed25519_key.pub on the host's console, and write it as the host's hostKey in wizards/fleet.yaml.",
  whenLoading: "the model's part",
  types: ["Release", "Files", "Unit", "User", "Packages", "HostKey"].map((name) => `host:index:${name}`),
  judge:
    () =>
    ({ inputs }) => [
      ...inputs.judgeAll([["host", "transport"]], () => []),
      // The key of a droplet is made in the same update.
      ...inputs.judgeOnceKnown(
        [
          ["host", "transport"],
          ["host", "hostKey"],
        ],
        (transport, hostKey) =>
          connectionFindings({ transport, hostKey }).map((finding) => ({
            ...finding,
            path: ["host", ...finding.path],
          })),
      ),
    ],
};
