import { originTag, type Tag } from '../../src/version/version.js'

/**
 * What stands at an address: two halves, each the stamp of the write that it came from. A write of
 * one half shows whether the other was inherited from where it should.
 */
export interface Content {
  readonly left: number
  readonly right: number
}

/** What versions are, said naively: each has a full copy of everything. */
export class VersionOracle {
  readonly contents = new Map<Tag, Content[]>()

  constructor(origin: readonly Content[]) {
    this.contents.set(originTag, [...origin])
  }

  snapshot(of: Tag, tag: Tag): void {
    this.contents.set(tag, [...this.of(of)])
  }

  write(tag: Tag, address: number, change: Partial<Content>): void {
    const contents = this.of(tag)
    contents[address] = { ...this.at(tag, address), ...change }
  }

  rollback(tag: Tag, address: number): void {
    this.of(originTag)[address] = this.at(tag, address)
  }

  delete(tag: Tag): void {
    this.contents.delete(tag)
  }

  at(tag: Tag, address: number): Content {
    const content = this.of(tag)[address]
    if (content === undefined) throw new Error(`the oracle knows no address ${address}`)
    return content
  }

  of(tag: Tag): Content[] {
    const contents = this.contents.get(tag)
    if (contents === undefined) throw new Error(`the oracle knows no tag ${tag}`)
    return contents
  }
}
