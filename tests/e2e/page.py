#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""page.py PORT CHROMEDRIVER-PORT AGENT-PID: clicks through the agent's page in headless Chromium.

Speaks WebDriver's JSON over HTTP. Prints a sentence for each step; the first that fails ends it.
The agent is stopped by its pid at the end, to see that the page tells so.
"""
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

PAGE, DRIVER, AGENT = f"http://127.0.0.1:{sys.argv[1]}", f"http://127.0.0.1:{sys.argv[2]}", int(sys.argv[3])


def ask(method, path, body=None):
    request = urllib.request.Request(DRIVER + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as e:
        sys.exit(f"{method} {path}: {e.read().decode()[:500]}")


def wait(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            print(f"seen: {what}", flush=True)
            return value
        if time.monotonic() > end:
            sys.exit(f"not seen in {seconds} s: {what}")
        time.sleep(0.1)


def driver_ready():
    try:
        return ask("GET", "/status")["ready"]
    except (urllib.error.URLError, ConnectionError):
        return False


wait("chromedriver", driver_ready)
session = ask("POST", "/session", {"capabilities": {"alwaysMatch": {
    "browserName": "chrome",
    "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
    "goog:chromeOptions": {
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update"],
        "mobileEmulation": {"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2}},
    }}}})["sessionId"]
base = f"/session/{session}"


def run(script, *args):
    return ask("POST", base + "/execute/sync", {"script": script, "args": list(args)})


def click(key):
    element = ask("POST", base + "/element", {"using": "css selector", "value": f'button[data-key="{key}"]'})
    ask("POST", f"{base}/element/{next(iter(element.values()))}/click", {})


def text(selector):
    return run("const e = document.querySelector(arguments[0]); return e ? e.textContent : ''", selector)


def check_width(when):
    width, view = run("return [document.documentElement.scrollWidth, window.innerWidth]")
    if width > view or view != 390:
        sys.exit(f"{when}: {width} wide in {view}")
    print(f"no horizontal overflow at {view} {when}")


try:
    ask("POST", base + "/url", {"url": PAGE + "/"})
    wait("both clusters", lambda: "east" in text("#clusters tbody") and "west" in text("#clusters tbody"))
    wait("the other cluster is up", lambda: run(
        "return [...document.querySelectorAll('#clusters tbody .state')].some(e => e.textContent === 'up')"))
    wait("a measured latency", lambda: " us" in text("#clusters tbody") or " ms" in text("#clusters tbody"))
    check_width("at first")
    click("cluster west")
    wait("its nodes", lambda: "west-1" in text("#clusters .detail"))
    click("service lab/web")
    wait("why a backend is out", lambda: "not ready" in text("#services .detail"))
    wait("the split", lambda: "%" in text("#services tbody"))
    wait("feeds with an age", lambda: " s" in text("#feeds tbody"))
    check_width("with everything open")
    if run("return document.querySelector('button[data-key]').getAttribute('aria-expanded')") is None:
        sys.exit("a button does not say whether it is open")
    small = run("return [...document.querySelectorAll('td, th, p, li, button')].filter("
                "e => parseFloat(getComputedStyle(e).fontSize) < 16).length")
    if small:
        sys.exit(f"{small} elements have text below 16 px")
    os.kill(AGENT, signal.SIGTERM)
    wait("the banner after the agent was stopped",
         lambda: run("const e = document.getElementById('gone'); return !e.hidden && e.textContent")
         and "does not answer since" in text("#gone"))
    foreign = set()
    for entry in ask("POST", base + "/se/log", {"type": "performance"}):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith((PAGE + "/", "data:", "chrome", "about:")):
                foreign.add(url)
    if foreign:
        sys.exit(f"requests beyond its origin: {foreign}")
    print("no request beyond its origin")
    for entry in ask("POST", base + "/se/log", {"type": "browser"}):
        if entry["level"] == "SEVERE" and "ERR_CONNECTION_REFUSED" not in entry["message"]:
            sys.exit(f"the console says: {entry['message']}")
    print("nothing on the console")
finally:
    ask("DELETE", base)
