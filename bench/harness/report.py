"""What was measured, as tables; and whether it is what we promised."""


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows):
    width = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for index, row in enumerate(rows):
        print("  ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, width))).rstrip())
        if index == 0:
            print("  ".join("-" * w for w in width))


TITLES = {
    "E1": "E1  /ping, no SQL", "E2": "E2  one row by key", "E2_tls": "E2  the same over TLS 1.3, 64 connections",
    "E2_h2": "E2  the same over HTTP/2, 8 connections of 8 streams", "E3": "E3  20 rows, keyset", "E4": "E4  validated insert returning the row",
    "E4_durable": "E4  the same, each commit waiting for the disk and 1 ms", "E5": "E5  one row under row-level security, the tenant set in its transaction",
    "E6": "E6  10,000 rows as JSON, 8 connections",
}


def print_results(results):
    for name, title in TITLES.items():
        peers = results.get(name)
        if not peers:
            continue
        base = (peers.get("fastapi") or {}).get("rps")
        rows = [[title, "req/s", "×fastapi", "spread", "server µs", "PG µs", "load µs", "p50 ms", "p99 ms", "MB/s", "RSS MB", "other %", "errors"]]
        for peer, got in peers.items():
            if "broken" in got:
                rows.append(["  " + peer, "broken: " + got["broken"].split("\n")[0][:70]] + [""] * 11)
                continue
            rows.append(["  " + peer, number(got["rps"]), f"{got['rps'] / base:.2f}" if base else "–", f"±{got['spread_pct']:.0f}%",
                         *(number(got[field]) for field in ("srv_us", "pg_us", "load_us", "p50_ms", "p99_ms", "mb_per_s", "rss_mb", "other_pct")), got["errors"]])
        print()
        table(rows)
    if results.get("idle"):
        print()
        table([["idle connections", "open", "RSS before MB", "RSS MB", "KiB each"]] +
              [["  " + peer, got["connections"], number(got["rss_before_mb"]), number(got["rss_mb"]), number(got["kib_per_connection"])]
               for peer, got in results["idle"].items()])


class Promises:
    """What the product promises of its speed, as rows: what, wanted, got, held."""

    def __init__(self, results):
        self.results, self.rows = results, []

    def of(self, endpoint, peer, field):
        value = self.results.get(endpoint, {}).get(peer, {}).get(field)
        return value if isinstance(value, (int, float)) else None

    def at_least(self, what, wanted, got, unit=""):
        if got is not None:
            self.rows.append({"what": what, "wanted": f"≥ {wanted}{unit}", "got": round(got, 2), "held": got >= wanted})

    def at_most(self, what, wanted, got, unit=""):
        if got is not None:
            self.rows.append({"what": what, "wanted": f"≤ {wanted}{unit}", "got": round(got, 2), "held": got <= wanted})

    def ratio(self, endpoint, field="rps", other="fastapi", scale=1, mine="lintel"):
        ours, theirs = self.of(endpoint, mine, field), self.of(endpoint, other, field)
        return ours / theirs * scale if ours is not None and theirs else None

    def judge(self):
        for endpoint, times in (("E1", 3.3), ("E2", 8), ("E3", 6), ("E4", 4), ("E5", 8)):
            self.at_least(f"{endpoint} req/s beside FastAPI", times, self.ratio(endpoint), " ×")
        self.at_most("E1 server CPU beside nginx", 1.3, self.ratio("E1", "srv_us", "nginx"), " ×")
        self.at_most("E2 server CPU", 27, self.of("E2", "lintel", "srv_us"), " µs")
        for pair, what, wanted in (("E2_tls", "over TLS beside plain", 0.7), ("E2_h2", "over HTTP/2 beside HTTP/1.1", 0.9)):
            got = self.results.get("pairs", {}).get(pair, {})
            self.at_least(f"E2 req/s {what}", wanted, got.get("rps"), " ×")
            self.at_least(f"E2 {what}, by all CPU a request", wanted, got.get("cpu"), " ×")
        costs = [self.of(e, "lintel", f) for e in ("E5", "E2") for f in ("srv_us", "pg_us")]
        if None not in costs:
            self.at_most("E5 adds to E2, server and PostgreSQL", 20, costs[0] + costs[1] - costs[2] - costs[3], " µs")
        self.at_least("E6 rows/s beside pgbench's SELECT", 0.7, self.ratio("E6", other="pgbench"), " ×")
        during, before = self.of("E6", "lintel", "rss_mb"), self.results.get("rss_before_exports_mb", {}).get("lintel")
        if during is not None and before is not None:
            self.at_most("E6 memory of eight exports above before", 16, during - before, " MiB")
        self.at_most("an idle connection", 4, self.of("idle", "lintel", "kib_per_connection"), " KiB")
        self.overload(self.results.get("overload") or {})
        errors = [got.get("errors", 1) for name in TITLES for peer, got in self.results.get(name, {}).items() if peer.startswith("lintel")]
        if errors:
            self.at_most("errors in all rounds", 0, sum(errors))
        return self.rows


    def overload(self, results):
        for name, got in results.items():
            if name == "crowd":
                self.at_most(f"errors among {got['clients']:,} clients for {got['seconds']} s", 0, got["errors"])
                continue
            work = name.removeprefix("flood_")
            self.at_least(f"{work} a request, 3 × saturation: goodput beside the peak", 0.9, got["goodput_share"])
            self.at_most(f"{work} a request, 3 × saturation: p99 of accepted beside 0.8 ×", 3, got["p99_ratio"], " ×")
            self.at_most(f"{work} a request: neither served nor refused with Retry-After", 0, got["unwell"])


def print_promises(rows):
    if not rows:
        return
    print()
    table([["what Lintel must reach", "wanted", "got", ""]] + [[r["what"], r["wanted"], number(r["got"]), "holds" if r["held"] else "MISSED"] for r in rows])
