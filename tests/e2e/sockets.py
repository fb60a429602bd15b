#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program sees of a global service through the socket calls, for the end-to-end scripts.

sockets.py COMMAND ARGUMENT...; the server is `conn serve`. Each exits 0 when what it says held, and
prints what it saw. Not for: many connections (conn.c).
"""
import errno
import os
import socket
import sys
import time


def family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def new(addr, kind):
    s = socket.socket(family(addr), kind)
    s.settimeout(3)
    return s


def same(what, seen, addr, port):
    print(what, *seen[:2])
    return seen[0] == addr and seen[1] == int(port)


def line_of(data):
    """The server's "NAME CLIENT" and what it echoed."""
    head, _, rest = data.partition(b"\n")
    name, client = head.decode().split()
    print("answer of", name, "to", client, "with", len(rest), "bytes")
    return name, client, rest


def udp(addr, port):
    """ADDR PORT: unconnected: each answer comes from where it was sent to."""
    with new(addr, socket.SOCK_DGRAM) as s:
        for n in range(8):
            s.sendto(b"hello %d" % n, (addr, int(port)))
            data, peer = s.recvfrom(2048)
            if not same("recvfrom", peer, addr, port) or line_of(data)[2] != b"hello %d" % n:
                return 1
    return 0


def udp_connected(addr, port):
    """ADDR PORT: connected: answers arrive, all of one server, and getpeername is the VIP."""
    with new(addr, socket.SOCK_DGRAM) as s:
        s.connect((addr, int(port)))
        names = set()
        for _ in range(8):
            s.send(b"hello")
            names.add(line_of(s.recv(2048))[0])
        return 0 if same("getpeername", s.getpeername(), addr, port) and len(names) == 1 else 1


def udp_big(addr, port, size):
    """ADDR PORT SIZE: a datagram that does not fit the MTU comes back whole, once the path's MTU is known."""
    want = os.urandom(int(size))
    with new(addr, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        for n in range(4):
            s.sendto(want, (addr, int(port)))
            try:
                data, peer = s.recvfrom(65536)
            except socket.timeout:
                print("no answer to datagram", n)
                continue
            return 0 if same("recvfrom", peer, addr, port) and line_of(data)[2] == want else 1
    return 1


def udp_refused(addr, port, milliseconds):
    """ADDR PORT MS: ECONNREFUSED, at the call or by the next one, within that time."""
    start = time.monotonic()
    with new(addr, socket.SOCK_DGRAM) as s:
        try:
            s.connect((addr, int(port)))
            s.send(b"hello")
            s.recv(2048)
        except OSError as e:
            took = (time.monotonic() - start) * 1000
            print(e, "after %.1f ms" % took)
            return 0 if e.errno == errno.ECONNREFUSED and took <= float(milliseconds) else 1
    print("an answer")
    return 1


def tcp(addr, port):
    """ADDR PORT: a banner and an echo arrive, and getpeername is the VIP."""
    with new(addr, socket.SOCK_STREAM) as s:
        s.connect((addr, int(port)))
        line_of(s.recv(2048))
        s.sendall(b"hello")
        if s.recv(2048) != b"hello":
            return 1
        return 0 if same("getpeername", s.getpeername(), addr, port) else 1


def mapped(addr, port):
    """IPV4 PORT: the same from IPv6 sockets, as ::ffff:IPV4, TCP and UDP."""
    addr = "::ffff:" + addr
    return tcp(addr, port) or udp(addr, port) or udp_connected(addr, port)


def client(addr, port, want):
    """ADDR PORT CLIENT: the server sees that address, over TCP and UDP."""
    with new(addr, socket.SOCK_STREAM) as s:
        s.connect((addr, int(port)))
        seen = {line_of(s.recv(2048))[1]}
    with new(addr, socket.SOCK_DGRAM) as s:
        s.sendto(b"hello", (addr, int(port)))
        seen.add(line_of(s.recvfrom(2048)[0])[1])
    return 0 if seen == {want} else 1


def bulk(addr, port, rounds):
    """ADDR PORT N: N times 32 KB to the server and back over one stream."""
    want = os.urandom(32768)
    with new(addr, socket.SOCK_STREAM) as s:
        s.connect((addr, int(port)))
        line_of(s.recv(2048))
        for n in range(int(rounds)):
            s.sendall(want)
            data = b""
            while len(data) < len(want):
                more = s.recv(65536)
                if not more:
                    print("closed in round", n)
                    return 1
                data += more
            if data != want:
                print("other bytes in round", n)
                return 1
    return 0


def pmtu(addr, port, want):
    """ADDR PORT MTU: full frames that may not be fragmented are answered with that MTU; what fits arrives."""
    v6 = family(addr) == socket.AF_INET6
    level, discover, mtu = (socket.IPPROTO_IPV6, 23, 24) if v6 else (socket.IPPROTO_IP, 10, 14)
    head = 48 if v6 else 28
    end = time.monotonic() + 3
    with new(addr, socket.SOCK_DGRAM) as s:
        s.setsockopt(level, discover, 2)  # IP_PMTUDISC_DO
        s.connect((addr, int(port)))
        while s.getsockopt(level, mtu) != int(want):
            if time.monotonic() > end:
                print("the path's MTU is still", s.getsockopt(level, mtu))
                return 1
            try:
                s.send(b"x" * (s.getsockopt(level, mtu) - head))
            except OSError as e:
                if e.errno != errno.EMSGSIZE:
                    raise
            time.sleep(0.02)
        print("the path's MTU is", want)
        # So that the answer, which bears the banner too, fits as well. The error of the last frame
        # that did not is still to be told.
        s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        s.send(b"x" * (int(want) - head - 100))
        while len(s.recv(65536)) < int(want) - head - 100:
            pass
    return 0


def killed(addr, port, ready, milliseconds):
    """ADDR PORT READYFILE MS: connected (the file is made then), nothing sent: the socket ends with an error by then."""
    with new(addr, socket.SOCK_STREAM) as s:
        s.connect((addr, int(port)))
        line_of(s.recv(2048))
        open(ready, "w").close()
        s.settimeout(float(milliseconds) / 1000)
        start = time.monotonic()
        try:
            data = s.recv(2048)
            print("an answer" if data else "closed", "after %.0f ms" % ((time.monotonic() - start) * 1000))
            return 1
        except socket.timeout:
            print("still connected")
            return 1
        except OSError as e:
            print(e, "after %.0f ms" % ((time.monotonic() - start) * 1000))
            return 0


COMMANDS = {
    f.__name__.replace("_", "-"): f
    for f in (udp, udp_connected, udp_big, udp_refused, tcp, mapped, client, bulk, pmtu, killed)
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        for name, f in COMMANDS.items():
            print(name, f.__doc__)
        sys.exit(2)
    try:
        sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
    except (OSError, ValueError) as error:
        print(error)
        sys.exit(1)
