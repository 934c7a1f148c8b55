/**
 * What the stock module `anomaly-detector` computes, in plain TypeScript: the same f64 operations in the same
 * order, so its alerts must be equal to the bit.
 */
export interface AnomalyConfig {
  readonly window: number;
  readonly warmUp: number;
  readonly k: number;
}

export interface AnomalyAlert {
  readonly source: string;
  readonly value: number;
  readonly mean: number;
  readonly deviation: number;
}

export const ANOMALY_DEFAULTS: AnomalyConfig = { window: 288, warmUp: 288, k: 3 };

export class AnomalyReference {
  readonly counts = new Map<string, number>();
  readonly #config: AnomalyConfig;
  readonly #windows = new Map<string, number[]>();

  constructor(config: Partial<AnomalyConfig> = {}) {
    const window = config.window ?? ANOMALY_DEFAULTS.window;
    this.#config = { window, warmUp: config.warmUp ?? window, k: config.k ?? ANOMALY_DEFAULTS.k };
  }

  /** Judges a reading against those before it, then remembers it. Null = nothing to see. */
  add(source: string, value: number): AnomalyAlert | null {
    this.counts.set(source, (this.counts.get(source) ?? 0) + 1);
    const recent = this.#windows.get(source) ?? [];
    const alert = recent.length >= this.#config.warmUp ? this.#judge(source, value, recent) : null;
    this.#windows.set(source, [...recent, value].slice(-this.#config.window));
    return alert;
  }

  #judge(source: string, value: number, recent: readonly number[]): AnomalyAlert | null {
    let sum = 0;
    for (const reading of recent) sum += reading;
    const mean = sum / recent.length;
    let squares = 0;
    for (const reading of recent) squares += (reading - mean) * (reading - mean);
    const deviation = Math.sqrt(squares / recent.length);
    return Math.abs(value - mean) > this.#config.k * deviation ? { source, value, mean, deviation } : null;
  }
}
