// SPDX-License-Identifier: Apache-2.0
import TestSupport

@testable import Supervisor

/// A program that plays every role as a test wants it: a shell script that talks the child protocol over descriptor 3.
///
/// What it does is in `NAME.mode` (the plugin and index, or the role) at its start; what it saw is in `journal`, a line
/// each: NAME PID WHAT. How its deliveries ended is in `NAME.GENERATION.outcomes`, as JSON.
enum FakeChild {
    static func program(in directory: TemporaryDirectory) throws -> ChildProcess.Program {
        let script = try directory.write(source, to: "child.sh")
        return ChildProcess.Program(path: "/usr/bin/env", arguments: ["env", "FLEET=\(directory.path)", "sh", script])
    }

    private static let source = #"""
        role= name=
        while [ $# -gt 1 ]; do
            case $1 in
            --role) role=$2 name=$2 ;;
            --slot) name=$(echo "$2" | tr / -) ;;
            esac
            shift 2
        done
        say() { printf '%s\n' "$1" >&3; }
        note() { printf '%s %s %s\n' "$name" $$ "$1" >>"$FLEET/journal"; }
        number() { number=${line#*"$1"}; number=${number%%[,\}]*}; }
        mode=$(cat "$FLEET/$name.mode" 2>/dev/null || cat "$FLEET/$role.mode" 2>/dev/null)
        generation=
        isReady=
        note started
        while IFS= read -r line <&3; do
            case $line in
            '{"configure"'* | '{"change"'*)
                note "configured $line"
                case $line in
                '{"configure"'*)
                    number '"generation":'
                    generation=$number ;;
                esac
                if [ -n "$isReady" ]; then continue; fi
                isReady=yes
                case $mode in
                crash) kill -SEGV $$ ;;
                exit) exit 3 ;;
                large) say '{"failed":{"_0":"its memory is 99 MiB"}}'; exit 75 ;;
                fail) say '{"failed":{"_0":"the port is taken"}}'; exit 1 ;;
                mute) note mute; while :; do sleep 1; done ;;
                # Dies while it opens the site alice, unless that is to be left shut.
                opening)
                    case $line in
                    *'"shutSites":["alice"]'*) note ready; say '{"ready":{}}' ;;
                    *)  mkdir -p "$FLEET/var/journals"
                        printf 'alice' >"$FLEET/var/journals/omb-$$.opening"
                        kill -SEGV $$ ;;
                    esac ;;
                hunt) note ready; say '{"ready":{}}'; say '{"hunters":{"_0":["omb"]}}' ;;
                badsite) say '{"siteState":{"_0":"alice","error":"no key"}}'; note ready; say '{"ready":{}}' ;;
                *) note ready; say '{"ready":{}}' ;;
                esac ;;
            '{"drain"'*)
                note draining
                if [ "$mode" = stubborn ]; then continue; fi
                note drained
                say '{"drained":{}}'
                exit 0 ;;
            '{"ping"'*)
                number '"_0":'
                outcomes=$(cat "$FLEET/$name.$generation.outcomes" 2>/dev/null || echo '{}')
                say "{\"pong\":{\"_0\":$number,\"_1\":{\"residentBytes\":1,\"inFlight\":7,\"outcomes\":$outcomes}}}" ;;
            '{"request"'*)
                number '"id":'
                case $line in
                *'"command":"refuse"'*) say "{\"reply\":{\"_0\":{\"id\":$number,\"error\":\"never\"}}}" ;;
                *'"command":"status"'*)
                    say "{\"reply\":{\"_0\":{\"id\":$number,\"result\":{\"queues\":[1],\"lanes\":[]}}}}" ;;
                *) say "{\"reply\":{\"_0\":{\"id\":$number,\"result\":\"$name\"}}}" ;;
                esac ;;
            '{"workerExited"'*) note "told $line" ;;
            esac
        done
        note lost
        """#
}
