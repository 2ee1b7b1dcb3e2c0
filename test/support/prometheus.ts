/** A sample of Prometheus' text format. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|(?=\}))/

/** Reads it as strictly as the format is: throws what is wrong with a line. */
export function parsePrometheus(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('no newline at the end')
  const samples: Sample[] = []
  const seen = new Set<string>()
  let family = { name: '', type: '' }
  let help = ''
  for (const line of text.split('\n').slice(0, -1)) {
    const wrong = (what: string) => new Error(`${what}: ${line}`)
    if (line.startsWith('# HELP ')) {
      help = line.split(' ')[2] ?? ''
      if (seen.has(`family ${help}`)) throw wrong('a family twice')
      seen.add(`family ${help}`)
    } else if (line.startsWith('# TYPE ')) {
      const [, , of = '', type = ''] = line.split(' ')
      if (of !== help) throw wrong('a type without help')
      if (!['counter', 'gauge', 'summary'].includes(type)) throw wrong('unknown type')
      if ((type === 'counter') !== of.endsWith('_total')) throw wrong('counters end with _total')
      family = { name: of, type }
    } else {
      const sample = parseSample(line, wrong)
      const suffixes = family.type === 'summary' ? ['_sum', '_count'] : ['']
      if (!suffixes.some((suffix) => family.name + suffix === sample.name)) {
        throw wrong('outside of its family')
      }
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      if (seen.has(key)) throw wrong('a sample twice')
      seen.add(key)
      samples.push(sample)
    }
  }
  return samples
}

function parseSample(line: string, wrong: (what: string) => Error): Sample {
  const found = name.exec(line)?.[0] ?? ''
  let rest = line.slice(found.length)
  const labels: Record<string, string> = {}
  if (found === '' || !rest.startsWith('{')) throw wrong('no name, or no labels')
  rest = rest.slice(1)
  while (!rest.startsWith('}')) {
    const [all = '', key = '', value = ''] = label.exec(rest) ?? []
    if (all === '' || key in labels) throw wrong('a wrong label')
    labels[key] = value.replace(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    )
    rest = rest.slice(all.length)
  }
  const value = /^\} (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(rest)?.[1]
  if (value === undefined) throw wrong('no value')
  return { name: found, labels, value: Number(value) }
}
