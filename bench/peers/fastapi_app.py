"""The Python peer: FastAPI and asyncpg as their documentation shows them, rows become objects, serialised by ujson.

Run: uvicorn fastapi_app:app --workers 2 --loop uvloop --http httptools; POOL (connections each) and DATABASE_URL from the environment."""
import os
from typing import Any, Dict, List

import asyncpg
import ujson
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import UJSONResponse
from pydantic import BaseModel, Field, constr

COLS = "id, name, description, price, tags, meta, created_at, tenant_id"
GET = f"SELECT {COLS} FROM items WHERE id = $1"
GET_RLS = f"SELECT {COLS} FROM items_rls WHERE id = $1"
LIST = f"SELECT {COLS} FROM items WHERE id > $1 ORDER BY id LIMIT $2"
EXPORT = f"SELECT {COLS} FROM items ORDER BY id LIMIT $1"
INSERT = f"INSERT INTO items (name, price, tags, meta) VALUES ($1, $2, $3, $4) RETURNING {COLS}"

app = FastAPI(default_response_class=UJSONResponse, openapi_url=None)


class NewItem(BaseModel):
    name: constr(strict=True, min_length=1, max_length=200)
    price: float = Field(ge=0)
    tags: List[str] = Field(default=[], max_items=20)
    meta: Dict[str, Any] = {}


@app.on_event("startup")
async def startup():
    async def init(con):
        await con.set_type_codec("jsonb", schema="pg_catalog", encoder=ujson.dumps, decoder=ujson.loads)
        await con.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=float)
    size = int(os.environ.get("POOL", "8"))
    app.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], init=init, min_size=size, max_size=size)


def row_dict(r):
    d = dict(r)
    d["created_at"] = d["created_at"].isoformat()
    return d


@app.get("/ping")
async def ping():
    return {"message": "pong"}


async def send_one(con, query, *args):
    r = await con.fetchrow(query, *args)
    if r is None:
        raise HTTPException(404)
    return UJSONResponse(row_dict(r))


async def send_many(query, *args):
    return UJSONResponse([row_dict(r) for r in await app.pool.fetch(query, *args)])


@app.get("/items/{id}")
async def get_item(id: int):
    return await send_one(app.pool, GET, id)


@app.get("/items")
async def list_items(limit: int = 20, after: int = 0):
    return await send_many(LIST, after, limit)


@app.post("/items", status_code=201)
async def add_item(item: NewItem):
    r = await send_one(app.pool, INSERT, item.name, repr(item.price), item.tags, item.meta)
    r.status_code = 201
    return r


@app.get("/rls/items/{id}")
async def get_rls(id: int, x_tenant: str = Header(...)):
    async with app.pool.acquire() as con:
        async with con.transaction():
            await con.execute("SELECT set_config('app.tenant', $1, true)", x_tenant)
            return await send_one(con, GET_RLS, id)


@app.get("/export")
async def export(n: int = 1000):
    return await send_many(EXPORT, n)
