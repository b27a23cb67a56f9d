// Loads the provider's TypeScript without a build step. tsx only transpiles, and keeps what it made in its own cache.
import { register } from "tsx/esm/api";

register();
const { serve } = await import("./server.ts");
await serve();
