#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Round trips as a client sees them, without xmesh's instruments, for the end-to-end scripts. The
server is `conn serve`. Prints medians in us: "app N", by the clock around the call, and "tcp N", by
the kernel's own TCP_INFO.

rtt.py connect ADDR PORT N      N connections, one after the other: the handshake
rtt.py exchange ADDR PORT N     N exchanges on one connection
rtt.py silent ADDR PORT N S     N connections that are out for S seconds: "answered N"
"""
import os
import socket
import statistics
import struct
import sys
import time

TCPI_RTT = 68  # offset in struct tcp_info, in us


def new(addr):
    return socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM)


def tcp_rtt(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCPI_RTT + 4)
    return struct.unpack_from("I", info, TCPI_RTT)[0]


def show(app, tcp):
    print("app", round(statistics.median(app) / 1000), "tcp", round(statistics.median(tcp)))


def connect(addr, port, n):
    app, tcp = [], []
    for _ in range(int(n)):
        with new(addr) as s:
            s.settimeout(5)
            # By a reset: no port is kept.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            start = time.monotonic_ns()
            s.connect((addr, int(port)))
            app.append(time.monotonic_ns() - start)
            tcp.append(tcp_rtt(s))
    show(app, tcp)


def exchange(addr, port, n):
    app, tcp = [], []
    with new(addr) as s:
        s.settimeout(5)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect((addr, int(port)))
        while not s.recv(100).endswith(b"\n"):  # who it is
            pass
        for _ in range(int(n)):
            start = time.monotonic_ns()
            s.sendall(b"0123456789abcdef")
            s.recv(16, socket.MSG_WAITALL)
            app.append(time.monotonic_ns() - start)
            tcp.append(tcp_rtt(s))
    show(app, tcp)


def silent(addr, port, n, seconds):
    out = [new(addr) for _ in range(int(n))]
    for s in out:
        s.setblocking(False)
        s.connect_ex((addr, int(port)))
    time.sleep(float(seconds))
    print("answered", sum(s.connect_ex((addr, int(port))) == 0 for s in out))


try:  # the median is of the network, not of who else runs here
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    pass
{"connect": connect, "exchange": exchange, "silent": silent}[sys.argv[1]](*sys.argv[2:])
