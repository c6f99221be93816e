// What the experiments stand on: the harness of the end-to-end tests, outside of a test. Everything is gone at the end.
import { serve, startPostgres } from "../../tests/lib/lintel.mjs";

/** settings: of PostgreSQL; the rest as serve() takes it. Calls back with the running server. */
export async function staged({ settings = {}, ...options }, experiment) {
  const undo = [];
  const t = { after: (action) => undo.push(action), diagnostic: console.log };
  try {
    const postgres = await startPostgres({ own: true, t, settings: { shared_buffers: "512MB", ...settings } });
    await experiment(await serve(t, { postgres, expectExit: null, ...options }));
  } finally {
    for (const action of undo.reverse()) await action();
  }
  process.exit(0);
}
