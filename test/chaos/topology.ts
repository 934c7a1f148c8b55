/**
 * The gateway of a chaos run as a table: modules, routes, and what must become of a message that took a path.
 * Priorities, and with them the lanes, are drawn anew for each store.
 */
import type { RouteTable } from "../../hub/face.ts";
import { GATEWAY } from "../support/hub.ts";
import type { Below } from "./draws.ts";
import { URGENCIES, type ChaosMessage, type Path, type Urgency } from "./message.ts";

/** The consumer on the network: a module that connects over MQTT. */
export const SINK = "sink";

/** What a path leads to. Every message reaches the event log by itself as well, in the same step. */
export interface Way {
  /** The endpoint behind the device: `module/input`; null when there is only the log. */
  readonly first: string | null;
  /** Outputs of modules that reach the log, as `module/output`. */
  readonly logged: readonly string[];
  /** Whether one copy reaches the network consumer. */
  readonly isDelivered: boolean;
  /** Modules that count it. */
  readonly counted: readonly string[];
}

export const WAYS: Readonly<Record<Path, Way>> = {
  log: { first: null, logged: [], isDelivered: false, counted: [] },
  count: { first: "busy/count", logged: ["busy/out"], isDelivered: false, counted: ["busy"] },
  fan: { first: "busy/fan", logged: ["busy/left"], isDelivered: true, counted: ["busy"] },
  picky: { first: "busy/picky", logged: ["busy/picked"], isDelivered: false, counted: ["busy"] },
  rebuild: {
    first: "builder/rebuild",
    logged: ["builder/rebuilt"],
    isDelivered: false,
    counted: ["builder"],
  },
  chain: { first: "busy/link", logged: ["second/out"], isDelivered: true, counted: ["busy", "second"] },
  direct: { first: `${SINK}/in`, logged: [], isDelivered: true, counted: [] },
};

/** The output whose bodies are the module's own: the message's, a "#", and how many it has made for the device. */
export const REBUILT = "builder/rebuilt";
/** The endpoint whose dead letters are the poison. */
export const PICKY = "busy/picky";

export const MODULES = ["busy", "builder", "second"] as const;
export type ModuleName = (typeof MODULES)[number];

export interface Topology {
  readonly routes: RouteTable;
  /** Of each urgency, where lanes part. */
  readonly priorities: Readonly<Record<Urgency, number>>;
}

const TIME_TO_LIVE_SECS = 7200;
const FROM_DEVICES = "FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId)";

const into = (endpoint: string): string => {
  const [module, input] = endpoint.split("/");
  return `BrokeredEndpoint("/modules/${module}/inputs/${input}")`;
};
const fromOutput = (output: string): string => {
  const [module, name] = output.split("/");
  return `FROM /messages/modules/${module}/outputs/${name}`;
};

export function drawTopology(below: Below): Topology {
  const high = below(5);
  const priorities = { high, low: high + 1 + below(5) };
  const routes: Record<string, { route: string; priority: number }> = {};
  const add = (name: string, route: string, priority = 0): void => void (routes[name] = { route, priority });
  const addUrgencies = (name: string, from: string, endpoint: string): void => {
    const join = from.includes("WHERE") ? "AND" : "WHERE";
    for (const urgency of URGENCIES) {
      const route = `${from} ${join} urgency = '${urgency}' INTO ${into(endpoint)}`;
      add(`${name}-${urgency}`, route, priorities[urgency]);
    }
  };
  add("everything", `${FROM_DEVICES} INTO $upstream`);
  add("marks", `FROM /messages/modules/${SINK}/* INTO $upstream`);
  for (const [path, { first, logged }] of Object.entries(WAYS)) {
    if (first !== null) addUrgencies(path, `${FROM_DEVICES} AND path = '${path}'`, first);
    for (const output of logged) add(`${path}-logged`, `${fromOutput(output)} INTO $upstream`);
  }
  addUrgencies("link", fromOutput("busy/on"), "second/count");
  addUrgencies("fan-delivered", fromOutput("busy/right"), `${SINK}/in`);
  addUrgencies("chain-delivered", fromOutput("second/out"), `${SINK}/in`);
  return { routes: { routes, timeToLiveSecs: TIME_TO_LIVE_SECS }, priorities };
}

/** What must come out of one copy of a message that the hub has taken. */
export function outcomeOf({ path, isPoison }: ChaosMessage): Way {
  const way = WAYS[path];
  return isPoison ? { ...way, logged: [], isDelivered: false, counted: [] } : way;
}

/** Topic filter of the network consumer, and the topic of its own messages. */
export const SINK_FILTER = `devices/${GATEWAY}/modules/${SINK}/#`;
export const SINK_TOPIC = `devices/${GATEWAY}/modules/${SINK}/messages/events/`;
