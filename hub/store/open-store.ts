/** The store that a hub's configuration asks for. */
import type { StoreConfig } from "../face.ts";
import { MemoryStore } from "../journal/memory-store.ts";
import { openRedo, openWithoutRedo } from "../journal/redo/open-redo.ts";
import type { Store } from "../journal/store.ts";

/** @throws {SandpiperError} SP_STORE_OPEN, SP_STORE_FORMAT, SP_STORE_CORRUPT */
export async function openStore(dir: string, config: StoreConfig): Promise<Store> {
  switch (config.backend) {
    case "redo":
      return openRedo(dir, config);
    case "lmdb":
      return openWithoutRedo(dir);
    case "none":
      return new MemoryStore({ keep: false });
  }
}
