#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh [DIR]: compile the benchmark's own tools into build/bench/ (or DIR), what is older than
# its sources. Called by run.sh. prog_bench runs the product's own object: it needs `make` before.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
out=${1:-$top/build/bench}
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
mkdir -p "$out"

is_old() { # is_old TARGET SOURCE...
	local target=$1 f
	shift
	[ -e "$target" ] || return 0
	for f in "$@"; do
		[ ! "$f" -nt "$target" ] || return 0
	done
	return 1
}

object() { # object NAME: NAME.bpf.c to NAME.bpf.o
	is_old "$out/$1.bpf.o" "$here/$1.bpf.c" "$here"/*.h "$top"/include/xmesh/*.h || return 0
	clang -std=gnu11 -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Wno-unused-parameter \
		-I"$top/include" -I"/usr/include/$(gcc -dumpmachine)" -c "$here/$1.bpf.c" -o "$out/$1.bpf.o"
}

skeleton() { # skeleton NAME: NAME.bpf.o to NAME.skel.h
	is_old "$out/$1.skel.h" "$out/$1.bpf.o" || return 0
	"$bpftool" gen skeleton "$out/$1.bpf.o" name "$1" >"$out/$1.skel.h.tmp"
	mv "$out/$1.skel.h.tmp" "$out/$1.skel.h"
}

tool() { # tool NAME GCC-ARGUMENT...: NAME.c to NAME
	local name=$1
	shift
	is_old "$out/$name" "$here/$name.c" "$here"/common.[ch] "$out"/*.skel.h "$top"/include/xmesh/*.h || return 0
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
		-Wno-unused-parameter -I"$top/include" -I"$out" "$here/$name.c" "$@" -o "$out/$name"
}

object null
object routes_bench
skeleton routes_bench
tool routes_bench -lbpf -lelf -lz
for t in rr pair udpblast stream; do
	tool "$t" "$here/common.c"
done

product=${B:-$top/build}
if [ -e "$product/gen/xmesh.skel.h" ]; then
	object wrapper
	skeleton wrapper
	! is_old "$out/prog_bench" "$here/wrapper.h" "$top"/tests/prog/*.[ch] "$product/gen/xmesh.skel.h" ||
		rm -f "$out/prog_bench"
	for t in control_bench scrape_bench feeds_bench; do [ ! "$product/libxmesh.a" -nt "$out/$t" ] || rm -f "$out/$t"; done
	read -ra libraries < <(pkg-config --cflags --libs libbpf libmnl libuv json-c yaml-0.1 smartcols libsystemd libxxhash)
	tool control_bench -I"$top/user" -I"$product/gen" "$product/libxmesh.a" "${libraries[@]}" -lelf -lz
	tool scrape_bench -I"$top/user" -I"$product/gen" "$product/libxmesh.a" "${libraries[@]}" -lmicrohttpd -lelf -lz
	read -ra libraries < <(pkg-config --cflags --libs libbpf libuv json-c yaml-0.1 libcurl libprotobuf-c libzstd libxxhash)
	tool feeds_bench -I"$top/user" -I"$product/gen" "$product/libxmesh.a" "${libraries[@]}" -lelf -lz
	tool prog_bench -I"$top/user" -I"$top/tests" -I"$product/gen" "$top"/tests/prog/{fix,fix_service,pkt,tunnelkey}.c \
		-lbpf -lelf -lz
fi
