/**
 * The clouds' SDKs, loaded when a droplet is declared and not before: they take time, and a fleet without droplets needs
 * neither them nor their plugins.
 */
import type command from "@pulumi/command";
import type digitalocean from "@pulumi/digitalocean";

export interface Cloud {
  digitalocean: typeof digitalocean;
  command: typeof command;
}

export async function loadCloud(): Promise<Cloud> {
  const [digitalocean, command] = await Promise.all([
    import("@pulumi/digitalocean"),
    import("@pulumi/command"),
  ]);
  return { digitalocean: digitalocean.default, command: command.default };
}
