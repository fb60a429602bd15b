#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lint.sh: what the house style says and a machine can check: no warnings with gcc and clang, the
# layers' include directions, SPDX lines, file lengths, shellcheck, one command table in help, man
# page, README and completion. Prints every fault, changes nothing outside build/.
set -eu
cd "$(dirname "$0")/.."
faults=0
fault() {
	faults=$((faults + 1))
	echo "lint: $*" >&2
}

# ---- every tracked or new source file ----
mapfile -t sources < <(git ls-files -co --exclude-standard -- '*.c' '*.h')
mapfile -t shells < <(git ls-files -co --exclude-standard -- '*.sh' .ci/run)

for f in "${sources[@]}"; do
	[ -e "$f" ] || continue
	head -n 1 "$f" | grep -qxF '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */' ||
		fault "$f:1: the SPDX line is missing"
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || fault "$f: $n lines, more than 600: two subjects?"
	! grep -nE '\b(TODO|FIXME|XXX)\b' "$f" || fault "$f: left open"
done
for f in "${shells[@]}"; do
	[ -e "$f" ] || continue
	sed -n 2p "$f" | grep -qF 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' ||
		fault "$f:2: the SPDX line is missing"
done

# ---- include directions: core <- model <- {net, feed, plane} <- agent <- cli ----
may_include() {
	case $1 in
	core) echo "core xmesh" ;;
	model) echo "core model xmesh" ;;
	net) echo "core model net xmesh" ;;
	feed) echo "core model feed xmesh" ;;
	plane) echo "core model plane xmesh" ;;
	agent) echo "core model net feed plane agent xmesh" ;;
	cli) echo "core model net feed plane agent cli xmesh" ;;
	esac
}
check_layers() {
	local dir layer f line inc ok
	for dir in user/*/; do
		layer=$(basename "$dir")
		ok=" $(may_include "$layer") "
		[ "$ok" != "  " ] || { fault "user/$layer: a layer that no rule knows"; continue; }
		for f in "$dir"*.[ch]; do
			[ -e "$f" ] || continue
			while IFS=: read -r line inc; do
				case $inc in
				xmesh.skel.h) [ "$layer" = plane ] && continue ;;
				*/*) [[ $ok == *" ${inc%%/*} "* ]] && continue ;;
				esac
				fault "$f:$line: layer $layer may not include \"$inc\""
			done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$f" | grep -n . || true)
		done
	done
	# Pure layers: no descriptors, sockets, loop, BPF or log.
	for f in user/core/*.[ch] user/model/*.[ch]; do
		case $f in user/core/file.[ch] | user/core/log.[ch] | user/core/defs.h) continue ;; esac
		[ -e "$f" ] || continue
		! grep -nE '^#include [<"](unistd|fcntl|uv|syslog|sys/(socket|stat|mman|ioctl|mount|file)|net/if|bpf/.*|libmnl/.*|core/log)\.h[>"]' "$f" ||
			fault "$f: core and model are pure, but this includes I/O"
	done
	! grep -nE '^#include [<"](user/|core/|model/|plane/|net/|feed/|agent/|cli/)' include/xmesh/*.h bpf/*.c bpf/lib/*.h 2>/dev/null ||
		fault "bpf/ and include/xmesh/ may not include user/"
}
check_layers

# ---- the contract headers compile alone, for both targets ----
mkdir -p build/lint
for f in include/xmesh/*.h; do
	printf '#include "%s"\n' "${f#include/}" >build/lint/one.c
	gcc -std=gnu11 -Wall -Wextra -Werror -Iinclude -fsyntax-only build/lint/one.c ||
		fault "$f: does not compile alone (gcc)"
	clang -target bpf -std=gnu11 -Wall -Wextra -Werror -Iinclude "-I/usr/include/$(gcc -dumpmachine)" \
		-D__BPF__ -fsyntax-only build/lint/one.c || fault "$f: does not compile alone (bpf)"
done

# ---- no warnings ----
for cc in gcc clang; do
	out=build/lint/$cc.log
	if ! CFLAGS="-O2 -g -Werror" make -j"$(nproc)" CC=$cc "B=build/lint/$cc" all >"$out" 2>&1; then
		grep -E 'error|warning|\*\*\*' "$out" | head -n 40 >&2
		fault "the build with $cc and -Werror fails (see $out)"
	elif grep -E 'warning:' "$out" >&2; then
		fault "the build with $cc has warnings"
	fi
done

# ---- one command table: help, man page, README, completion ----
check_commands() {
	local x=build/lint/gcc/xmesh man=packaging/xmesh.8 conf=packaging/xmesh.yaml.5 names name line opt text key
	[ -x "$x" ] || return 0 # the build has failed, which is a fault above
	names=$("$x" --help | sed -n '/^Commands:/,/^Options:/s/^  \([a-z]*\( [a-z]*\)\{0,1\}\).*/\1/p')
	[ -n "$names" ] || fault "no commands found in the output of --help"
	text=$("$x" completion bash)
	for f in "$man" "$conf" README.md; do
		[ -e "$f" ] || fault "$f is missing"
	done
	while read -r name; do
		[ ! -e "$man" ] || grep -qE "^(\.B |\.BR? \"?|\.BI \"?|\\\\fB)$name" "$man" || fault "$man: command $name is missing"
		[ ! -e README.md ] || grep -qE "^\|.*\`${name}[\` ]" README.md || fault "README.md: command $name is missing in the table"
		for word in $name; do
			grep -qw -- "$word" <<<"$text" || fault "completion: $name is missing"
		done
		# shellcheck disable=SC2086 # one or two words
		for opt in $("$x" ${name/completion bash/completion} --help | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
			[ ! -e "$man" ] || sed 's/\\-/-/g' "$man" | grep -qF -- "$opt" || fault "$man: option $opt of $name is missing"
		done
	done <<<"$names"
	# The other way round: the README promises nothing that is not there.
	if [ -e README.md ]; then
		while read -r line; do
			grep -qE "^${line%% *}( |$)" <<<"$names" || fault "README.md: there is no command $line"
		done < <(sed -n '/^| *command/,/^$/s/^| *`\([a-z][a-z ]*[a-z]\).*/\1/p' README.md)
	fi
	if [ -e "$conf" ]; then
		printf 'cluster: {name: a, id: 1}\nunderlay: [eth0]\nlocal: {feed: {dir: /x}}\npeers:\n  - {name: b, id: 2, feed: {dir: /y}}\n' >build/lint/c.yaml
		for key in $("$x" --config build/lint/c.yaml config check | grep -oE '[a-z_0-9]+:( |$)' | tr -d ': ' | sort -u); do
			sed 's/\\-/-/g' "$conf" | grep -qw -- "$key" || fault "$conf: key $key is missing"
		done
	fi
	if [ -e "$man" ]; then
		for text in $(sed -n 's/^\tX([A-Z_0-9]*, "\([a-z_]*\)".*/\1/p' include/xmesh/reasons.h); do
			sed 's/\\-/-/g' "$man" | grep -qw -- "$text" || fault "$man: reason $text is missing"
		done
	fi
	for f in "$man" "$conf"; do
		[ ! -e "$f" ] || ! command -v man >/dev/null ||
			[ -z "$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "./$f" 2>&1 >/dev/null)" ] ||
			fault "$f: man has warnings"
	done
}
check_commands

# ---- shell ----
if command -v shellcheck >/dev/null; then
	# Most of its time goes into the files that each one sources: by the processors.
	printf '%s\0' "${shells[@]}" | xargs -0 -n 4 -P "$(nproc)" shellcheck -x -S warning || fault "shellcheck"
else
	fault "shellcheck is not installed (scripts/deps.sh installs it)"
fi

[ "$faults" = 0 ] || { echo "lint: $faults faults" >&2; exit 1; }
echo "lint: clean"
