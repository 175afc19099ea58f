#!/usr/bin/env bash
# Holds our ctl against etcdctl: runs a list of commands with both and compares output, errors and exit codes.
#
#   .ci/compare-ctl.sh ENDPOINTS [ETCDCTL [CTL]]
#
# ENDPOINTS   the clients' addresses of a running cluster, commas between; it writes keys that begin with "compare/"
# ETCDCTL     etcdctl 3.5 (default: the one on the PATH); without one, nothing is compared and that is no failure
# CTL         our client (default: target/debug/ctl)
set -u

if [ $# -lt 1 ] || [ $# -gt 3 ]; then
    echo "usage: $0 ENDPOINTS [ETCDCTL [CTL]]" >&2
    exit 2
fi
endpoints=$1
first=${endpoints%%,*}
etcdctl=${2:-etcdctl}
ctl=${3:-target/debug/ctl}
if ! command -v "$etcdctl" >/dev/null; then
    echo "skipped: there is no $etcdctl to compare with"
    exit 0
fi
if ! command -v "$ctl" >/dev/null; then
    echo "there is no $ctl: build it with cargo build --bin ctl" >&2
    exit 2
fi
unset "${!ETCDCTL_@}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compared=0
different=0

# Runs a command with one of the two: captured NAME PROGRAM ARGUMENTS...
# A watch has no end of its own: after two seconds it has shown what there was to show.
captured() {
    local name=$1 program=$2
    shift 2
    timeout 2 "$program" "$@" <"$work/input" >"$work/$name.out" 2>"$work/$name.err.all"
    echo $? >"$work/$name.code"
    # etcdctl logs beside its sentence, and says some sentences twice.
    grep -v '^{"level":' "$work/$name.err.all" | sed 's/etcdctl/ctl/g' | uniq >"$work/$name.err"
}

# What differs between two runs of the same program.
without_accidents() {
    sed -E -i \
        -e 's/"((create_|mod_)?revision|version|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse)":[0-9]+/"\1":N/g' \
        -e 's/"((Prev)?(Create|Mod)?Revision|(Prev)?Version|RaftIndex|RaftAppliedIndex|DBSize)" : [0-9]+/"\1" : N/' \
        -e 's/[0-9.]+(ms|µs|s)\b/T/g' -e '/TOOK|----| T /s/[ -]+/ /g' -e 's/, [0-9.]+ [kMG]?B, /, SIZE, /' -e 's/, [0-9]+, [0-9]+, ([^,]*)$/, N, N, \1/' \
        "$work"/*.out "$work"/*.err
}

verdict() {
    local part
    compared=$((compared + 1))
    for part in "$@"; do
        if ! cmp -s "$work/etcdctl.$part" "$work/ctl.$part"; then
            different=$((different + 1))
            echo "DIFFERENT: $shown"
            for part in "$@"; do
                diff --label "etcdctl: $part" --label "ctl: $part" -u "$work/etcdctl.$part" "$work/ctl.$part"
            done
            return
        fi
    done
}

# Runs both: prepared by $prepare, with $input on standard input, at $at.
both() {
    shown="$*"
    printf '%b' "${input-}" >"$work/input"
    if [ "${1-}" = watch ]; then
        # Watches change nothing and take their time: both at once.
        captured etcdctl "$etcdctl" --endpoints="$first" "$@" &
        captured ctl "$ctl" --endpoints="$first" "$@"
        wait
        return
    fi
    ${prepare-true} >/dev/null
    captured etcdctl "$etcdctl" --endpoints="${at-$first}" "$@"
    ${prepare-true} >/dev/null
    captured ctl "$ctl" --endpoints="${at-$first}" "$@"
}

# The same to the letter.
exact() {
    both "$@"
    verdict out err code
}

# The same but for revisions, sizes and times.
alike() {
    both "$@"
    without_accidents
    verdict out err code
}

# The same first sentence, without the page of usage that etcdctl adds.
refused() {
    both "$@"
    # The reason behind the second colon is the parser's own.
    sed -i -E -e '2,$d' -e 's/^(Error: invalid argument [^:]*):.*/\1/' "$work/etcdctl.err"
    sed -i -E -e '2,$d' -e 's/^(Error: invalid argument [^:]*):.*/\1/' "$work/ctl.err"
    verdict err code
}

set_up() {
    "$etcdctl" --endpoints="$first" "$@" >/dev/null || { echo "cannot prepare: $*" >&2; exit 1; }
}
three_keys() {
    set_up del --prefix compare/
    set_up put compare/a one
    set_up put compare/b "$(printf 'two \001\377<&>"\\\303\251\342\200\213\314\201\360\237\230\200')"
    set_up put compare/c three
    set_up put compare/a one-again
}

three_keys
for format in simple fields json protobuf table; do
    exact get compare/a -w $format
    exact get compare/ --prefix -w $format
    exact get compare/a compare/c -w $format
    exact get compare/nothing -w $format
    exact get compare/ --prefix --limit 2 --order DESCEND -w $format
    exact get compare/ --prefix --keys-only -w $format
    exact get compare/ --prefix --hex -w $format
    exact member list -w $format
    exact member list --hex -w $format
    alike endpoint status --cluster -w $format
    # What is written in binary cannot be freed of its revisions.
    [ $format = protobuf ] && continue
    for prepare in three_keys; do
        alike put compare/a --prev-kv two -w $format
        alike put compare/new --prev-kv two -w $format
        alike del compare/ --prefix --prev-kv -w $format
        alike del compare/a compare/c -w $format
        alike del compare/nothing -w $format
    done
    unset prepare
    three_keys
done
for format in simple fields json protobuf table; do
    at=$endpoints alike endpoint status -w $format
    at=$first alike endpoint health -w $format
done

for target in CREATE key MODIFY VALUE version; do
    exact get compare/ --prefix --sort-by $target
    exact get compare/ --prefix --sort-by=$target --order=descend
done
exact get compare/ --prefix --count-only -w fields
exact get compare/ --prefix --count-only
exact get compare/ --prefix --print-value-only
exact get compare/ --prefix --print-value-only --hex
exact get compare/ --prefix --print-value-only -w json
exact get compare/ --prefix --keys-only --print-value-only
exact get compare/ --prefix --keys-only --count-only
exact get compare/a --consistency=s
exact get compare/a --consistency=x
exact get compare/a --order foo
exact get compare/a --sort-by foo
exact get compare/b --from-key --limit 2
exact get '' --prefix --limit 1
exact get '' --from-key --limit=1
exact get ''
exact get compare/a --rev 999999999
exact get compare/a --rev=-1 --limit -1
exact get compare/a --prefix=false
exact get --prefix --from-key a
exact get a b --prefix
exact get a b --from-key
exact get
exact get a -w foo
exact get -w foo
exact get -- compare/a

for prepare in three_keys; do
    alike put compare/a
    input='from standard input\n' alike put compare/a
    alike put compare/a ''
    alike put compare/a -- -5
    alike put compare/a b --prev-kv --hex
    alike put compare/a --ignore-value
    alike put compare/a b --ignore-value
    alike put compare/a b --ignore-lease
    alike put compare/nothing --ignore-value
    alike put compare/a b --lease=1234
    alike put compare/a b --lease=1 --ignore-lease
    alike put '' b
    alike del compare/a --hex --prev-kv
    alike del a --prefix --from-key
    alike del a b --prefix
    alike del a b c
    alike del ''
    alike del
done
unset prepare
exact put

three_keys
revision=$("$etcdctl" --endpoints="$first" get compare/c -w fields | sed -n 's/"CreateRevision" : //p')
for format in simple fields json protobuf table foo; do
    exact watch compare/ --prefix --rev "$revision" -w $format
    exact watch compare/ --prefix --rev "$revision" --prev-kv -w $format
done
exact watch compare/a compare/c --rev "$revision" --hex
exact watch compare/ --prefix --rev "$revision" -- sh -c 'env | grep ETCD_WATCH_ | sort'
exact watch compare/ --prefix --rev "$revision" -- false
exact watch compare/a --
exact watch
exact watch a b --prefix
export ETCDCTL_WATCH_KEY=compare/
exact watch --prefix --rev "$revision"
exact watch --prefix --rev "$revision" -- echo event
exact watch a
unset ETCDCTL_WATCH_KEY
export ETCDCTL_WATCH_RANGE_END=compare/
exact watch a
unset ETCDCTL_WATCH_RANGE_END

at='' exact get a
refused bogus
refused get --bogus a
refused get a --limit
refused get a --rev x
refused get a --prefix=x
refused --dial-timeout 5 get a
refused -z

set_up del --prefix compare/
echo "$compared comparisons of $ctl with $etcdctl, $different different"
[ "$different" -eq 0 ]
