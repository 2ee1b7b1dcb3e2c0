import type { Argument, Command, Option } from 'commander'
import { revHelp } from './volume-option.js'

/** The manual page, in the macros of man(7), of what `--help` shows of the program and its commands. */
export function manualPage(program: Command, date: Date): string {
  const name = program.name()
  const description = program.description()
  const after = afterHelp(program)
  const page = [
    `.TH ${name.toUpperCase()} 1 ${date.toISOString().slice(0, 10)} "${name} ${program.version() ?? ''}" "User commands"`,
    '.SH NAME',
    `${name} \\- ${text(shortDescription(description))}`,
    '.SH SYNOPSIS',
    `.B ${name}`,
    text(program.usage()),
    '.SH DESCRIPTION',
    ...paragraphs(description),
    ...paragraphs(after.words),
    '.SH COMMANDS',
    ...leavesOf(program).flatMap(commandSection),
    '.SH REVISIONS',
    ...paragraphs(revHelp),
    '.SH EXAMPLES',
    ...verbatim(after.examples),
  ]
  // A section begins a paragraph by itself.
  const isNeeded = (line: string, at: number) =>
    line !== '.PP' || page[at - 1]?.startsWith('.SH') !== true
  return page
    .filter(isNeeded)
    .map((line) => `${line}\n`)
    .join('')
}

/** The commands that do something, each with the way to it. */
function leavesOf(command: Command, path: readonly string[] = []): [string, Command][] {
  const help = command.createHelp()
  return help.visibleCommands(command).flatMap((each): [string, Command][] => {
    if (each.name() === 'help') return []
    const at = [...path, each.name()]
    const inner = each.commands.length > 0 ? leavesOf(each, at) : []
    return [[at.join(' '), each], ...inner]
  })
}

function commandSection([path, command]: [string, Command]): string[] {
  const help = command.createHelp()
  const { words, examples } = afterHelp(command)
  const aliases = command.aliases()
  return [
    `.SS ${text([path, ...aliases].join(', '))}`,
    `.B ${text(path)}`,
    text(command.usage()),
    ...paragraphs(command.description()),
    ...help.visibleArguments(command).flatMap(argumentItem),
    // That of --help is the same everywhere.
    ...help
      .visibleOptions(command)
      .filter(({ long }) => long !== '--help')
      .flatMap(optionItem),
    ...paragraphs(words.replace(revHelp.trim(), '')),
    ...(examples === '' ? [] : ['.PP', 'Examples:', ...verbatim(examples)]),
  ]
}

function argumentItem(argument: Argument): string[] {
  return ['.TP', `.I ${text(argument.name())}`, ...lines(argument.description)]
}

function optionItem(option: Option): string[] {
  const { flags, description, argChoices } = option
  const defaultValue = option.defaultValue as string | undefined
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(' or ')}`
  const usual = defaultValue === undefined ? '' : ` (default: ${defaultValue})`
  return ['.TP', `.B ${text(flags)}`, ...lines(`${description}${choices}${usual}`)]
}

/** What follows the options in `--help`: examples, and the rest. */
function afterHelp(command: Command): { words: string; examples: string } {
  let all = ''
  command.configureOutput({ writeOut: (part) => (all += part) }).outputHelp()
  const parts = all
    .slice(command.helpInformation().length)
    .trim()
    .split(/\n\s*\n/)
  const heading = 'Examples:\n'
  const isExample = (part: string) => part.startsWith(heading)
  return {
    words: parts.filter((part) => !isExample(part)).join('\n\n'),
    examples: parts
      .filter(isExample)
      .map((part) => part.slice(heading.length))
      .join('\n'),
  }
}

/** Up to the first colon or period, as apropos(1) wants it. */
function shortDescription(description: string): string {
  const [first = ''] = /^[^:.]*/.exec(description) ?? []
  return first.charAt(0).toLowerCase() + first.slice(1)
}

function paragraphs(words: string): string[] {
  return words
    .split(/\n\s*\n/)
    .filter((part) => part.trim() !== '')
    .flatMap((part) => ['.PP', ...lines(part)])
}

/** A sentence a line is what the formatters want. */
function lines(words: string): string[] {
  const flowing = words.trim().replace(/\s+/g, ' ')
  return flowing === '' ? [] : flowing.split(/(?<=[.:?] )/).map((line) => text(line.trim()))
}

function verbatim(example: string): string[] {
  return ['.PP', '.EX', ...example.replace(/\s+$/, '').split('\n').map(text), '.EE']
}

/** What the formatters would take for something else is escaped. */
function text(words: string): string {
  const escaped = words
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/'/g, '\\(aq')
    .replace(/`/g, '\\(ga')
    .replace(/\^/g, '\\(ha')
    .replace(/~/g, '\\(ti')
    .replace(/…/g, '...')
  return escaped.startsWith('.') ? `\\&${escaped}` : escaped
}
