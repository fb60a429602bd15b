#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A scripted Kubernetes API server: list, watch and WatchList as kube-apiserver 1.36 speaks them on the
wire (chunked HTTP/1.1, one JSON object a line, bookmarks, both forms of 410, Status objects), over
objects from JSON files, with faults that are switched while it runs. No admission, no storage, no writes
over the API: not for anything but tests.

    kube_server.py --control SOCKET [--listen ADDRESS:PORT] [--cert FILE --key FILE [--client-ca FILE]]
                   [--token FILE] [--slices N --endpoints M] [--version N]
                   [FILE.json...]

Prints "ready PORT". Control, by HTTP over the unix socket:

    GET  /state             {"version", "watches": {resource: n}, "asked": {"nodes list": n, ...}, ...}
    POST /set {...}         faults, see FAULTS; what is given replaces what was
    POST /apply OBJECT      or a List: added or modified, watches hear of it
    POST /delete {"resource", "namespace", "name"}
    POST /cut               break every watch in the middle of an object
    POST /end               end every watch in order, as a timeout does
    POST /expire            forget all history: older versions and tokens are 410
"""
import argparse
import base64
import collections
import gzip
import http.server
import json
import os
import socket
import socketserver
import ssl
import threading
import time
import urllib.parse

FAULTS = {
    "watchlist": True,    # False: 422; "ignore": an old server takes it for a watch from now
    "mcs": "both",        # "v1alpha1", "v1beta1": only that version; 404, 403: absent
    "deny": [],           # resources that RBAC does not grant
    "status": None,       # {"code", "retry_after", "count", "resource"}: refuse so many requests
    "expired": "event",   # or "http": how a watch from a forgotten version is refused
    "stall": False,       # no bytes any more on watches
    "drip": 0,            # send so many bytes at a time, with 1 ms between
    "gzip": False,        # compress every list that may be, not only large ones
    "bookmark_s": 60,     # how often
    "cert": None, "key": None,  # of connections that begin from now on
    "half_list": 0,       # close the connection after so many bytes of the next list
}
CORE, SLICES = "v1", "discovery.k8s.io/v1"
MCS = ["multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1"]
RESOURCES = {"nodes": ("Node", [CORE]), "services": ("Service", [CORE]),
             "endpointslices": ("EndpointSlice", [SLICES]),
             "serviceexports": ("ServiceExport", MCS), "serviceimports": ("ServiceImport", MCS)}
RESOURCE_OF = {kind: name for name, (kind, _) in RESOURCES.items()}
TICK_S = 0.02


def dump(value):
    return json.dumps(value, separators=(",", ":"))


class Store:
    """Objects with their versions, and what happened since `oldest`."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version, self.oldest = 100, 0
        self.objects = {name: {} for name in RESOURCES}  # key -> object
        self.history = {name: [] for name in RESOURCES}  # (version, type, object)
        self.faults = dict(FAULTS)
        self.cuts = self.ends = self.tokens = 0
        self.asked, self.watches = collections.Counter(), collections.Counter()
        self.agent, self.encodings = "", collections.Counter()
        self.ports = {}

    def apply(self, obj):
        if obj.get("kind", "").endswith("List"):
            for item in obj["items"]:
                self.apply(item)
            return
        resource = RESOURCE_OF.get(obj.get("kind"))
        if not resource:
            return
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        with self.changed:
            self.version += 1
            obj = dict(obj, metadata=dict(meta, resourceVersion=str(self.version)))
            kind = "MODIFIED" if key in self.objects[resource] else "ADDED"
            self.objects[resource][key] = obj
            self.history[resource].append((self.version, kind, obj))
            self.changed.notify_all()

    def delete(self, resource, key):
        with self.changed:
            obj = self.objects[resource].pop(key, None)
            if obj is None:
                return
            self.version += 1
            obj = dict(obj, metadata=dict(obj["metadata"], resourceVersion=str(self.version)))
            self.history[resource].append((self.version, "DELETED", obj))
            self.changed.notify_all()

    def expire(self):
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.tokens += 1
            self.history = {name: [] for name in RESOURCES}
            self.changed.notify_all()


def chosen(obj, selector):
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        if term.startswith("!"):
            if term[1:] in labels:
                return False
        elif "!=" in term:
            key, value = term.split("!=")
            if labels.get(key) == value:
                return False
        else:
            raise ValueError("selector: " + term)
    return True


