"""The servers side by side: how each is started, what its endpoints are called, how it ends. And their PostgreSQL."""
import os
import shutil
import signal
import socket
import subprocess
import time

from . import measure

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TOP, "bench")
FOLDER = os.path.join(TOP, "build", "bench")


class Endpoint:
    def __init__(self, method, path, connections=64):
        self.method, self.path, self.connections = method, path, connections

    def __repr__(self):
        return f"{self.method} {self.path}"


PLAIN = {
    "E1": Endpoint("GET", "/ping"),
    "E2": Endpoint("GET", "/items/{id}"),
    "E3": Endpoint("GET", "/items?limit=20&after={after}"),
    "E4": Endpoint("POST", "/items"),
    "E5": Endpoint("GET", "/rls/items/{id}"),
    "E6": Endpoint("GET", "/export?n=10000", 8),
}
LINTEL = {
    "E1": Endpoint("GET", "/livez"),
    "E2": Endpoint("GET", "/v1/items/{id}"),
    "E3": Endpoint("GET", "/v1/items?limit=20&id=gt.{after}&order=id"),
    "E4": Endpoint("POST", "/v1/items"),
    "E5": Endpoint("GET", "/v1/items_rls/{id}"),
    "E6": Endpoint("GET", "/v1/items?limit=10000&order=id", 8),
}


