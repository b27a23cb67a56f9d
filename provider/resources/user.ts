/** The resource `User`: a system account with a group of its own. */
import { Conflict } from "../errors.ts";
import { factOf, noFacts, type Account, type Facts } from "../host/facts.ts";
import type { Resource } from "../resource.ts";
import { CONNECTION, patterns } from "../schema/types.ts";
import type { Values } from "../values.ts";
import { proven } from "./observed.ts";
import { LEAVE, SYSTEM_LOCK } from "./system.ts";

interface UserInputs {
  user: string;
  home: string;
  shell: string;
  groups: string[];
}
const PASSWD = "/etc/passwd";
const userInputs = (values: Values): UserInputs => values as unknown as UserInputs;

/** Stands in the account's comment field, so that an account we made is known as ours even if the state is lost. */
const COMMENT = "wizard house";

/** @throws CannotLook when passwd cannot be read: an account that cannot be looked up is not one that is gone */
function accountOf(facts: Facts, name: string): Account | undefined {
  proven(PASSWD, factOf(facts, PASSWD));
  return facts.accounts.get(name);
}

export const user: Resource = {
  spec: {
    description:
      "A system account with a group of its own. Removed on destroy only if this resource made it and its home is gone.",
    inputProperties: {
      host: CONNECTION,
      user: { type: "string", description: "Login name; the group has the same.", pattern: patterns.account },
      home: {
        type: "string",
        description: "Home folder as passwd says; it is not created.",
        pattern: patterns.absolute,
      },
      shell: {
        type: "string",
        description: "Login shell.",
        pattern: patterns.absolute,
        default: "/usr/sbin/nologin",
      },
      groups: {
        type: "array",
        items: { type: "string" },
        description: "Supplementary groups, which must exist.",
      },
    },
    requiredInputs: ["host", "user", "home"],
    properties: {},
  },
  replaceOn: ["host.name", "user"],
  complete(given) {
    const home = given["home"];
    const colon = typeof home === "string" && home.includes(":");
    return {
      inputs: { groups: [], ...given },
      failures: colon ? [{ path: ["home"], reason: "must not contain a colon" }] : [],
    };
  },
  id: (inputs) => `${(inputs["host"] as Values)["name"] as string}:${userInputs(inputs).user}`,
  request: (inputs) => ({
    ...noFacts,
    paths: [PASSWD],
    unopened: [userInputs(inputs).home],
    accounts: [userInputs(inputs).user],
  }),
  observe(state, facts) {
    const account = accountOf(facts, userInputs(state.inputs).user);
    if (!account) return undefined;
    return {
      inputs: { ...state.inputs, home: account.home, shell: account.shell },
      outputs: state.outputs,
      replaced: [],
    };
  },
  preview: () => ({}),
  reconcile(values, old, facts) {
    const { user: name, home, shell, groups } = userInputs(values);
    const account = accountOf(facts, name);
    if (!account) {
      return {
        plan: {
          lock: SYSTEM_LOCK,
          steps: [{ do: "add-account", name, home, shell, comment: COMMENT, groups }],
        },
        outputs: {},
      };
    }
    const agrees = account.home === home && account.shell === shell;
    if (!agrees && !old && account.comment !== COMMENT) {
      throw new Conflict(
        `the account ${name} exists with home ${account.home} and shell ${account.shell}, wanted are ${home} and ${shell}. Nothing was changed. Choose another name, or bring the account to these values by hand`,
      );
    }
    const regrouped = old && JSON.stringify(userInputs(old.inputs).groups) !== JSON.stringify(groups);
    return {
      plan: {
        lock: SYSTEM_LOCK,
        steps: agrees && !regrouped ? [] : [{ do: "change-account", name, home, shell, groups }],
      },
      outputs: {},
    };
  },
  remove(state, facts) {
    const { user: name, home } = userInputs(state.inputs);
    // Files without an owner would fall to the next account that gets its number: it stays as long as they do.
    const leaves = proven(home, factOf(facts, home)).kind === "absent";
    const made = leaves && accountOf(facts, name)?.comment === COMMENT;
    return {
      lock: SYSTEM_LOCK,
      steps: [...(made ? [{ do: "remove-account", name } as const] : []), LEAVE],
    };
  },
};
