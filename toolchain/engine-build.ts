/** Builds the engine from the Go modules that `engine/go.mod` pins and `engine/go.sum` verifies. */
import path from "node:path";

import type { EngineSource } from "./engine.ts";
import { goBuild } from "./go-build.ts";
import { VERSIONS } from "./versions.ts";

const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

export const buildEngine: EngineSource = (binFolder, progress) =>
  goBuild(
    {
      title: `the Pulumi engine ${VERSIONS.pulumi}`,
      module: path.join(import.meta.dirname, "engine"),
      main: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      ldflags: `-X ${VERSION_VARIABLE}=v${VERSIONS.pulumi}`,
    },
    path.join(binFolder, "pulumi"),
    progress,
  );
