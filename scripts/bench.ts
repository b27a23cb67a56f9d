/** `npm run bench`. */
export { main } from "../bench/commands.ts";
