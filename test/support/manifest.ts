/** Deployment manifests for tests: the smallest that IoT Edge's rules accept, and parts to put in. */

export interface ModuleParts {
  readonly image?: string;
  readonly createOptions?: unknown;
  readonly [key: string]: unknown;
}

export function moduleEntry(parts: ModuleParts = {}): Record<string, unknown> {
  const { image = "file:thermo.wasm", createOptions, ...rest } = parts;
  return {
    type: "docker",
    status: "running",
    restartPolicy: "always",
    settings: { image, ...(createOptions === undefined ? {} : { createOptions }) },
    ...rest,
  };
}

export interface ManifestParts {
  readonly modules?: Readonly<Record<string, unknown>>;
  readonly routes?: Readonly<Record<string, unknown>>;
  readonly configs?: Readonly<Record<string, unknown>>;
  readonly agent?: Readonly<Record<string, unknown>>;
  readonly hub?: Readonly<Record<string, unknown>>;
}

export function manifest(parts: ManifestParts = {}): Record<string, unknown> {
  const twins = Object.entries(parts.configs ?? {}).map(([name, desired]) => [
    name,
    { "properties.desired": desired },
  ]);
  return {
    modulesContent: {
      $edgeAgent: {
        "properties.desired": {
          schemaVersion: "1.1",
          runtime: { type: "docker", settings: { minDockerVersion: "v1.25", loggingOptions: "" } },
          systemModules: {
            edgeAgent: {
              type: "docker",
              settings: { image: "mcr.microsoft.com/azureiotedge-agent:1.5", createOptions: "{}" },
            },
            edgeHub: {
              type: "docker",
              status: "running",
              restartPolicy: "always",
              settings: {
                image: "mcr.microsoft.com/azureiotedge-hub:1.5",
                createOptions: '{"HostConfig":{"PortBindings":{"8883/tcp":[{"HostPort":"8883"}]}}}',
              },
            },
          },
          modules: parts.modules ?? {},
          ...parts.agent,
        },
      },
      $edgeHub: {
        "properties.desired": {
          schemaVersion: "1.1",
          routes: parts.routes ?? {},
          storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
          ...parts.hub,
        },
      },
      ...Object.fromEntries(twins),
    },
  };
}
