#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packets and streams that no ordinary tool sends, for the end-to-end scripts.

packets.py COMMAND ARGUMENT...; `packets.py` lists them. Each exits 0 when what it says held.
Not for: judging; the scripts do that.
"""
import os
import select
import socket
import struct
import sys
import time

UDP_SEGMENT = 103


def family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def csum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(addr, stop, interval="0.001"):
    """ADDR STOPFILE [SECONDS]: an echo request every millisecond until the file is there; prints sent and lost."""
    v6 = family(addr) == socket.AF_INET6
    proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    s = socket.socket(family(addr), socket.SOCK_RAW, proto)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.connect((addr, 0))
    ident = os.getpid() & 0xFFFF
    sent, seen = 0, set()

    def drain(until):
        while select.select([s], [], [], max(0, until - time.monotonic()))[0]:
            data = s.recv(2048)
            if not v6:
                data = data[(data[0] & 15) * 4:]
            if data[0] == (129 if v6 else 0) and struct.unpack("!H", data[4:6])[0] == ident:
                seen.add(struct.unpack("!I", data[8:12])[0])

    due = time.monotonic()
    while not os.path.exists(stop):
        head = struct.pack("!BBHHHI", 128 if v6 else 8, 0, 0, ident, sent & 0xFFFF, sent)
        if not v6:
            head = head[:2] + struct.pack("!H", csum(head)) + head[4:]
        s.send(head)
        sent += 1
        due += float(interval)
        drain(due)
    end = time.monotonic() + 2
    while len(seen) < sent and time.monotonic() < end:
        drain(time.monotonic() + 0.05)
    print("sent %d lost %d" % (sent, sent - len(seen)))
    return 0 if sent > 0 and len(seen) == sent else 1


def stream_server(port):
    """PORT: accept one TCP stream, read it to its end, answer with the number of bytes."""
    ls = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    c, _ = ls.accept()
    total = 0
    while True:
        data = c.recv(1 << 16)
        if not data:
            break
        total += len(data)
    c.sendall(b"%d\n" % total)
    return 0


def stream(addr, port, stop):
    """ADDR PORT STOPFILE: send to a stream-server until the file is there; all bytes must arrive."""
    c = socket.create_connection((addr, int(port)), timeout=10)
    block, sent = b"x" * 16384, 0
    while not os.path.exists(stop):
        c.sendall(block)
        sent += len(block)
        time.sleep(0.001)
    c.shutdown(socket.SHUT_WR)
    got = int(c.makefile().readline())
    print("sent %d arrived %d" % (sent, got))
    return 0 if sent == got > 0 else 1


def mss_server(port):
    """PORT: tell each client the MSS that this side may send with."""
    ls = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, _ = ls.accept()
        c.sendall(b"%d\n" % c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
        c.close()


def mss(addr, port):
    """ADDR PORT: print the MSS that this side and the server may send with."""
    c = socket.create_connection((addr, int(port)), timeout=5)
    print(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), int(c.makefile().readline()))
    return 0


def udp_echo(port):
    """PORT: answer each datagram with itself."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", int(port)))
    while True:
        data, peer = s.recvfrom(1 << 16)
        s.sendto(data, peer)


def udp(addr, port, size):
    """ADDR PORT SIZE: a datagram of that size comes back, at the fifth try at last (path MTU is learned)."""
    s = socket.socket(family(addr), socket.SOCK_DGRAM)
    s.settimeout(0.5)
    payload = os.urandom(int(size))
    for _ in range(5):
        try:
            s.sendto(payload, (addr, int(port)))
            if s.recvfrom(1 << 16)[0] == payload:
                return 0
        except OSError as e:
            print(e)
    return 1


