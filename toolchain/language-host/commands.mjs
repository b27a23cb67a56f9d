/**
 * The command lines and environment of the processes the language host starts, and what their ends mean, the same as
 * the official host's. Left out: pipes for synchronous invokes, which the SDK has deprecated, and debuggers.
 */

/** Exit code of a program that has already told the user what is wrong. */
const MESSAGE_SHOWN = 32;

/** `[--tracing endpoint] [other flags] engineAddress`, as the engine starts a language host. */
export function hostArguments(argv) {
  const tracingAt = argv.indexOf("--tracing");
  return {
    engineAddress: argv.at(-1) ?? "",
    tracing: tracingAt < 0 ? "" : (argv[tracingAt + 1] ?? ""),
  };
}

/** Arguments for `node` that run a program. */
export function programArguments(script, request, { engineAddress, tracing, options }) {
  const info = request.getInfo();
  const flags = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    stack: request.getStack(),
    "root-directory": info.getRootDirectory(),
    pwd: info.getProgramDirectory(),
    "query-mode": String(request.getQuerymode()),
    parallel: String(request.getParallel()),
    tracing,
  };
  return [
    ...splitWords(options.nodeargs ?? ""),
    script,
    ...Object.entries(flags).flatMap(([name, value]) => (value === "" ? [] : [`--${name}`, value])),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info.getEntryPoint() || ".",
    ...request.getArgsList(),
  ];
}

/** Arguments for `node` that run a policy pack (kind `analyzer`) or a provider written in TypeScript. */
export function pluginArguments(script, request, directory) {
  const args = request.getArgsList();
  return request.getKind() === "analyzer" ? [script, ...args, directory] : [script, directory, ...args];
}

/** Environment variables of a program (with its configuration) or, without a request, of a plugin. */
export function programEnvironment(request, options) {
  const environment = {};
  if (options.typescript !== false) environment.PULUMI_NODEJS_TYPESCRIPT = "true";
  if (options.tsconfig) environment.PULUMI_NODEJS_TSCONFIG_PATH = options.tsconfig;
  if (!request) return environment;
  const config = {};
  request.getConfigMap().forEach((value, key) => {
    const [namespace, ...name] = key.split(":");
    config[`${namespace}:config:${name.join(":")}`] = value;
  });
  environment.PULUMI_CONFIG = JSON.stringify(config);
  environment.PULUMI_CONFIG_SECRET_KEYS = JSON.stringify(request.getConfigsecretkeysList());
  return environment;
}

/** What the end of a program means to the engine: `bail` stops without a further message. */
export function programFailure(code, signal) {
  if (code === 0) return { error: "", bail: false };
  if (code === MESSAGE_SHOWN) return { error: "", bail: true };
  if (code === null) return { error: `Program was ended by signal ${signal}`, bail: false };
  return { error: `Program exited with non-zero exit code: ${code}`, bail: false };
}

/** Splits a command line into words as a shell would: blanks separate, quotes and backslashes keep together. */
export function splitWords(text) {
  const words = [];
  const pattern = /\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)/gy;
  for (const [, word] of text.matchAll(pattern)) {
    words.push(
      word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, (_all, double, single, escaped) =>
        double !== undefined ? double.replace(/\\(["\\$`])/g, "$1") : (single ?? escaped),
      ),
    );
  }
  return words;
}
