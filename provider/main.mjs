// The provider's process, started by pulumi-resource-host.
import { load } from "../toolchain/load.mjs";

const { serve } = await load("provider/server.ts");
await serve();
