import { Failure } from '../../base/failure.js'
import type { ControlClient } from '../control-client.js'
import { volumePast, volumeSchedules, withVolume } from '../listing.js'
import type { VolumePast } from '../listing.js'
import { findMounted } from '../volume-finder.js'
import type { Group, GroupVolume } from './group-file.js'
import { groupCron } from './group-schedule.js'

export interface GroupPast {
  volumes: { volume: GroupVolume; past: VolumePast; cron: string | undefined }[]
  /** The names of all, oldest first: of one some volume may have none, if it was not in the group then. */
  names: string[]
}

/** Of volumes that are mounted, or not. */
export async function groupPast({ volumes }: Group): Promise<GroupPast> {
  const found: GroupPast['volumes'] = []
  for (const volume of volumes) {
    found.push(
      await withVolume(volume.path, async (at) => {
        const { schedules } = await volumeSchedules(at)
        return { volume, past: await volumePast(at), cron: groupCron(schedules) }
      }),
    )
  }
  const names = new Set(found.flatMap(({ past }) => past.snapshots.map(({ name }) => name)))
  return { volumes: found, names: [...names].sort() }
}

/** One of each volume, all at one instant and with one name, which it returns; all or none. */
export async function snapshotGroup(
  group: Group,
  memo: string,
  tags: readonly string[],
): Promise<string> {
  return withGroupClient(group, async (client, volumes) => {
    const request = { command: 'snapshot' as const, volumes, memo, tags: [...tags] }
    const { names } = await client.request<'snapshot'>(request)
    const [name = ''] = names
    return name
  })
}

/** With the one daemon that has mounted all volumes of the group; their ids are in its order. */
export async function withGroupClient<T>(
  { volumes, directory }: Group,
  use: (client: ControlClient, ids: string[]) => Promise<T>,
): Promise<T> {
  const clients: ControlClient[] = []
  const stores = new Set<string>()
  const ids: string[] = []
  try {
    for (const { path } of volumes) {
      const { client, summary } = await findMounted(path)
      clients.push(client)
      stores.add(summary.store)
      ids.push(summary.id)
    }
    const [client] = clients
    if (client === undefined || stores.size !== 1) {
      const advice = 'they can be cut at one instant only in one: see `bygone status`'
      throw new Failure('failed', `the volumes of ${directory} are not in one store: ${advice}`)
    }
    return await use(client, ids)
  } finally {
    for (const client of clients) client.close()
  }
}
