// The npm peer: Fastify and pg, rows become objects, serialised by a response schema (what its documentation recommends).
// One process a core; WORKERS, POOL (connections each), PORT and DATABASE_URL come from the environment.
'use strict'
const cluster = require('cluster')
const WORKERS = Number(process.env.WORKERS || 2)
if (cluster.isPrimary) {
  for (let i = 0; i < WORKERS; i++) cluster.fork()
  process.on('SIGTERM', () => { for (const w of Object.values(cluster.workers)) w.process.kill('SIGTERM'); process.exit(0) })
  return
}

const pg = require('pg')
const COLS = 'id, name, description, price, tags, meta, created_at, tenant_id'
const Q = {
  get: `SELECT ${COLS} FROM items WHERE id = $1`,
  rls: `SELECT ${COLS} FROM items_rls WHERE id = $1`,
  list: `SELECT ${COLS} FROM items WHERE id > $1 ORDER BY id LIMIT $2`,
  export: `SELECT ${COLS} FROM items ORDER BY id LIMIT $1`,
  insert: `INSERT INTO items (name, price, tags, meta) VALUES ($1, $2, $3, $4) RETURNING ${COLS}`
}

pg.types.setTypeParser(20, Number)
pg.types.setTypeParser(1700, Number)
pg.types.setTypeParser(1184, s => s.replace(' ', 'T') + (s.length - s.lastIndexOf('+') === 3 ? ':00' : ''))
const url = new URL(process.env.DATABASE_URL.replace('@/', '@socket/'))
const size = Number(process.env.POOL || 8)
const pool = new pg.Pool({ host: url.searchParams.get('host'), user: url.username, database: url.pathname.slice(1), max: size, min: size })
const query = async (name, args) => (await pool.query({ name, text: Q[name], values: args })).rows
const inTenant = async (tenant, name, args) => {
  const c = await pool.connect()
  try {
    await c.query('BEGIN')
    await c.query({ name: 'tenant', text: "SELECT set_config('app.tenant', $1, true)", values: [tenant] })
    const r = await c.query({ name, text: Q[name], values: args })
    await c.query('COMMIT')
    return r.rows
  } finally { c.release() }
}

const app = require('fastify')({ logger: false, keepAliveTimeout: 75000 })
const item = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    name: { type: 'string' },
    description: { type: ['string', 'null'] },
    price: { type: 'number' },
    tags: { type: 'array', items: { type: 'string' } },
    meta: { type: 'object', additionalProperties: true },
    created_at: { type: 'string' },
    tenant_id: { type: 'integer' }
  }
}
const list = { type: 'array', items: item }
const id = { params: { type: 'object', properties: { id: { type: 'integer' } } } }
const one = (reply, rows) => rows.length ? reply.send(rows[0]) : reply.code(404).send()

app.get('/ping', { schema: { response: { 200: { type: 'object', properties: { message: { type: 'string' } } } } } },
  (req, reply) => { reply.send({ message: 'pong' }) })
app.get('/items/:id', { schema: { ...id, response: { 200: item } } },
  async (req, reply) => one(reply, await query('get', [req.params.id])))
app.get('/items', {
  schema: {
    querystring: {
      type: 'object',
      properties: {
        limit: { type: 'integer', default: 20, minimum: 1, maximum: 1000 },
        after: { type: 'integer', default: 0 }
      }
    },
    response: { 200: list }
  }
}, async (req, reply) => reply.send(await query('list', [req.query.after, req.query.limit])))
app.post('/items', {
  schema: {
    body: {
      type: 'object',
      required: ['name', 'price'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 200 },
        price: { type: 'number', minimum: 0 },
        tags: { type: 'array', maxItems: 20, items: { type: 'string' }, default: [] },
        meta: { type: 'object', default: {} }
      }
    },
    response: { 201: item }
  }
}, async (req, reply) => {
  const b = req.body
  reply.code(201)
  return one(reply, await query('insert', [b.name, b.price, b.tags, JSON.stringify(b.meta)]))
})
app.get('/rls/items/:id', { schema: { ...id, response: { 200: item } } },
  async (req, reply) => one(reply, await inTenant(req.headers['x-tenant'], 'rls', [req.params.id])))
app.get('/export', {
  schema: { querystring: { type: 'object', properties: { n: { type: 'integer' } } }, response: { 200: list } }
}, async (req, reply) => reply.send(await query('export', [req.query.n])))

app.listen({ host: '127.0.0.1', port: Number(process.env.PORT || 8102) })
