/**
 * The module's configuration: its desired properties, one JSON object. Of a module with a `@desired` handler, or
 * that uses `twin`, it changes while the module runs, between two records; otherwise the module is started again.
 * Read it where it is needed; a value of another kind counts as absent.
 */
import { Json } from "./json";
import { Place } from "./memory";

class Config {
  private json: Json | null = null;

  number(name: string, fallback: f64): f64 {
    const json = this.json;
    return json === null ? fallback : json.number(name, fallback);
  }
  string(name: string, fallback: string): string {
    const json = this.json;
    if (json === null) return fallback;
    const found = json.string(name);
    return found === null ? fallback : found;
  }
  boolean(name: string, fallback: bool): bool {
    const json = this.json;
    return json === null ? fallback : json.boolean(name, fallback);
  }
  /** A member of any kind. */
  get(name: string): Json | null {
    const json = this.json;
    if (json === null) return null;
    return json.get(name);
  }

  /** For the dispatch alone. */
  load(place: Place, bytes: u32): void {
    this.json = null;
    if (bytes == 0) return;
    this.json = Json.parse(place, bytes);
    if (this.json === null) throw new Error(`configuration is not JSON at byte ${Json.faultAt.toString()}`);
  }
}

export const config = new Config();
