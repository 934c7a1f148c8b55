/** The demo's deployment: a sensor, a filter behind it, and whoever connects beside the sensor. */

export const SENSOR = "simulated-temperature-sensor";
export const FILTER = "threshold-filter";

/** Where the simulated machine begins, so that something comes through at once. */
const THRESHOLD_CELSIUS = 21;

/** The manifest, with images relative to the file it will be written to. */
export function demoDeployment(): object {
  const module = (name: string) => ({
    type: "docker",
    status: "running",
    restartPolicy: "always",
    settings: { image: `file:${name}.wasm` },
  });
  const toFilter = `INTO BrokeredEndpoint("/modules/${FILTER}/inputs/input")`;
  return {
    modulesContent: {
      $edgeAgent: {
        "properties.desired": {
          schemaVersion: "1.1",
          runtime: { type: "docker", settings: {} },
          systemModules: {
            edgeAgent: { type: "docker", settings: { image: "sandpiper" } },
            edgeHub: {
              type: "docker",
              status: "running",
              restartPolicy: "always",
              settings: { image: "sandpiper" },
            },
          },
          modules: { [SENSOR]: module(SENSOR), [FILTER]: module(FILTER) },
        },
      },
      $edgeHub: {
        "properties.desired": {
          schemaVersion: "1.1",
          routes: {
            sensorToFilter: `FROM /messages/modules/${SENSOR}/outputs/temperatureOutput ${toFilter}`,
            devicesToFilter: `FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) ${toFilter}`,
            filterToUpstream: `FROM /messages/modules/${FILTER}/outputs/output INTO $upstream`,
          },
          storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
        },
      },
      [FILTER]: { "properties.desired": { property: "machine.temperature", threshold: THRESHOLD_CELSIUS } },
    },
  };
}
