/** The smallest deployment with a module: devices -> module -> `$upstream`. */
export function deploymentOf(name: string, input: string): object {
  const systemModule = { type: "docker", settings: { image: "sandpiper" } };
  const running = { type: "docker", status: "running", restartPolicy: "always" };
  const desired = <T>(properties: T) => ({ "properties.desired": properties });
  return {
    modulesContent: {
      $edgeAgent: desired({
        schemaVersion: "1.1",
        runtime: { type: "docker", settings: {} },
        systemModules: { edgeAgent: systemModule, edgeHub: { ...running, ...systemModule } },
        modules: { [name]: { ...running, settings: { image: `file:${name}.wasm` } } },
      }),
      $edgeHub: desired({
        schemaVersion: "1.1",
        routes: {
          in: `FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/${name}/inputs/${input}")`,
          out: `FROM /messages/modules/${name}/outputs/* INTO $upstream`,
        },
        storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
      }),
    },
  };
}
