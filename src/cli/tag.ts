import { Command } from 'commander'
import { Failure } from '../base/failure.js'
import type { TagAction } from '../daemon/snapshot-edit.js'
import { editSnapshots } from './edit-snapshots.js'
import { revHelp, volumeOption } from './volume-option.js'

interface TagFlags {
  volume?: string
  expect?: string
}

export function tagCommand(): Command {
  return new Command('tag')
    .allowExcessArguments()
    .action((_flags, command: Command) => {
      const [action] = command.args
      const what = action === undefined ? 'no action is given' : `there is no action '${action}'`
      throw new Failure('usage', `${what}: add, remove or set`)
    })
    .summary('add, remove or set tags of snapshots')
    .description(
      'A tag names one snapshot of a volume, below .snapshots/ and on the command line. Several may ' +
        'have one that begins with manual:, or for which `bygone policy` has a rule.',
    )
    .addCommand(
      actionCommand('add', 'give tags to snapshots, besides those they have', '<tags...>'),
    )
    .addCommand(actionCommand('remove', 'take tags from snapshots', '<tags...>').alias('rm'))
    .addCommand(actionCommand('set', 'give snapshots just these tags', '[tags...]'))
    .addHelpText(
      'after',
      `
Examples:
  bygone tag add latest before-upgrade
  bygone tag remove before-upgrade before-upgrade -V /srv/docs
  bygone tag set 0 nightly --expect nightly,manual:x`,
    )
}

function actionCommand(action: TagAction, summary: string, tags: string): Command {
  return new Command(action)
    .summary(summary)
    .description(
      `${summary.charAt(0).toUpperCase()}${summary.slice(1)}. All of it is done, or nothing.`,
    )
    .argument('<rev>', 'the snapshots')
    .argument(tags, 'tags, apart or with commas')
    .option('--expect <tags>', 'only if each has just these tags, with commas; "" is none')
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone tag ${action} latest nightly`,
    )
    .action((rev: string, words: string[], flags: TagFlags) => {
      const given = words.flatMap(tagsIn)
      if (given.length === 0 && action !== 'set') throw new Failure('usage', 'no tag is given')
      const expect = flags.expect === undefined ? null : tagsIn(flags.expect)
      return editSnapshots(flags.volume, [rev], { kind: action, tags: given, expect })
    })
}

function tagsIn(text: string): string[] {
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}
