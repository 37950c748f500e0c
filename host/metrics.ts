/**
 * Instruments that are cheap to bump: each is an object with plain fields, found once at set-up and
 * read only when somebody scrapes. Nothing here is shared between threads.
 */
export class Counter {
  value = 0;

  /** `by` is at least 0. */
  add(by = 1): void {
    this.value += by;
  }
}

export class Gauge {
  value = 0;
}

/** Counts by upper bound; `counts` has one more place than `bounds`, for what is beyond the last. */
export interface HistogramFigures {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export class Histogram implements HistogramFigures {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  /** `bounds` rise. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let place = 0;
    while (place < this.bounds.length && value > (this.bounds[place] as number)) place++;
    this.counts[place] = (this.counts[place] as number) + 1;
    this.sum += value;
  }
}

/** Seconds, from a tenth of a millisecond to ten seconds. */
export const durationBounds: readonly number[] = [
  0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export type Labels = Readonly<Record<string, string>>;
export type MetricType = "counter" | "gauge" | "histogram";

/** One metric with all its series, as a scrape sees it. */
export interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Labels;
  readonly value: number | HistogramFigures;
}

/** One instrument for each set of labels, at most `most` of them; later sets share the series `other`. */
export class Series<T extends Counter | Gauge | Histogram> {
  readonly #name: string;
  readonly #type: MetricType;
  readonly #help: string;
  readonly #make: () => T;
  readonly #most: number;
  readonly #series = new Map<string, { readonly labels: Labels; readonly instrument: T }>();

  constructor(name: string, type: MetricType, help: string, make: () => T, most = 1_000) {
    this.#name = name;
    this.#type = type;
    this.#help = help;
    this.#make = make;
    this.#most = most;
  }

  /** The instrument of these labels: always the same one, so find it once and keep it. */
  with(labels: Labels = {}): T {
    const key = JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const known = this.#series.get(key);
    if (known) return known.instrument;
    if (this.#series.size >= this.#most && Object.values(labels).some((value) => value !== "other")) {
      return this.with(Object.fromEntries(Object.keys(labels).map((name) => [name, "other"])));
    }
    const instrument = this.#make();
    this.#series.set(key, { labels, instrument });
    return instrument;
  }

  family(): Family {
    return {
      name: this.#name,
      type: this.#type,
      help: this.#help,
      samples: [...this.#series.values()].map(({ labels, instrument }) => ({
        labels,
        value: instrument instanceof Histogram ? instrument : instrument.value,
      })),
    };
  }
}

/** The host's own instruments, those that no snapshot carries. */
export class Registry {
  readonly #families: { family(): Family }[] = [];

  counter(name: string, help: string): Series<Counter> {
    return this.#keep(new Series(name, "counter", help, () => new Counter()));
  }

  gauge(name: string, help: string): Series<Gauge> {
    return this.#keep(new Series(name, "gauge", help, () => new Gauge()));
  }

  histogram(name: string, help: string, bounds: readonly number[] = durationBounds): Series<Histogram> {
    return this.#keep(new Series(name, "histogram", help, () => new Histogram(bounds)));
  }

  families(): Family[] {
    return this.#families.map((each) => each.family());
  }

  #keep<S extends { family(): Family }>(series: S): S {
    this.#families.push(series);
    return series;
  }
}
