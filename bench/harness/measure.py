"""Measuring a server from outside: requests a second, the CPU its processes and PostgreSQL spent on each, memory.

The load generator, the server and PostgreSQL share the machine, so req/s says what the whole machine can do. The robust figures are CPU
times per request, user and system: of the server's processes, and of all of PostgreSQL (postmaster, backends, background processes)."""
import json
import os
import random
import re
import resource
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
FIELDS = ["rps", "srv_us", "pg_us", "load_us", "p50_ms", "p99_ms", "mb_per_s", "rss_mb", "other_pct"]


class Broken(Exception):
    """A peer that does not answer as it should."""


# ---- processes ----------------------------------------------------------------------------------------------------------

def stat(pid):
    """(parent, own ticks, reaped children's ticks), or None once it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[1]), int(words[11]) + int(words[12]), int(words[13]) + int(words[14])


def descendants(root):
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        seen = stat(pid)
        if seen:
            children.setdefault(seen[0], []).append(int(pid))
    found, todo = set(), [root]
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def ticks(pids):
    return sum(seen[1] for seen in map(stat, pids) if seen)


def postgres_ticks(postmaster):
    """The postmaster, what it has reaped, what is alive."""
    return stat(postmaster)[2] + ticks(descendants(postmaster))


def memory_mb(pids):
    total_kb = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total_kb += sum(int(line.split()[1]) for line in file if line.startswith("Rss:"))
        except OSError:
            pass
    return total_kb / 1024


def busy_ticks():
    with open("/proc/stat", encoding="ascii") as file:
        words = [int(word) for word in file.readline().split()[1:]]
    return sum(words[:3]) + words[5] + words[6] + words[7]  # user, nice, system, irq, softirq; and what was stolen


# ---- HTTP: one round of wrk ---------------------------------------------------------------------------------------------

def connect(peer, timeout):
    plain = socket.create_connection(("127.0.0.1", peer.port), timeout=timeout)
    if not peer.tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def probe(peer, method, path):
    """One request by hand before any load: what is measured must be a success."""
    path = path.replace("{id}", "4711").replace("{after}", "4711")
    body = b'{"name":"Probe","price":1.50,"tags":["a"],"meta":{"k":1}}' if method == "POST" else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nX-Tenant: 11\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with connect(peer, 20) as conversation:
        conversation.sendall(head.encode() + b"\r\n" + body)
        answer = b""
        while part := conversation.recv(65536):
            answer += part
    status = answer.split(b"\r\n", 1)[0].decode("latin1")
    if not re.match(r"HTTP/1\.1 20[01] ", status + " "):
        raise Broken(f"{method} {path} answered {status or 'nothing'}: {answer[-300:].decode('utf8', 'replace')}")


def milliseconds(microseconds):
    return None if microseconds is None else microseconds / 1e3


def wrk(peer, endpoint, seconds, watched=None):
    command = ["wrk", "-t2", f"-c{endpoint.connections}", f"-d{seconds}s", "--timeout", "30s", "--latency",
               "-s", os.path.join(HERE, "load.lua"), f"{'https' if peer.tls else 'http'}://127.0.0.1:{peer.port}", "--", endpoint.method, endpoint.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory = None
    if watched:
        time.sleep(max(seconds - 0.5, 0.1))
        memory = memory_mb(watched)
    out, err = process.communicate()
    match = re.search(r"RESULT (\{.*\})", err)
    if not match:
        raise Broken(f"wrk: {out}{err}")
    return json.loads(match.group(1)), memory


H2_CONNECTIONS, H2_STREAMS = 8, 8  # as many requests at once as wrk's 64 connections have


def h2load(peer, endpoint, seconds, watched=None):
    """The same over HTTP/2, by prior knowledge: h2load walks a list of ids. It tells no quantiles without a log of every request."""
    with tempfile.NamedTemporaryFile("w", suffix=".uris") as uris:
        choose = random.Random(4711)
        uris.writelines(f"{'https' if peer.tls else 'http'}://127.0.0.1:{peer.port}{endpoint.path.replace('{id}', str(choose.randint(1, 1000000)))}\n" for _ in range(5000))
        uris.flush()
        process = subprocess.Popen(["h2load", "-t2", f"-c{H2_CONNECTIONS}", f"-m{H2_STREAMS}", f"-D{seconds}", f"-i{uris.name}"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        memory = None
        if watched:
            time.sleep(max(seconds - 0.5, 0.1))
            memory = memory_mb(watched)
        out, err = process.communicate()
    finished = re.search(r"finished in ([\d.]+)(us|ms|s), ", out)
    counts = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    traffic = re.search(r"traffic: \S+ \((\d+)\) total", out)
    if process.returncode or not finished or not counts or not traffic:
        raise Broken(f"h2load: {out}{err}")
    done, _, *bad = map(int, counts.groups())
    took_us = float(finished.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[finished.group(2)]
    return {"requests": done, "duration_us": took_us, "p50_us": None, "p99_us": None, "bytes": int(traffic.group(1)), "bad": sum(bad), "sock": 0}, memory


def http_round(peer, endpoint, seconds, warmup, postmaster, load=wrk):
    if warmup:
        load(peer, endpoint, warmup)
    pids = descendants(peer.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    server, postgres, busy, started = ticks(pids), postgres_ticks(postmaster), busy_ticks(), time.monotonic()
    result, memory = load(peer, endpoint, seconds, pids)
    wall = time.monotonic() - started
    server_us = (ticks(pids) - server) * TICK_US
    postgres_us = (postgres_ticks(postmaster) - postgres) * TICK_US
    busy_us = (busy_ticks() - busy) * TICK_US
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    load_us = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6
    requests, measured_s = max(result["requests"], 1), result["duration_us"] / 1e6
    return {
        "rps": result["requests"] / measured_s, "srv_us": server_us / requests, "pg_us": postgres_us / requests,
        "load_us": load_us / requests, "p50_ms": milliseconds(result["p50_us"]), "p99_ms": milliseconds(result["p99_us"]),
        "mb_per_s": result["bytes"] / measured_s / 1e6, "rss_mb": memory, "errors": result["bad"] + result["sock"],
        # CPU used by anything else, in % of one core: is the machine quiet?
        "other_pct": (busy_us - server_us - postgres_us - load_us) / (wall * 1e4),
    }


# ---- pgbench: the same SQL without HTTP -----------------------------------------------------------------------------------

COLUMNS = "id, name, description, price, tags, meta, created_at, tenant_id"
ANY_ID = "\\set id random(1, 1000000)\n"
SQL = {
    "E1": ("", "SELECT 1"),
    "E2": (ANY_ID, f"SELECT {COLUMNS} FROM items WHERE id = :id"),
    "E3": ("\\set id random(0, 999900)\n", f"SELECT {COLUMNS} FROM items WHERE id > :id ORDER BY id LIMIT 20"),
    "E4": (ANY_ID, "INSERT INTO items (name, price, tags, meta) VALUES ('Load item ' || :id::int, :id::int / 100.0, '{tag1,group1,new}', "
           "'{\"color\": \"green\", \"stock\": 7, \"dims\": [1, 2, 3]}') RETURNING " + COLUMNS),
    "E5": (ANY_ID + "\\set t :id % 100\n",
           f"BEGIN;\nSELECT set_config('app.tenant', :t, true);\nSELECT {COLUMNS} FROM items_rls WHERE id = :id;\nCOMMIT"),
    "E6": ("", f"SELECT {COLUMNS} FROM items ORDER BY id LIMIT 10000"),
}
PIPELINE_DEPTH = 16


def pgbench_script(settings, sql, depth):
    if depth == 1:
        return f"{settings}{sql};\n"
    # pgbench 15 cannot prepare inside a pipeline: one query outside it, once
    head = "\\if :ready = 0\nSELECT 1;\n\\set ready 1\n\\endif\n"
    sets = body = ""
    for number in range(depth):
        sets += re.sub(r"\b(id|t)\b", rf"\g<1>{number}", settings)
        body += re.sub(r"(?<!:):(id|t)\b", rf":\g<1>{number}", sql) + ";\n"
    return head + sets + "\\startpipeline\n" + body + "\\endpipeline\n"


def pgbench_round(program, url, name, endpoint, seconds, postmaster, pipelined):
    depth = PIPELINE_DEPTH if pipelined and name != "E6" else 1
    clients = 4 if depth > 1 else min(endpoint.connections, 16)
    settings, sql = SQL[name.split("_")[0]]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(pgbench_script(settings, sql, depth))
        script.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        postgres, busy, started = postgres_ticks(postmaster), busy_ticks(), time.monotonic()
        done = subprocess.run([program, "-n", "-M", "prepared", "-f", script.name, "-D", "ready=0", "-c", str(clients), "-j", "2",
                               "-T", str(seconds), url], capture_output=True, text=True, check=False)
        wall = time.monotonic() - started
        time.sleep(0.3)  # the backends leave and are reaped
        postgres_us = (postgres_ticks(postmaster) - postgres) * TICK_US
        busy_us = (busy_ticks() - busy) * TICK_US
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    transactions = re.search(r"transactions actually processed: (\d+)", done.stdout)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    latency = re.search(r"latency average = ([\d.]+)", done.stdout)
    if done.returncode or not transactions or not rate:
        raise Broken(f"pgbench: {done.stdout}{done.stderr}")
    own_us = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6
    queries = max(int(transactions.group(1)) * depth, 1)
    return {"rps": float(rate.group(1)) * depth, "srv_us": own_us / queries, "pg_us": postgres_us / queries, "load_us": 0.0,
            "p50_ms": float(latency.group(1)), "p99_ms": None, "mb_per_s": None, "rss_mb": None, "errors": 0,
            "other_pct": (busy_us - own_us - postgres_us) / (wall * 1e4)}


# ---- idle connections -----------------------------------------------------------------------------------------------------

def idle(peer, count):
    """The server's memory with `count` connections open, each having served one E1."""
    request = f"GET {peer.endpoints.get('idle', peer.endpoints.get('E1')).path} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\n\r\n".encode()
    pids = descendants(peer.pid)
    before, sockets, answered = memory_mb(pids), [], 0
    try:
        while len(sockets) < count:
            batch = []
            for _ in range(min(200, count - len(sockets))):
                each = connect(peer, 10)
                sockets.append(each)
                each.sendall(request)
                batch.append(each)
            for each in batch:
                answered += each.recv(4096).startswith(b"HTTP/1.1 200")
        time.sleep(1)
        after, closed = memory_mb(pids), 0
        for each in sockets:
            each.setblocking(False)
            try:
                closed += each.recv(1) == b""
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:
                closed += 1
    finally:
        for each in sockets:
            each.close()
    alive = answered - closed
    return {"connections": alive, "rss_before_mb": before, "rss_mb": after, "kib_per_connection": (after - before) * 1024 / max(alive, 1)}


def beside(ours, theirs):
    """Ratios of rounds that were measured next to each other: drift of the machine cancels. `cpu` is what the whole took: load generator,
    server and PostgreSQL; on a machine that is busy with nothing else it is the ratio of requests/s, and it is steady also on one that is not."""
    whole = lambda one: one["srv_us"] + one["pg_us"] + one["load_us"]  # noqa: E731
    pairs = list(zip(ours, theirs))
    return {"rps": statistics.median(a["rps"] / b["rps"] for a, b in pairs), "srv_us": statistics.median(a["srv_us"] / b["srv_us"] for a, b in pairs),
            "cpu": statistics.median(whole(b) / whole(a) for a, b in pairs)}


def median(rounds):
    out = {}
    for field in FIELDS:
        values = [each[field] for each in rounds if each[field] is not None]
        out[field] = statistics.median(values) if values else None
    rates = [each["rps"] for each in rounds]
    out["spread_pct"] = 50 * (max(rates) - min(rates)) / max(out["rps"], 1)
    out["errors"] = sum(each["errors"] for each in rounds)
    return out
