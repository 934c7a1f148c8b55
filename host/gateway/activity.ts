/**
 * What has happened on this gateway since it started, for operators: modules that changed their state, deployments,
 * identities that were added or changed, a hub that was made again. In memory, the latest few; nothing here is a message,
 * those that went upstream are in the hub's event log.
 */
import type { Hub, IdentityChange } from "../../hub/index.ts";
import type { GatewayAgent } from "./gateway.ts";
import type { ActivityKind, ActivityPage, ActivityRecord } from "../management/api.ts";

const RECORDS_MAX = 1_000;
const TEXT_CHARACTERS_MAX = 300;

export class Activity {
  readonly #wallMs: () => number;
  readonly #records: ActivityRecord[] = [];
  #next = 0;
  /** Readers that wait for something to happen. */
  readonly #waiting = new Set<() => void>();

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  note(kind: ActivityKind, subject: string, text: string): void {
    const at = new Date(this.#wallMs()).toISOString();
    this.#records.push({
      number: this.#next++,
      at,
      kind,
      subject,
      text: text.slice(0, TEXT_CHARACTERS_MAX),
    });
    if (this.#records.length > RECORDS_MAX) this.#records.shift();
    for (const wake of this.#waiting) wake();
  }

  /** From a number on; waits up to `waitMs` for something. Whoever has read a gateway before this one begins anew. */
  async read(query: {
    readonly from: number;
    readonly limit: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<ActivityPage> {
    const from = query.from > this.#next ? 0 : query.from;
    if (from === this.#next) await this.#wait(query.waitMs, query.signal);
    const oldest = this.#records[0]?.number ?? this.#next;
    const start = Math.max(from, oldest);
    const records = this.#records.slice(start - oldest, start - oldest + query.limit);
    return { records, next: start + records.length, oldest };
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
      this.#waiting.add(done);
      if (signal.aborted) done();
    });
  }
}

type Watched = Pick<GatewayAgent, "modules" | "status" | "watch">;

/** Notes what becomes of modules and of deployments. */
export function watchAgent(agent: Watched, activity: Pick<Activity, "note">): void {
  let known = new Map<string, string>();
  let outcome = "";
  agent.watch(() => {
    const now = new Map(agent.modules().map(({ name, ...view }) => [name, stateText(view)]));
    for (const [name, text] of now) if (known.get(name) !== text) activity.note("module", name, text);
    for (const name of known.keys()) if (!now.has(name)) activity.note("module", name, "removed");
    known = now;
    const { version, code, description } = agent.status();
    const text = description === "" ? `${code}` : `${code} ${description}`;
    if (outcome !== `${version} ${text}`) activity.note("deployment", String(version), text);
    outcome = `${version} ${text}`;
  });
}

const stateText = ({ status, description }: { readonly status: string; readonly description: string }) =>
  description === "" || description === status ? status : `${status}: ${description}`;

/** Notes a call of the hub that has changed something. */
export function noteChange(
  activity: Pick<Activity, "note">,
  method: keyof Hub,
  [first, second]: readonly unknown[],
): void {
  if (method === "removeIdentity") {
    return activity.note("identity", nameOf(first as string, second as string | undefined), "removed");
  }
  if (method !== "addIdentity" && method !== "changeIdentity") return;
  const change = first as IdentityChange;
  const text = method === "addIdentity" ? "added" : changeText(change);
  activity.note("identity", nameOf(change.deviceId, change.moduleId), text);
}

/** Never what a key is. */
function changeText({ enabled, renew, parent, authentication }: IdentityChange): string {
  const parts = [
    enabled === undefined ? "" : enabled ? "enabled" : "disabled",
    renew === undefined ? "" : `has a new ${renew === "primaryKey" ? "primary" : "secondary"} key`,
    authentication === undefined ? "" : "has other credentials",
    parent === undefined ? "" : parent === null ? "has no parent" : `is a child of ${parent}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

const nameOf = (deviceId: string, moduleId: string | undefined): string =>
  moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
