// The process of a stand-in: main.mjs NAME [the engine's address].
import { register } from "tsx/esm/api";

const [name] = process.argv.splice(2, 1);
register();
const { serve } = await import(`../stand-in/${name}-plugin.ts`);
await serve();
