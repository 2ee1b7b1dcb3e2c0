import { Command } from 'commander'
import { volumeMetrics } from '../daemon/listing.js'

export function metricsCommand(): Command {
  return new Command('metrics')
    .summary('print figures for Prometheus')
    .description(
      'Prints what Prometheus wants to read (its text format): of all volumes that are mounted by this user, or of ' +
        'VOLUME, mounted or not. A daemon gives the same of its volumes on its control socket.',
    )
    .argument('[volume]', 'its name, origin or mount point; default: all that are mounted')
    .addHelpText(
      'after',
      `
Examples:
  bygone metrics
  bygone metrics docs | grep newest
  bygone metrics >/var/lib/prometheus/node-exporter/bygone.prom.new &&
    mv /var/lib/prometheus/node-exporter/bygone.prom.new \\
       /var/lib/prometheus/node-exporter/bygone.prom`,
    )
    .action(async (volume: string | undefined) => {
      process.stdout.write(await volumeMetrics(volume))
    })
}