class Peer:
    """A process of ours, from start() to stop(); its endpoints by name."""

    def __init__(self, name, port, endpoints, command, environment=None, ready="/ping", tls=False):
        self.name, self.port, self.endpoints, self.command, self.ready, self.tls = name, port, endpoints, command, ready, tls
        self.environment = environment or {}
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with open(os.path.join(FOLDER, f"{self.name}.log"), "wb") as log:
            self.process = subprocess.Popen(self.command, cwd=os.path.join(BENCH, "peers"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment}, start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                measure.probe(self, "GET", self.ready)
                return self
            except (OSError, measure.Broken) as problem:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(os.path.join(FOLDER, f"{self.name}.log"), encoding="utf8", errors="replace") as log:
                        raise measure.Broken(f"{self.name} did not start ({problem}):\n{log.read()[-2000:]}") from problem
                time.sleep(0.1)

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def nginx():
    with open(os.path.join(BENCH, "peers", "nginx.conf"), encoding="utf8") as file:
        conf = file.read().replace("FOLDER", FOLDER).replace("PORT", "8103")
    if os.getuid() == 0:
        conf = "user root;\n" + conf
    path = os.path.join(FOLDER, "nginx.conf")
    with open(path, "w", encoding="utf8") as file:
        file.write(conf)
    program = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
    return Peer("nginx", 8103, {"E1": PLAIN["E1"]}, [program, "-p", FOLDER, "-c", path, "-e", os.path.join(FOLDER, "nginx-error.log")])


def lintel_tls(url):
    """The same app behind a certificate (ECDSA P-256) made for this run."""
    app = os.path.join(FOLDER, "app-tls")
    shutil.rmtree(app, ignore_errors=True)
    shutil.copytree(os.path.join(BENCH, "app"), app, ignore=shutil.ignore_patterns(".lintel"))
    with open(os.path.join(app, "lintel.yaml"), "w", encoding="utf8") as file:
        file.write("listen: 127.0.0.1:8104\nadmin: 127.0.0.1:8105\ntls: {certificate: bench.pem, key: bench.key}\n")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-keyout", os.path.join(app, "bench.key"), "-out", os.path.join(app, "bench.pem")], check=True, capture_output=True)
    endpoints = {name: LINTEL[name] for name in ("E2", "E6")}
    endpoints["idle"] = LINTEL["E1"]
    return Peer("lintel_tls", 8104, endpoints, [os.path.join(TOP, "build", "lintel"), "serve", app], {"LINTEL_DATABASE_URL": url}, ready="/readyz", tls=True)


def all_peers(postgres):
    url = postgres.url("app")
    return {
        "lintel": lambda: Peer("lintel", 8100, LINTEL, [os.path.join(TOP, "build", "lintel"), "serve", os.path.join(BENCH, "app"), "--listen", "127.0.0.1:8100"],
                               {"LINTEL_DATABASE_URL": url}, ready="/readyz"),
        "lintel_tls": lambda: lintel_tls(url),
        "fastapi": lambda: Peer("fastapi", 8101, PLAIN,
                                ["/usr/bin/python3", "-m", "uvicorn", "fastapi_app:app", "--port", "8101", "--workers", "2", "--loop", "uvloop", "--http", "httptools",
                                 "--no-access-log", "--timeout-keep-alive", "75", "--log-level", "warning"], {"DATABASE_URL": url, "POOL": "8"}),
        "fastify": lambda: Peer("fastify", 8102, PLAIN, ["node", "fastify_app.js"],
                                {"NODE_ENV": "production", "DATABASE_URL": url, "PORT": "8102", "POOL": "8", "WORKERS": "2"}),
        "nginx": nginx,
    }


class Postgres:
    """A cluster of the benchmark's own, kept under build/ between runs with its rows: a million, or fewer for a quick try."""

    def __init__(self, rows=1000000):
        self.rows = rows
        self.folder = os.path.join(TOP, "build", "bench-pg" if rows == 1000000 else f"bench-pg-{rows}")
        os.environ["BENCH_ROWS"] = str(rows)  # for load.lua
        self.pgtemp = os.path.join(TOP, "tools", "pgtemp")

    def _pgtemp(self, *words):
        done = subprocess.run([self.pgtemp, *words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise measure.Broken(done.stderr)
        return done.stdout.strip()

    def start(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            memory_mb = int(file.readline().split()[1]) // 1024
        settings = {
            "shared_buffers": f"{min(2048, memory_mb // 4) if self.rows >= 1000000 else 128}MB", "max_connections": "200", "synchronous_commit": "off", "autovacuum": "off",
            "max_wal_size": "8GB", "checkpoint_timeout": "1h", "work_mem": "16MB", "wal_level": "replica",
        }
        self._pgtemp("start", self.folder, "--until", str(os.getpid()), "--keep", *[word for name, value in settings.items() for word in ("-c", f"{name}={value}")])
        if not self.sql("SELECT 1 FROM pg_database WHERE datname = 'bench'"):
            self.load()
        return self

    def load(self):
        print(f"bench: making {2 * self.rows:,} rows, once{' (half a minute)' if self.rows >= 1000000 else ''}", flush=True)
        self.sql("CREATE DATABASE bench_new")
        done = subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"rows={self.rows}", "-o", "/dev/null", "-f", os.path.join(BENCH, "schema.sql"), self.url("postgres", "bench_new")],
                              check=False, capture_output=True, text=True)
        if done.returncode:
            raise measure.Broken(done.stderr)
        self.sql("ALTER DATABASE bench_new RENAME TO bench")

    def url(self, role, database="bench"):
        return self._pgtemp("url", self.folder, role, database)

    @property
    def pid(self):
        return int(self._pgtemp("pid", self.folder))

    def sql(self, text, database="postgres"):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url("postgres", database)], input=text, check=False, capture_output=True, text=True)
        if done.returncode:
            raise measure.Broken(done.stderr)
        return done.stdout.strip()

    def clean(self):
        """Takes out what E4 put in."""
        self.sql(f"DELETE FROM items WHERE id > {self.rows};\nVACUUM (ANALYZE) items;\nCHECKPOINT;", "bench")

    def durable(self, on):
        """Each commit waits for the disk and one millisecond more, as a disk that takes its time would; off: the settings of start()."""
        wanted = {"fsync": "on", "synchronous_commit": "on", "commit_delay": "1000", "commit_siblings": "0"} if on else \
                 {"fsync": "off", "synchronous_commit": "off", "commit_delay": "0", "commit_siblings": "5"}
        self.sql("".join(f"ALTER SYSTEM SET {name} = '{value}';\n" for name, value in wanted.items()) + "SELECT pg_reload_conf();")
        time.sleep(0.3)

    def stop(self):
        self._pgtemp("stop", self.folder)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
