# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Feeds of many clusters for many.sh: making them, changing them, and telling when the agent is ready.

  many_feeds.py make DIR PEERS            c1 (ours) and c2..c<PEERS + 1> below DIR
  many_feeds.py change DIR PEERS RATE S   that many renames a second, of one file of one peer after the other;
                                          a JSON line with how many there were
  many_feeds.py ready SOCKET              the time at which READY=1 comes to SOCKET (CLOCK_REALTIME, s)

Each peer has 4 nodes and 20 of 500 global services with 50 endpoints each, a file a service, YAML and JSON
in turns; so each name is offered by 10 of 250 clusters. Ours names every fifth of them, 4 of each peer's 20.
All 250 000 endpoints under names of ours would take 25 million slots of xm_maglev's 16.
"""
import json
import os
import socket
import sys
import time

NAMES, SERVICES, NODES, ENDPOINTS, OURS = 500, 20, 4, 50, 5


def node(cluster, n):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"c{cluster}-n{n}"},
            "spec": {"podCIDRs": [f"10.{cluster}.{n}.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": f"172.16.{cluster}.{n + 1}"}]}}


def service(number):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": f"s{number}", "namespace": "bench", "annotations": {"xmesh.io/global": "true"}},
            "spec": {"clusterIPs": [f"10.254.{number // 250}.{number % 250 + 1}"],
                     "ports": [{"name": "rr", "port": 80, "protocol": "TCP"}]}}


def endpoint(cluster, k, i, ready):
    at = k * ENDPOINTS + i
    return {"addresses": [f"10.{cluster}.{at // 250}.{at % 250 + 1}"], "nodeName": f"c{cluster}-n{at // 250}",
            "conditions": {"ready": ready}}


def slice_of(cluster, k, lost):
    """The endpoints of the cluster's k-th service, the one numbered LOST not ready."""
    name = f"s{number_of(cluster, k)}"
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "bench", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "rr", "port": 9000, "protocol": "TCP"}],
            "endpoints": [endpoint(cluster, k, i, i != lost) for i in range(ENDPOINTS)]}


def number_of(cluster, k):
    return k * (NAMES // SERVICES) + cluster % (NAMES // SERVICES)


def is_yaml(k):
    return k % 2 == 0


def yaml_of(value, indent=""):
    """As kubectl writes it, for what is in these objects: block style, no text that needs quotes but "true"."""
    if isinstance(value, dict):
        lines = []
        for key, v in value.items():
            nested = isinstance(v, (dict, list))
            # kubectl does not indent a list below its key.
            inner = yaml_of(v, indent if isinstance(v, list) else indent + "  ")
            lines.append(f"{indent}{key}:\n{inner}" if nested else f"{indent}{key}: {inner}\n")
        return "".join(lines)
    if isinstance(value, list):
        return "".join(indent + "- " + (yaml_of(v, indent + "  ").lstrip(" ") if isinstance(v, dict)
                                        else yaml_of(v) + "\n") for v in value)
    return '"true"' if value == "true" else json.dumps(value) if isinstance(value, bool) else str(value)


def write(folder, name, objects, as_yaml):
    """In one step, as whoever keeps a feed should."""
    if as_yaml:
        text = "---\n".join(yaml_of(o) for o in objects)
    else:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, separators=(",", ":"))
    with open(f"{folder}/.new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(f"{folder}/.new", f"{folder}/{name}.{'yaml' if as_yaml else 'json'}")


def write_service(top, cluster, k, lost):
    write(f"{top}/c{cluster}", f"service{k}", [service(number_of(cluster, k)), slice_of(cluster, k, lost)],
          is_yaml(k))


def make(top, peers):
    os.makedirs(f"{top}/c1", exist_ok=True)
    own = node(1, 0)
    own["metadata"]["name"] = "node1"
    own["status"]["addresses"][0]["address"] = "192.0.2.1"
    write(f"{top}/c1", "nodes", [own], True)
    write(f"{top}/c1", "services", [service(n) for n in range(NAMES) if n // (NAMES // SERVICES) % OURS == 0], False)
    for cluster in range(2, peers + 2):
        os.makedirs(f"{top}/c{cluster}", exist_ok=True)
        write(f"{top}/c{cluster}", "nodes", [node(cluster, n) for n in range(NODES)], True)
        for k in range(SERVICES):
            write_service(top, cluster, k, None)


def change(top, peers, rate, seconds):
    start = time.monotonic()
    n = 0
    while n < rate * seconds:
        # Another service of each peer in each round.
        lap = n // peers
        write_service(top, n % peers + 2, (n + lap) % SERVICES, lap % ENDPOINTS)
        n += 1
        wait = start + n / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
    took = time.monotonic() - start
    print(json.dumps({"changes": n, "s": round(took, 3), "per_s": round(n / took, 1)}))


def ready(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(120)
        while b"READY=1" not in s.recv(4096).split(b"\n"):
            pass
        print(f"{time.time():.6f}")


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "change":
    change(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
else:
    ready(sys.argv[2])
