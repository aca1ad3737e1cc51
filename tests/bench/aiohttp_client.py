"""The same exchanges on Python's event loop: aiohttp, one session, a worker for
each exchange that may be under way at once.

aiohttp_client.py update BASE_URL CONNECTOR_ID OPERATIONS CONCURRENCY CONFIG_FILE
aiohttp_client.py list BASE_URL EXPECTED
"""
import asyncio
import base64
import json
import os
import sys

import aiohttp

CLUSTER = "7568431c-88d5-4409-a808-2167f22a7133"


def new_session(concurrency):
    pair = os.environ["UPSTASH_EMAIL"] + ":" + os.environ["UPSTASH_API_KEY"]
    return aiohttp.ClientSession(
        headers={"Content-Type": "application/json", "Accept": "application/json",
                 "Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
        connector=aiohttp.TCPConnector(limit=concurrency),
        raise_for_status=True,
    )


async def update(session, url, turns, config):
    for _ in turns:
        body = json.dumps(config, separators=(",", ":"))
        async with session.post(url, data=body) as response:
            connector = await response.json()
        if connector["state"] != "running" or len(connector["tasks"]) != 1:
            raise RuntimeError("unexpected state " + connector["state"])


async def update_all(base, connector_id, operations, concurrency, path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    url = f"{base}/update-connector/{connector_id}"
    turns = iter(range(operations))  # shared: whoever is free takes the next
    async with new_session(concurrency) as session:
        await asyncio.gather(*(update(session, url, turns, config) for _ in range(concurrency)))


async def list_failed(base, expected):
    async with new_session(1) as session:
        async with session.get(f"{base}/connectors/{CLUSTER}") as response:
            connectors = await response.json()
    failed = [c for c in connectors if c["connector_state"].lower() == "failed"]
    if len(failed) != expected:
        raise RuntimeError(f"{len(failed)} are failed, not {expected}")


if __name__ == "__main__":
    if sys.argv[1] == "update":
        asyncio.run(update_all(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]),
                               sys.argv[6]))
    else:
        asyncio.run(list_failed(sys.argv[2], int(sys.argv[3])))
