"""Overload: what a server that is asked for three times as much as it can do still does; and ten thousand clients at once.

The load comes from build/bench/openloop at a constant rate, whatever the answers do; a request's latency counts from when it should have
left. The route's cost is PostgreSQL's processor time (generate_series), not sleep. Load, server and PostgreSQL share the machine."""
import json
import os
import statistics
import subprocess
import sys

from experiments.common import TOP, Broken, Lintel, Load, Postgres

OPENLOOP = os.path.join(TOP, "build", "bench", "openloop")
WORK = """/* route: GET /v1/work
   access: public
   params: {n: {default: 1000}} */
select count(*) as rows, sum(i) as total from generate_series(1, :n::int) i
"""
ITEMS = """
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO items SELECT i, 'Item ' || i FROM generate_series(1, 100000) i;
GRANT SELECT ON items TO app;
VACUUM (FREEZE, ANALYZE);
"""
FILES = {"queries/work.sql": WORK, "resources/items.yaml": "access: public\n"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def openloop(port, path, rate, seconds, clients=400, warmup=2.0):
    done = subprocess.run([OPENLOOP, "--port", str(port), "--path", path, "--rate", str(rate), "--seconds", str(seconds), "--clients", str(clients), "--warmup", str(warmup)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"openloop: {done.stderr}")
    return json.loads(done.stdout)


def p99(got):
    return got["statuses"].get("200", {}).get("p99_ms", 0)


def unwell(got):
    """Everything that is neither served nor refused as it should be."""
    other = sum(status["count"] for code, status in got["statuses"].items() if code not in ("200", "503"))
    return other + got["unanswered"] + got["errors_connect"] + got["errors_read"] + got["no_retry_after"]


def line(name, got):
    shed = got["statuses"].get("503", {})
    good = got["statuses"].get("200", {"p50_ms": 0, "p99_ms": 0, "max_ms": 0})
    say(f"  {name:<14} asked {got['rate']:>7.0f}/s  served {got['goodput']:>7.0f}/s  p50 {good['p50_ms']:>6.1f}  p99 {good['p99_ms']:>6.1f}  max {good['max_ms']:>6.1f} ms   "
        f"refused {shed.get('count', 0) / got['seconds']:>6.0f}/s, p99 {shed.get('p99_ms', 0):>6.1f} ms   other {unwell(got)}")


def calibrated(postgres, work_ms):
    """How far generate_series must count to take so long, alone: the quickest of many counts, since others may use the machine too."""
    n = 20000
    for _ in range(3):
        took = float(postgres.sql(f"""SET client_min_messages = error; DO $$ DECLARE began timestamptz; took float8 := 1e9; BEGIN FOR turn IN 1..40 LOOP began := clock_timestamp();
            PERFORM count(*), sum(i) FROM generate_series(1, {n}) i; took := least(took, extract(epoch FROM clock_timestamp() - began) * 1000); END LOOP;
            PERFORM set_config('bench.took', took::text, false); END $$; SELECT current_setting('bench.took')"""))
        n = max(100, int(n * work_ms / took))
    return n


def flood(lintel, path, seconds, rounds):
    """Rounds of: what 16 clients that wait for their answers get; 0.8 of that asked for; three times that. Ratios are within a round, so that
    a machine that drifts from one to the next cancels; their medians count."""
    peaks, calm, full = [], [], []
    Load(lintel.port, path, 8, 2).result()
    for _ in range(rounds):
        peaks.append(Load(lintel.port, path, 16, max(3, seconds // 2)).result()["rps"])
        peak = peaks[-1]
        say(f"  peak           {peaks[-1]:.0f}/s from 16 clients that wait")
        calm.append(openloop(lintel.port, path, 0.8 * peak, seconds))
        line("0.8 x", calm[-1])
        full.append(openloop(lintel.port, path, 3 * peak, seconds))
        line("3 x", full[-1])
    middle = lambda values: statistics.median(values)  # noqa: E731
    got = {"peak_rps": middle(peaks), "goodput_rps": middle([g["goodput"] for g in full]), "p99_calm_ms": middle([p99(g) for g in calm]), "p99_full_ms": middle([p99(g) for g in full]),
           "refused_calm": sum(g["statuses"].get("503", {}).get("count", 0) for g in calm), "unwell": sum(unwell(g) for g in calm + full)}
    got["goodput_share"] = middle([g["goodput"] / peak for g, peak in zip(full, peaks)])
    got["p99_ratio"] = middle([p99(f) / p99(c) if p99(c) else float("inf") for f, c in zip(full, calm)])
    return got


def crowd(lintel, clients, seconds, rate):
    """Many keep-alive clients, each asking now and then, below saturation: nobody may see an error."""
    got = openloop(lintel.port, "/v1/items/{n}", rate, seconds, clients=clients, warmup=2)
    line(f"{clients} clients", got)
    return {"clients": clients, "seconds": seconds, "rate": rate, "served_rps": got["goodput"], "p99_ms": p99(got), "errors": unwell(got) + got["statuses"].get("503", {}).get("count", 0)}


def run(work_ms=(3,), seconds=10, rounds=3, clients=0, clients_seconds=60, clients_rate=3000, settings=""):
    results = {}
    postgres = Postgres(max_connections=100, shared_buffers="256MB")
    try:
        postgres.sql(ITEMS)
        lintel = Lintel(postgres, FILES, settings)
        try:
            for each in work_ms:
                n = calibrated(postgres, each)
                say(f"  -- a route of {each} ms of PostgreSQL's processor time (n = {n})")
                results[f"flood_{each}ms"] = flood(lintel, f"/v1/work?n={n}", seconds, rounds)
            if clients:
                results["crowd"] = crowd(lintel, clients, clients_seconds, clients_rate)
        finally:
            lintel.stop()
    finally:
        postgres.drop()
    return results
