/**
 * Pulumi's provider protocol (pulumirpc.ResourceProvider) from its generated classes. Knows no resource.
 *
 * It is served by hand rather than through `@pulumi/pulumi/provider`, which sends no detailed diff, hands `read` no
 * inputs and does not say whether a call is a preview.
 */
import grpc from "@grpc/grpc-js";
import anypb from "google-protobuf/google/protobuf/any_pb.js";
import emptypb from "google-protobuf/google/protobuf/empty_pb.js";
import pluginpb from "@pulumi/pulumi/proto/plugin_pb.js";
import providergrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import providerpb from "@pulumi/pulumi/proto/provider_pb.js";
import statuspb from "@pulumi/pulumi/proto/status_pb.js";

import type { ChangeKind } from "./diff.ts";
import { InitFailed } from "./errors.ts";
import { hideSecrets } from "./hide-secrets.ts";
import type { Managed } from "./managed.ts";
import { failureList } from "./schema/spec.ts";
import { decodeStruct, encodeStruct, formatPath, type Decoded, type Path, type Values } from "./values.ts";

export interface ServiceOptions {
  /** The provider's name, e.g. `host`. */
  name: string;
  version: string;
  /** The package's schema. */
  schema: () => object;
  /** By token. */
  resources: Record<string, Managed>;
  /** Takes the provider's configuration; throws if it does not fit. */
  configure?: (config: Values) => void;
  /** Shows the operator a warning at a resource. */
  warn: (message: string, urn: string) => void;
  /** Called when the engine asks the provider to stop. */
  cancel: () => void;
}

type Handler<Request, Response> = (request: Request) => Promise<Response> | Response;

/** A failure as gRPC carries it; a partial one has its state packed beside the message. */
function toServiceError(error: unknown, secrets: Path[]): grpc.ServiceError {
  const cause = error instanceof Error ? error : new Error(String(error));
  const metadata = new grpc.Metadata();
  if (cause instanceof InitFailed) {
    const detail = new providerpb.ErrorResourceInitFailed();
    detail.setId(cause.id);
    detail.setProperties(encodeStruct(cause.outputs));
    detail.setInputs(encodeStruct(cause.inputs, secrets));
    detail.setReasonsList([cause.message]);
    const any = new anypb.Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const status = new statuspb.Status();
    status.setCode(grpc.status.UNKNOWN);
    status.setMessage(cause.message);
    status.addDetails(any);
    metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  }
  return Object.assign(new Error(cause.message), {
    code: grpc.status.UNKNOWN,
    details: cause.message,
    metadata,
  });
}

/** A failure that remembers where secrets stood in the request, so that its state can be wrapped again. */
class WithSecrets extends Error {
  readonly secrets: Path[];
  constructor(cause: unknown, secrets: Path[]) {
    super("with secrets", { cause });
    this.secrets = secrets;
  }
}

const unary =
  <Request, Response>(handle: Handler<Request, Response>): grpc.handleUnaryCall<Request, Response> =>
  (call, callback) => {
    Promise.resolve()
      .then(() => handle(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => {
          const wrapped = error instanceof WithSecrets;
          callback(toServiceError(wrapped ? error.cause : error, wrapped ? error.secrets : []));
        },
      );
  };

const unimplemented = (provider: string, name: string): grpc.handleUnaryCall<unknown, never> => {
  return (_call, callback) =>
    callback({ code: grpc.status.UNIMPLEMENTED, details: `the provider ${provider} has no ${name}` });
};

const KINDS: Record<ChangeKind, [plain: number, replace: number]> = (() => {
  const { Kind } = providerpb.PropertyDiff;
  return {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  };
})();

/**
 * Runs with a request's inputs; a failure gets to know where their secrets stood, and its words hold none of them, nor of
 * the inputs before: what runs again after a revert may speak of those.
 */
async function keepingSecrets<T>(inputs: Decoded, run: () => Promise<T>, before?: Decoded): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Error) {
      for (const { values, secrets } of [inputs, ...(before ? [before] : [])])
        error.message = hideSecrets(error.message, values, secrets);
    }
    throw new WithSecrets(error, inputs.secrets);
  }
}

