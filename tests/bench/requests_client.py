"""The same exchanges as most people would write them: Python requests, a
session, `json()`. Threads where several are wanted at once.

requests_client.py update BASE_URL CONNECTOR_ID OPERATIONS CONCURRENCY CONFIG_FILE
requests_client.py list BASE_URL EXPECTED
"""
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import requests

CLUSTER = "7568431c-88d5-4409-a808-2167f22a7133"


def new_session():
    session = requests.Session()
    session.auth = (os.environ["UPSTASH_EMAIL"], os.environ["UPSTASH_API_KEY"])
    session.headers.update({"Content-Type": "application/json", "Accept": "application/json"})
    return session


def update(url, operations, config):
    with new_session() as session:
        for _ in range(operations):
            body = json.dumps(config, separators=(",", ":"))
            response = session.post(url, data=body, timeout=60)
            response.raise_for_status()
            connector = response.json()
            if connector["state"] != "running" or len(connector["tasks"]) != 1:
                raise RuntimeError("unexpected state " + connector["state"])


def update_all(base, connector_id, operations, concurrency, path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    url = f"{base}/update-connector/{connector_id}"
    shares = [len(range(i, operations, concurrency)) for i in range(concurrency)]
    with ThreadPoolExecutor(concurrency) as pool:
        for future in [pool.submit(update, url, share, config) for share in shares]:
            future.result()


def list_failed(base, expected):
    with new_session() as session:
        response = session.get(f"{base}/connectors/{CLUSTER}", timeout=60)
        response.raise_for_status()
        failed = [c for c in response.json() if c["connector_state"].lower() == "failed"]
    if len(failed) != expected:
        raise RuntimeError(f"{len(failed)} are failed, not {expected}")


if __name__ == "__main__":
    if sys.argv[1] == "update":
        update_all(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
    else:
        list_failed(sys.argv[2], int(sys.argv[3]))
