"""Do slow and locked statements hurt those that are neither?

64 connections get one row by key. Beside them, on six more: a view that sleeps 20 ms a row; a view that sleeps for one id of 200,
so that the same statement is fast nearly always; a table that somebody locks (ACCESS EXCLUSIVE) for 50 ms five times a second.
Before, the same six connections read the same views and the same table, without sleeps and locks. p99 with them: at most twice.
At last the 64 get their rows from the second view: one in 200 of all requests sleeps, and p99 tells of the others.

Measured below saturation (each connection rests 8 ms on the average, some 8,000 requests a second) and at it, where p99 is
mostly the queue for two processors."""
import subprocess

from common import Lintel, Load, Postgres, Verdict, say

SQL = """
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), tags text[]);
INSERT INTO items SELECT i, 'Item ' || i, i / 100.0, ARRAY['tag' || i % 10] FROM generate_series(1, 100000) i;
CREATE TABLE locked (LIKE items INCLUDING ALL);
INSERT INTO locked SELECT * FROM items WHERE id <= 1000;
CREATE TABLE naps (seconds float8); INSERT INTO naps VALUES (0);
CREATE FUNCTION nap(one_in int, id int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF id % one_in = 0 THEN PERFORM pg_sleep((SELECT seconds FROM public.naps)); END IF;
  RETURN id;
END $$;
CREATE VIEW always AS SELECT public.nap(1, id) AS nap, id, name FROM items;
CREATE VIEW sometimes AS SELECT nap(200, id) AS nap, id, name FROM items;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;
VACUUM (FREEZE, ANALYZE);
"""
FILES = {
    "resources/items.yaml": "access: public\n",
    "resources/locked.yaml": "access: public\n",
    "resources/always.yaml": "access: public\nkey: [id]\n",
    "resources/sometimes.yaml": "access: public\nkey: [id]\n",
}
LOCKING = """
DO $$ BEGIN LOOP
  LOCK TABLE locked IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(0.05); COMMIT; PERFORM pg_sleep(0.15);
END LOOP; END $$;
"""
SIDES = (("always", 2), ("sometimes", 2), ("locked", 2))


def one_round(lintel, postgres, seconds, pause_ms, case):
    path, sides, naps, locks = case
    postgres.sql(f"UPDATE naps SET seconds = {0.02 if naps else 0}")
    locker = None
    if locks:
        locker = subprocess.Popen(postgres.command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        locker.stdin.write(LOCKING)
        locker.stdin.flush()
    try:
        beside = [Load(lintel.port, f"/v1/{name}/{{id}}", connections, seconds, most=1000, pause_ms=pause_ms, threads=1) for name, connections in sides]
        fast = Load(lintel.port, path, 64, seconds, pause_ms=pause_ms).result()
        others = {name: load.result() for (name, _), load in zip(sides, beside)}
    finally:
        if locker:
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE locked%' AND pid <> pg_backend_pid()")
            locker.communicate()
    return fast, others


def measured(lintel, postgres, verdict, cases, plan):
    seconds, rounds, pause_ms = plan
    p99 = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            losses = lintel.metric("lintel_pools_lane_losses_total")
            fast, others = one_round(lintel, postgres, seconds, pause_ms, case)
            losses = lintel.metric("lintel_pools_lane_losses_total") - losses
            p99[name].append(fast["p99_ms"])
            beside = ", ".join(f"{side} {got['rps']:.0f}/s p99 {got['p99_ms']:.0f} ms" for side, got in others.items())
            errors = fast["errors"] + sum(got["errors"] for got in others.values())
            say(f"  {name:<16} {fast['rps']:>8.0f}/s  p50 {fast['p50_ms']:>6.2f} ms  p99 {fast['p99_ms']:>6.2f} ms  max {fast['max_ms']:>6.1f} ms   "
                f"({beside})  lanes lost {losses:.0f}  errors {errors}")
            verdict.missed += errors > 0
    base = sorted(p99["without"])[rounds // 2]
    verdict.line("p99 of gets, without", base, unit=" ms")
    for name in list(cases)[1:]:
        verdict.line(f"p99 of gets, {name}, as a multiple of that", sorted(p99[name])[rounds // 2] / base, 2)


def run(seconds=2, rounds=3):
    verdict = Verdict()
    postgres = Postgres(max_connections=100)
    try:
        postgres.sql(SQL)
        lintel = Lintel(postgres, FILES)
        try:
            for name in ("items", "locked", "always", "sometimes"):
                Load(lintel.port, f"/v1/{name}/{{id}}", 8, 1, most=1000).result()
            gets = "/v1/items/{id}"
            cases = {
                "without": (gets, SIDES, False, False),
                "always slow": (gets, SIDES[:1], True, False),
                "sometimes slow": (gets, SIDES[1:2], True, False),
                "locked": (gets, SIDES[2:], False, True),
                "all three": (gets, SIDES, True, True),
                "1 in 200 of all": ("/v1/sometimes/{id}", [], True, False),
            }
            for title, pause_ms in (("below saturation", 8), ("saturated", 0)):
                say(f"  -- {title}")
                measured(lintel, postgres, verdict, cases, (seconds, rounds, pause_ms))
        finally:
            lintel.stop()
    finally:
        postgres.drop()
    return verdict.missed
