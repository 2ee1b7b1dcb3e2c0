"""Plays one scene in an empty directory and prints what was seen as JSON: the same on every file system that
behaves the same. Arguments: the directory and the scene; on a mount also the directory in which mkdir takes a
snapshot, once in how many calls to do so, and the seed of the moments."""

import json
import os
import sys

import attributes
import creation
import names
import opened
import rights
from calls import Snapshots

SCENES = {
    'creation': creation.run,
    'names': names.run_single,
    'pairs of names': names.run_double,
    'attributes': attributes.run,
    'rights': rights.run,
    'open files': opened.run,
}


def main():
    os.umask(0o022)
    top, scene, *snapshots = sys.argv[1:]
    if snapshots:
        Snapshots.directory, period, seed = snapshots
        Snapshots.period = int(period)
        Snapshots.random.seed(int(seed))
    json.dump(SCENES[scene](top), sys.stdout)


if __name__ == '__main__':
    main()