export function service({ name, version, schema, resources, configure, warn, cancel }: ServiceOptions): {
  definition: typeof providergrpc.ResourceProviderService;
  handlers: grpc.UntypedServiceImplementation;
} {
  /** The token is the third part of a URN: urn:pulumi:stack::project::parent$type::name. */
  const find = (urn: string): Managed => {
    const type = urn.split("::")[2]?.split("$").pop() ?? "";
    const resource = resources[type];
    if (!resource)
      throw new Error(
        `the provider ${name} has no resource ${type}; it has ${Object.keys(resources).join(", ")}`,
      );
    return resource;
  };

  const handlers = {
    handshake: unary<providerpb.ProviderHandshakeRequest, providerpb.ProviderHandshakeResponse>(() => {
      const response = new providerpb.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      response.setAcceptResources(false);
      response.setAcceptOutputs(false);
      return response;
    }),
    getSchema: unary<providerpb.GetSchemaRequest, providerpb.GetSchemaResponse>(() => {
      const response = new providerpb.GetSchemaResponse();
      response.setSchema(JSON.stringify(schema()));
      return response;
    }),
    getPluginInfo: unary<unknown, pluginpb.PluginInfo>(() => {
      const response = new pluginpb.PluginInfo();
      response.setVersion(version);
      return response;
    }),
    checkConfig: unary<providerpb.CheckRequest, providerpb.CheckResponse>((request) => {
      const response = new providerpb.CheckResponse();
      response.setInputs(request.getNews());
      return response;
    }),
    diffConfig: unary<providerpb.DiffRequest, providerpb.DiffResponse>(() => {
      const response = new providerpb.DiffResponse();
      response.setChanges(providerpb.DiffResponse.DiffChanges.DIFF_NONE);
      return response;
    }),
    configure: unary<providerpb.ConfigureRequest, providerpb.ConfigureResponse>((request) => {
      configure?.(decodeStruct(request.getArgs()).values);
      const response = new providerpb.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      response.setAcceptresources(false);
      response.setAcceptoutputs(false);
      return response;
    }),

    check: unary<providerpb.CheckRequest, providerpb.CheckResponse>((request) => {
      const news = decodeStruct(request.getNews());
      const { inputs, failures } = find(request.getUrn()).check(news.values);
      const response = new providerpb.CheckResponse();
      response.setInputs(encodeStruct(inputs, news.secrets));
      for (const reason of failureList(failures)) {
        const failure = new providerpb.CheckFailure();
        // The engine prints the value of a property that is named beside the reason, and it may be a secret.
        failure.setReason(reason);
        response.addFailures(failure);
      }
      return response;
    }),

    diff: unary<providerpb.DiffRequest, providerpb.DiffResponse>((request) => {
      const old = decodeStruct(request.getOldInputs()).values;
      const news = decodeStruct(request.getNews()).values;
      const { changes, replaces } = find(request.getUrn()).diff(old, news);
      const { DiffChanges } = providerpb.DiffResponse;
      const response = new providerpb.DiffResponse();
      response.setChanges(changes.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
      response.setDiffsList([...new Set(changes.map(({ path }) => String(path[0])))]);
      response.setReplacesList([...new Set(replaces.map(({ path }) => String(path[0])))]);
      response.setHasdetaileddiff(true);
      for (const change of changes) {
        const detail = new providerpb.PropertyDiff();
        const [plain, replace] = KINDS[change.kind];
        detail.setKind((replaces.includes(change) ? replace : plain) as providerpb.PropertyDiff.Kind);
        detail.setInputdiff(true);
        response.getDetaileddiffMap().set(formatPath(change.path), detail);
      }
      return response;
    }),

    create: unary<providerpb.CreateRequest, providerpb.CreateResponse>((request) => {
      const resource = find(request.getUrn());
      const decoded = decodeStruct(request.getProperties());
      return keepingSecrets(decoded, async () => {
        const made = await resource.reconcile({
          inputs: decoded.values,
          preview: request.getPreview(),
          warn: (message) => warn(message, request.getUrn()),
        });
        const response = new providerpb.CreateResponse();
        response.setId(request.getPreview() ? "" : made.id);
        response.setProperties(encodeStruct(made.outputs, made.secrets));
        return response;
      });
    }),

    read: unary<providerpb.ReadRequest, providerpb.ReadResponse>((request) => {
      const resource = find(request.getUrn());
      const decoded = decodeStruct(request.getInputs());
      if (!request.hasInputs() || Object.keys(decoded.values).length === 0) {
        throw new Error(
          "import is not supported: declare the resource, with adopt: true if it exists on the host",
        );
      }
      const outputs = decodeStruct(request.getProperties());
      const state = { inputs: decoded.values, outputs: outputs.values };
      return keepingSecrets(decoded, async () => {
        const seen = await resource.read(request.getId(), state, (message) =>
          warn(message, request.getUrn()),
        );
        const response = new providerpb.ReadResponse();
        if (!seen) return response;
        const replaced = new Set(seen.replaced.map((path) => JSON.stringify(path)));
        const secrets = decoded.secrets.filter((path) => !replaced.has(JSON.stringify(path)));
        response.setId(request.getId());
        response.setInputs(encodeStruct(seen.inputs, secrets));
        response.setProperties(encodeStruct(seen.outputs, outputs.secrets));
        return response;
      });
    }),

    update: unary<providerpb.UpdateRequest, providerpb.UpdateResponse>((request) => {
      const resource = find(request.getUrn());
      const decoded = decodeStruct(request.getNews());
      const before = decodeStruct(request.getOldInputs());
      const old = {
        inputs: before.values,
        outputs: decodeStruct(request.getOlds()).values,
      };
      return keepingSecrets(
        decoded,
        async () => {
          const made = await resource.reconcile({
            inputs: decoded.values,
            old,
            id: request.getId(),
            preview: request.getPreview(),
            warn: (message) => warn(message, request.getUrn()),
          });
          const response = new providerpb.UpdateResponse();
          response.setProperties(encodeStruct(made.outputs, made.secrets));
          return response;
        },
        before,
      );
    }),

    delete: unary<providerpb.DeleteRequest, emptypb.Empty>(async (request) => {
      const decoded = decodeStruct(request.getOldInputs());
      const state = { inputs: decoded.values, outputs: decodeStruct(request.getProperties()).values };
      return keepingSecrets(decoded, async () => {
        await find(request.getUrn()).remove(request.getId(), state);
        return new emptypb.Empty();
      });
    }),

    cancel: unary<unknown, emptypb.Empty>(() => {
      cancel();
      return new emptypb.Empty();
    }),
    attach: unary<unknown, emptypb.Empty>(() => new emptypb.Empty()),

    invoke: unimplemented(name, "functions"),
    call: unimplemented(name, "methods"),
    construct: unimplemented(name, "remote components"),
    parameterize: unimplemented(name, "parameters"),
    getMapping: unimplemented(name, "mappings"),
    getMappings: unimplemented(name, "mappings"),
    list: (call: grpc.ServerWritableStream<unknown, unknown>) => {
      call.emit("error", { code: grpc.status.UNIMPLEMENTED, details: `the provider ${name} lists nothing` });
    },
  };
  return { definition: providergrpc.ResourceProviderService, handlers };
}
