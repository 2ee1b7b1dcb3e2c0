#!/bin/sh
# The entry point of the container, with docker-snap-volume's commands:
#
#   start [ID:PATH...]    keep the volumes (of VOLUME_DATA, if none is named) until the container is stopped
#   show [-a]             number the snapshots; -a: also where they are, when they are taken, how many are kept
#   snapshot              take one of all volumes now
#   restore @GMT-... [ID[/PATH]] [--dry-run] [--yes]
#   help                  this
#
# Any other is one of bygone's own: `help list`, or `list --help`. Variables: VOLUME_DATA (ID:PATH,ID:PATH...), VOLUME_SNAP,
# SNAP_MAX, SNAP_CRON (UTC).
set -eu

case ${1:-help} in
  help)
    if [ $# -gt 1 ]; then
      shift
      exec bygone "$@" --help
    fi
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
    ;;
  *) exec bygone "$@" ;;
esac
