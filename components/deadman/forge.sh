# shellcheck shell=sh
# Alerts of the deadman switch at a Gitea or Forgejo, sourced by deadman.sh.
#
# A house that is given up gets one issue; whatever happens while that is open becomes a comment. Each alert waits as a
# file STATE/forge/<event> until it is there. The event's name, "<epoch seconds>-<random>", stands in the text that is
# sent: so what was sent and got no answer is found at the next try, and not sent twice.
#
# The forge is not trusted: what it answers is bounded in bytes and time, no redirect is followed, and no word of it is
# repeated. All that is taken from it is an issue's number, whether it is open, and whether an event is there.

# Bytes of an answer that are looked at.
ANSWER_MAX=1048576
# Alerts that wait at the most.
WAITING_MAX=50

wait_for_forge() { # "<what><tab><time><tab><reason>"
  mkdir -p "$STATE/forge" || fail 1 "cannot make $STATE/forge"
  if [ "$(find "$STATE/forge" -type f | wc -l)" -ge "$WAITING_MAX" ]; then
    say warning "$WAITING_MAX alerts wait for the forge; this one is not sent there"
    return
  fi
  read -r uuid </proc/sys/kernel/random/uuid
  keep "forge/$(date +%s)-${uuid%%-*}" "$1"
}

# Sets `reply`: status line, headers and body, or curl's error; and `status`: three digits, or nothing without an answer.
ask_forge() { # path below the repository, further options of curl
  path=$1
  shift
  reply=$(
    printf 'url = "%s/%s"\nheader = "Authorization: token %s"\n' "$FORGE_API" "$path" "$FORGE_TOKEN" |
      http --show-error --include "$@" 2>&1 | head -c "$ANSWER_MAX" | tr -d '\000'
  )
  status=$(printf '%s\n' "$reply" | sed -n '1s/^HTTP\/[0-9.]\{1,3\} \([0-9]\{3\}\).*/\1/p')
}

forge_failed() { # what was wanted
  case $status in
    '') why="no answer (curl: error $(printf '%s\n' "$reply" | sed -n 's/^curl: (\([0-9]\{1,3\}\)).*/\1/p' | tail -n 1))" ;;
    3??) why="it redirects, which is not followed: the url must be where the forge itself answers" ;;
    401) why="it does not know the token" ;;
    403) why="the token may not: it needs the scope write:issue, and its account the right to write issues there" ;;
    404) why="there is no such repository, or not for this token" ;;
    *) why="it answers $status" ;;
  esac
  say warning "an alert waits for the forge, which was to $1: $why; trying again in a minute"
}

# The number of the issue that was opened last at this very place.
known_issue() {
  recall forge.issue | while read -r number api; do
    [ "$api" != "$FORGE_API" ] || ! is_whole_number "$number" || echo "$number"
  done
}

# Prints each issue of `reply` as a line that begins with its number. In a forge's JSON an issue's number comes before its
# title and text, and what stands in these has its quotes escaped.
issues_of_reply() {
  printf '%s\n' "$reply" | tr -d '\n' | sed 's/"number":\([1-9][0-9]\{0,8\}\),/\n\1 /g' | sed 1d
}

# Prints `open` or `closed`. The issue's milestone has a state too, which nothing is said to be locked behind.
state_of_reply() {
  printf '%s\n' "$reply" | sed -n 's/.*"state":"\(open\|closed\)","is_locked":.*/\1/p'
}

deliver_to_forge() {
  [ -n "$FORGE_API" ] || return 0
  # Their names begin with the time and end in a hexadecimal digit, which those of half-written files do not.
  for waiting in "$STATE"/forge/*[0-9a-f]; do
    event=${waiting##*/}
    if [ ! -f "$waiting" ] || ! is_whole_epoch "${event%-*}"; then continue; fi
    IFS=$TAB read -r what time reason <"$waiting"
    send_to_forge "$event" || return 0
    rm -f "$waiting"
  done
}

send_to_forge() { # event; what, time and reason are set. True if there is nothing more to do for it
  issue=$(known_issue)
  if [ -n "$issue" ]; then
    ask_forge "issues/$issue"
    case $status,$(state_of_reply) in
      200,open) ;;
      200,closed | 404,*) issue='' ;;
      200,*) say warning "an alert waits for the forge, which does not say whether its issue $issue is open"; return 1 ;;
      *) forge_failed "say whether its issue $issue is open"; return 1 ;;
    esac
  fi
  # A day earlier, since the forge has a clock of its own.
  since=$(date -u -d "@$((${1%-*} - 86400))" +%Y-%m-%dT%H:%M:%SZ)
  if [ -n "$issue" ]; then
    comment "$1"
  elif [ "$what" = deadman_active ]; then
    open_issue "$1"
  fi
}

# What was sent before, and got no answer, may be there: so both look first.
comment() { # event
  ask_forge "issues/$issue/comments?since=$since"
  [ "$status" = 200 ] || { forge_failed "show the comments of its issue $issue"; return 1; }
  case $reply in *"deadman-$NAME-$1"*) return 0 ;; esac
  post "issues/$issue/comments" "{\"body\":\"$what: $reason.\\n\\n$time, deadman-$NAME-$1\"}"
  [ "$status" = 201 ] || { forge_failed "take a comment to its issue $issue"; return 1; }
}

open_issue() { # event
  ask_forge "issues?state=all&type=issues&limit=50&since=$since"
  [ "$status" = 200 ] || { forge_failed "show its newest issues"; return 1; }
  number=$(issues_of_reply | grep -F "deadman-$NAME-$1" | sed -n '1s/ .*//p')
  if [ -z "$number" ]; then
    # shellcheck disable=SC2016 # the backquotes are Markdown's
    how=$(printf 'When it is repaired: `npm run deadman -- clear %s -s <stack>`, then close this issue. While it is open, further alerts of the house come as comments.' "$NAME")
    post issues "{\"title\":\"House $NAME was given up by its deadman switch\",\"body\":\"$reason. Nothing is restarted there any more, and no update changes the house.\\n\\n$how\\n\\n$time, deadman-$NAME-$1\"}"
    [ "$status" = 201 ] || { forge_failed "open an issue"; return 1; }
    number=$(issues_of_reply | sed -n '1s/ .*//p')
  fi
  if ! is_whole_number "$number"; then
    # It was opened, so it must not be opened again; the next alert opens another.
    say warning "the forge has opened an issue and does not say which"
    rm -f "$STATE/forge.issue"
    return 0
  fi
  keep forge.issue "$number $FORGE_API"
  say notice "the forge has issue $number for this"
}

post() { # path, JSON
  ask_forge "$1" --header 'Content-Type: application/json' --data "$2"
}
