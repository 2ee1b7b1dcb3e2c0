import { Argument, Command } from 'commander'
import { bashReply, readBashLine } from './completion/bash-line.js'
import { candidatesFor, isOpen } from './completion/candidates.js'
import { shells, shellScripts } from './completion/shell-scripts.js'
import type { Shell } from './completion/shell-scripts.js'
import { inOneLine, printLine } from './output.js'

/** Who presses Tab waits: a daemon or disk that does not answer by then has nothing to offer. */
const answerMsMax = 3000

export function completionCommand(): Command {
  return new Command('completion')
    .summary('print what makes a shell complete commands, volumes and snapshots')
    .description(
      'Prints a script for the shell to read when it starts: with it, Tab completes commands, ' +
        'options, volumes, snapshots and tags.',
    )
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .addHelpText(
      'after',
      `
Examples:
  bygone completion bash >/etc/bash_completion.d/bygone
  bygone completion zsh >/usr/local/share/zsh/site-functions/_bygone
  bygone completion fish >~/.config/fish/completions/bygone.fish
  source <(bygone completion bash)           in this shell only`,
    )
    .action((shell: Shell) => {
      process.stdout.write(shellScripts[shell])
    })
}

/** What those scripts ask: what the word that is being typed could become, a line for each. */
export function completeCommand(): Command {
  return new Command('complete')
    .summary('for the scripts of `bygone completion`')
    .addArgument(new Argument('<shell>').choices(shells))
    .argument('[words...]')
    .action(complete)
}

async function complete(shell: Shell, given: string[], _flags: unknown, self: Command) {
  const program = self.parent ?? self
  setTimeout(() => process.exit(0), answerMsMax).unref()
  try {
    for (const line of await linesFor(program, shell, given)) printLine(line)
  } catch {
    // No volume here, say: the command itself will tell. A word that can't be completed is no failure.
  }
}

async function linesFor(program: Command, shell: Shell, given: string[]): Promise<string[]> {
  if (shell === 'bash') {
    const [text = '', breaks = ''] = given
    const line = readBashLine(text, breaks)
    const candidates = await candidatesFor(program, line.words.slice(1))
    return candidates.flatMap((candidate) => bashReply(candidate, line) ?? [])
  }
  const candidates = await candidatesFor(program, given)
  return candidates.map((candidate) => {
    const fields = [candidate.value, inOneLine(candidate.description)]
    if (shell === 'zsh') fields.unshift(isOpen(candidate) ? 'open' : 'whole')
    return fields.join('\t')
  })
}