def gso_server(port, count, size):
    """PORT COUNT SIZE: exits 0 as soon as COUNT datagrams of SIZE bytes have come (10 s at most)."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", int(port)))
    s.settimeout(10)
    seen = set()
    while len(seen) < int(count):
        data = s.recv(1 << 16)
        if len(data) == int(size):
            seen.add(data[:4])
        else:
            print("a datagram of %d bytes" % len(data))
    return 0


def gso(addr, port, count, size):
    """ADDR PORT COUNT SIZE: send COUNT datagrams in super-packets of 20 (UDP_SEGMENT)."""
    s = socket.socket(family(addr), socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, int(size))
    n = 0
    while n < int(count):
        batch = min(20, int(count) - n)
        s.sendto(b"".join(struct.pack("!I", n + i).ljust(int(size), b"g") for i in range(batch)), (addr, int(port)))
        n += batch
        time.sleep(0.005)
    return 0


def raw_server(fam, proto):
    """4|6 PROTO: exits 0 when a raw packet of that protocol with our mark in it has come (10 s at most)."""
    s = socket.socket(socket.AF_INET6 if fam == "6" else socket.AF_INET, socket.SOCK_RAW, int(proto))
    s.settimeout(10)
    while b"xmesh raw packet" not in s.recv(1 << 16):
        pass
    return 0


def raw(addr, proto):
    """ADDR PROTO: one raw packet of that protocol (132 = SCTP: a common header, then our mark)."""
    s = socket.socket(family(addr), socket.SOCK_RAW, int(proto))
    s.sendto(struct.pack("!HHII", 5000, 5000, 1, 0) + b"xmesh raw packet", (addr, 0))
    return 0


def inner_packet(src, dst):
    """Ethernet, IPv4 or IPv6, UDP to port 9999 with checksum; the payload is our mark."""
    fam = family(src)
    s, d = socket.inet_pton(fam, src), socket.inet_pton(fam, dst)
    payload = b"xmesh spoof"
    length = 8 + len(payload)
    l4 = struct.pack("!HHHH", 9999, 9999, length, 0) + payload
    l4 = l4[:6] + struct.pack("!H", csum(s + d + struct.pack("!IBBBB", length, 0, 0, 0, 17) + l4) or 0xFFFF) + l4[8:]
    if fam == socket.AF_INET:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + s + d
        ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, 17, 64) + s + d
    mac = bytes.fromhex("027800000001027800000002")
    return mac + struct.pack("!H", 0x800 if fam == socket.AF_INET else 0x86DD) + ip + l4


def vxlan(node, src, dst, vni="1", port="8492", flags="8"):
    """NODE SRC DST [VNI PORT FLAGS]: five tunnel packets to NODE that carry UDP SRC -> DST:9999."""
    s = socket.socket(family(node), socket.SOCK_DGRAM)
    head = struct.pack("!BBHI", int(flags), 0, 0, int(vni) << 8)
    for _ in range(5):
        s.sendto(head + inner_packet(src, dst), (node, int(port)))
    return 0


def spoof(iface, mac, src, dst):
    """IFACE MAC SRC DST: five frames on IFACE to MAC that carry UDP SRC -> DST:9999."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((iface, 0))
    own = s.getsockname()[4]
    for _ in range(5):
        s.send(bytes.fromhex(mac.replace(":", "")) + own + inner_packet(src, dst)[12:])
    return 0


def sink(fam, out):
    """4|6 FILE: write a line to FILE for each of our marked datagrams to port 9999, for ever."""
    s = socket.socket(socket.AF_INET6 if fam == "6" else socket.AF_INET, socket.SOCK_DGRAM)
    if fam == "6":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if fam == "6" else "0.0.0.0", 9999))
    with open(out, "w", buffering=1) as f:
        f.write("ready\n")
        while True:
            data, peer = s.recvfrom(2048)
            f.write("%s %s\n" % (peer[0], data.decode()))


COMMANDS = [ping, stream_server, stream, mss_server, mss, udp_echo, udp, gso_server, gso, raw_server, raw,
            vxlan, spoof, sink]

if __name__ == "__main__":
    for f in COMMANDS:
        if len(sys.argv) > 1 and sys.argv[1] == f.__name__.replace("_", "-"):
            sys.exit(f(*sys.argv[2:]))
    for f in COMMANDS:
        print(f.__name__.replace("_", "-"), f.__doc__)
    sys.exit(2)
