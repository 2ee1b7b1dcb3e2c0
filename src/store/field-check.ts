/** What is wrong with data that was read: names the field, for people. */
export class FieldError extends Error {
  override readonly name = 'FieldError'
}

/** Fields of one JSON object, taken one by one; each is checked, and none may be left over. */
export class FieldCheck {
  readonly #where: string
  readonly #fields: Record<string, unknown>
  readonly #left: Set<string>

  constructor(where: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new FieldError(`${where} is not an object`)
    }
    this.#where = where
    this.#fields = value as Record<string, unknown>
    this.#left = new Set(Object.keys(value))
  }

  text(name: string, isRight: (text: string) => boolean = () => true): string {
    const value = this.#take(name)
    if (typeof value !== 'string' || !isRight(value)) throw this.wrong(name)
    return value
  }

  textOrNull(name: string, isRight: (text: string) => boolean): string | null {
    const value = this.#take(name)
    if (value === null) return null
    if (typeof value !== 'string' || !isRight(value)) throw this.wrong(name)
    return value
  }

  boolean(name: string): boolean {
    const value = this.#take(name)
    if (typeof value !== 'boolean') throw this.wrong(name)
    return value
  }

  integer(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(name)
    const isRight = typeof value === 'number' && Number.isSafeInteger(value)
    if (!isRight || value < min || value > max) throw this.wrong(name)
    return value
  }

  flag(name: string): boolean {
    const value = this.#take(name)
    if (typeof value !== 'boolean') throw this.wrong(name)
    return value
  }

  integerOrNull(name: string, min: number): number | null {
    return this.#fields[name] === null ? (this.#take(name) as null) : this.integer(name, min)
  }

  object<Item>(name: string, item: (where: string, value: unknown) => Item): Item {
    return item(this.#path(name), this.#take(name))
  }

  objectOrNull<Item>(name: string, item: (where: string, value: unknown) => Item): Item | null {
    const value = this.#take(name)
    return value === null ? null : item(this.#path(name), value)
  }

  list<Item>(name: string, item: (where: string, value: unknown) => Item): Item[] {
    const value = this.#take(name)
    if (!Array.isArray(value)) throw this.wrong(name)
    return value.map((each, at) => item(`${this.#path(name)}[${at}]`, each))
  }

  end(): void {
    for (const name of this.#left) throw new FieldError(`${this.#path(name)} is unknown`)
  }

  wrong(name: string): FieldError {
    return new FieldError(`${this.#path(name)} is wrong`)
  }

  #take(name: string): unknown {
    if (!this.#left.delete(name)) throw new FieldError(`${this.#path(name)} is missing`)
    return this.#fields[name]
  }

  #path(name: string): string {
    return this.#where === '' ? name : `${this.#where}.${name}`
  }
}
