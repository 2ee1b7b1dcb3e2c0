#!/usr/bin/env bash
# Shows the main job on a real directory: mount, snapshot, change, look back, copy out, unmount.
#
#   scripts/quickstart.sh [DIRECTORY]
#
# With a DIRECTORY, all changes happen in a new sub-directory of it: your own files are only read.
# Without one, it works on a copy of a part of /usr/share/doc below $TMPDIR (or /tmp).
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if (($# > 1)) || [[ ${1:-} == -* ]]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0"
  [[ ${1:-} == -h || ${1:-} == --help ]] && exit 0
  exit 64
fi

stop() { echo "quickstart: $*" >&2 && exit 1; }
title() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$@"; }
indented() { sed 's/^/     /'; }

# Shows a command and what it prints.
run() {
  echo "   \$ ${*//$origin\//}"
  "$@" | indented
}
bygone() { node "$repository/dist/cli/main.js" "$@"; }

if [[ -n ${1:-} ]]; then
  origin=$(cd "$1" 2>/dev/null && pwd -P) || stop "'$1' is not a directory that can be entered: name one that is"
  isGiven=true
else
  isGiven=false
fi
if $isGiven && awk -v origin="$origin" '$5 == origin && / - fuse/ { found = 1 } END { exit !found }' /proc/self/mountinfo; then
  stop "something is mounted over $origin already: unmount it first, or name another directory"
fi
[[ -c /dev/fuse ]] ||
  stop "this machine has no /dev/fuse: load the kernel module 'fuse', or start the container with --device /dev/fuse --cap-add SYS_ADMIN"

# --- what it needs -----------------------------------------------------------------------------------

"$repository/scripts/setup.sh" --for run

# --- the directory -----------------------------------------------------------------------------------

# Copies real files (at most 2,000 and 40 MB) to directory $1, with their directories.
copy_real_tree() {
  (
    cd /usr/share/doc
    find . -mindepth 2 -type f -readable -size -1024k -printf '%s %p\n' 2>/dev/null | LC_ALL=C sort -k 2 |
      awk '{ bytes += $1; if (NR > 2000 || bytes > 40000000) exit; print substr($0, length($1) + 2) }' |
      tar --create --files-from=- 2>/dev/null
  ) | tar --extract --directory="$1" || true
  # A slim system has emptied that place: this repository has files too.
  if (($(find "$1" -type f | wc -l) < 50)); then
    cp -a "$repository"/{src,scripts,README.md} "$repository/node_modules/commander" "$1"
  fi
}

isMounted=false
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bygone-quickstart.XXXXXX")
if ! $isGiven; then
  origin=$(cd "$scratch" && pwd -P)/documents
  mkdir "$origin"
  copy_real_tree "$origin"
fi

# Whatever happens, nothing stays mounted.
cleanup() {
  local code=$?
  trap - EXIT INT TERM
  cd /
  if $isMounted; then
    bygone unmount "$origin" >/dev/null 2>&1 ||
      fusermount3 -uz "$origin" 2>/dev/null || umount -l "$origin" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$scratch/aside"
  if ((code != 0)); then
    echo "quickstart: stopped before its end (exit code $code); nothing is mounted any more" >&2
    $isGiven || echo "quickstart: its files are in $scratch" >&2
  fi
  $isGiven && rmdir "$scratch" 2>/dev/null
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the main job --------------------------------------------------------------------------------------

title "1. A directory of plain files"
say "$origin"
if $isGiven; then
  say "It is yours: nothing that is in it now is changed."
else
  say "$(find "$origin" -type f | wc -l) files, $(du -sh "$origin" | cut -f 1)B: copies of a part of /usr/share/doc."
fi
[[ -e $origin/.bygone ]] && hasPast=true || hasPast=false

title "2. Mount bygone over it"
say "From now on the live files are reached through bygone; they stay plain files on the same disk."
isMounted=true
run bygone mount "$origin"

if $isGiven; then
  tree=$(mktemp -d "$origin/bygone-quickstart.XXXXXX")
  copy_real_tree "$tree"
  say "All that follows happens in ${tree##*/}/, a new sub-directory with files of its own."
else
  tree=$origin
fi

# The actors: a file to change (a text, if there is one), one to delete, a directory to rename, one to
# delete whole.
cd "$tree"
candidates() { find . -path './@GMT-*' -prune -o -type f -size +0 "$@" -print | LC_ALL=C sort; }
mapfile -t files < <(candidates -name copyright | sed -n 1,2p)
((${#files[@]} == 2)) || mapfile -t files < <(candidates | sed -n 1,2p)
mapfile -t directories < <(find . -mindepth 1 -maxdepth 1 -type d ! -name '@GMT-*' ! -name .bygone | LC_ALL=C sort | tail -n 2)
((${#files[@]} == 2 && ${#directories[@]} == 2)) || stop "too few files to show anything with in $tree"
changed=${files[0]#./} deleted=${files[1]#./} renamed=${directories[0]#./} removed=${directories[1]#./}
cd /

title "3. The first snapshot"
snapshot1=$(bygone snapshot "$origin")
echo "   \$ bygone snapshot"
echo "     $snapshot1"
# What the snapshot must show for ever: a copy, made now, to compare with.
mkdir "$scratch/aside"
(cd "$tree" && tar --create --exclude='./@GMT-*' --exclude=./.bygone .) | tar --extract --directory="$scratch/aside"

title "4. Change, delete and rename"
live() { # shows the command with paths as seen from $tree, and runs it there
  echo "   \$ $1"
  (cd "$tree" && bash -c "$1")
}
q() { printf '%q' "$1"; }
live "echo 'a new last line' >> $(q "$changed")"
live "rm $(q "$deleted")"
live "mv $(q "$renamed") $(q "$renamed").moved"
live "rm -r $(q "$removed")"
live "echo hello > new-file"

title "5. The second snapshot"
snapshot2=$(bygone snapshot "$origin" -m "after the changes")
echo "   \$ bygone snapshot -m 'after the changes'"
echo "     $snapshot2"
run bygone list "$origin"

title "6. Both stand beside the live files, read-only"
echo "   \$ ls -d @GMT-*"
(cd "$origin" && ls -d @GMT-*) | tail -n 10 | indented
# In a sub-directory its own past stands there too, though unlisted.
past=$tree/$snapshot1
echo "   \$ diff -rq $snapshot1 $snapshot2"
(cd "$tree" && diff -rq "$snapshot1" "$snapshot2" || true) | indented
echo "   \$ diff $snapshot1/$changed $changed"
(cd "$tree" && diff "$snapshot1/$changed" "$changed" || true) | indented
if touch "$past/x" 2>/dev/null; then stop "a snapshot let itself be written to: $past"; fi

title "7. The first snapshot equals the copy made before the changes"
echo "   \$ diff -r $snapshot1 COPY"
diff -r "$past" "$scratch/aside" | indented
say "No difference: $(find "$past" -type f | wc -l) files, byte for byte."

title "8. Bring back what was deleted: plain cp"
live "cp -a $(q "$snapshot1/$deleted") $(q "$deleted")"
cmp "$tree/$deleted" "$scratch/aside/$deleted"
say "$deleted is back, as it was."

title "9. Unmount: the origin is a plain directory again"
run bygone unmount "$origin"
isMounted=false
[[ $(cat "$tree/new-file") == hello && ! -e $tree/$removed && -d $tree/$renamed.moved ]] ||
  stop "the origin does not hold the changes that were made through the mount: $tree"
cmp "$tree/$deleted" "$scratch/aside/$deleted" || stop "the origin lacks the file that was brought back: $deleted"
echo "   \$ ls -A"
(cd "$origin" && ls -A) | sed -n '1,8p' | indented

title "Where things are"
command="node $repository/dist/cli/main.js"
say "live files    $origin   (plain files: they need no bygone)" \
  "their past    $origin/.bygone   (hidden while mounted)" \
  "see it again  $command mount $origin && ls $origin" \
  "and then      $command unmount $origin"
if $isGiven; then
  say "made here     ${tree}   (all that this script changed)" \
    "remove it     rm -r $(q "$tree")"
  # A past that was there before is not ours to give away.
  $hasPast || say "and the past  rm -r $(q "$origin/.bygone")"
else
  say "remove it     rm -r $scratch"
fi