def status_of(code, reason, message, **more):
    return dict({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                 "message": message, "reason": reason, "code": code}, **more)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store, token_file = None, None

    def log_message(self, *args):
        pass

    # ---- sending

    def send(self, data):
        drip = self.store.faults["drip"]
        if not drip:
            self.wfile.write(data)
            return
        for at in range(0, len(data), drip):
            self.wfile.write(data[at:at + drip])
            self.wfile.flush()
            time.sleep(0.001)

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self, code, body, kind="application/json", headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        accepts = self.headers.get("Accept-Encoding", "")
        if code == 200 and "gzip" in accepts and (self.store.faults["gzip"] or len(data) > 128 * 1024):
            data = gzip.compress(data, 1)
            headers = [*headers, ("Content-Encoding", "gzip")]
            self.store.encodings["gzip"] += 1
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        half = self.store.faults["half_list"]
        if code == 200 and half:
            self.store.faults["half_list"] = 0
            self.send(data[:half])
            self.hang_up()
            return
        self.send(data)

    def refuse(self, status, headers=()):
        self.answer(status["code"], dump(status) + "\n", headers=headers)

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # ---- who asks

    def stranger(self):
        """A Status for who is not known, None for who is."""
        if not self.token_file:
            return None
        if hasattr(self.connection, "getpeercert") and self.connection.getpeercert():
            return None
        given = self.headers.get("Authorization", "")
        with open(self.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        if not given:
            return status_of(403, "Forbidden", 'forbidden: User "system:anonymous" cannot get path "%s"'
                             % self.path.split("?")[0])
        if given in ("Bearer " + token, "Basic " + base64.b64encode(token.encode()).decode()):
            return None
        return status_of(401, "Unauthorized", "Unauthorized")

    # ---- requests

    def do_GET(self):
        try:
            self.get()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def get(self):
        s = self.store
        url = urllib.parse.urlsplit(self.path)
        query = {k: v[-1] for k, v in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        parts = url.path.strip("/").split("/")
        version, resource = "/".join(parts[1:-1]), parts[-1]
        s.agent = self.headers.get("User-Agent", "")
        refused = self.stranger()
        if refused:
            s.asked["stranger"] += 1
            return self.refuse(refused)
        if resource not in RESOURCES or version not in RESOURCES[resource][1]:
            return self.answer(404, "404 page not found\n", "text/plain")
        what = "list" if "watch" not in query else "watchlist" if "sendInitialEvents" in query else "watch"
        s.asked[f"{resource} {what}"] += 1
        mcs = s.faults["mcs"]
        if version in MCS and mcs == 404 or version in MCS and mcs in ("v1alpha1", "v1beta1") and not \
                version.endswith(mcs):
            return self.answer(404, "404 page not found\n", "text/plain")
        if version in MCS and mcs == 403 or resource in s.faults["deny"]:
            return self.refuse(status_of(
                403, "Forbidden", f'{resource} is forbidden: User "system:serviceaccount:kube-system:xmesh" '
                f'cannot list resource "{resource}" in API group "{version.rpartition("/")[0]}" at the cluster scope'))
        fault = s.faults["status"]
        if fault and fault.get("count", 1) > 0 and fault.get("resource", resource) == resource:
            fault["count"] = fault.get("count", 1) - 1
            after = fault.get("retry_after")
            return self.refuse(status_of(fault["code"], fault.get("reason", "InternalError"),
                                         fault.get("message", "made to fail")),
                               [("Retry-After", str(after))] if after else [])
        selector = query.get("labelSelector", "")
        if what == "list":
            self.list(resource, version, query, selector)
        else:
            self.watch(resource, version, query, selector, what == "watchlist")

    def list(self, resource, version, query, selector):
        s = self.store
        limit = int(query.get("limit", "0"))
        with s.changed:
            at, tokens, oldest = s.version, s.tokens, s.oldest
            objects = sorted(s.objects[resource].items())
        start = 0
        if "continue" in query:
            try:
                token = json.loads(base64.urlsafe_b64decode(query["continue"]))
            except ValueError:
                return self.refuse(status_of(400, "BadRequest", "continue key is not valid"))
            if token["tokens"] != tokens:
                return self.refuse(status_of(
                    410, "Expired", "The provided continue parameter is too old",
                    metadata={"continue": "inconsistent"}))
            start, at = token["start"], token["v"]
        objects = [o for _, o in objects if chosen(o, selector)]
        page = objects[start:start + limit] if limit else objects[start:]
        meta = {"resourceVersion": str(at)}
        if start + len(page) < len(objects):
            meta["continue"] = base64.urlsafe_b64encode(dump(
                {"v": at, "tokens": tokens, "start": start + len(page), "o": oldest}).encode()).decode()
            meta["remainingItemCount"] = len(objects) - start - len(page)
        if version not in MCS:  # built-in kinds do not repeat what they are
            page = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page]
        else:
            page = [dict(o, apiVersion=version) for o in page]
        body = {"kind": RESOURCES[resource][0] + "List", "apiVersion": version, "metadata": meta, "items": page}
        pretty = self.headers.get("User-Agent", "").startswith("curl")
        self.answer(200, json.dumps(body, indent=2) if pretty else dump(body))

    def event(self, version, kind, obj):
        first = {"kind": obj["kind"], "apiVersion": version}
        return (dump({"type": kind, "object": dict(first, **{k: v for k, v in obj.items() if k not in first})})
                + "\n").encode()

    def bookmark(self, resource, version, at, initial):
        meta = {"resourceVersion": str(at)}
        if initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": RESOURCES[resource][0], "apiVersion": version, "metadata": meta}
        if resource == "endpointslices":
            obj.update(addressType="", endpoints=None, ports=None)
        return (dump({"type": "BOOKMARK", "object": obj}) + "\n").encode()

    def gone(self, at):
        return status_of(410, "Expired", f"too old resource version: {at} ({self.store.version})")

    def watch(self, resource, version, query, selector, initial):
        s = self.store
        at = int(query.get("resourceVersion") or 0)
        if initial and s.faults["watchlist"] is False:
            return self.refuse(status_of(
                422, "Invalid", "ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: "
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"))
        if initial and query.get("resourceVersionMatch") != "NotOlderThan" or \
                not initial and "resourceVersionMatch" in query:
            return self.refuse(status_of(422, "Invalid", "resourceVersionMatch: Forbidden"))
        if not initial and at < s.oldest and s.faults["expired"] == "http":
            return self.refuse(self.gone(at))
        s.watches[resource] += 1
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.follow(resource, version, query, selector, initial, at)
        finally:
            s.watches[resource] -= 1

    def follow(self, resource, version, query, selector, initial, at):
        s = self.store
        end = time.monotonic() + int(query.get("timeoutSeconds", "600"))
        bookmarks = query.get("allowWatchBookmarks") == "true"
        cuts, ends, seen = s.cuts, s.ends, set()
        next_bookmark = time.monotonic() + s.faults["bookmark_s"]
        if initial:
            with s.changed:
                at, objects = s.version, sorted(s.objects[resource].items())
            for key, obj in objects:
                if chosen(obj, selector):
                    seen.add(key)
                    self.chunk(self.event(version, "ADDED", obj))
            if s.faults["watchlist"] != "ignore":
                self.chunk(self.bookmark(resource, version, at, True))
        else:
            seen = {k for k, o in s.objects[resource].items() if chosen(o, selector)}
        while True:
            with s.changed:
                if s.cuts == cuts and s.ends == ends and (s.version <= at or s.faults["stall"]):
                    s.changed.wait(TICK_S)
                now, oldest, faults = s.version, s.oldest, s.faults
                events = [e for e in s.history[resource] if at < e[0] <= now]
            if s.cuts != cuts:
                self.send(b"400\r\n" + b'{"type":"MODIFIED","object":{"kind":"Node","metadata":{"name":"half')
                return self.hang_up()
            if s.ends != ends or time.monotonic() >= end:
                break
            if faults["stall"] or at > now:
                continue
            if at < oldest:
                self.chunk((dump({"type": "ERROR", "object": self.gone(at)}) + "\n").encode())
                break
            for _, kind, obj in events:
                key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
                if kind != "DELETED" and not chosen(obj, selector):
                    kind = "DELETED"
                if kind == "DELETED" and key not in seen:
                    continue
                (seen.discard if kind == "DELETED" else seen.add)(key)
                self.chunk(self.event(version, kind, obj))
            at = max(at, now)
            if bookmarks and time.monotonic() >= next_bookmark:
                self.chunk(self.bookmark(resource, version, at, False))
                next_bookmark = time.monotonic() + faults["bookmark_s"]
        self.send(b"0\r\n\r\n")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    contexts, client_ca = {}, None

    def finish_request(self, request, client_address):
        faults = Handler.store.faults
        if faults["cert"]:
            name = (faults["cert"], faults["key"])
            if name not in self.contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*name)
                if self.client_ca:
                    context.load_verify_locations(self.client_ca)
                    context.verify_mode = ssl.CERT_OPTIONAL
                self.contexts[name] = context
            try:
                request = self.contexts[name].wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return
        Handler(request, client_address, self)
        try:
            request.close()
        except OSError:
            pass

    def handle_error(self, request, client_address):
        pass


class Server6(Server):
    address_family = socket.AF_INET6


class Control(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def address_string(self):
        return "control"

    def reply(self, code, value):
        data = (dump(value) + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        s = Handler.store
        self.reply(200, {"version": s.version, "watches": {k: v for k, v in s.watches.items() if v},
                         "asked": s.asked, "agent": s.agent, "encodings": s.encodings,
                         "objects": {k: len(v) for k, v in s.objects.items()}})

    def do_POST(self):
        s = Handler.store
        length = int(self.headers.get("Content-Length", "0"))
        body = json.loads(self.rfile.read(length)) if length else {}
        with s.changed:
            if self.path == "/set":
                unknown = set(body) - set(FAULTS)
                if unknown:
                    return self.reply(400, {"unknown": sorted(unknown)})
                s.faults = dict(s.faults, **body)
            elif self.path == "/cut":
                s.cuts += 1
            elif self.path == "/end":
                s.ends += 1
            elif self.path not in ("/apply", "/delete", "/expire"):
                return self.reply(404, {})
            s.changed.notify_all()
        if self.path == "/apply":
            s.apply(body)
        elif self.path == "/delete":
            s.delete(body["resource"], (body.get("namespace", ""), body["name"]))
        elif self.path == "/expire":
            s.expire()
        return self.reply(200, {"version": s.version})


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def many_slices(store, slices, endpoints):
    """A large cluster: SLICES slices of one service each, ENDPOINTS endpoints in each."""
    nodes = 100
    for i in range(nodes):
        store.apply({"kind": "Node", "apiVersion": CORE, "metadata": {"name": f"big-{i}"},
                     "spec": {"podCIDRs": [f"10.{100 + i}.0.0/16"]},
                     "status": {"addresses": [{"type": "InternalIP", "address": f"198.51.100.{i + 1}"}]}})
    for i in range(slices):
        store.apply({"kind": "Service", "apiVersion": CORE,
                     "metadata": {"name": f"svc-{i}", "namespace": "big", "annotations": {"xmesh.io/global": "true"}},
                     "spec": {"type": "ClusterIP", "clusterIP": f"10.99.{i >> 8}.{i & 255}",
                              "clusterIPs": [f"10.99.{i >> 8}.{i & 255}"],
                              "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}})
        store.apply({"kind": "EndpointSlice", "apiVersion": SLICES,
                     "metadata": {"name": f"svc-{i}-aaaaa", "namespace": "big",
                                  "labels": {"kubernetes.io/service-name": f"svc-{i}"}},
                     "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
                     "endpoints": [{"addresses": [f"10.{100 + n % nodes}.{n // nodes >> 8 & 255}.{n // nodes & 255}"],
                                    "conditions": {"ready": True, "serving": True, "terminating": False},
                                    "nodeName": f"big-{n % nodes}", "zone": "zone-a",
                                    "targetRef": {"kind": "Pod", "namespace": "big", "name": f"svc-{i}-7d5b8f9c6-{k:05}",
                                                  "uid": "7af07cf1-f063-4429-9b5c-bd9459178289"}}
                                   for k in range(endpoints) for n in [i * endpoints + k]]})


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--control", required=True)
    args.add_argument("--listen", default="127.0.0.1:0")
    args.add_argument("--cert")
    args.add_argument("--key")
    args.add_argument("--client-ca")
    args.add_argument("--token")
    args.add_argument("--slices", type=int, default=0)
    args.add_argument("--endpoints", type=int, default=0)
    args.add_argument("--version", type=int, default=100, help="of the store when it starts, all older is forgotten")
    args.add_argument("files", nargs="*")
    args = args.parse_args()
    store = Store()
    store.version = store.oldest = args.version
    for name in args.files:
        with open(name, encoding="utf-8") as file:
            store.apply(json.load(file))
    if args.slices:
        many_slices(store, args.slices, args.endpoints)
    store.faults.update(cert=args.cert, key=args.key)
    Handler.store, Handler.token_file = store, args.token
    host, _, port = args.listen.rpartition(":")
    Server.client_ca = args.client_ca
    server = (Server6 if ":" in host else Server)((host.strip("[]"), int(port)), Handler)
    if os.path.exists(args.control):
        os.unlink(args.control)
    control = ControlServer(args.control, Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print("ready", server.server_address[1], flush=True)
    server.serve_forever(poll_interval=60)


main()
