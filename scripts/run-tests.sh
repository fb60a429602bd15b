#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run-tests.sh KIND FILE...: run test programs (cmocka) and scripts that speak TAP, one line per
# case, and sum up: "N passed, N failed, N skipped". The full output goes to build/log/KIND-NAME.log,
# the sums to build/log/KIND.sum. A program that crashes, ends early or runs no case is a failure.
# Where CI could run a test (root, or CI=true) a skip is a failure too, unless `allowed` names it.
# Not for: deciding which tests there are (Makefile).
set -eu
cd "$(dirname "$0")/.."

# KIND/FILE, a pattern of the case's name, and why it may be skipped even there.
allowed() {
	case "$1" in
	e2e/sizes:*SCTP*) [ ! -e /proc/net/sctp ] ;; # the running kernel has no SCTP
	*) return 1 ;;
	esac
}

[ $# -ge 1 ] || { echo "usage: run-tests.sh KIND FILE..." >&2; exit 2; }
kind=$1
shift
log=${B:-build}/log
mkdir -p "$log"
rm -f "$log/$kind.sum"
strict=
if [ "$(id -u)" = 0 ] || [ "${CI:-}" = true ]; then strict=1; fi
limit=${TEST_TIMEOUT:-300}
passed=0 failed=0 skipped=0 status=0

# TAP of one program on stdin -> "pass NAME", "fail NAME", "skip NAME<tab>REASON", "plan N" lines.
# cmocka 1.1.5 writes "not ok N # SKIP NAME", later ones "ok N # SKIP NAME"; both without a reason,
# so a test says it in a line "skip: REASON" before skip().
read_tap() {
	awk '
	function rest(line) {
		sub(/^(not )?ok *[0-9]* *(- *)?/, "", line)
		return line
	}
	/^1\.\.[0-9]+$/ { print "plan " substr($0, 4); next }
	/^skip: / { why = substr($0, 7); next }
	/^(not )?ok / {
		name = rest($0)
		at = index(name, "# SKIP")
		if (at == 1) {
			print "skip " substr(name, 8) "\t" (why == "" ? "no reason given" : why)
		} else if (at > 1) {
			reason = substr(name, at + 7)
			sub(/ *$/, "", reason)
			label = substr(name, 1, at - 1)
			sub(/ *$/, "", label)
			print "skip " label "\t" (reason == "" ? "no reason given" : reason)
		} else if (/^ok/) {
			print "pass " name
		} else {
			print "fail " name
		}
		why = ""
	}'
}

name_of() { # name_of FILE: unit tests have their folder before it
	local name=${1##*/}
	name=${name%.sh}
	[ "$kind" != unit ] || name=$(basename "$(dirname "$1")")/$name
	echo "$name"
}

# Unit tests have namespaces of their own and wait more than they compute: as many at a time as there
# are processors. So do scripts that say so in a line of their own; the others measure losses and
# times and have the machine to themselves.
runs_beside_others() { [ "$kind" = unit ] || grep -qs '^# Runs beside others' "$1"; }

start_file() {
	local file=$1 out start=$SECONDS rc=0
	out=$log/$kind-$(name_of "$file" | tr / -).log
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "$limit" "$file" >"$out" 2>&1 </dev/null || rc=$?
	echo "$rc $((SECONDS - start))" >"$out.rc"
}

judge_file() {
	local file=$1 name out rc seconds cases=0 planned=0 bad=0 word text
	name=$(name_of "$file")
	out=$log/$kind-${name//\//-}.log
	read -r rc seconds <"$out.rc"
	rm -f "$out.rc"
	while read -r word text; do
		case $word in
		plan) planned=$((planned + text)) ;;
		pass)
			cases=$((cases + 1)) passed=$((passed + 1))
			echo "ok   $kind/$name: $text"
			;;
		fail)
			cases=$((cases + 1)) failed=$((failed + 1)) bad=1
			echo "FAIL $kind/$name: $text"
			;;
		skip)
			cases=$((cases + 1)) skipped=$((skipped + 1))
			echo "skip $kind/$name: ${text%%$'\t'*} (${text#*$'\t'})"
			if [ -n "$strict" ] && ! allowed "$kind/$name:$text"; then
				status=1
				echo "     a skip counts as a failure here: this machine should be able to run it"
			fi
			;;
		esac
	done < <(read_tap <"$out")
	text=
	if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
		text="ran longer than $limit s"
	elif [ "$planned" = 0 ]; then
		text="ran no test to its end (exit status $rc)"
	elif [ "$cases" != "$planned" ]; then
		text="ended after $cases of $planned cases (exit status $rc)"
	elif [ "$rc" != 0 ] && [ "$bad" = 0 ]; then
		text="exit status $rc"
	fi
	if [ -n "$text" ]; then
		failed=$((failed + 1)) bad=1
		echo "FAIL $kind/$name: $text"
	fi
	if [ "$bad" = 1 ]; then
		status=1
		# A program that runs others (a guest, another Debian) tells far above its end which failed.
		grep -nE -A 12 '^ +FAIL ' "$out" | head -n 60 | sed 's/^/     | /' || true
		echo "     the end of $out:"
		tail -n 25 "$out" | sed 's/^/     | /'
	fi
	echo "     $kind/$name: $seconds s"
}

many=() alone=()
for file; do
	if runs_beside_others "$file"; then many+=("$file"); else alone+=("$file"); fi
done
for file in ${many+"${many[@]}"}; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
	start_file "$file" &
done
wait
for file in ${many+"${many[@]}"}; do judge_file "$file"; done
for file in ${alone+"${alone[@]}"}; do
	start_file "$file"
	judge_file "$file"
done
if [ $((passed + failed + skipped)) = 0 ]; then
	echo "FAIL $kind: no test ran"
	failed=1 status=1
fi
echo "$passed $failed $skipped" >"$log/$kind.sum"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
