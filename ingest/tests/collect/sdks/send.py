"""Segment's SDK for Python, as it is: sends what a program would, and prints what it was told.

usage: send.py HOST KEY [gzip]
"""

import datetime
import json
import sys

from segment.analytics.client import Client

host, key = sys.argv[1], sys.argv[2]
errors = []
client = Client(
    key,
    host=host,
    gzip="gzip" in sys.argv[3:],
    on_error=lambda error, items: errors.append({"error": str(error), "items": len(items)}),
    max_retries=5,
)
at = datetime.datetime(2026, 1, 31, 9, 0, 0, 500000, tzinfo=datetime.timezone.utc)
client.identify("py-1", {"plan": "pro", "seats": 3, "born": datetime.date(1990, 5, 17)}, timestamp=at)
client.track("py-1", "bought", {"price": 9.5, "tags": ["a", "b"], "é": "日本"}, timestamp=at, message_id="py-bought")
client.track(None, "looked", {}, anonymous_id="py-anonymous")
client.page("py-1", "Docs", "Start", {"path": "/start"})
client.screen("py-1", None, "Home")
client.group("py-1", "acme", {"size": 12})
client.alias("py-anonymous", "py-1")
for n in range(250):
    client.track("py-1", "many", {"n": n})
client.flush()
client.join()
print(json.dumps(errors))
