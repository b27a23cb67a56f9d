/** `npm run testbed -- up N | down | status`: real Debian machines on this machine, to try things on. */
export { main } from "../testbed/cli.ts";
