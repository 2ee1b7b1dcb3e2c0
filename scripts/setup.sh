#!/usr/bin/env bash
# Makes this clone ready to run: Debian packages, node modules, the native addon, the compiled
# TypeScript. Each part is checked first and skipped where nothing is missing or out of date.
#
#   scripts/setup.sh [--for run|test|bench] [PART...]     PART: packages modules native dist (all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

purpose=run
parts=()
while (($# > 0)); do
  case $1 in
    --for) purpose=$2 && shift 2 ;;
    packages | modules | native | dist) parts+=("$1") && shift ;;
    *) echo "setup: unknown argument '$1': expected --for PURPOSE, packages, modules, native or dist" >&2 && exit 64 ;;
  esac
done
[[ $purpose =~ ^(run|test|bench)$ ]] || { echo "setup: --for takes run, test or bench" >&2 && exit 64; }
((${#parts[@]} > 0)) || parts=(packages modules native dist)

log=$(mktemp "${TMPDIR:-/tmp}/bygone-setup.XXXXXX")
trap 'rm -f "$log"' EXIT

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2 && exit 1; }

# Runs a command with its output kept back; shows it only if the command fails.
quietly() {
  local what=$1 && shift
  say "$what"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    if (($(wc -l <"$log") > 80)); then
      head -n 20 "$log" >&2
      echo "[...]" >&2
    fi
    tail -n 60 "$log" >&2
    fail "failed: $what (command: $*)"
  fi
}

# --- Debian packages -----------------------------------------------------------------------------

# Each need is "command:package", "library:package" or "pattern of a path:package": what is there needs no
# package, whoever installed it. libfuse 2 is for the fuse-native transport only.
needs_run=(g++:g++ make:make python3:python3 fusermount3:fuse3)
needs_test=("${needs_run[@]}" setfattr:attr setfacl:acl rsync:rsync sqlite3:sqlite3 git:git
  mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs bindfs:bindfs sshfs:sshfs
  /usr/lib/openssh/sftp-server:openssh-sftp-server losetup:mount ps:procps libfuse.so.2:libfuse2
  smbd:samba smbclient:smbclient '/usr/lib/*/samba/vfs/fruit.so:samba-vfs-modules'
  '/usr/lib/postgresql/*/bin/postgres:postgresql' zsh:zsh fish:fish mandoc:mandoc groff:groff systemd-analyze:systemd
  clang++:clang '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:libclang-rt-dev')
needs_bench=("${needs_run[@]}" bindfs:bindfs libfuse.so.2:libfuse2)

has() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    lib*.so.*) PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -F "$1 " >/dev/null ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif [[ -t 2 ]]; then
    sudo "$@"
  else
    sudo --non-interactive "$@"
  fi
}

check_node() {
  command -v node >/dev/null || fail "node is missing: install Node.js 20 or newer, with npm, and run this again"
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
           process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
    fail "node $(node --version) is too old: install Node.js 20.19 or newer and run this again"
  command -v npm >/dev/null || fail "npm is missing: install the one that belongs to node $(node --version)"
}

packages() {
  check_node
  local -n needs=needs_$purpose
  local missing=() need
  for need in "${needs[@]}"; do
    has "${need%%:*}" || missing+=("${need##*:}")
  done
  ((${#missing[@]} > 0)) || return 0
  command -v apt-get >/dev/null ||
    fail "missing: ${missing[*]} (Debian's names), and there is no apt-get: install them and run this again"
  ((EUID == 0)) || command -v sudo >/dev/null ||
    fail "missing packages, and no right to install them: as root run: apt-get install ${missing[*]}"
  quietly "updating the package lists" as_root apt-get update
  [[ " ${missing[*]} " != *" postgresql "* ]] || without_main_cluster
  quietly "installing ${missing[*]}" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${missing[@]}"
  # The tests start an smbd of their own; Debian's would serve this machine's directories from now on.
  if [[ " ${missing[*]} " == *" samba "* && -d /run/systemd/system ]]; then
    as_root systemctl disable --quiet --now smbd nmbd || say "Debian's smbd could not be stopped"
  fi
}

# The tests make database clusters of their own: Debian's package shall neither make nor start one. Its
# setting is needed while it is installed only.
without_main_cluster() {
  local directory=/etc/postgresql-common/createcluster.d
  as_root mkdir -p "$directory"
  echo 'create_main_cluster = false' | as_root tee "$directory/bygone-setup.conf" >/dev/null
  trap 'rm -f "$log"; as_root rm -f /etc/postgresql-common/createcluster.d/bygone-setup.conf' EXIT
}

# --- node modules ---------------------------------------------------------------------------------

# npm leaves what it installed in a hidden lock file: compare that with ours, package by package.
modules_are_current() {
  node -e '
    const read = (file) => JSON.parse(require("fs").readFileSync(file, "utf8")).packages
    const installed = read("node_modules/.package-lock.json")
    for (const [path, wanted] of Object.entries(read("package-lock.json"))) {
      const found = installed[path]
      if (path === "" || (found === undefined && wanted.optional)) continue
      if (found?.version !== wanted.version) process.exit(1)
    }' 2>/dev/null
}

# No install scripts: those that need a binary bring it along, and nothing is to be compiled here
# but our own addon.
modules() {
  modules_are_current && return
  quietly "installing the node modules (npm ci)" \
    npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
}

# --- builds ----------------------------------------------------------------------------------------

# A build is current while the stamp it left equals the hash of everything it was made from.
stamp_of() {
  local inputs=() input
  for input in "$@"; do [[ -e $input ]] && inputs+=("$input"); done
  {
    node -p 'process.version + process.arch'
    find "${inputs[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum
}

# The headers that node-gyp compiles against: configured, beside this node, the system's, or node-gyp's own choice.
node_headers() {
  local configured prefix
  configured=$(npm config get nodedir 2>/dev/null || true)
  if [[ -n $configured && $configured != undefined && $configured != null ]]; then
    echo "$configured"
    return
  fi
  for prefix in "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" /usr; do
    [[ -e $prefix/include/node/node_api.h ]] && echo "$prefix" && return
  done
  return 0
}

native() {
  local stamp headers
  stamp=$(stamp_of native/binding.gyp native/core native/node package-lock.json)
  [[ -e native/build/.stamp && $(<native/build/.stamp) == "$stamp" ]] && return
  headers=$(node_headers)
  quietly "building the native addon" npm run --silent build:native -- ${headers:+"--nodedir=$headers"}
  echo "$stamp" >native/build/.stamp
}

dist() {
  local stamp
  stamp=$(stamp_of src tsconfig.json package-lock.json)
  [[ -e dist/.stamp && $(<dist/.stamp) == "$stamp" ]] && return
  quietly "compiling the TypeScript" npm run --silent build
  echo "$stamp" >dist/.stamp
}

for part in "${parts[@]}"; do "$part"; done
