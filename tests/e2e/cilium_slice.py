#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A ClusterEndpointSlice as protobuf on stdout, as Cilium writes it before zstd.

    cilium_slice.py CLUSTER ID NAMESPACE SLICE SERVICE PORT ADDRESS[@NODE]...
"""
import sys


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def main():
    cluster, ident, space, name, service, port, *addrs = sys.argv[1:]
    out = data(1, cluster) + number(2, int(ident)) + data(3, space) + data(4, name)
    out += data(5, data(1, "kubernetes.io/service-name") + data(2, service))
    out += data(7, "IPv6" if ":" in addrs[0] else "IPv4")
    for addr in addrs:
        addr, _, node = addr.partition("@")
        ready = number(1, 1) + number(2, 1) + number(3, 0)
        out += data(8, data(1, addr) + data(2, ready) + (data(6, node) if node else b""))
    out += data(9, data(1, "http") + data(2, "TCP") + number(3, int(port)))
    sys.stdout.buffer.write(out)


main()
