#!/usr/bin/env bash
# A Temporal dev server with Web UI, its state in a file. Every flag of the server lives here.
# Written for the bash 3.2 of macOS too, without tools that only Linux has.
set -euo pipefail

readonly CLI_VERSION=1.5.1
readonly RETENTION_HOURS=720 # 30 days
readonly SEARCH_ATTRIBUTES=(AgentJobId=Keyword AgentJobVerdict=Keyword)
readonly DYNAMIC_CONFIG=(
  # All tasks since the last checkpoint, done or not, are looked through for each new range of them: at
  # 27 rows per second, with 30 s between checkpoints by default, 17 % of the server's time; so, 1 %.
  'history.transferProcessorUpdateAckInterval="1s"'
  'history.visibilityProcessorUpdateAckInterval="1s"'
  # A child is started under its parent's lock, one after the other. Those that wait for longer than
  # the default of 0.5 s are begun again, at the server's cost. A task as a whole has 3 s: one that has
  # waited for longer than this has no time left to write, and after a write that is cut off, the server
  # reads its shard again and refuses all calls meanwhile ("shard status unknown").
  'history.cacheNonUserContextLockTimeout="2s"'
  # With four partitions, the default, tasks and polls that do not meet are forwarded.
  matching.numTaskqueueReadPartitions=1
  matching.numTaskqueueWritePartitions=1
  # start-dev reads the search attributes from its database for each use of one, some ten times a row.
  # Without that, one that is added later may take a minute to be known.
  system.forceSearchAttributesCacheRefreshOnRead=false
)
readonly READY_SECONDS=60    # for the server to serve
readonly STOP_SECONDS=30     # for it to end in order, before it is killed
readonly LOCK_SECONDS=60     # for another `up` or `down` of the same database
readonly INSTALL_SECONDS=900 # for the official installer, and for an installation by somebody else

readonly HOST=127.0.0.1
readonly SELF=$0

