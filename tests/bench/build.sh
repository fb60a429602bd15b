#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Compiles the benchmark's own tools into build/bench/ (or the directory given). Called by run.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
out=${1:-$top/build/bench}
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
warn="-Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wno-unused-parameter"
mkdir -p "$out"

newer() { # newer TARGET SOURCE...: the target has to be made
	local target=$1 f
	shift
	[ -e "$target" ] || return 0
	for f in "$@"; do
		[ ! "$f" -nt "$target" ] || return 0
	done
	return 1
}

bpf() { # bpf NAME: NAME.bpf.c to NAME.skel.h
	local n=$1
	newer "$out/$n.skel.h" "$here/$n.bpf.c" "$top"/include/xmesh/*.h || return 0
	clang -std=gnu11 -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Wno-unused-parameter \
		-I"$top/include" -I"/usr/include/$(gcc -dumpmachine)" -c "$here/$n.bpf.c" -o "$out/$n.bpf.o"
	"$bpftool" gen skeleton "$out/$n.bpf.o" name "$n" >"$out/$n.skel.h.tmp"
	mv "$out/$n.skel.h.tmp" "$out/$n.skel.h"
}

tool() { # tool NAME [LIB...]
	local n=$1
	shift
	newer "$out/$n" "$here/$n.c" "$out"/*.skel.h "$top"/include/xmesh/*.h || return 0
	# shellcheck disable=SC2086 # a list of words
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -g $warn -I"$top/include" -I"$out" "$here/$n.c" -o "$out/$n" "$@"
}

bpf routes_bench
tool routes_bench -lbpf -lelf -lz
