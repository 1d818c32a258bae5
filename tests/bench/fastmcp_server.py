"""The peer of the server_list benchmark: FastMCP over SQLite, with a bearer checked against the database on every call.

Usage: fastmcp_server.py DATABASE PORT TOKENS
"""

import hashlib
import random
import sqlite3
import sys
import time

from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, TokenVerifier
from pydantic import BaseModel

database, port, tokens = sys.argv[1], int(sys.argv[2]), sys.argv[3]

connection = sqlite3.connect(database, check_same_thread=False)
connection.row_factory = sqlite3.Row
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE tokens (hash TEXT PRIMARY KEY, name TEXT, scopes TEXT, expires_at REAL)")
connection.execute(
    "CREATE TABLE servers (id TEXT PRIMARY KEY, name TEXT, status TEXT, agent TEXT, at_ms INTEGER, cpu_ratio REAL,"
    " memory_used_bytes INTEGER, memory_total_bytes INTEGER, swap_used_bytes INTEGER, disk_ratio REAL, load1 REAL,"
    " rx_bytes_per_sec INTEGER, tx_bytes_per_sec INTEGER, disk_read_bytes_per_sec INTEGER,"
    " disk_write_bytes_per_sec INTEGER, uptime_secs INTEGER, apps INTEGER)"
)
with open(tokens) as lines:
    for number, line in enumerate(lines):
        digest = hashlib.sha256(line.strip().encode()).hexdigest()
        row = (digest, f"token-{number}", "read", time.time() + 86400)
        connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", row)
for number in range(100):
    row = (
        f"srv-{number:012}", f"bench-{number:04}", "up", "online", int(time.time() * 1000), random.random(),
        random.randrange(1 << 34), 1 << 34, 0, random.random(), random.random() * 4, random.randrange(1 << 20),
        random.randrange(1 << 20), random.randrange(1 << 20), random.randrange(1 << 20), random.randrange(1 << 20), 0,
    )
    connection.execute(f"INSERT INTO servers VALUES ({', '.join('?' * 17)})", row)
connection.commit()


class Vitals(BaseModel):
    at_ms: int
    cpu_ratio: float
    memory_used_bytes: int
    memory_total_bytes: int
    swap_used_bytes: int
    disk_ratio: float
    load1: float
    rx_bytes_per_sec: int
    tx_bytes_per_sec: int
    disk_read_bytes_per_sec: int
    disk_write_bytes_per_sec: int
    uptime_secs: int


class Server(BaseModel):
    id: str
    name: str
    status: str
    agent: str
    labels: dict[str, str]
    vitals: Vitals
    apps: int


class ServerList(BaseModel):
    servers: list[Server]
    total: int


class Verifier(TokenVerifier):
    async def verify_token(self, token: str) -> AccessToken | None:
        digest = hashlib.sha256(token.encode()).hexdigest()
        row = connection.execute("SELECT * FROM tokens WHERE hash = ?", (digest,)).fetchone()
        if row is None or row["expires_at"] < time.time():
            return None
        return AccessToken(token=token, client_id=row["name"], scopes=row["scopes"].split(","))


server = FastMCP("peer", auth=Verifier())


@server.tool
def server_list(limit: int = 20) -> ServerList:
    """Servers by name with status and newest figures."""
    rows = connection.execute("SELECT * FROM servers ORDER BY name LIMIT ?", (limit,)).fetchall()
    found = [
        Server(
            id=row["id"], name=row["name"], status=row["status"], agent=row["agent"], labels={"fleet": "bench"},
            vitals=Vitals(**{name: row[name] for name in Vitals.model_fields}), apps=row["apps"],
        )
        for row in rows
    ]
    total = connection.execute("SELECT count(*) FROM servers").fetchone()[0]
    return ServerList(servers=found, total=total)


server.run(
    transport="http", host="127.0.0.1", port=port, path="/mcp", stateless_http=True, json_response=True,
    log_level="error", show_banner=False,
)