usage() {
  cat <<END
Usage: $SELF [up | down | status | path | help]

  (nothing)  run a Temporal server with Web UI in the foreground, until Ctrl-C
  up         start it in the background; returns when it serves
  down       end the server that \`up\` started from this database, and no other
  status     say what serves where
  path       print the path of the Temporal CLI; installs it first if need be

Environment:
  TEMPORAL_DEV_PORT     port of the server (7233)
  TEMPORAL_DEV_UI_PORT  port of the Web UI (the server's port + 1000)
  TEMPORAL_DEV_DB       database file (.temporal/dev.db beside this script); process ID and log
                        are kept beside it
  TEMPORAL_CLI          the Temporal CLI to use. Without it: \`temporal\` on PATH, else version
                        $CLI_VERSION, which is installed into the user's cache

Exit codes: 0 done; 1 failed; 2 wrong argument or setting; 3 \`status\`: nothing serves.
END
}

say() { printf '%s\n' "$@" >&2; }

die() {
  say "$@"
  exit 1
}

refuse() {
  say "$@"
  exit 2
}

# --- Processes and locks ---------------------------------------------------------------------

# Prints when a process started: what tells it from a later one that got the same number.
# Fails where there is none, or only its remains, not yet collected by their parent.
started() {
  local line fields
  if [[ -r /proc/self/stat ]]; then
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The second field is the name, in brackets, and may itself hold spaces and brackets.
    read -r -a fields <<<"${line##*) }"
    # Dead, and no thread of it left that still holds a port.
    [[ ${fields[0]} != [ZX] ]] || ((fields[17] > 1)) || return 1
    printf '%s' "${fields[19]}"
  else
    line=$(LC_ALL=C TZ=UTC ps -o stat= -o lstart= -p "$1" 2>/dev/null) || return 1
    read -r -a fields <<<"$line"
    [[ ${#fields[@]} -gt 1 && ${fields[0]} != Z* ]] || return 1
    printf '%s ' "${fields[@]:1}"
  fi
}

# is_alive PID START: the very process that had this number at that time still runs.
is_alive() {
  local now
  [[ $1 =~ ^[0-9]+$ && -n $2 ]] && now=$(started "$1") && [[ $now == "$2" ]]
}

held_lock=''

# lock FILE SECONDS: waits for those who hold it. A symbolic link, since it is made in one step
# together with what it says; a lock whose holder is no more is cleared.
lock() {
  local file=$1 begun=$SECONDS told='' mine holder
  mine="$$ $(started $$)"
  until ln -sn "$mine" "$file" 2>/dev/null; do
    holder=$(readlink "$file" 2>/dev/null) || holder=''
    if [[ -n $holder ]] && ! is_alive "${holder%% *}" "${holder#* }"; then
      # By one at a time, or the slower of two would remove the lock of who came next.
      if ln -sn "$mine" "$file.clearing" 2>/dev/null; then
        [[ $(readlink "$file" 2>/dev/null) != "$holder" ]] || rm -f "$file"
        rm -f "$file.clearing"
      fi
    fi
    ((SECONDS - begun < $2)) ||
      die "Cannot get the lock $file${holder:+, held by process ${holder%% *}}." \
        "If no other $(basename "$SELF") is at work, remove $file and $file.clearing."
    if [[ -z $told && -n $holder ]] && ((SECONDS - begun > 1)); then
      say "Waiting for process ${holder%% *}, which is at the same work ..."
      told=1
    fi
    sleep 0.1
  done
  held_lock=$file
}

unlock() {
  [[ -z $held_lock ]] || rm -f "$held_lock"
  held_lock=''
}

trap unlock EXIT

# run_for SECONDS COMMAND...: ends the command after that time (macOS has no `timeout`).
run_for() {
  local deadline=$((SECONDS + $1)) limit=$1 pid
  shift
  "$@" &
  pid=$!
  while started "$pid" >/dev/null; do
    if ((SECONDS >= deadline)); then
      say "Not done after $limit s, given up."
      kill "$pid" 2>/dev/null || true
      break
    fi
    sleep 0.1
  done
  wait "$pid"
}

# --- The Temporal CLI ------------------------------------------------------------------------

cli='' # its absolute path
cli_from=''

# A program of another platform, or the stand-in of a version manager, exists but does not run.
runs() { [[ -f $1 && -x $1 ]] && "$1" --version >/dev/null 2>&1; }

cache_folder() {
  local base=${XDG_CACHE_HOME:-}
  if [[ $base != /* ]]; then # unset, or to be ignored by its own rules
    [[ -n ${HOME:-} ]] || return 1
    base=$HOME/.cache
  fi
  printf '%s' "$base/agent-jobs/temporal-$CLI_VERSION"
}

locate_cli() {
  local found
  if [[ -n ${TEMPORAL_CLI:-} ]]; then
    found=$TEMPORAL_CLI
    [[ $found == */* ]] || found=$(type -P "$found") || found=$TEMPORAL_CLI
    [[ -f $found && -x $found ]] ||
      refuse "TEMPORAL_CLI is set to \"$TEMPORAL_CLI\", which is not an executable file." \
        "Set it to the path of the Temporal CLI, or unset it to have one found or installed."
    runs "$found" ||
      refuse "TEMPORAL_CLI is set to \"$TEMPORAL_CLI\", but \"$found --version\" fails." \
        "Set it to the path of the Temporal CLI, or unset it to have one found or installed."
    cli=$found cli_from='TEMPORAL_CLI'
  elif found=$(type -P temporal) && runs "$found"; then
    cli=$found cli_from='PATH'
  elif found=$(cache_folder)/temporal && runs "$found"; then
    cli=$found cli_from='installed by this script'
  else
    return 1
  fi
  [[ $cli == /* ]] || cli=$PWD/$cli
}

need_cli() { locate_cli || install_cli; }

# What each way of installing says when it did not work.
go_failed='' installer_failed=''

install_with_go() {
  if ! type -P go >/dev/null; then
    go_failed='there is no Go on PATH'
    return 1
  fi
  say "Installing the Temporal CLI $CLI_VERSION with \`go install\` (once; this may take minutes) ..."
  # With a target platform set, Go refuses to install into a folder of our choice.
  if (unset GOOS GOARCH && GOBIN=$1 go install "github.com/temporalio/cli/cmd/temporal@v$CLI_VERSION") >&2; then
    runs "$1/temporal" && return
  fi
  go_failed='failed, see above'
  return 1
}

install_with_installer() {
  if ! type -P curl >/dev/null; then
    installer_failed='there is no curl on PATH'
    return 1
  fi
  say "Installing the Temporal CLI $CLI_VERSION with the installer from temporal.download ..."
  # Not piped into a shell: half of a script must not run.
  if curl -sSfL --connect-timeout 10 --max-time 60 -o "$1/cli.sh" https://temporal.download/cli.sh >&2 &&
    run_for "$INSTALL_SECONDS" sh "$1/cli.sh" --dir "$1" --version "v$CLI_VERSION" >&2 &&
    mv -f "$1/bin/temporal" "$1/temporal"; then
    runs "$1/temporal" && return
  fi
  installer_failed='failed, see above'
  return 1
}

install_cli() {
  local folder partial
  folder=$(cache_folder) ||
    refuse 'Neither XDG_CACHE_HOME nor HOME is set: there is no place to install the Temporal CLI.'
  mkdir -p "$(dirname "$folder")" || die "Cannot make the folder $(dirname "$folder") for the Temporal CLI."
  lock "$folder.lock" "$INSTALL_SECONDS"
  if ! runs "$folder/temporal"; then # nobody else has installed it while we waited
    partial=$folder.partial
    rm -rf "$partial" # what an interrupted installation left
    mkdir "$partial"
    if ! install_with_go "$partial" && ! install_with_installer "$partial"; then
      rm -rf "$partial"
      die '' "The Temporal CLI was not found and could not be installed:" \
        "  temporal on PATH: none that runs" \
        "  go install: $go_failed" \
        "  installer from temporal.download: $installer_failed" \
        'Do one of these and try again:' \
        '  - install it yourself (https://docs.temporal.io/cli#install; on macOS: brew install temporal)' \
        '  - set TEMPORAL_CLI to the path of a Temporal CLI' \
        '  - install Go (https://go.dev/dl), with which this script builds it'
    fi
    mkdir -p "$folder"
    mv -f "$partial/temporal" "$folder/temporal" # one step: nobody ever sees half a program
    rm -rf "$partial"
    say "Installed the Temporal CLI: $folder/temporal"
  fi
  unlock
  cli=$folder/temporal cli_from='installed by this script'
}

# --- Settings --------------------------------------------------------------------------------

port='' ui_port='' database='' address=''

check_port() {
  if ! [[ $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < 1 || 10#$2 > 65535)); then
    refuse "$1 is \"$2\": a port is a number from 1 to 65535."
  fi
}

# The folder of this script, also when it is called by a symbolic link.
script_folder() {
  local file=${BASH_SOURCE[0]} target
  while [[ -L $file ]]; do
    target=$(readlink "$file")
    [[ $target == /* ]] || target=$(dirname "$file")/$target
    file=$target
  done
  CDPATH='' cd -P -- "$(dirname "$file")" && pwd
}

read_settings() {
  local name
  check_port TEMPORAL_DEV_PORT "${TEMPORAL_DEV_PORT:-7233}"
  port=$((10#${TEMPORAL_DEV_PORT:-7233}))
  if [[ -n ${TEMPORAL_DEV_UI_PORT:-} ]]; then
    check_port TEMPORAL_DEV_UI_PORT "$TEMPORAL_DEV_UI_PORT"
    ui_port=$((10#$TEMPORAL_DEV_UI_PORT))
  else
    ui_port=$((port + 1000))
    ((ui_port <= 65535)) ||
      refuse "TEMPORAL_DEV_PORT is $port, and port + 1000 is too high: set TEMPORAL_DEV_UI_PORT too."
  fi
  ((port != ui_port)) || refuse "TEMPORAL_DEV_PORT and TEMPORAL_DEV_UI_PORT are both $port."
  address=$HOST:$port

  database=${TEMPORAL_DEV_DB:-$(script_folder)/.temporal/dev.db}
  [[ $database == /* ]] || database=$PWD/$database
  # The server passes the path on as part of a URI without escaping it.
  [[ $database != *[?#%]* ]] ||
    refuse "The database's path must not contain ?, # or %: $database" \
      'Set TEMPORAL_DEV_DB to another path.'
  [[ ! -d $database && $database != */ ]] ||
    refuse "The database's path is a folder: $database" 'Set TEMPORAL_DEV_DB to the path of a file.'

  # What the caller has set for another cluster (address, namespace, TLS, a profile) is not meant
  # for this one. The CLI's own files are left out in the same way: here and in ask().
  for name in "${!TEMPORAL_@}"; do
    case $name in
      TEMPORAL_CLI | TEMPORAL_DEV_*) ;;
      *) unset "$name" ;;
    esac
  done
  export TEMPORAL_CONFIG_FILE=/dev/null
}

prepare_folder() {
  local folder
  folder=$(dirname "$database")
  if ! mkdir -p "$folder" 2>/dev/null || [[ ! -w $folder ]]; then
    die "Cannot write to the folder $folder, where the database is kept." \
      'Set TEMPORAL_DEV_DB to a file in a folder that you can write to.'
  fi
}

# --- The server's record, beside the database ------------------------------------------------

run_pid='' run_started='' run_address='' run_ui='' run_by=''

# record PID HOW: HOW is `up` or `foreground`.
record() {
  run_pid=$1 run_address=$address run_ui=http://$HOST:$ui_port run_by=$2
  run_started=$(started "$1") || run_started='' # already gone: the caller will see
  printf '%s\n' "$run_pid" "$run_started" "$run_address" "$run_ui" "$run_by" >"$database.pid"
}

# Reads the record. Fails when there is none, or its server runs no more.
recorded() {
  [[ -r $database.pid ]] || return 1
  {
    IFS= read -r run_pid && IFS= read -r run_started && IFS= read -r run_address &&
      IFS= read -r run_ui && IFS= read -r run_by
  } <"$database.pid" || return 1
  is_alive "$run_pid" "$run_started"
}

# --- The server ------------------------------------------------------------------------------

listens() { (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null; }

answer='' # to the last question

ask() { answer=$("$cli" "$@" --address "$address" --env-file /dev/null --command-timeout 5s 2>&1); }

serves() { ask operator cluster health; }

# Sets what start-dev has no flag for (retention), or only does with a new database (search
# attributes). A longer retention is somebody's choice and stays.
set_up_namespace() {
  local described attribute
  local retention='"workflowExecutionRetentionTtl": *"([0-9]+)s"'
  ask operator namespace describe --namespace default --output json || return
  described=$answer
  if ! [[ $described =~ $retention ]] || ((BASH_REMATCH[1] < RETENTION_HOURS * 3600)); then
    ask operator namespace update --namespace default --retention "${RETENTION_HOURS}h" || return
  fi
  for attribute in "${SEARCH_ATTRIBUTES[@]}"; do
    [[ $described == *"\"${attribute%%=*}\""* ]] ||
      ask operator search-attribute create --namespace default \
        --name "${attribute%%=*}" --type "${attribute#*=}" || return
  done
}

# Waits for the recorded server. 0: it serves; 1: it ended; 2: it took too long.
wait_until_ready() {
  local deadline=$((SECONDS + READY_SECONDS))
  while is_alive "$run_pid" "$run_started"; do
    ! { listens "$port" && listens "${run_ui##*:}" && serves && set_up_namespace; } || return 0
    ((SECONDS < deadline)) || return 2
    sleep 0.1
  done
  return 1
}

# Looks what is at the address. Succeeds when a server is to be started, with the lock held; fails
# when one serves there already, with run_pid empty if it is not from this database.
must_start() {
  local begun status
  prepare_folder
  while lock "$database.lock" "$LOCK_SECONDS" && recorded; do
    [[ $run_address == "$address" ]] ||
      die "The database $database is in use by the server at $run_address (process $run_pid)." \
        'End that one first, or set TEMPORAL_DEV_DB to another file for a second server.'
    unlock
    status=0
    wait_until_ready || status=$?
    case $status in
      0) return 1 ;;
      1) ;; # it was about to end: look again
      *)
        explain_failure "$status"
        exit 1
        ;;
    esac
  done
  run_pid=''

  # A server that was just killed holds its ports for a moment, and one that somebody else is
  # starting says for a while that it does not serve yet.
  begun=$SECONDS
  while listens "$port"; do
    if serves; then
      unlock
      return 1
    fi
    if ((SECONDS - begun >= 2)) && [[ $answer != *SERVING* && $answer != *'not healthy'* ]] ||
      ((SECONDS - begun >= 10)); then
      die "Port $port is in use by something that does not answer as a Temporal server." \
        'End it, or set TEMPORAL_DEV_PORT to a free port.'
    fi
    sleep 0.2
  done
  while listens "$ui_port"; do
    ((SECONDS - begun < 2)) ||
      die "Port $ui_port, which the Web UI would use, is in use." \
        'End what uses it, or set TEMPORAL_DEV_UI_PORT to a free port.'
    sleep 0.2
  done
}

# exec_server [WRAPPER]: this process becomes the server. Ports that are not named here (HTTP API,
# metrics, the inner services) are free ones that the server picks, so several can run side by side.
exec_server() {
  local attribute setting
  local -a command=("$@" "$cli" server start-dev
    --ip "$HOST" --port "$port" --ui-port "$ui_port"
    --db-filename "$database"
    # 3 times the rows per second of the default journal, and safe when the server is killed; a
    # power cut may lose the last moments.
    --sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=NORMAL
    --log-level warn --env-file /dev/null)
  for attribute in "${SEARCH_ATTRIBUTES[@]}"; do
    command+=(--search-attribute "$attribute")
  done
  for setting in "${DYNAMIC_CONFIG[@]}"; do
    command+=(--dynamic-config-value "$setting")
  done
  export GOGC=${GOGC:-400} # memory for speed: 10 % more rows per second
  exec "${command[@]}"
}

start_in_background() {
  [[ ! -e $database.log ]] || mv -f "$database.log" "$database.log.old"
  # A session of its own: neither a closed terminal nor its Ctrl-C reaches the server.
  if type -P setsid >/dev/null; then
    (cd / && exec_server setsid) </dev/null >>"$database.log" 2>&1 &
  else
    set -m # at least a process group of its own
    (cd / && exec_server nohup) </dev/null >>"$database.log" 2>&1 &
    set +m
  fi
  record $! up
}

end_recorded() {
  local deadline=$((SECONDS + STOP_SECONDS)) killed=''
  kill "$run_pid" || ! is_alive "$run_pid" "$run_started" || die "Cannot end process $run_pid."
  while is_alive "$run_pid" "$run_started"; do
    if ((SECONDS >= deadline)) && [[ -z $killed ]]; then
      say "It did not end within $STOP_SECONDS s and is killed."
      kill -9 "$run_pid" || true
      killed=1
    fi
    sleep 0.1
  done
  rm -f "$database.pid"
}

print_server() {
  if [[ -n $run_pid ]]; then
    printf '%-10s %s\n' Address: "$address" 'Web UI:' "$run_ui" Database: "$database" Process: "$run_pid"
    if [[ $run_by == up ]]; then
      printf '%-10s %s\n' Log: "$database.log"
    else
      printf '%-10s %s\n' Log: 'in the terminal where it runs'
    fi
  else
    printf '%-10s %s\n' Address: "$address"
    ! listens "$ui_port" || printf '%-10s %s\n' 'Web UI:' "http://$HOST:$ui_port"
    printf '%-10s %s\n' Database: "not known: not started by this script from $database"
  fi
}

explain_failure() {
  local log=$database.log
  if (($1 == 1)); then
    say 'The server ended before it served.'
  else
    say "The server did not serve within $READY_SECONDS s. Its last answer: $answer"
  fi
  [[ $run_by == up && -e $log ]] || return 0
  say "The end of $log:"
  tail -n 15 "$log" >&2
  ! grep -q 'no such table' "$log" 2>/dev/null ||
    say "The database $database is incomplete. Move it away to begin with a new one."
}

# A server was there already. One that is not from this database is left as it is.
report_existing() {
  local attribute
  printf 'A Temporal server serves there already; nothing was started.\n'
  print_server
  [[ -z $run_pid ]] || return 0
  ask operator search-attribute list --namespace default --output json || true
  for attribute in "${SEARCH_ATTRIBUTES[@]}"; do
    [[ $answer == *"\"${attribute%%=*}\""* ]] ||
      say "It lacks a search attribute. To add it: $cli operator search-attribute create --address $address --name ${attribute%%=*} --type ${attribute#*=}"
  done
}

# --- Commands --------------------------------------------------------------------------------

up() {
  local status=0
  need_cli
  if ! must_start; then
    report_existing
    return
  fi
  start_in_background
  unlock
  wait_until_ready || status=$?
  if ((status != 0)); then
    explain_failure "$status"
    ((status == 1)) || end_recorded
    exit 1
  fi
  printf 'The Temporal server serves.\n'
  print_server
}

foreground() {
  need_cli
  if ! must_start; then
    report_existing
    return
  fi
  record $$ foreground
  unlock
  # This process becomes the server, so another one finishes the set-up and ends. It is nobody's
  # child here (hence two brackets): the server would never collect its remains.
  ( (
    status=0
    wait_until_ready || status=$?
    case $status in
      0) say '' 'The Temporal server serves. Ctrl-C ends it.' "$(print_server)" ;;
      2) say "The server is not ready after $READY_SECONDS s. Its last answer: $answer" ;;
      *) ;; # it ended, and has said why
    esac
  ) &)
  exec_server
}

down() {
  if [[ -e $database.pid ]]; then
    lock "$database.lock" "$LOCK_SECONDS"
    if recorded; then
      if [[ $run_by != up ]]; then
        printf 'Nothing to end: the server at %s (process %s) was not started by "up". Ctrl-C in its terminal ends it.\n' \
          "$run_address" "$run_pid"
        return
      fi
      end_recorded
      printf 'The Temporal server at %s (process %s) has ended. Its state stays in %s.\n' \
        "$run_address" "$run_pid" "$database"
      return
    fi
    rm -f "$database.pid" # of a server that was killed
  fi
  printf 'Nothing to end: no server that "up" started runs from %s.\n' "$database"
}

status() {
  local mine=''
  if recorded; then mine=1; fi
  if listens "$port"; then
    need_cli
    if serves; then
      [[ -n $mine && $run_address == "$address" ]] || run_pid=''
      printf 'The Temporal server serves.\n'
      print_server
      printf '%-10s %s (%s)\n' CLI: "$cli" "$cli_from"
      return
    fi
  fi
  if listens "$port"; then
    printf 'Something uses port %s, but it does not answer as a Temporal server.\n' "$port"
  else
    printf 'No Temporal server serves at %s. To start one: %s up\n' "$address" "$SELF"
  fi
  [[ -z $mine ]] || printf 'From %s there runs process %s, meant to serve at %s; its log: %s\n' \
    "$database" "$run_pid" "$run_address" "$database.log"
  if locate_cli; then
    printf '%-10s %s (%s)\n' CLI: "$cli" "$cli_from"
  else
    printf '%-10s %s\n' CLI: "none yet; \"$SELF path\" installs it"
  fi
  exit 3
}

if (($# > 1)); then
  usage >&2
  exit 2
fi
case ${1-} in
  '')
    read_settings
    foreground
    ;;
  up | down | status)
    read_settings
    "$1"
    ;;
  path)
    need_cli
    printf '%s\n' "$cli"
    ;;
  help | --help | -h) usage ;;
  *)
    say "Unknown argument: $1"
    usage >&2
    exit 2
    ;;
esac
