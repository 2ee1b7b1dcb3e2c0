# Sourced by test.sh: finds and removes the mounts, processes and loop devices that a test run left
# behind. Uses $BYGONE_CHECK_RUN (the mark in the environment of the run's processes) and $work (the
# directory that all its files are below). Looks only into /proc and /sys: a dead mount would hang it.

# Mount points below $work, newest first: a mount on top goes before the one it stands on.
leftovers_mounts() {
  local mountPoint
  while read -r _ _ _ _ mountPoint _; do
    [[ $mountPoint == "$work"/* ]] && printf '%b\n' "$mountPoint"
  done </proc/self/mountinfo | tac
}

leftovers_processes() {
  local file pid group
  while read -r file; do
    pid=${file//[^0-9]/}
    group=$(ps -o pgid= -p "$pid" 2>/dev/null | tr -d ' ')
    # Neither what has ended by now, nor the shells and tools that this script runs.
    [[ -z $group || $group == "$ownGroup" ]] || echo "$pid"
  done < <(grep -lsz "^BYGONE_CHECK_RUN=$BYGONE_CHECK_RUN\$" /proc/[0-9]*/environ)
}
ownGroup=$(ps -o pgid= -p $$ | tr -d ' ')

leftovers_loops() {
  local file
  for file in /sys/block/loop*/loop/backing_file; do
    [[ -e $file && $(<"$file") == "$work"/* ]] && file=${file%/loop/backing_file} && echo "/dev/${file##*/}"
  done
  return 0
}

leftovers_list() {
  local item
  while read -r item; do echo "mounted: $item"; done < <(leftovers_mounts)
  while read -r item; do
    echo "running: process $item ($(tr '\0' ' ' <"/proc/$item/cmdline" 2>/dev/null))"
  done < <(leftovers_processes)
  while read -r item; do echo "attached: $item"; done < <(leftovers_loops)
}

leftovers_remove() {
  local item
  while read -r item; do kill -KILL "$item"; done < <(leftovers_processes) 2>/dev/null
  while read -r item; do
    umount -l "$item" 2>/dev/null || fusermount3 -uz "$item"
  done < <(leftovers_mounts)
  while read -r item; do losetup -d "$item"; done < <(leftovers_loops)
}
