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
	! grep -nE 'TODO|FIXME|XXX' "$f" || fault "$f: left open"
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

# ---- shell ----
if command -v shellcheck >/dev/null; then
	shellcheck -x -S warning "${shells[@]}" || fault "shellcheck"
else
	fault "shellcheck is not installed (scripts/deps.sh installs it)"
fi

[ "$faults" = 0 ] || { echo "lint: $faults faults" >&2; exit 1; }
echo "lint: clean"
