"""One create with requests under urllib3's Retry, as people write it. Ends with 0 when it says that
the connector was made. Arguments: the URL and the user; the body is on standard input."""
import os
import sys

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

retry = Retry(total=4, allowed_methods=None, status_forcelist=[429, 500, 502, 503, 504])
session = requests.Session()
session.trust_env = False
session.mount("http://", HTTPAdapter(max_retries=retry))
answer = session.post(sys.argv[1], data=sys.stdin.buffer.read(), timeout=60,
                      headers={"Content-Type": "application/json"},
                      auth=(sys.argv[2], os.environ["FAULTS_SECRET"]))
answer.raise_for_status()
answer.json()
