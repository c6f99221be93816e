"""What the experiments share: a PostgreSQL of their own, Lintel on an app folder written here, wrk, the metrics, and the verdict."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from harness import measure  # noqa: E402
from harness.measure import Broken  # noqa: E402,F401

TOP = os.path.dirname(os.path.dirname(HERE))
PGTEMP = os.path.join(TOP, "tools", "pgtemp")
LINTEL = os.environ.get("LINTEL_BIN", os.path.join(TOP, "build", "lintel"))


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """Gone with the experiment."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="lintel-experiment-")
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._pgtemp("start", "--until", str(os.getpid()), *words)

    def _pgtemp(self, verb, *words):
        done = subprocess.run([PGTEMP, verb, self.folder, *words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise Broken(done.stderr)
        return done.stdout.strip()

    def url(self, role="postgres"):
        return self._pgtemp("url", role)

    def command(self, *words):
        return ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *words, self.url()]

    def sql(self, text):
        done = subprocess.run(self.command(), input=text, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Broken(done.stderr)
        return done.stdout.strip()

    @property
    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf8", errors="replace") as file:
            return file.read()

    def drop(self):
        self._pgtemp("drop")


class Lintel:
    """`lintel serve` on files given as { path: text }; lintel.yaml's members as settings."""

    def __init__(self, postgres, files, settings="", command=None):
        self.folder = tempfile.mkdtemp(prefix="lintel-experiment-app-")
        os.mkdir(os.path.join(self.folder, "resources"))
        self.port, self.admin = free_port(), free_port()
        for path, text in {**files, "lintel.yaml": f"admin: 127.0.0.1:{self.admin}\n{settings}"}.items():
            os.makedirs(os.path.dirname(os.path.join(self.folder, path)), exist_ok=True)
            with open(os.path.join(self.folder, path), "w", encoding="utf8") as file:
                file.write(text)
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            words = command or [LINTEL, "serve"]
            self.process = subprocess.Popen([*words, self.folder, "--listen", f"127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "LINTEL_DATABASE_URL": postgres.url("app")})
        deadline = time.monotonic() + 20
        while self.get("/readyz", broken=0)[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Broken(f"lintel did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    @property
    def log(self):
        with open(self.log_path, encoding="utf8", errors="replace") as file:
            return file.read()

    def get(self, path, headers=None, method="GET", body=None, port=None, broken=None):
        """(status, text, seconds)"""
        data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json", **(headers or {})} if data is not None else headers or {})
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode(), time.monotonic() - started
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode(), time.monotonic() - started
        except OSError:
            if broken is None:
                raise
            return broken, "", time.monotonic() - started

    def metrics(self):
        """[(name, { label: value }, number)]"""
        found = []
        for line in self.get("/metrics", port=self.admin)[1].splitlines():
            match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if match:
                found.append((match[1], dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")), float(match[3])))
        return found

    def metric(self, name, **labels):
        return sum(number for each, have, number in self.metrics() if each == name and labels.items() <= have.items())

    def busy_s(self):
        """Seconds that each core spent outside poll."""
        return [number for name, _, number in self.metrics() if name == "lintel_core_busy_seconds_total"]

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Broken("lintel did not stop") from None
        log = self.log
        shutil.rmtree(self.folder)
        if code:
            raise Broken(f"lintel ended with {code}:\n{log[-3000:]}")


class Load:
    """wrk in the background: requests.lua draws an id from 1 to `most` for each {id} of PATH; `pipeline` requests at once."""

    def __init__(self, port, path, connections, seconds, method="GET", most=100000, pipeline=1, pause_ms=0, header="", threads=2):
        self.command = ["wrk", f"-t{min(threads, connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency",
                        "-s", os.path.join(HERE, "requests.lua"), f"http://127.0.0.1:{port}", "--", method, path, str(most), str(pipeline), str(pause_ms), header]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        out, err = self.process.communicate()
        match = re.search(r"RESULT (\{.*\})", err)
        if not match:
            raise Broken(f"wrk: {out}{err}")
        got = json.loads(match.group(1))
        return {"rps": got["requests"] / (got["duration_us"] / 1e6), "p50_ms": got["p50_us"] / 1e3, "p99_ms": got["p99_us"] / 1e3,
                "max_ms": got["max_us"] / 1e3, "errors": got["bad"] + got["sock"], "requests": got["requests"]}


class Verdict:
    """Prints each number beside its limit; remembers what was missed."""

    def __init__(self):
        self.missed = 0

    def line(self, what, value, limit=None, unit="", most=True):
        holds = limit is None or (value <= limit if most else value >= limit)
        self.missed += not holds
        said = "" if limit is None else f"   {'holds' if holds else 'MISSED'}: {'at most' if most else 'at least'} {limit:g}{unit}"
        print(f"  {what:<64} {value:>10.2f}{unit}{said}", flush=True)


def say(text):
    print(text, flush=True)


__all__ = ["Broken", "LINTEL", "Lintel", "Load", "Postgres", "TOP", "Verdict", "measure", "say"]
