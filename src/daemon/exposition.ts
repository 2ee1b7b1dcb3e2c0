/** Prometheus' text format, version 0.0.4: families of samples, each with a help and a type. */
export class Exposition {
  #text = ''

  /** `samples`: labels and value; a family without any is left out. */
  family(
    name: string,
    type: 'gauge' | 'counter' | 'summary',
    help: string,
    samples: readonly Sample[],
  ): void {
    if (samples.length === 0) return
    this.#text += `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`
    for (const { suffix = '', labels, value } of samples) {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${quoted(text)}"`)
      this.#text += `${name}${suffix}{${pairs.join(',')}} ${value}\n`
    }
  }

  toString(): string {
    return this.#text
  }
}

export interface Sample {
  /** `_sum` and `_count` of a summary. */
  suffix?: string
  labels: Readonly<Record<string, string>>
  value: number
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
}

function quoted(text: string): string {
  return escaped(text).replace(/"/g, '\\"')
}
