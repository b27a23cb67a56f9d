/**
 * A Node.js language host for the Pulumi engine, for machines that can build the engine but cannot download the
 * official host (`pulumi-language-nodejs`), which is not published as a Go module. Where the official one exists it
 * is used, and this one is not installed.
 *
 * It serves the engine's `LanguageRuntime` protocol: it starts the project's own `@pulumi/pulumi` to run programs,
 * policy packs and providers. It generates no code and installs no dependencies.
 *
 * Plain JavaScript, bundled into one file by `../language-host.ts`: it starts once or more per command and must not
 * depend on the checkout it was built from.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import grpc from "@grpc/grpc-js";
import languageServices from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

import { startNode, stopAll } from "./children.mjs";
import {
  hostArguments,
  pluginArguments,
  programArguments,
  programEnvironment,
  programFailure,
} from "./commands.mjs";

/** Set by the bundler. */
const VERSION = process.env.LANGUAGE_HOST_VERSION;

const { engineAddress, tracing } = hostArguments(process.argv.slice(2));

/** The path of one of the entry points of the SDK that the project in `directory` has installed. */
function locateEntryPoint(entryPoint, directory) {
  try {
    return createRequire(path.join(directory, "package.json")).resolve(`@pulumi/pulumi/cmd/${entryPoint}`);
  } catch (cause) {
    throw new Error(
      `${directory}: the package @pulumi/pulumi is not installed there or in a folder above; run npm install`,
      { cause },
    );
  }
}

function failed(callback, error) {
  callback({ code: grpc.status.INTERNAL, message: error.message });
}

function runtimeOptions(info) {
  return info?.getOptions()?.toJavaScript() ?? {};
}

function run(call, callback) {
  const request = call.request;
  const info = request.getInfo();
  const response = new language.RunResponse();
  try {
    const options = runtimeOptions(info);
    const script = locateEntryPoint("run", info.getProgramDirectory());
    const child = startNode(programArguments(script, request, { engineAddress, tracing, options }), {
      cwd: request.getPwd(),
      env: { ...process.env, ...programEnvironment(request, options) },
    });
    child.stdout.pipe(process.stdout, { end: false });
    child.stderr.pipe(process.stderr, { end: false });
    call.on("cancelled", () => child.kill("SIGTERM"));
    child.on("error", (error) => failed(callback, error));
    child.on("close", (code, signal) => {
      const { error, bail } = programFailure(code, signal);
      response.setError(error);
      response.setBail(bail);
      callback(null, response);
    });
  } catch (error) {
    failed(callback, error);
  }
}

function runPlugin(call) {
  const request = call.request;
  const send = (set) => {
    const response = new language.RunPluginResponse();
    set(response);
    call.write(response);
  };
  try {
    const info = request.getInfo();
    const directory = info.getProgramDirectory();
    const entryPoint = request.getKind() === "analyzer" ? "run-policy-pack" : "run-plugin";
    const options = runtimeOptions(info);
    const child = startNode(pluginArguments(locateEntryPoint(entryPoint, directory), request, directory), {
      cwd: request.getPwd(),
      env: {
        ...Object.fromEntries(request.getEnvList().map((line) => splitOnce(line, "="))),
        ...programEnvironment(undefined, options),
      },
    });
    child.stdout.on("data", (chunk) => send((response) => response.setStdout(chunk)));
    child.stderr.on("data", (chunk) => send((response) => response.setStderr(chunk)));
    call.on("cancelled", () => child.kill("SIGTERM"));
    child.on("error", (error) => call.destroy(Object.assign(error, { code: grpc.status.INTERNAL })));
    child.on("close", (code) => {
      send((response) => response.setExitcode(code ?? 1));
      call.end();
    });
  } catch (error) {
    call.destroy(Object.assign(error, { code: grpc.status.INTERNAL }));
  }
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

function programDependencies(call, callback) {
  const response = new language.GetProgramDependenciesResponse();
  try {
    const directory = call.request.getInfo().getProgramDirectory();
    const declared = JSON.parse(readFileSync(path.join(directory, "package.json"), "utf8"));
    const lock = JSON.parse(readFileSync(path.join(directory, "package-lock.json"), "utf8"));
    const direct = new Set(Object.keys({ ...declared.dependencies, ...declared.devDependencies }));
    for (const [location, entry] of Object.entries(lock.packages)) {
      const name = location.slice(location.lastIndexOf("node_modules/") + "node_modules/".length);
      if (location === "") continue;
      if (
        !call.request.getTransitivedependencies() &&
        !(direct.has(name) && location === `node_modules/${name}`)
      )
        continue;
      const dependency = new language.DependencyInfo();
      dependency.setName(name);
      dependency.setVersion(entry.version ?? "");
      response.addDependencies(dependency);
    }
    callback(null, response);
  } catch (error) {
    failed(callback, error);
  }
}

function about(_call, callback) {
  const response = new language.AboutResponse();
  response.setExecutable(process.execPath);
  response.setVersion(process.version);
  response
    .getMetadataMap()
    .set("language host", "built from this repository, because the official one could not be downloaded");
  callback(null, response);
}

const implementation = {
  handshake: (_call, callback) => callback(null, new language.LanguageHandshakeResponse()),
  getPluginInfo(_call, callback) {
    const info = new plugin.PluginInfo();
    info.setVersion(VERSION);
    callback(null, info);
  },
  about,
  // Nothing is required: providers are local, and what cannot be downloaded must not be asked for.
  getRequiredPackages: (_call, callback) => callback(null, new language.GetRequiredPackagesResponse()),
  getRequiredPlugins: (_call, callback) => callback(null, new language.GetRequiredPluginsResponse()),
  getProgramDependencies: programDependencies,
  runtimeOptionsPrompts: (_call, callback) => callback(null, new language.RuntimeOptionsResponse()),
  installDependencies: (call) =>
    call.destroy(
      Object.assign(
        new Error("this language host installs no dependencies; run npm install in the project's folder"),
        {
          code: grpc.status.UNIMPLEMENTED,
        },
      ),
    ),
  run,
  runPlugin,
  // The engine sends this when it is interrupted, while operations still run, and again before it ends this process
  // with SIGINT. Stopping the program here would turn an orderly end into a failed one.
  cancel: (_call, callback) => callback(null, new empty.Empty()),
};

function exit() {
  stopAll();
  process.exit(0);
}

process.on("SIGINT", exit);
process.on("SIGTERM", exit);
// The engine holds the other end: its death, however sudden, ends this process and the programs it started.
process.stdin.on("end", exit).on("error", exit).resume();

const server = new grpc.Server({
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
});
server.addService(languageServices.LanguageRuntimeService, implementation);
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    process.stderr.write(`language host: cannot listen on 127.0.0.1: ${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${port}\n`);
});
