#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""delay.py A B MS: a cable from interface A to B that takes MS, each way. For clusters that are far
away, on kernels without netem. Not for throughput: offloads pass, but one process carries it all."""
import collections
import selectors
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING, ETH_P_ALL = 263, 15, 4, 3


def end(name):
    """With the offload header, so that checksums that are not yet computed stay so."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((name, ETH_P_ALL))
    s.setblocking(False)
    return s


def main():
    a, b = end(sys.argv[1]), end(sys.argv[2])
    delay = float(sys.argv[3]) / 1000
    other, queue = {a: b, b: a}, collections.deque()
    wait = selectors.DefaultSelector()
    for s in other:
        wait.register(s, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        timeout = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        for key, _ in wait.select(timeout):
            while True:
                try:
                    packet, where = key.fileobj.recvfrom(70000)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # what has no offload header
                if where[2] != PACKET_OUTGOING:
                    queue.append((time.monotonic() + delay, other[key.fileobj], packet))
        while queue and queue[0][0] <= time.monotonic():
            _, to, packet = queue.popleft()
            try:
                to.send(packet)
            except OSError:
                pass  # the far end is down, as on a cable


main()
