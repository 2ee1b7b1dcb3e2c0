import type { Argument, Command, Option } from 'commander'

/** Something that belongs to a command line: its name in the usage (`rev`, `volume`, `dir`), and its choices, if it has some. */
export interface Value {
  name: string
  choices: readonly string[] | undefined
}

/** Where somebody is typing. */
export interface Place {
  /** The innermost one that has been named. */
  command: Command
  /** The volume that the words before name, if they name one. */
  volume: string | undefined
  /** Of the word: what is typed of that which is to be completed, and what stands before it (`--volume=`). */
  typed: string
  before: string
  wanted: 'command' | 'option' | Value | undefined
}

/** `words`: those behind the program's name, the last one being typed. */
export function placeOf(program: Command, words: readonly string[]): Place {
  const typed = words.at(-1) ?? ''
  const reading = new Reading(program)
  for (const word of words.slice(0, -1)) reading.take(word)
  const { command, volume } = reading
  const place = { command, volume, typed, before: '' }
  const { optionToFill } = reading
  if (optionToFill !== undefined) return { ...place, wanted: valueOfOption(optionToFill) }
  if (typed.startsWith('-') && !reading.isBehindOptions) {
    const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? []
    if (name === undefined || value === undefined) return { ...place, wanted: 'option' }
    const option = optionOf(command, name)
    const wanted = option === undefined ? undefined : valueOfOption(option)
    return { ...place, typed: value, before: `${name}=`, wanted }
  }
  if (reading.place === 0 && command.commands.length > 0) return { ...place, wanted: 'command' }
  const argument = argumentAt(command, reading.place)
  return {
    ...place,
    wanted: argument && { name: argument.name(), choices: argument.argChoices },
  }
}

/** Reads a command line up to some word, as the command itself would. */
class Reading {
  command: Command
  volume: string | undefined
  /** Which of the command's arguments comes next. */
  place = 0
  isBehindOptions = false
  /** The next word is its value. */
  optionToFill: Option | undefined

  constructor(program: Command) {
    this.command = program
  }

  take(word: string): void {
    if (this.optionToFill !== undefined) {
      this.#note(nameOfValue(this.optionToFill), word, true)
      this.optionToFill = undefined
    } else if (word === '--') this.isBehindOptions = true
    else if (word.length > 1 && word.startsWith('-') && !this.isBehindOptions) this.#option(word)
    else this.#argument(word)
  }

  #option(word: string): void {
    const [, name = '', value] = /^(--[^=]+|-[^-])=?(.*)$/s.exec(word) ?? []
    const option = optionOf(this.command, name)
    if (option?.required !== true) return
    if (value === '' && !word.endsWith('=')) this.optionToFill = option
    else this.#note(nameOfValue(option), value ?? '', true)
  }

  #argument(word: string): void {
    const inner = this.place === 0 ? innerCommand(this.command, word) : undefined
    if (inner !== undefined) {
      this.command = inner
      return
    }
    const argument = argumentAt(this.command, this.place++)
    if (argument !== undefined) this.#note(argument.name(), word, false)
  }

  #note(name: string, word: string, isOption: boolean): void {
    if (name === 'volume') this.volume = word
    // Named by the option, it is no argument any more.
    const [first] = this.command.registeredArguments
    if (isOption && this.place === 0 && first?.name() === name) this.place++
  }
}

/** Those that `--help` shows, itself among them. */
export function commandsOf(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command)
}

export function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command)
}

function innerCommand(command: Command, word: string): Command | undefined {
  if (command.commands.length === 0) return undefined
  return commandsOf(command).find((each) => each.name() === word || each.aliases().includes(word))
}

function optionOf(command: Command, word: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => word === long || word === short)
}

function argumentAt(command: Command, at: number): Argument | undefined {
  const all = command.registeredArguments
  const last = all.at(-1)
  return all[at] ?? (last?.variadic === true ? last : undefined)
}

function valueOfOption(option: Option): Value | undefined {
  const name = nameOfValue(option)
  return name === '' ? undefined : { name, choices: option.argChoices }
}

/** `dir` of `--store <dir>`; '' if it takes none. */
function nameOfValue({ flags }: Option): string {
  return /[<[]([^>\].]+)/.exec(flags)?.[1] ?? ''
}
