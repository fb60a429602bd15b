# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# debian.sh: the Debian archive that this host already uses, and where downloads are kept. Sourced
# by vm.sh and trixie.sh. No mirror is written down anywhere in the tree.

# Kernels, chroots: kept over runs, safe to delete.
# shellcheck disable=SC2034 # read by those that source this
cache=${XMESH_CACHE:-/var/cache/xmesh}

# debian_mirror [security]: the base URI of the archive, from apt's own sources.
debian_mirror() {
	local uris
	uris=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[[^]]*\] *\)*\([^ ]*\) .*/\2/p')
	if [ "${1:-}" = security ]; then
		grep -m 1 -e '-security/*$' <<<"$uris"
	else
		grep -v -e '-security/*$' <<<"$uris" | grep -m 1 -E '/debian/*$'
	fi || {
		echo "no Debian archive${1:+ ($1)} in /etc/apt/sources.list.d" >&2
		return 1
	}
}
